/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/documents.h"

#define CGROUP_PROCESSES_MAX 100

static void write_figures(const struct runaway_view *v, const struct runaway_cgroup *cg,
			  struct json_writer *w)
{
	json_kv_u64_string(w, "id", cg->id);
	json_kv_string(w, "path", cg->path);
	if (cg->parent_id)
		json_kv_u64_string(w, "parent_id", cg->parent_id);
	else
		json_kv_null(w, "parent_id");
	json_kv_uint(w, "level", cg->level);
	json_kv_string(w, "container_id", cg->names.container_id);
	json_kv_string(w, "pod_uid", cg->names.pod_uid);
	json_kv_string(w, "unit", cg->names.unit);
	json_kv_string(w, "runtime", cg->names.runtime);
	json_kv_fixed(w, "cpu_cores", cg->cores, 3);
	json_kv_fixed(w, "cpu_seconds", (double)cg->total_cpu_ns / 1e9, 3);
	json_kv_fixed(w, "own_cpu_seconds", (double)cg->own_cpu_ns / 1e9, 3);
	runaway_out_write_boot_time(v, w, "first_seen_at", cg->first_seen_ns);
	runaway_out_write_boot_time(v, w, "removed_at", cg->removed_ns);
	json_kv_bool(w, "has_series", cg->has_series);
}

struct member_ctx {
	const struct runaway_model *model;
	uint64_t cgroup_id;
	struct busy_list list;
};

static void member_add(void *ctx, struct runaway_proc *p)
{
	struct member_ctx *c = ctx;

	/* As in cgroup.procs: who has exited is no member, reaped or not. */
	if (p->cgroup_id == c->cgroup_id && p->state == RUNAWAY_ALIVE)
		runaway_out_busy_add(&c->list, runaway_proc_cores(c->model, p), p->id.pid, p);
}

static void write_members(const struct runaway_view *v, const struct runaway_cgroup *cg,
			  struct json_writer *w)
{
	struct member_ctx c = { .model = v->model, .cgroup_id = cg->id };

	runaway_model_each(v->model, member_add, &c);
	runaway_out_busy_sort(&c.list);
	if (c.list.error)
		w->out->error = c.list.error;
	json_kv_uint(w, "process_count", c.list.count);
	json_key(w, "processes");
	json_array_begin(w);
	for (size_t i = 0; i < c.list.count && i < CGROUP_PROCESSES_MAX; i++) {
		const struct runaway_proc *p = c.list.item[i].what;

		json_object_begin(w);
		runaway_out_write_id(w, p->id);
		runaway_out_write_comm(w, "comm", p->comm);
		json_kv_fixed(w, "cpu_cores", c.list.item[i].cores, 3);
		json_kv_fixed(w, "cpu_seconds", (double)p->cpu_ns / 1e9, 3);
		json_kv_uint(w, "rss_bytes", p->rss_bytes);
		json_kv_bool(w, "orphan", p->orphan != NULL);
		json_object_end(w);
	}
	json_array_end(w);
	runaway_out_busy_free(&c.list);
}

void runaway_doc_cgroup(const struct runaway_view *v, const struct runaway_cgroup *cg,
			struct json_writer *w)
{
	json_object_begin(w);
	write_figures(v, cg, w);
	write_members(v, cg, w);
	json_object_end(w);
}

static void top_add(void *ctx, struct runaway_cgroup *cg)
{
	if (!cg->removed_ns)
		runaway_out_busy_add(ctx, cg->cores, cg->id, cg);
}

void runaway_doc_cgroup_top(const struct runaway_view *v, size_t limit, struct json_writer *w)
{
	struct busy_list list = { 0 };

	limit = runaway_out_top_limit(limit);
	runaway_model_each_cgroup(v->model, top_add, &list);
	runaway_out_busy_sort(&list);
	if (list.error)
		w->out->error = list.error;
	json_array_begin(w);
	for (size_t i = 0; i < list.count && i < limit; i++) {
		json_object_begin(w);
		write_figures(v, list.item[i].what, w);
		json_object_end(w);
	}
	json_array_end(w);
	runaway_out_busy_free(&list);
}
