// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dead whose release went unnoticed. A program run that the kernel skips (from 7.0
 * on it does under ordinary load; one host's 6.18 runs none while a thread of its hidden pid 1
 * is current, not even for the releases that RCU tells in that thread's context, and does not
 * count them as skipped) removes no entry, and in time the maps would be full of them. Now and
 * then a walk marks everybody. Whoever it did not mark is under suspicion, and removed when the
 * next look, a good while later, says the same: what is being released just now must keep its
 * entry, or its CPU would be counted twice.
 */

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define SWEEP_NS    (30 * NSEC_PER_SEC) /* overloaded kernels release tasks seconds late */
#define DUE_NS	    (60 * NSEC_PER_SEC) /* without a resync */
#define SWEEP_BATCH 256

struct swept_map {
	uint32_t index;
	int fd;
	size_t key_size, value_size, seen_offset;
};

/* Both begin with the start time: the key of a process, the value of a thread. */
static_assert(offsetof(struct rw_id, start_ns) == 0, "rw_id");
static_assert(offsetof(struct rw_thread, start_ns) == 0, "rw_thread");

static struct stale_key identity(const struct swept_map *map, const void *key, const void *value)
{
	bool whole = map->key_size == sizeof(struct rw_id);
	struct stale_key id = { .map = map->index };

	memcpy(&id.start_ns, whole ? key : value, sizeof(id.start_ns));
	memcpy(&id.number, (const char *)key + (whole ? offsetof(struct rw_id, pid) : 0),
	       sizeof(id.number));
	return id;
}

static bool unmarked(const struct runaway_sensor *s, const struct swept_map *map, const void *value)
{
	uint32_t seen;

	memcpy(&seen, (const char *)value + map->seen_offset, sizeof(seen));
	return seen != s->skel->bss->rw_mark;
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
static void remove_entry(struct runaway_sensor *s, const struct swept_map *map, const void *key,
			 const struct stale_key *id)
{
	char value[sizeof(struct rw_proc)];

	if (bpf_map_lookup_elem(map->fd, key, value) == 0 &&
	    identity(map, key, value).start_ns == id->start_ns && unmarked(s, map, value) &&
	    bpf_map_delete_elem(map->fd, key) == 0)
		s->stats.swept++;
}

static int sweep_map(struct runaway_sensor *s, const struct swept_map *map, uint64_t began_ns)
{
	char values[SWEEP_BATCH * sizeof(struct rw_proc)], keys[SWEEP_BATCH * sizeof(struct rw_id)];
	uint32_t cursor = 0, count;
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
			const char *key = keys + i * map->key_size;
			const struct stale_key id = identity(map, key, value);

			if (id.start_ns < began_ns && unmarked(s, map, value) && suspect(s, &id))
				remove_entry(s, map, key, &id);
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

bool sensor_sweep_due(const struct runaway_sensor *s, uint64_t now_ns)
{
	return now_ns - s->swept_ns >= (s->stale ? SWEEP_NS : DUE_NS);
}

void sensor_sweep(struct runaway_sensor *s, uint64_t began_ns)
{
	const struct swept_map maps[] = {
		{ 0, bpf_map__fd(s->skel->maps.rw_procs), sizeof(struct rw_id),
		  sizeof(struct rw_proc), offsetof(struct rw_proc, seen) },
		{ 1, bpf_map__fd(s->skel->maps.rw_threads), sizeof(uint32_t),
		  sizeof(struct rw_thread), offsetof(struct rw_thread, seen) },
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
