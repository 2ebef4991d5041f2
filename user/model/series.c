/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU of cgroups: charged to the whole chain of ancestors, and to the bounded
 * set of series. A nanosecond that no series takes goes to `other`; it is never
 * moved afterwards, so that no series ever goes back.
 */

#include "model/internal.h"

/* A cgroup that burns a hundredth of a core may take the slot of one that was idle for ten minutes.
 */
#define SERIES_CORES_MIN 0.01
#define SERIES_IDLE_NS	 (600 * NSEC_PER_SEC)

static void make_hot(struct runaway_model *m, struct runaway_cgroup *cg)
{
	if (cg->hot)
		return;
	cg->hot = true;
	/* It did not run since the last tick: what it had then is what it has now. */
	cg->window_cpu_ns = cg->total_cpu_ns;
	cg->window_start_ns = MAX(m->tick.at_ns, cg->first_seen_ns);
	cg->hot_next = m->cgroup_hot;
	m->cgroup_hot = cg;
}

void cgroup_credit(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t delta)
{
	bool taken = false;

	for (int i = 0; cg && i < CGROUP_CLIMB_MAX; i++) {
		make_hot(m, cg);
		cg->total_cpu_ns += delta;
		if (cg->has_series) {
			cg->series_cpu_ns += delta;
			taken = taken || !cgroup_is_root(cg);
		}
		cg = cg->parent_id ? runaway_model_cgroup(m, cg->parent_id) : NULL;
	}
	if (!taken)
		m->counters.other_cgroup_cpu_ns += delta;
}

/* The root's series is beside the slots: it says what the whole host burned. */
bool series_give(struct runaway_model *m, struct runaway_cgroup *cg)
{
	if (cgroup_is_root(cg)) {
		series_take(m, cg);
		cg->has_series = true;
		return true;
	}
	if (cg->has_series || m->series_used >= m->limits.series)
		return cg->has_series;
	cg->has_series = cg->series_slot = true;
	m->series_used++;
	return true;
}

void series_take(struct runaway_model *m, struct runaway_cgroup *cg)
{
	if (cg->series_slot)
		m->series_used--;
	cg->has_series = cg->series_slot = false;
}

/* The busiest that has none. */
static struct runaway_cgroup *first_in_line(const struct runaway_model *m)
{
	struct runaway_cgroup *best = NULL;

	for (struct runaway_cgroup *cg = m->cgroup_hot; cg; cg = cg->hot_next)
		if (!cg->has_series && !cg->removed_ns && (!best || cg->cores > best->cores))
			best = cg;
	return best;
}

/* Who holds a slot for nothing: never burned anything, or long ago; the longest idle of them. */
static struct runaway_cgroup *idle_holder(const struct runaway_model *m, uint64_t now_ns)
{
	struct runaway_cgroup *found = NULL;

	for (struct runaway_cgroup *cg = m->cgroups; cg; cg = cg->hh.next)
		if (cg->series_slot && !cg->hot &&
		    (cg->series_cpu_ns == 0 || now_ns - cg->ran_ns > SERIES_IDLE_NS) &&
		    (!found || cg->ran_ns < found->ran_ns))
			found = cg;
	return found;
}

void series_refill(struct runaway_model *m, uint64_t now_ns)
{
	struct runaway_cgroup *next = first_in_line(m), *idle;

	while (next && m->series_used < m->limits.series && series_give(m, next))
		next = first_in_line(m);
	/* One a tick is enough, and looking for it costs a look at all of them. */
	idle = next && next->cores >= SERIES_CORES_MIN ? idle_holder(m, now_ns) : NULL;
	if (idle) {
		series_take(m, idle);
		series_give(m, next);
	}
}
