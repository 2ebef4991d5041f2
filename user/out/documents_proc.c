/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes as people and scripts read them. */
#include "out/documents.h"

#include <sys/wait.h>

#define LANES_MAX 64

/*
 * The JSON writer holds RUNAWAY_JSON_DEPTH levels. A level of the tree takes two
 * (object and array); the reply around it and what a process holds take six.
 */
#define TREE_DEPTH ((RUNAWAY_JSON_DEPTH - 6) / 2 - 1)
#define TREE_NODES 1000

static const char *state_name(enum runaway_state s)
{
	switch (s) {
	case RUNAWAY_ALIVE:
		return "alive";
	case RUNAWAY_ZOMBIE:
		return "zombie";
	case RUNAWAY_DEAD:
		break;
	}
	return "dead";
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static void write_image(struct json_writer *w, const struct runaway_image *image)
{
	json_kv_string(w, "exe", image ? image->exe : NULL);
	json_key(w, "args");
	runaway_out_write_args(w, image ? image->args : NULL, image ? image->args_len : 0);
	json_kv_bool(w, "args_truncated", image && image->args_cut);
}

static void write_exit(const struct runaway_view *v, const struct runaway_proc *origin,
		       const struct runaway_proc *child, struct json_writer *w)
{
	json_key(w, "exit");
	if (!origin || !origin->exit_ns) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	runaway_out_write_boot_time(v, w, "at", origin->exit_ns);
	if (origin->exit_known) {
		json_kv_int(w, "signal", WTERMSIG(origin->exit_code));
		json_kv_int(w, "code", WEXITSTATUS(origin->exit_code));
	} else {
		json_kv_null(w, "signal");
		json_kv_null(w, "code");
	}
	if (child->id.start_ns && origin->exit_ns >= child->id.start_ns)
		json_kv_fixed(w, "after_fork_s", seconds(origin->exit_ns - child->id.start_ns), 3);
	else
		json_kv_null(w, "after_fork_s");
	json_object_end(w);
}

static void write_origin(const struct runaway_view *v, const struct runaway_proc *p,
			 struct json_writer *w)
{
	const struct runaway_proc *o = p->origin;

	json_key(w, "origin");
	json_object_begin(w);
	runaway_out_write_id(w, o ? o->id : (struct runaway_id){ 0 });
	runaway_out_write_comm(w, "comm", o ? o->comm : NULL);
	write_image(w, o ? o->image : NULL);
	json_kv_bool(w, "known", o && (!p->orphan || p->orphan->origin_known));
	write_exit(v, o, p, w);
	json_object_end(w);
}

static void write_reaper(struct json_writer *w, const struct runaway_orphan *o)
{
	json_key(w, "reaper");
	if (!o || !o->reaper.pid) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_kv_uint(w, "pid", o->reaper.pid);
	runaway_out_write_comm(w, "comm", o->reaper_comm);
	json_kv_string(w, "kind", runaway_reaper_name(o->reaper_kind));
	json_object_end(w);
}

static void write_tree_sum(struct json_writer *w, const struct runaway_orphan *o)
{
	json_key(w, "tree");
	if (!o) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_kv_uint(w, "processes", o->processes);
	json_kv_fixed(w, "cpu_cores", o->cores, 3);
	json_kv_fixed(w, "cpu_seconds", seconds(o->tree_cpu_ns), 3);
	json_kv_uint(w, "rss_bytes", o->rss_bytes);
	json_object_end(w);
}

static void write_cgroup(const struct runaway_view *v, const struct runaway_proc *p,
			 struct json_writer *w)
{
	const char *path = runaway_proc_cgroup_path(v->model, p);
	struct runaway_cgroup_names names = { 0 };

	json_key(w, "cgroup");
	if (!path && !p->cgroup_id) {
		json_null(w);
		return;
	}
	/* Out of memory leaves the names unknown, which is what then is shown. */
	(void)runaway_proc_cgroup_names(v->model, p, &names);
	json_object_begin(w);
	if (p->cgroup_id)
		json_kv_u64_string(w, "id", p->cgroup_id);
	else
		json_kv_null(w, "id");
	json_kv_string(w, "path", path);
	json_kv_string(w, "container_id", names.container_id);
	json_kv_string(w, "pod_uid", names.pod_uid);
	json_kv_string(w, "unit", names.unit);
	json_kv_string(w, "runtime", names.runtime);
	json_object_end(w);
	runaway_cgroup_names_free(&names);
}

static void write_lanes(const struct runaway_view *v, const struct runaway_proc *p,
			struct json_writer *w)
{
	const char *ids[LANES_MAX];
	size_t n = 0;

	if (p->orphan && v->engine)
		n = runaway_engine_lanes_of(v->engine, v->model, p, ids, LANES_MAX);
	json_key(w, "lanes");
	json_array_begin(w);
	for (size_t i = 0; i < n && i < LANES_MAX; i++)
		json_string(w, ids[i]);
	json_array_end(w);
}

/* What every process has, orphan or not. */
static void write_basics(const struct runaway_view *v, const struct runaway_proc *p,
			 struct json_writer *w)
{
	runaway_out_write_id(w, p->id);
	runaway_out_write_comm(w, "comm", p->comm);
	write_image(w, p->image);
	if (p->parent.pid)
		json_kv_uint(w, "ppid", p->parent.pid);
	else
		json_kv_null(w, "ppid");
	json_kv_uint(w, "pgid", p->pgid);
	json_kv_uint(w, "sid", p->sid);
	json_kv_uint(w, "uid", p->uid);
	json_kv_string(w, "state", state_name(p->state));
	json_kv_uint(w, "threads", p->threads);
	runaway_out_write_boot_time(v, w, "started_at", p->id.start_ns);
	json_kv_fixed(w, "cpu_cores", runaway_proc_cores(v->model, p), 3);
	json_kv_fixed(w, "cpu_seconds", seconds(p->cpu_ns), 3);
	json_kv_uint(w, "rss_bytes", p->rss_bytes);
}

static void write_orphanhood(const struct runaway_view *v, const struct runaway_proc *p,
			     struct json_writer *w)
{
	const struct runaway_orphan *o = p->orphan;
	enum runaway_daemonised d = runaway_proc_daemonised(v->model, p);

	json_kv_bool(w, "orphan", o != NULL);
	runaway_out_write_boot_time(v, w, "orphaned_at", o ? o->since_ns : 0);
	if (!o) {
		json_kv_null(w, "orphan_age_s");
		json_kv_null(w, "by_design");
		json_kv_null(w, "daemonised");
		json_kv_null(w, "hops");
		return;
	}
	json_kv_fixed(w, "orphan_age_s", seconds(runaway_orphan_age_ns(v->model, p)), 3);
	json_kv_bool(w, "by_design", d == RUNAWAY_DAEMONISED_YES);
	json_kv_string(w, "daemonised", runaway_daemonised_name(d));
	json_kv_uint(w, "hops", o->hop_count);
}

void runaway_doc_proc(const struct runaway_view *v, const struct runaway_proc *p,
		      struct json_writer *w)
{
	json_object_begin(w);
	write_basics(v, p, w);
	write_orphanhood(v, p, w);
	write_origin(v, p, w);
	runaway_ci_write(w, p->ci);
	json_key(w, "lineage");
	runaway_lineage_write(w, v->model, p);
	write_reaper(w, p->orphan);
	write_tree_sum(w, p->orphan);
	write_cgroup(v, p, w);
	write_lanes(v, p, w);
	json_object_end(w);
}

void runaway_doc_orphans(const struct runaway_view *v, struct json_writer *w)
{
	json_array_begin(w);
	for (const struct runaway_proc *p = runaway_model_orphans(v->model); p; p = p->orphan_next)
		runaway_doc_proc(v, p, w);
	json_array_end(w);
}

/* Recursion is bounded by TREE_DEPTH, the whole by *left. */
static void write_children(const struct runaway_view *v, const struct runaway_proc *p,
			   unsigned int depth, unsigned int *left, struct json_writer *w)
{
	uint64_t omitted = 0;

	json_key(w, "children");
	json_array_begin(w);
	for (const struct runaway_proc *c = p->child_head; c; c = c->child_next) {
		if (depth == 0 || *left == 0) {
			omitted++;
			continue;
		}
		(*left)--;
		json_object_begin(w);
		write_basics(v, c, w);
		write_children(v, c, depth - 1, left, w);
		json_object_end(w);
	}
	json_array_end(w);
	json_kv_uint(w, "children_omitted", omitted);
}

void runaway_doc_tree(const struct runaway_view *v, const struct runaway_proc *p,
		      struct json_writer *w)
{
	unsigned int left = TREE_NODES;

	json_object_begin(w);
	json_key(w, "process");
	runaway_doc_proc(v, p, w);
	json_key(w, "lineage");
	runaway_lineage_write(w, v->model, p);
	write_children(v, p, TREE_DEPTH, &left, w);
	json_object_end(w);
}

struct top_ctx {
	const struct runaway_model *model;
	struct busy_list list;
};

static void top_add(void *ctx, struct runaway_proc *p)
{
	struct top_ctx *t = ctx;

	runaway_out_busy_add(&t->list, runaway_proc_cores(t->model, p), p->id.pid, p);
}

void runaway_doc_proc_top(const struct runaway_view *v, size_t limit, struct json_writer *w)
{
	struct top_ctx t = { .model = v->model };

	limit = runaway_out_top_limit(limit);
	runaway_model_each(v->model, top_add, &t);
	runaway_out_busy_sort(&t.list);
	if (t.list.error)
		w->out->error = t.list.error;
	json_array_begin(w);
	for (size_t i = 0; i < t.list.count && i < limit; i++)
		runaway_doc_proc(v, t.list.item[i].what, w);
	json_array_end(w);
	runaway_out_busy_free(&t.list);
}
