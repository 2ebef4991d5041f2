/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of processes. Two indexes: everybody by identity, the living by
 * pid. `parent_proc` and the children lists join the living into a forest (never
 * a circle); `origin` joins everybody into the story of who forked whom.
 */

#include <string.h>

#include "model/internal.h"

struct runaway_proc *process_find(const struct runaway_model *m, struct runaway_id id)
{
	struct runaway_proc *p = NULL;

	HASH_FIND(hh, m->by_id, &id, ID_KEY_LEN, p);
	return p;
}

static struct runaway_proc *find_pid(const struct runaway_model *m, uint32_t pid)
{
	struct runaway_proc *p = NULL;

	HASH_FIND(hh_pid, m->by_pid, &pid, sizeof(pid), p);
	return p;
}

struct runaway_proc *process_living(const struct runaway_model *m, struct runaway_id id)
{
	struct runaway_proc *p = find_pid(m, id.pid);

	if (!p || (id.start_ns && p->id.start_ns != id.start_ns))
		return NULL;
	return p;
}

int id_list_add(struct id_list *l, struct runaway_id id)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct runaway_id *grown = realloc(l->id, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->id = grown;
		l->cap = cap;
	}
	l->id[l->count++] = id;
	return 0;
}

void process_pend(struct runaway_model *m, struct runaway_proc *p)
{
	if (!p->pending && id_list_add(&m->pending, p->id) == 0)
		p->pending = true;
}

/* The record of a process, in the table by identity only. */
static int process_make(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
			struct runaway_proc **ret)
{
	struct runaway_proc *p;

	if (HASH_CNT(hh, m->by_id) >= m->limits.processes) {
		m->counters.processes_full++;
		m->scan.refused = true;
		return -ENOSPC;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->id = id;
	p->first_seen_ns = p->touched_ns = at_ns;
	HASH_ADD(hh, m->by_id, id, ID_KEY_LEN, p);
	if (!p->hh.tbl) {
		free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

int process_new(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
		struct runaway_proc **ret)
{
	struct runaway_proc *p, *old = find_pid(m, id.pid);
	int r;

	if (old && old->id.start_ns > id.start_ns)
		return -ESTALE;
	if (old)
		process_vanished(m, old, at_ns);
	r = process_make(m, id, at_ns, &p);
	if (r < 0)
		return r;
	HASH_ADD(hh_pid, m->by_pid, id.pid, sizeof(p->id.pid), p);
	if (!p->hh_pid.tbl) {
		HASH_DELETE(hh, m->by_id, p);
		free(p);
		return -ENOMEM;
	}
	p->state = RUNAWAY_ALIVE;
	m->living++;
	m->scan.churn++;
	*ret = p;
	return 0;
}

int process_new_remembered(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
			   struct runaway_proc **ret)
{
	struct runaway_proc *p;
	int r;

	r = process_make(m, id, at_ns, &p);
	if (r < 0)
		return r;
	p->state = RUNAWAY_DEAD;
	p->exit_ns = at_ns;
	m->remembered++;
	*ret = p;
	return 0;
}

int process_new_dead(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
		     struct runaway_proc **ret)
{
	int r;

	if (m->held[0].count + m->held[1].count >= HELD_MAX)
		return -ENOSPC;
	r = process_new_remembered(m, id, at_ns, ret);
	if (r == 0)
		process_hold(m, *ret);
	return r;
}

void process_set_comm(struct runaway_proc *p, const char comm[static RW_COMM_LEN])
{
	size_t len = strnlen(comm, RW_COMM_LEN);

	memcpy(p->comm, comm, len);
	p->comm[len] = '\0';
}

void process_set_flags(struct runaway_model *m, struct runaway_proc *p, uint32_t flags)
{
	const uint32_t lasting = RW_TF_NS_INIT | RW_TF_SUBREAPER | RW_TF_KTHREAD;
	bool was = p->flags & RW_TF_KTHREAD, is = flags & RW_TF_KTHREAD;

	if (p->state != RUNAWAY_DEAD && was != is)
		m->kthreads += is ? 1 : -1;
	p->flags = flags & lasting;
}

/* ---- the forest of the living ---- */
static void unlink_parent(struct runaway_proc *p)
{
	struct runaway_proc *parent = p->parent_proc;

	if (!parent)
		return;
	if (p->child_prev)
		p->child_prev->child_next = p->child_next;
	else
		parent->child_head = p->child_next;
	if (p->child_next)
		p->child_next->child_prev = p->child_prev;
	p->parent_proc = p->child_prev = p->child_next = NULL;
}

/* Would p become its own ancestor? Ends because what is there is a forest. */
static bool closes_circle(const struct runaway_proc *p, const struct runaway_proc *parent)
{
	if (!p->child_head)
		return p == parent;
	for (; parent; parent = parent->parent_proc)
		if (parent == p)
			return true;
	return false;
}

static void link_parent(struct runaway_proc *p, struct runaway_proc *parent)
{
	if (closes_circle(p, parent))
		return;
	p->parent_proc = parent;
	p->child_prev = NULL;
	p->child_next = parent->child_head;
	if (parent->child_head)
		parent->child_head->child_prev = p;
	parent->child_head = p;
}

void process_resolve_parent(struct runaway_model *m, struct runaway_proc *p)
{
	struct runaway_proc *parent;

	if (p->parent_proc || !p->parent.pid || p->state == RUNAWAY_DEAD)
		return;
	parent = process_living(m, p->parent);
	if (!parent)
		return;
	link_parent(p, parent);
	p->parent.start_ns = parent->id.start_ns;
}

void process_set_parent(struct runaway_model *m, struct runaway_proc *p, struct runaway_id parent,
			uint64_t at_ns)
{
	unlink_parent(p);
	p->parent = parent;
	p->parent_ns = at_ns;
	process_resolve_parent(m, p);
}

/* ---- the story: references ---- */

/* Frees the dead whom nobody names any more, and then those whom only they named. */
static void prune(struct runaway_model *m, struct runaway_proc *p)
{
	while (p && p->state == RUNAWAY_DEAD && p->refs == 0) {
		struct runaway_proc *origin = p->origin;

		ci_drop(m, p);
		orphan_drop(m, p);
		cgroup_hold(m, p, 0);
		image_unref(p->image);
		free(p->cgroup_text);
		free(p->cgroup_path);
		HASH_DELETE(hh, m->by_id, p);
		m->remembered--;
		free(p);
		if (origin)
			origin->refs--;
		p = origin;
	}
}

void process_prune_unnamed(struct runaway_model *m)
{
	struct id_list unnamed = { 0 };
	struct runaway_proc *p;

	/* Pruning one may free others: the table is not walked meanwhile. */
	for (p = m->by_id; p; p = p->hh.next)
		if (p->state == RUNAWAY_DEAD && p->refs == 0)
			id_list_add(&unnamed, p->id);
	for (size_t i = 0; i < unnamed.count; i++)
		prune(m, process_find(m, unnamed.id[i]));
	free(unnamed.id);
}

static bool is_own_ancestor(const struct runaway_proc *p, const struct runaway_proc *o)
{
	/* A new process has no descendants: only its own record can name it. */
	for (; o; o = o->origin)
		if (o == p)
			return true;
	return false;
}

/*
 * Keeps the run of dead ancestors above any process within LINEAGE_MAX: `p`
 * died, or hangs below a new origin. dead_below is the longest such run below a
 * process, so the climb ends as soon as it changes nothing.
 */
static void limit_lineage(struct runaway_model *m, struct runaway_proc *p)
{
	struct runaway_proc *origin;

	for (; p->state == RUNAWAY_DEAD && (origin = p->origin); p = origin) {
		uint32_t run = p->dead_below + 1;

		if (run >= LINEAGE_MAX) {
			p->origin = NULL;
			m->counters.lineage_cut++;
			origin->refs--;
			prune(m, origin);
			return;
		}
		if (origin->dead_below >= run)
			return;
		origin->dead_below = run;
	}
}

void process_set_origin(struct runaway_model *m, struct runaway_proc *p, struct runaway_proc *o)
{
	struct runaway_proc *old = p->origin;

	if (old == o || (o && p->refs && is_own_ancestor(p, o)) || o == p)
		return;
	if (o)
		o->refs++;
	p->origin = o;
	if (old) {
		old->refs--;
		prune(m, old);
	}
	limit_lineage(m, p);
}

/* ---- ends ---- */
void process_exited(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns)
{
	if (p->state != RUNAWAY_ALIVE)
		return;
	/* As the kernel's cgroup.procs has it: the dead are no members, reaped or not. */
	cgroup_leave(m, p);
	p->state = RUNAWAY_ZOMBIE;
	p->exit_ns = at_ns;
	ci_count(m, p, false);
	orphan_unlist(m, p);
}

void process_revive(struct runaway_model *m, struct runaway_proc *p)
{
	p->state = RUNAWAY_ALIVE;
	p->exit_ns = 0;
	cgroup_join(m, p, p->cgroup_id, m->now_ns);
	ci_count(m, p, true);
}

void process_dead(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns)
{
	if (p->state == RUNAWAY_DEAD)
		return;
	process_exited(m, p, at_ns);
	process_set_flags(m, p, p->flags & ~(uint32_t)RW_TF_KTHREAD);
	cgroup_leave(m, p);
	unlink_parent(p);
	while (p->child_head)
		unlink_parent(p->child_head);
	HASH_DELETE(hh_pid, m->by_pid, p);
	m->living--;
	m->remembered++;
	m->scan.churn++;
	p->state = RUNAWAY_DEAD;
	orphan_drop_timeline(m, p);
	if (p->refs == 0) {
		prune(m, p);
		return;
	}
	limit_lineage(m, p);
}

void process_vanished(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns)
{
	m->counters.vanished++;
	process_dead(m, p, at_ns);
}

/* ---- freed before the exit was told: the rings are drained one after the other ---- */
void process_hold(struct runaway_model *m, struct runaway_proc *p)
{
	if (p->held || m->held[0].count >= HELD_MAX || id_list_add(&m->held[0], p->id) < 0)
		return;
	p->held = true;
	p->refs++;
}

void process_release(struct runaway_model *m, struct runaway_proc *p)
{
	if (!p->held)
		return;
	p->held = false;
	p->refs--;
	prune(m, p);
}

void process_release_old(struct runaway_model *m)
{
	struct id_list old = m->held[1];

	for (size_t i = 0; i < old.count; i++) {
		struct runaway_proc *p = process_find(m, old.id[i]);

		if (p)
			process_release(m, p);
	}
	old.count = 0;
	m->held[1] = m->held[0];
	m->held[0] = old;
}

void process_free_all(struct runaway_model *m)
{
	struct runaway_proc *p, *tmp;

	HASH_CLEAR(hh_pid, m->by_pid);
	HASH_ITER (hh, m->by_id, p, tmp) {
		ci_drop(m, p);
		orphan_drop(m, p);
		image_unref(p->image);
		free(p->cgroup_text);
		free(p->cgroup_path);
		HASH_DELETE(hh, m->by_id, p);
		free(p);
	}
	free(m->pending.id);
	free(m->held[0].id);
	free(m->held[1].id);
}
