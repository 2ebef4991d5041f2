// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dead whose release went unnoticed. A program run that the kernel skips (from 7.0
 * on it does under ordinary load) removes no entry, and in time the maps would be full
 * of them. After a resync whoever the walk did not mark is under suspicion, and removed
 * when the next look, a good while later, says the same: what is being released just
 * now must keep its entry, or its CPU would be counted twice.
 */

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define SWEEP_NS    (30 * NSEC_PER_SEC) /* overloaded kernels release tasks seconds late */
#define SWEEP_BATCH 256

struct swept_map {
	uint32_t index;
	int fd;
	size_t value_size, seen_offset;
};

/* Both values begin with the start time. */
static_assert(offsetof(struct rw_proc, start_ns) == 0, "rw_proc");
static_assert(offsetof(struct rw_thread, start_ns) == 0, "rw_thread");

static uint64_t start_of(const void *value)
{
	uint64_t start_ns;

	memcpy(&start_ns, value, sizeof(start_ns));
	return start_ns;
}

static bool unmarked(const struct runaway_sensor *s, const struct swept_map *map, const void *value)
{
	uint32_t seen;

	memcpy(&seen, (const char *)value + map->seen_offset, sizeof(seen));
	return seen != s->skel->bss->rw_resyncs;
}

/* Has it been under suspicion since the last sweep? */
static bool suspect(struct runaway_sensor *s, const struct stale_key *key)
{
	struct stale_entry *e;
	bool before;

	HASH_FIND(hh, s->stale, key, sizeof(*key), e);
	before = e;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return false;
		e->key = *key;
		HASH_ADD(hh, s->stale, key, sizeof(*key), e);
	}
	e->round = s->sweep_round;
	return before;
}

/* Its number may have been given away again in the meantime: looked at once more. */
static void remove_entry(struct runaway_sensor *s, const struct swept_map *map,
			 const struct stale_key *key)
{
	char value[sizeof(struct rw_proc)];

	if (bpf_map_lookup_elem(map->fd, &key->number, value) == 0 &&
	    start_of(value) == key->start_ns && unmarked(s, map, value) &&
	    bpf_map_delete_elem(map->fd, &key->number) == 0)
		s->stats.swept++;
}

static int sweep_map(struct runaway_sensor *s, const struct swept_map *map, uint64_t began_ns)
{
	char values[SWEEP_BATCH * sizeof(struct rw_proc)];
	uint32_t keys[SWEEP_BATCH], cursor = 0, count;
	bool first = true;
	int r;

	do {
		count = SWEEP_BATCH;
		r = bpf_map_lookup_batch(map->fd, first ? NULL : &cursor, &cursor, keys, values,
					 &count, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < count; i++) {
			const char *value = values + i * map->value_size;
			const struct stale_key key = {
				.start_ns = start_of(value),
				.number = keys[i],
				.map = map->index,
			};

			if (key.start_ns < began_ns && unmarked(s, map, value) && suspect(s, &key))
				remove_entry(s, map, &key);
		}
		first = false;
	} while (r == 0);
	return 0;
}

/* Cleared of suspicion, or removed. */
static void forget(struct runaway_sensor *s, bool all)
{
	struct stale_entry *e, *tmp;

	HASH_ITER (hh, s->stale, e, tmp) {
		if (!all && e->round == s->sweep_round)
			continue;
		HASH_DEL(s->stale, e);
		free(e);
	}
}

void sensor_sweep(struct runaway_sensor *s, uint64_t began_ns)
{
	const struct swept_map maps[] = {
		{ 0, bpf_map__fd(s->skel->maps.rw_procs), sizeof(struct rw_proc),
		  offsetof(struct rw_proc, seen) },
		{ 1, bpf_map__fd(s->skel->maps.rw_threads), sizeof(struct rw_thread),
		  offsetof(struct rw_thread, seen) },
	};
	int r;

	if (began_ns - s->swept_ns < SWEEP_NS)
		return;
	s->swept_ns = began_ns;
	s->sweep_round++;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		r = sweep_map(s, &maps[i], began_ns);
		/* Before 5.19 a process without privilege may not look at all; there runs are
		 * skipped so rarely that the maps outlive the host. */
		if (r == -EPERM)
			return;
		if (r < 0)
			log_warning_errno(r, "cannot look through the kernel side's maps");
	}
	forget(s, false);
}

void sensor_sweep_free(struct runaway_sensor *s)
{
	forget(s, true);
}
