/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fork, exec, exit and release. Lineage records and samples come through two
 * rings that are drained one after the other, so each handler must stand any
 * order: what a late record would undo is left alone, what it adds is added.
 */

#include <string.h>

#include "model/internal.h"

static int refused(struct runaway_model *m, int err)
{
	if (err == -ESTALE)
		m->counters.unknown_process++;
	return err == -ENOMEM ? -ENOMEM : 0;
}

/*
 * Another's record names a process whose own fork was lost: it is there, though the
 * rest is told by the next scan. Without it the story of its children would end at
 * them, for it may be gone by then. May end whoever had its number.
 */
static void hear_of(struct runaway_model *m, struct runaway_id id, uint64_t at_ns)
{
	struct runaway_proc *p;

	if (!id.pid || !id.start_ns || process_find(m, id))
		return;
	m->counters.unknown_process++;
	if (process_new(m, id, at_ns, &p) == 0)
		process_pend(m, p);
}

/* ---- fork ---- */
static void inherit(struct runaway_model *m, struct runaway_proc *p, const struct rw_fork *r)
{
	struct runaway_ci *ci = NULL;

	if (!p->image && !p->execed && p->origin)
		p->image = image_ref(p->origin->image);
	if (p->ci)
		return;
	if (r->ci.pid)
		ci = ci_find(m, id_of(&r->ci));
	/* The kernel side does not know markers that only /proc told. */
	if (!ci && p->origin)
		ci = p->origin->ci;
	if (ci)
		ci_join(m, p, ci);
}

/* Told late, after its samples had made it known. */
static void fork_told_late(struct runaway_model *m, struct runaway_proc *p, const struct rw_fork *r)
{
	if (!p->parent.pid)
		process_set_parent(m, p, id_of(&r->parent), r->hdr.time_ns);
	if (!p->comm[0])
		process_set_comm(p, r->comm);
	if (!p->pgid && !p->sid) {
		p->pgid = r->pgid;
		p->sid = r->sid;
		p->uid = r->uid;
	}
	if (!p->orphan)
		return;
	/* Found under a reaper that turns out to have forked it itself: no orphan. */
	if (p->orphan->since_ns == 0 && r->origin.pid == p->parent.pid &&
	    r->origin.start_ns == p->parent.start_ns)
		orphan_drop(m, p);
	else
		p->orphan->origin_known = p->origin != NULL;
}

/* Its end came first: what it burned belongs to the tree that it was born into. */
static void fork_of_dead(struct runaway_model *m, struct runaway_proc *p, const struct rw_fork *r)
{
	struct runaway_proc *parent = process_living(m, id_of(&r->parent));
	struct runaway_proc *root = parent ? runaway_proc_orphan_root(parent) : NULL;

	if (root)
		root->orphan->tree_cpu_ns += p->cpu_ns;
	if (p->ci)
		m->tick.ci_cpu_ns += p->cpu_ns;
	p->parent = id_of(&r->parent);
	p->pgid = r->pgid;
	p->sid = r->sid;
	p->uid = r->uid;
	cgroup_hold(m, p, r->cgroup_id);
}

static void fork_new(struct runaway_model *m, struct runaway_proc *p, const struct rw_fork *r)
{
	process_set_comm(p, r->comm);
	process_set_flags(m, p, r->flags);
	p->pgid = r->pgid;
	p->sid = r->sid;
	p->uid = r->uid;
	p->threads = 1;
	process_set_parent(m, p, id_of(&r->parent), r->hdr.time_ns);
	cgroup_join(m, p, r->cgroup_id, r->hdr.time_ns);
}

int model_fork(struct runaway_model *m, const struct rw_fork *r)
{
	struct runaway_proc *p = process_find(m, id_of(&r->id)), *origin;
	bool fresh;
	int err;

	m->counters.forks++;
	if (p && p->seen_fork)
		return 0;
	/* Kernel threads are no part of the story: no scan would tell of it. */
	if (!(r->flags & RW_TF_BY_KERNEL))
		hear_of(m, id_of(&r->origin), r->hdr.time_ns);
	p = process_find(m, id_of(&r->id));
	fresh = !p;
	if (fresh) {
		err = process_new(m, id_of(&r->id), r->hdr.time_ns, &p);
		if (err < 0)
			return refused(m, err);
	}
	origin = process_find(m, id_of(&r->origin));
	/* What an inference said gives way to what was seen. */
	if (origin)
		process_set_origin(m, p, origin);
	/* Born with the name of the thread that forked it. */
	if (origin && !origin->comm[0])
		process_set_comm(origin, r->comm);
	p->seen_fork = true;
	p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	inherit(m, p, r);
	if (fresh)
		fork_new(m, p, r);
	else if (p->state == RUNAWAY_DEAD)
		fork_of_dead(m, p, r);
	else
		fork_told_late(m, p, r);
	/* A lost fork of its parent may still be told by the scan. */
	if (p->state != RUNAWAY_DEAD && p->parent.pid && !p->parent_proc)
		process_pend(m, p);
	return 0;
}

/* ---- exec ---- */
static struct runaway_image *exec_image(const struct runaway_model *m, const struct rw_exec *r)
{
	struct runaway_image *i = image_new();
	const char *args = r->data + r->path_len;

	if (!i)
		return NULL;
	i->exe = image_path(r->data, r->path_len, r->flags & RW_TF_PATH_CUT);
	i->exe_ino = r->exe_ino;
	i->exe_dev = r->exe_dev;
	i->exec_id = r->exec_id;
	i->args_cut = r->flags & (RW_TF_ARGS_CUT | RW_TF_ARGS_FAULT);
	if (image_set_args(m, i, args, r->args_len) < 0) {
		image_unref(i);
		return NULL;
	}
	return i;
}

static int exec_markers(struct runaway_model *m, struct runaway_proc *p, const struct rw_exec *r)
{
	struct runaway_ci *ci = NULL;
	int err = runaway_ci_parse(r->data + r->path_len + r->args_len, r->markers_len,
				   (const char *const *)m->ci_markers, &ci);

	if (err < 0)
		return err;
	if (!ci)
		return 0;
	ci = ci_intern(m, ci, p->id);
	if (!ci)
		return -ENOMEM;
	ci_join(m, p, ci);
	runaway_ci_unref(ci);
	return 0;
}

int model_exec(struct runaway_model *m, const struct rw_exec *r, size_t len)
{
	struct runaway_proc *p = process_find(m, id_of(&r->id));
	struct runaway_image *i;
	int err;

	if ((size_t)r->path_len + r->args_len + r->markers_len > len - sizeof(*r))
		return -EBADMSG;
	m->counters.execs++;
	if (!p) {
		m->counters.unknown_process++;
		err = process_new(m, id_of(&r->id), r->hdr.time_ns, &p);
		if (err < 0)
			return refused(m, err);
		process_pend(m, p);
	} else if (p->execed && r->hdr.time_ns < p->event_ns) {
		return 0;
	}
	i = exec_image(m, r);
	if (!i)
		return -ENOMEM;
	image_unref(p->image);
	p->image = i;
	p->execed = true;
	p->event_ns = r->hdr.time_ns;
	p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	p->uid = r->uid;
	process_set_comm(p, r->comm);
	if (p->state != RUNAWAY_DEAD)
		cgroup_join(m, p, r->cgroup_id, r->hdr.time_ns);
	return exec_markers(m, p, r);
}

/* ---- exit and release ---- */
static void exit_status(struct runaway_proc *p, int32_t code, uint64_t at_ns)
{
	if (p->exit_known)
		return;
	p->exit_code = code;
	p->exit_known = true;
	p->exit_ns = at_ns;
}

int model_exit(struct runaway_model *m, const struct rw_exit *r)
{
	struct runaway_proc *p = process_find(m, id_of(&r->id));

	m->counters.exits++;
	if (!p) {
		m->counters.unknown_process++;
		return 0;
	}
	p->touched_ns = p->event_ns = MAX(p->touched_ns, r->hdr.time_ns);
	if (p->state == RUNAWAY_DEAD) {
		/* The release gave the status; the exit knows the better time. */
		if (p->held)
			p->exit_ns = r->hdr.time_ns;
		process_release(m, p);
		return 0;
	}
	process_set_comm(p, r->comm);
	process_exited(m, p, r->hdr.time_ns);
	exit_status(p, r->exit_code, r->hdr.time_ns);
	return 0;
}

static int free_unknown(struct runaway_model *m, const struct rw_free *r)
{
	struct runaway_proc *p;
	int err;

	m->counters.unknown_process++;
	err = process_new_dead(m, id_of(&r->id), r->hdr.time_ns, &p);
	if (err < 0)
		return err == -ENOMEM ? err : 0;
	p->cpu_ns = r->cpu_ns;
	p->freed = true;
	cgroup_hold(m, p, r->cgroup_id);
	process_set_comm(p, r->comm);
	exit_status(p, r->exit_code, r->hdr.time_ns);
	return 0;
}

int model_free(struct runaway_model *m, const struct rw_free *r)
{
	struct runaway_proc *p = process_find(m, id_of(&r->id));

	m->counters.frees++;
	if (!p)
		return free_unknown(m, r);
	if (p->state == RUNAWAY_DEAD)
		return 0;
	process_cpu(m, p, r->cpu_ns, r->hdr.time_ns, false);
	p->freed = true;
	p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	if (!p->exit_known)
		process_hold(m, p);
	exit_status(p, r->exit_code, r->hdr.time_ns);
	process_dead(m, p, r->hdr.time_ns);
	return 0;
}

/* Where it hangs until its first move is where it was forked, unless a reaper adopted it. */
static void child_of(struct runaway_model *m, struct runaway_proc *p, const struct rw_children *r)
{
	struct runaway_proc *parent = process_find(m, id_of(&r->parent));

	if (!parent)
		return;
	parent->flags |= r->flags & (RW_TF_NS_INIT | RW_TF_SUBREAPER);
	if (!p->parent.pid)
		process_set_parent(m, p, parent->id, r->hdr.time_ns);
	if (!p->origin && !p->orphan && p->parent.pid == parent->id.pid &&
	    p->parent.start_ns == parent->id.start_ns && !orphan_is_reaper(parent))
		process_set_origin(m, p, parent);
}

int model_children(struct runaway_model *m, const struct rw_children *r, size_t len)
{
	struct runaway_proc *p;

	if (r->count > RW_CHILDREN_MAX ||
	    len < offsetof(struct rw_children, child) + r->count * sizeof(r->child[0]))
		return -EBADMSG;
	hear_of(m, id_of(&r->parent), r->hdr.time_ns);
	for (uint32_t i = 0; i < r->count; i++) {
		hear_of(m, id_of(&r->child[i].id), r->hdr.time_ns);
		p = process_living(m, id_of(&r->child[i].id));
		if (!p || r->hdr.time_ns < p->event_ns)
			continue;
		p->pgid = r->child[i].pgid;
		p->sid = r->child[i].sid;
		child_of(m, p, r);
	}
	return 0;
}
