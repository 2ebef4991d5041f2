/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans are the truth: what a complete one did not see is gone, and what was lost is asked for. */

#include "model/internal.h"

static void want_resync(struct runaway_model *m, const char *why, uint64_t at_ns)
{
	/* The latest loss counts: only a scan that began after it heals it. */
	m->scan.resync_ns = at_ns;
	if (!m->scan.resync)
		m->scan.resync = why;
}

bool runaway_model_wants_resync(const struct runaway_model *m)
{
	return m->scan.resync != NULL;
}

const char *runaway_model_resync_reason(const struct runaway_model *m)
{
	return m->scan.resync;
}

int model_loss(struct runaway_model *m, const struct rw_loss *r)
{
	m->counters.lost_events += r->events;
	m->counters.lost_samples += r->samples;
	m->counters.misses += r->misses;
	/* A lost sample alone asks for nothing: the scan whose sample it was does. */
	if (r->events || r->misses || r->maps)
		want_resync(m, "loss", r->hdr.time_ns);
	return 0;
}

int model_scan_begin(struct runaway_model *m, const struct rw_scan *r)
{
	m->scan.accounting_ns = 0;
	cgroup_account(m, m->scan.account_ns);
	m->scan.active = true;
	m->scan.generation = r->generation;
	m->scan.prev_begin_ns = m->scan.begin_ns;
	m->scan.begin_ns = r->hdr.time_ns;
	return 0;
}

/* Whoever a complete scan did not write, and of whom nothing was heard since it began. */
static void sweep(struct runaway_model *m, uint64_t at_ns)
{
	struct runaway_proc *p, *next;

	for (p = m->by_pid; p; p = next) {
		next = p->hh_pid.next;
		if (p->scan_generation != m->scan.generation && p->touched_ns < m->scan.begin_ns)
			process_vanished(m, p, at_ns);
	}
}

/* Processes come and go while the walk runs: only what churn cannot explain is wrong. */
static void compare_count(struct runaway_model *m, const struct rw_scan *r)
{
	uint64_t ours = runaway_model_living(m), theirs = r->processes;
	uint64_t diff = ours > theirs ? ours - theirs : theirs - ours;

	if (m->scan.refused || diff <= m->scan.churn)
		m->scan.wrong = 0;
	else if (++m->scan.wrong >= 2)
		want_resync(m, "count", r->hdr.time_ns);
}

/* With some to spare, or the next one is turned away again. */
static bool has_room(size_t known, size_t limit)
{
	return known <= limit - limit / 16;
}

/* Room for what was turned away. */
static void look_for_room(struct runaway_model *m, uint64_t at_ns)
{
	bool processes = m->scan.refused && has_room(HASH_CNT(hh, m->by_id), m->limits.processes);
	bool cgroups = m->scan.cgroup_refused &&
		       has_room(HASH_CNT(hh, m->cgroups), m->limits.cgroups);

	if (processes)
		m->scan.refused = false;
	if (cgroups)
		m->scan.cgroup_refused = false;
	if (processes || cgroups)
		want_resync(m, "room", at_ns);
}

int model_scan_end(struct runaway_model *m, const struct rw_scan *r)
{
	bool good = !(r->flags & RW_SCAN_FAILED) && m->scan.active &&
		    r->generation == m->scan.generation;
	bool whole = good && !(r->flags & RW_SCAN_HOT);
	bool asked = whole && (r->flags & RW_SCAN_RESYNC);
	/* Who was seen and found no room in the ring looks like who was not seen. */
	bool lossy = r->flags & RW_SCAN_LOSSY, resync = asked && !lossy;

	if (resync)
		sweep(m, r->hdr.time_ns);
	/* The kernel side has told it, and would not do so again unless it is asked to. */
	if (good && lossy)
		want_resync(m, "loss", r->hdr.time_ns);
	m->scan.lossy = lossy;
	if (good && (r->flags & RW_SCAN_CGROUPS))
		cgroup_sweep(m, m->scan.begin_ns, r->hdr.time_ns);
	model_settle(m, r->hdr.time_ns);
	if (resync && m->scan.begin_ns >= m->scan.resync_ns) {
		m->scan.resync = NULL;
		m->scan.wrong = 0;
	} else if (whole && !asked) {
		compare_count(m, r);
	}
	m->scan.active = false;
	m->scan.churn = 0;
	m->scan.accounting_ns = asked ? r->hdr.time_ns : 0;
	look_for_room(m, r->hdr.time_ns);
	return 0;
}
