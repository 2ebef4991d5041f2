/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that the sensor did not see being forked. A scan meets a child
 * before its parent as often as after, so what they are is told when it ended.
 */

#include <string.h>

#include "model/internal.h"

/* The oldest member of each cgroup, in one pass over the living, and only when somebody asks. */
static void find_oldest(struct runaway_model *m)
{
	if (m->oldest_known)
		return;
	m->oldest_known = true;
	m->oldest_pass++;
	for (const struct runaway_proc *p = m->by_pid; p; p = p->hh_pid.next) {
		struct runaway_cgroup *cg = runaway_model_cgroup(m, p->cgroup_id);

		if (!cg ||
		    (cg->oldest_pass == m->oldest_pass &&
		     (cg->oldest_start_ns < p->id.start_ns ||
		      (cg->oldest_start_ns == p->id.start_ns && cg->oldest_pid < p->id.pid))))
			continue;
		cg->oldest_pass = m->oldest_pass;
		cg->oldest_start_ns = p->id.start_ns;
		cg->oldest_pid = p->id.pid;
	}
}

static bool in_unit(const struct runaway_model *m, const struct runaway_proc *p)
{
	struct runaway_cgroup_names n = { 0 };
	bool is;

	if (runaway_proc_cgroup_names(m, p, &n) < 0)
		return false;
	is = n.unit != NULL;
	runaway_cgroup_names_free(&n);
	return is;
}

/* A service's main process is a child of systemd from birth. */
static bool is_service_main(struct runaway_model *m, const struct runaway_proc *p)
{
	const struct runaway_cgroup *cg = runaway_model_cgroup(m, p->cgroup_id);

	if (strcmp(p->parent_proc->comm, "systemd") != 0 || p->sid != p->id.pid || !cg)
		return false;
	find_oldest(m);
	return cg->oldest_pass == m->oldest_pass && cg->oldest_pid == p->id.pid && in_unit(m, p);
}

/* The path of its cgroup decides, and may be told right after the scan: once more then. */
static bool should_wait(const struct runaway_model *m, struct runaway_proc *p)
{
	if (p->retried || p->sid != p->id.pid || runaway_proc_cgroup_path(m, p))
		return false;
	p->retried = true;
	return true;
}

static void settle(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns)
{
	const struct runaway_proc *parent;

	process_resolve_parent(m, p);
	parent = p->parent_proc;
	if (p->seen_fork || p->orphan || p->state != RUNAWAY_ALIVE || (p->flags & RW_TF_KTHREAD))
		return;
	if (!parent) {
		/* Its parent may be among those whose samples were lost. */
		if (m->scan.lossy)
			process_pend(m, p);
		return;
	}
	if (!orphan_is_reaper(parent)) {
		/* Never reparented (its parent is no reaper): the parent forked it. */
		if (!p->origin)
			process_set_origin(m, p, p->parent_proc);
		return;
	}
	if (p->flags & RW_TF_NS_INIT)
		return;
	if (should_wait(m, p))
		process_pend(m, p);
	else if (!is_service_main(m, p) && orphan_found(m, p, at_ns) < 0)
		process_pend(m, p);
}

void model_settle(struct runaway_model *m, uint64_t at_ns)
{
	struct id_list work = m->pending;

	if (work.count == 0)
		return;
	/* The list is taken: who must wait is queued anew. */
	m->pending = (struct id_list){ 0 };
	m->oldest_known = false;
	for (size_t i = 0; i < work.count; i++) {
		struct runaway_proc *p = process_find(m, work.id[i]);

		if (!p || p->state == RUNAWAY_DEAD)
			continue;
		p->pending = false;
		settle(m, p, at_ns);
	}
	free(work.id);
}
