/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other rooms may ask. */

#include <string.h>

#include "model/internal.h"

uint64_t runaway_model_now(const struct runaway_model *m)
{
	return m->now_ns;
}

uint64_t runaway_model_realtime(const struct runaway_model *m, uint64_t boot_ns)
{
	return boot_ns ? boot_ns + m->realtime_offset_ns : 0;
}

const struct runaway_host_state *runaway_model_host(const struct runaway_model *m)
{
	return &m->host;
}

const struct runaway_model_counters *runaway_model_counters(const struct runaway_model *m)
{
	return &m->counters;
}

const struct rw_meta *runaway_model_meta(const struct runaway_model *m)
{
	return &m->meta;
}

size_t runaway_model_living(const struct runaway_model *m)
{
	return m->living - m->kthreads;
}

size_t runaway_model_remembered(const struct runaway_model *m)
{
	return m->remembered;
}

struct runaway_proc *runaway_model_find_pid(const struct runaway_model *m, uint32_t pid)
{
	return process_living(m, (struct runaway_id){ .pid = pid });
}

struct runaway_proc *runaway_model_find(const struct runaway_model *m, struct runaway_id id)
{
	return process_find(m, id);
}

void runaway_model_each(const struct runaway_model *m, runaway_proc_fn fn, void *ctx)
{
	struct runaway_proc *p, *tmp;

	HASH_ITER (hh_pid, m->by_pid, p, tmp) {
		fn(ctx, p);
	}
}

void runaway_model_each_cgroup(const struct runaway_model *m, runaway_cgroup_fn fn, void *ctx)
{
	struct runaway_cgroup *cg, *tmp;

	HASH_ITER (hh, m->cgroups, cg, tmp) {
		fn(ctx, cg);
	}
}

struct runaway_proc *runaway_model_orphans(const struct runaway_model *m)
{
	return m->orphan_head;
}

const char *runaway_proc_cgroup_path(const struct runaway_model *m, const struct runaway_proc *p)
{
	const struct runaway_cgroup *cg = runaway_model_cgroup(m, p->cgroup_id);
	const char *path = cg ? cg->path : NULL;

	if (path && strcmp(path, "/") != 0)
		return path;
	/* On hybrid hosts a process may sit in the v2 root and in a v1 group that says more. */
	return p->cgroup_path ? p->cgroup_path : path;
}

int runaway_proc_cgroup_names(const struct runaway_model *m, const struct runaway_proc *p,
			      struct runaway_cgroup_names *ret)
{
	const char *path = runaway_proc_cgroup_path(m, p);

	if (!path) {
		*ret = (struct runaway_cgroup_names){ 0 };
		return 0;
	}
	return runaway_cgroup_names_parse(path, ret);
}
