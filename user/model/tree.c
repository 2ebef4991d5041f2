/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An orphan's tree: what it burned, what of it lives, and the timeline of both. */

#include "model/internal.h"

/* Depth first; not `whole`: without the trees of orphans below. */
static const struct runaway_proc *step(const struct runaway_proc *root,
				       const struct runaway_proc *p, bool whole)
{
	const struct runaway_proc *next = p->child_head;

	for (;;) {
		while (next && next->orphan && !whole)
			next = next->child_next;
		if (next)
			return next;
		if (p == root)
			return NULL;
		next = p->child_next;
		p = p->parent_proc;
	}
}

/*
 * Next process of the tree of `root` in depth-first order, NULL at the end.
 * Trees of orphans below (under a subreaper that is an orphan itself) are
 * their own and left out.
 */
const struct runaway_proc *tree_next(const struct runaway_proc *root, const struct runaway_proc *p)
{
	return step(root, p, false);
}

const struct runaway_proc *runaway_proc_tree_next(const struct runaway_proc *root,
						  const struct runaway_proc *p)
{
	return step(root, p, true);
}

uint64_t tree_cpu(const struct runaway_proc *root)
{
	uint64_t sum = 0;

	for (const struct runaway_proc *p = root; p; p = tree_next(root, p))
		sum += p->cpu_ns;
	return sum;
}

/* ---- timeline ---- */
static void merge_pairs(struct runaway_timeline *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i += 2)
		t->point[kept++] = t->point[i];
	t->count = kept;
	t->spacing_ns *= 2;
}

/* Ticks jitter: a point that is nearly due is taken. */
static bool is_due(const struct runaway_timeline *t, uint64_t at_ns)
{
	return t->count == 0 ||
	       at_ns + TIMELINE_JITTER_NS >= t->point[t->count - 1].at_ns + t->spacing_ns;
}

void timeline_add(struct runaway_timeline *t, const struct runaway_point *pt)
{
	if (!is_due(t, pt->at_ns))
		return;
	if (t->count == RUNAWAY_TIMELINE_MAX) {
		merge_pairs(t);
		if (!is_due(t, pt->at_ns))
			return;
	}
	t->point[t->count++] = *pt;
}

static void timeline_tick(struct runaway_model *m, struct runaway_proc *p, uint64_t now_ns)
{
	struct runaway_orphan *o = p->orphan;
	const struct runaway_point pt = {
		.at_ns = now_ns,
		.cpu_ns = o->tree_cpu_ns,
		.processes = o->processes,
		.rss_bytes = o->rss_bytes,
	};

	if (!o->timeline && o->cores > TIMELINE_MIN_CORES && m->timelines < TIMELINES_MAX) {
		o->timeline = calloc(1, sizeof(*o->timeline));
		if (!o->timeline)
			return;
		o->timeline->spacing_ns = NSEC_PER_SEC;
		m->timelines++;
	}
	if (o->timeline)
		timeline_add(o->timeline, &pt);
}

void tree_count(struct runaway_proc *root)
{
	struct runaway_orphan *o = root->orphan;

	o->processes = 0;
	o->rss_bytes = 0;
	for (const struct runaway_proc *p = root; p; p = tree_next(root, p)) {
		if (p->state != RUNAWAY_ALIVE)
			continue;
		o->processes++;
		o->rss_bytes += p->rss_bytes;
	}
}

double tree_cores(const struct runaway_model *m, const struct runaway_proc *root)
{
	double sum = 0;

	for (const struct runaway_proc *p = root; p; p = tree_next(root, p))
		sum += runaway_proc_cores(m, p);
	return sum;
}

void tree_tick(struct runaway_model *m, uint64_t now_ns)
{
	for (struct runaway_proc *p = m->orphan_head; p; p = p->orphan_next) {
		struct runaway_orphan *o = p->orphan;

		if (now_ns > o->window_start_ns) {
			o->cores = (double)(o->tree_cpu_ns - o->window_cpu_ns) /
				   (double)(now_ns - o->window_start_ns);
			o->window_start_ns = now_ns;
			o->window_cpu_ns = o->tree_cpu_ns;
		}
		tree_count(p);
		timeline_tick(m, p, now_ns);
	}
}
