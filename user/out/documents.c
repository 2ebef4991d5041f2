/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/documents.h"

#include <string.h>

#define TOP_DEFAULT 20
#define TOP_MAX	    1000 /* a document of a thousand processes is about a megabyte */

static int group_compare(const void *a, const void *b)
{
	const struct group_ref *x = a, *y = b;

	if (x->root.pid != y->root.pid)
		return x->root.pid < y->root.pid ? -1 : 1;
	return (x->root.start_ns > y->root.start_ns) - (x->root.start_ns < y->root.start_ns);
}

int runaway_out_group_index_init(struct group_index *g, const struct runaway_model *m)
{
	size_t count;
	const struct runaway_group *groups = runaway_model_groups(m, &count);

	*g = (struct group_index){ 0 };
	if (count == 0)
		return 0;
	g->by_root = calloc(count, sizeof(*g->by_root));
	if (!g->by_root)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		g->by_root[i] = (struct group_ref){ groups[i].root->id, &groups[i] };
	g->count = count;
	qsort(g->by_root, count, sizeof(*g->by_root), group_compare);
	return 0;
}

void runaway_out_group_index_free(struct group_index *g)
{
	free(g->by_root);
	*g = (struct group_index){ 0 };
}

static const struct runaway_group *group_find(const struct group_index *g, struct runaway_id id)
{
	const struct group_ref key = { .root = id }, *hit;

	if (!g->count)
		return NULL;
	hit = bsearch(&key, g->by_root, g->count, sizeof(*g->by_root), group_compare);
	return hit ? hit->group : NULL;
}

static void subject_of_process(const struct runaway_view *v, const struct runaway_finding *f,
			       struct subject_now *s)
{
	const struct runaway_proc *p = runaway_model_find(v->model, f->subject.id);

	if (!p)
		return;
	s->known = true;
	s->root = p;
	s->comm = p->comm;
	s->origin_comm = p->origin ? p->origin->comm : NULL;
	s->cgroup = runaway_proc_cgroup_path(v->model, p);
	s->cpu_cores = runaway_proc_cores(v->model, p);
	s->processes = 1;
	s->processes_known = true;
	if (f->subject.kind == RUNAWAY_SUBJECT_ORPHAN_TREE && p->orphan) {
		s->cpu_cores = p->orphan->cores;
		s->processes = p->orphan->processes;
	}
}

static void subject_of_cgroup(const struct runaway_view *v, const struct runaway_finding *f,
			      struct subject_now *s)
{
	const struct runaway_cgroup *cg = runaway_model_cgroup(v->model, f->subject.cgroup_id);

	if (!cg)
		return;
	s->known = true;
	s->cgroup = cg->path;
	s->cpu_cores = cg->cores;
}

static void subject_of_host(const struct runaway_view *v, struct subject_now *s)
{
	const struct runaway_host_state *host = runaway_model_host(v->model);

	s->known = host->known;
	s->cpu_cores = host->busy_cores;
	s->processes = (uint32_t)runaway_model_living(v->model);
	s->processes_known = true;
}

void runaway_out_subject_now(const struct runaway_view *v, const struct group_index *g,
			     const struct runaway_finding *f, struct subject_now *ret)
{
	const struct runaway_group *group;

	*ret = (struct subject_now){ 0 };
	switch (f->subject.kind) {
	case RUNAWAY_SUBJECT_CGROUP:
		subject_of_cgroup(v, f, ret);
		return;
	case RUNAWAY_SUBJECT_HOST:
		subject_of_host(v, ret);
		return;
	default:
		subject_of_process(v, f, ret);
	}
	/* The group holds the orphan's siblings too: its figures are the finding's. */
	group = f->subject.kind == RUNAWAY_SUBJECT_ORPHAN_TREE ? group_find(g, f->subject.id)
							       : NULL;
	if (group) {
		ret->cpu_cores = group->cores;
		ret->processes = group->processes;
	}
}

void runaway_out_write_id(struct json_writer *w, struct runaway_id id)
{
	if (!id.pid) {
		json_kv_null(w, "pid");
		json_kv_null(w, "start_ns");
		return;
	}
	json_kv_uint(w, "pid", id.pid);
	if (id.start_ns)
		json_kv_u64_string(w, "start_ns", id.start_ns);
	else
		json_kv_null(w, "start_ns");
}

void runaway_out_write_args(struct json_writer *w, const char *args, size_t len)
{
	if (!args) {
		json_null(w);
		return;
	}
	json_array_begin(w);
	for (size_t at = 0; at < len;) {
		size_t n = strnlen(args + at, len - at);

		json_string_n(w, args + at, n);
		at += n + 1;
	}
	json_array_end(w);
}

void runaway_out_write_boot_time(const struct runaway_view *v, struct json_writer *w,
				 const char *key, uint64_t boot_ns)
{
	json_kv_time(w, key, runaway_model_realtime(v->model, boot_ns));
}

void runaway_out_write_comm(struct json_writer *w, const char *key, const char *comm)
{
	json_kv_string(w, key, comm && comm[0] ? comm : NULL);
}

void runaway_out_write_error(struct json_writer *w, const char *code, const char *message)
{
	json_object_begin(w);
	json_key(w, "error");
	json_object_begin(w);
	json_kv_string(w, "code", code);
	json_kv_string(w, "message", message);
	json_object_end(w);
	json_object_end(w);
}

void runaway_out_busy_add(struct busy_list *l, double cores, uint64_t order, const void *what)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct busy *item = reallocarray(l->item, cap, sizeof(*item));

		if (!item) {
			l->error = -ENOMEM;
			return;
		}
		l->item = item;
		l->cap = cap;
	}
	l->item[l->count++] = (struct busy){ .cores = cores, .order = order, .what = what };
}

static int busy_compare(const void *a, const void *b)
{
	const struct busy *x = a, *y = b;

	if (x->cores != y->cores)
		return x->cores > y->cores ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

void runaway_out_busy_sort(struct busy_list *l)
{
	if (l->count)
		qsort(l->item, l->count, sizeof(*l->item), busy_compare);
}

void runaway_out_busy_free(struct busy_list *l)
{
	free(l->item);
	*l = (struct busy_list){ 0 };
}

size_t runaway_out_top_limit(size_t limit)
{
	if (limit == 0)
		return TOP_DEFAULT;
	return MIN(limit, (size_t)TOP_MAX);
}
