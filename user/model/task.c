/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of the task walk: a process as it stands, and its CPU. */

#include <string.h>

#include "model/internal.h"

static bool same_id(struct runaway_id a, struct runaway_id b)
{
	return a.pid == b.pid && (!a.start_ns || !b.start_ns || a.start_ns == b.start_ns);
}

static int task_image(struct runaway_proc *p, const struct rw_task *r)
{
	struct runaway_image *i = p->image;
	bool other;

	if (!i && !r->exe_ino && !r->path_len)
		return 0;
	/* Another file or another exec of it: an exec was lost, its arguments with it. */
	other = i && ((i->exec_id && r->exec_id && i->exec_id != r->exec_id) ||
		      (i->exe_ino && r->exe_ino &&
		       (i->exe_ino != r->exe_ino || i->exe_dev != r->exe_dev)));
	if (!i || other) {
		i = image_new();
		if (!i)
			return -ENOMEM;
		if (other && p->image->exe && p->image->exe_ino == r->exe_ino &&
		    p->image->exe_dev == r->exe_dev)
			i->exe = strdup(p->image->exe);
		image_unref(p->image);
		p->image = i;
	}
	if (r->exe_ino) {
		i->exe_ino = r->exe_ino;
		i->exe_dev = r->exe_dev;
	}
	if (r->exec_id)
		i->exec_id = r->exec_id;
	if (!i->exe)
		i->exe = image_path(r->data, r->path_len, r->flags & RW_TF_PATH_CUT);
	return 0;
}

static void task_parent(struct runaway_model *m, struct runaway_proc *p, const struct rw_task *r)
{
	struct runaway_id parent = id_of(&r->parent);

	if (!parent.pid || r->hdr.time_ns < p->parent_ns)
		return;
	if (!p->parent.pid)
		process_set_parent(m, p, parent, r->hdr.time_ns);
	else if (!same_id(p->parent, parent))
		orphan_moved(m, p, parent, r->hdr.time_ns);
	else
		process_resolve_parent(m, p);
}

/* The leader may be a zombie while other threads live on: then the process lives. */
static void task_state(struct runaway_model *m, struct runaway_proc *p, const struct rw_task *r)
{
	bool zombie = (r->flags & RW_TF_ZOMBIE) && r->threads <= 1;

	if (zombie)
		process_exited(m, p, r->hdr.time_ns);
	else if (p->state == RUNAWAY_ZOMBIE && !p->exit_known)
		process_revive(m, p);
}

static int task_refresh(struct runaway_model *m, struct runaway_proc *p, const struct rw_task *r)
{
	int err = task_image(p, r);

	process_set_comm(p, r->comm);
	process_set_flags(m, p, r->flags);
	p->pgid = r->pgid;
	p->sid = r->sid;
	p->uid = r->uid;
	p->threads = r->threads;
	if (r->rss_bytes || (r->flags & RW_TF_ZOMBIE))
		p->rss_bytes = r->rss_bytes;
	cgroup_join(m, p, r->cgroup_id, r->hdr.time_ns);
	if (!p->ci && r->ci.pid) {
		struct runaway_ci *ci = ci_find(m, id_of(&r->ci));

		if (ci)
			ci_join(m, p, ci);
	}
	return err;
}

int model_task(struct runaway_model *m, const struct rw_task *r, size_t len)
{
	struct runaway_proc *p = process_find(m, id_of(&r->id));
	bool fresh = !p;
	int err = 0;

	if (r->path_len > len - sizeof(*r))
		return -EBADMSG;
	if (fresh) {
		err = process_new(m, id_of(&r->id), r->hdr.time_ns, &p);
		if (err < 0) {
			m->counters.unknown_process += err == -ESTALE;
			return err == -ENOMEM ? err : 0;
		}
		process_pend(m, p);
	}
	if (p->state == RUNAWAY_DEAD)
		return 0;
	p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	/* Written before an event that was told already: only its CPU is news. */
	if (r->hdr.time_ns >= p->event_ns) {
		err = task_refresh(m, p, r);
		task_parent(m, p, r);
		task_state(m, p, r);
	}
	/* What it burned before anybody saw it start, or looked at it, is nobody's. */
	if (fresh || (!p->seen_fork && !p->sample_ns))
		process_cpu_first(m, p, r->cpu_ns, r->hdr.time_ns);
	else
		process_cpu(m, p, r->cpu_ns, r->hdr.time_ns, true);
	p->scan_generation = m->scan.generation;
	return err;
}

int model_cpu(struct runaway_model *m, const struct rw_cpu *r)
{
	struct runaway_proc *p = process_living(m, id_of(&r->id));

	if (!p) {
		m->counters.unknown_process++;
		return 0;
	}
	p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	process_cpu(m, p, r->cpu_ns, r->hdr.time_ns, true);
	return 0;
}
