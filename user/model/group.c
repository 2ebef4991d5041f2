/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orphans of one process group that run the same executable are one subject. */

#include <string.h>

#include "model/internal.h"

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* By inode where it is known, else by path, else by name; the kinds do not mix. */
static int compare_exe(const struct runaway_proc *a, const struct runaway_proc *b)
{
	const struct runaway_image *x = a->image, *y = b->image;
	int kx = x && x->exe_ino ? 2 : x && x->exe ? 1 : 0;
	int ky = y && y->exe_ino ? 2 : y && y->exe ? 1 : 0;

	if (kx != ky)
		return kx - ky;
	if (kx == 2 && x->exe_ino != y->exe_ino)
		return compare_u64(x->exe_ino, y->exe_ino);
	if (kx == 2)
		return compare_u64(x->exe_dev, y->exe_dev);
	return kx == 1 ? strcmp(x->exe, y->exe) : strcmp(a->comm, b->comm);
}

/*
 * Same group; an unknown process group is nobody's fellow. Who was left behind
 * on purpose does not answer for those who were not: a step that a container
 * runtime started hangs under its subreaper by design, the shell that the step
 * lost runs the same file in the same group.
 */
static int compare_group(const struct runaway_proc *a, const struct runaway_proc *b)
{
	int c = compare_u64(a->pgid, b->pgid);

	if (c == 0 && a->pgid == 0)
		c = compare_u64(a->id.pid, b->id.pid);
	if (c == 0)
		c = (int)a->orphan->by_design - (int)b->orphan->by_design;
	return c ? c : compare_exe(a, b);
}

static int compare_orphans(const void *pa, const void *pb)
{
	const struct runaway_proc *a = *(struct runaway_proc *const *)pa;
	const struct runaway_proc *b = *(struct runaway_proc *const *)pb;
	int c = compare_group(a, b);

	if (c == 0)
		c = compare_u64(orphan_from_ns(a->orphan), orphan_from_ns(b->orphan));
	if (c == 0)
		c = compare_u64(a->id.start_ns, b->id.start_ns);
	return c ? c : compare_u64(a->id.pid, b->id.pid);
}

/* Room for n orphans and as many groups. */
static int reserve(struct group_table *t, size_t n)
{
	struct runaway_proc **orphan;
	struct runaway_group *group;

	if (n <= t->orphan_cap && n <= t->cap)
		return 0;
	n = MAX(n, t->orphan_cap * 2);
	orphan = realloc(t->orphan, n * sizeof(*orphan));
	if (!orphan)
		return -ENOMEM;
	t->orphan = orphan;
	t->orphan_cap = n;
	group = realloc(t->group, n * sizeof(*group));
	if (!group)
		return -ENOMEM;
	t->group = group;
	t->cap = n;
	return 0;
}

static void add_to_group(struct runaway_group *g, const struct runaway_proc *p)
{
	const struct runaway_orphan *o = p->orphan;

	g->orphan_count++;
	g->cores += o->cores;
	g->cpu_ns += o->tree_cpu_ns;
	g->rss_bytes += o->rss_bytes;
	g->processes += o->processes;
}

/* Since when there is a group whose root is p: those who led it before may have ended. */
static uint64_t group_since(const struct runaway_proc *p)
{
	const struct runaway_orphan *o = p->orphan;
	uint64_t from_ns = orphan_from_ns(o);

	return o->group_since_ns ? MIN(from_ns, o->group_since_ns) : from_ns;
}

void groups_make(struct runaway_model *m)
{
	struct group_table *t = m->groups;
	struct runaway_group *g = NULL;
	size_t n = 0;

	t->count = 0;
	t->stale = false;
	if (reserve(t, m->orphans) < 0)
		return;
	for (struct runaway_proc *p = m->orphan_head; p; p = p->orphan_next) {
		p->orphan->by_design = runaway_proc_daemonised(m, p) == RUNAWAY_DAEMONISED_YES;
		t->orphan[n++] = p;
	}
	if (n)
		qsort(t->orphan, n, sizeof(t->orphan[0]), compare_orphans);
	for (size_t i = 0; i < n; i++) {
		if (!g || compare_group(g->root, t->orphan[i]) != 0) {
			g = &t->group[t->count++];
			*g = (struct runaway_group){ .root = t->orphan[i],
						     .orphan = &t->orphan[i] };
			g->since_ns = group_since(g->root);
			g->daemonised = runaway_proc_daemonised(m, g->root);
		}
		add_to_group(g, t->orphan[i]);
	}
}

static void remember(const struct runaway_model *m, struct runaway_group *g)
{
	struct runaway_id root = g->root->id, before = g->root->orphan->group_root;
	const struct runaway_proc *old = process_find(m, before);

	if (runaway_id_eq(before, root))
		before = (struct runaway_id){ 0 };
	/* It left the others: they go on without it, and it has nothing of theirs. */
	if (before.pid && old && old->listed && compare_group(old, g->root) != 0) {
		before = (struct runaway_id){ 0 };
		g->since_ns = orphan_from_ns(g->root->orphan);
	}
	for (size_t i = 0; i < g->orphan_count; i++) {
		struct runaway_orphan *o = g->orphan[i]->orphan;

		o->group_root = root;
		o->group_root_before = before;
		o->group_since_ns = g->since_ns;
	}
}

void groups_tick(struct runaway_model *m)
{
	groups_make(m);
	for (size_t i = 0; i < m->groups->count; i++)
		remember(m, &m->groups->group[i]);
}

const struct runaway_proc *runaway_model_group_root(const struct runaway_model *m,
						    struct runaway_id id)
{
	const struct runaway_proc *p = process_find(m, id);
	const struct runaway_group *g;
	size_t count;

	if (p && p->listed)
		return process_find(m, p->orphan->group_root);
	g = runaway_model_groups(m, &count);
	for (size_t i = 0; i < count; i++)
		if (runaway_id_eq(g[i].root->orphan->group_root_before, id))
			return g[i].root;
	return NULL;
}

void groups_free(struct group_table *t)
{
	if (!t)
		return;
	free(t->group);
	free(t->orphan);
	free(t);
}

const struct runaway_group *runaway_model_groups(const struct runaway_model *m, size_t *ret_count)
{
	/* The table is a view: making it anew after an orphan ended changes nothing in the model.
	 */
	if (m->groups->stale)
		groups_make((struct runaway_model *)m);
	*ret_count = m->groups->count;
	return m->groups->group;
}
