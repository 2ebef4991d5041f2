// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Scanning in two tiers. On a host with many tasks nearly all are idle: a full
 * walk each few seconds tells who runs at all, and the passes in between visit
 * only those, and who was just born. A process that wakes after a long sleep is
 * seen by the next full walk, with all it used: the ledger is cumulative.
 */

#include "base/clock.h"
#include "sensor/sensor_priv.h"

#define TIER_TASKS 5000 /* from here on a full walk each second costs more than it tells */
#define TIER_LOW   4000 /* and below this again not: no flapping in between */
#define FULL_NS	   (5 * NSEC_PER_SEC)
#define HOT_NS	   (2 * FULL_NS) /* survives one full walk that happens to miss it */
/* In a storm everybody is hot for a moment: beyond this a full walk is cheaper than the memory. */
#define HOT_KEEP_MAX (4 * RW_HOT_MAX)

static void note(struct runaway_sensor *s, uint32_t tid, uint64_t now_ns)
{
	struct hot_thread *t;

	HASH_FIND(hh, s->hot, &tid, sizeof(tid), t);
	if (!t) {
		if (HASH_COUNT(s->hot) >= HOT_KEEP_MAX) {
			s->hot_overflow = true;
			return;
		}
		t = calloc(1, sizeof(*t));
		if (!t)
			return;
		t->tid = tid;
		HASH_ADD(hh, s->hot, tid, sizeof(t->tid), t);
	}
	t->until_ns = now_ns + HOT_NS;
}

static void forget(struct runaway_sensor *s, uint32_t tid)
{
	struct hot_thread *t;

	HASH_FIND(hh, s->hot, &tid, sizeof(tid), t);
	if (!t)
		return;
	HASH_DEL(s->hot, t);
	free(t);
}

void sensor_hot_note(struct runaway_sensor *s, const struct rw_hdr *rec)
{
	const struct rw_fork *fork = (const void *)rec;
	const struct rw_task *task = (const void *)rec;
	const struct rw_free *gone = (const void *)rec;
	const struct rw_cpu *cpu = (const void *)rec;

	if (!s->tiered)
		return;
	if (rec->type == RW_FORK)
		note(s, fork->id.pid, rec->time_ns);
	else if (rec->type == RW_TASK && task->flags & RW_TF_RAN)
		note(s, task->id.pid, rec->time_ns);
	else if (rec->type == RW_CPU)
		note(s, cpu->tid, rec->time_ns);
	else if (rec->type == RW_FREE)
		forget(s, gone->id.pid);
}

void sensor_hot_free(struct runaway_sensor *s)
{
	struct hot_thread *t, *tmp;

	HASH_ITER (hh, s->hot, t, tmp) {
		HASH_DEL(s->hot, t);
		free(t);
	}
}

/* Judged by the last full walk: the set of hot ones is filled by the one that follows. */
static void choose_tier(struct runaway_sensor *s)
{
	if (!s->features.hot_pass || s->stats.scan_tasks < TIER_LOW) {
		s->tiered = false;
		sensor_hot_free(s);
	} else if (s->stats.scan_tasks > TIER_TASKS) {
		s->tiered = true;
	}
}

bool sensor_hot_may_scan(struct runaway_sensor *s, bool resync, uint64_t now_ns)
{
	bool was = s->tiered;

	choose_tier(s);
	if (s->hot_overflow) {
		/* The full walk that follows tells who runs. */
		s->hot_overflow = false;
		sensor_hot_free(s);
		return false;
	}
	return s->tiered && was && !resync && now_ns - s->last_full_ns < FULL_NS;
}

int sensor_hot_scan(struct runaway_sensor *s, uint64_t now_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct hot_thread *t, *tmp;
	uint32_t n = 0;

	HASH_ITER (hh, s->hot, t, tmp) {
		if (t->until_ns < now_ns) {
			HASH_DEL(s->hot, t);
			free(t);
			continue;
		}
		if (n == RW_HOT_MAX)
			return -ENOBUFS;
		s->skel->bss->rw_hot_tid[n++] = t->tid;
	}
	s->skel->bss->rw_hot_count = n;
	return bpf_prog_test_run_opts(s->hot_prog_fd, &opts);
}
