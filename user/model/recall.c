/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one model knows, told to another: dead origins with their arguments and
 * how they ended, who is an orphan and since when. The kernel and /proc can tell
 * none of it again.
 */

#include <string.h>

#include "model/internal.h"

/* ---- a record to a process ---- */
static int recall_image(struct runaway_model *m, struct runaway_proc *p, const struct rw_known *r)
{
	const char *exe = r->data, *args = exe + r->exe_len;
	struct runaway_image *i;

	if (!(r->known & RW_KF_IMAGE))
		return 0;
	if (r->known & RW_KF_IMAGE_OF_ORIGIN && p->origin && p->origin->image) {
		i = image_ref(p->origin->image);
		image_unref(p->image);
		p->image = i;
		return 0;
	}
	i = image_new();
	if (!i)
		return -ENOMEM;
	i->exe = r->exe_len ? strndup(exe, r->exe_len) : NULL;
	i->exe_ino = r->exe_ino;
	i->exe_dev = r->exe_dev;
	i->exec_id = r->exec_id;
	i->args_cut = r->known & RW_KF_ARGS_CUT;
	if ((r->exe_len && !i->exe) || image_set_args(m, i, args, r->args_len) < 0) {
		image_unref(i);
		return -ENOMEM;
	}
	image_unref(p->image);
	p->image = i;
	return 0;
}

static int recall_markers(struct runaway_model *m, struct runaway_proc *p, const struct rw_known *r)
{
	struct runaway_ci *ci = NULL;
	int err;

	if (!r->ci.pid)
		return 0;
	if (!r->markers_len) {
		/* Not written again: it is the origin's. */
		ci = p->origin && p->origin->ci ? p->origin->ci : ci_find(m, id_of(&r->ci));
		if (ci)
			ci_join(m, p, ci);
		return 0;
	}
	err = runaway_ci_parse(r->data + r->exe_len + r->args_len, r->markers_len,
			       (const char *const *)m->ci_markers, &ci);
	if (err < 0 || !ci)
		return err;
	ci = ci_intern(m, ci, id_of(&r->ci));
	if (!ci)
		return -ENOMEM;
	ci_join(m, p, ci);
	runaway_ci_unref(ci);
	return 0;
}

static int recall_cgroup(struct runaway_model *m, struct runaway_proc *p, const struct rw_known *r)
{
	const char *text = r->data + r->exe_len + r->args_len + r->markers_len;

	if (p->state == RUNAWAY_ALIVE)
		cgroup_join(m, p, r->cgroup_id, r->hdr.time_ns);
	else
		p->cgroup_id = r->cgroup_id;
	return r->cgroup_len ? process_set_cgroup_text(p, text, r->cgroup_len) : 0;
}

static void recall_end(struct runaway_model *m, struct runaway_proc *p, const struct rw_known *r)
{
	if (r->known & RW_KF_ZOMBIE)
		process_exited(m, p, r->exit_ns);
	if (r->known & (RW_KF_ZOMBIE | RW_KF_DEAD))
		p->exit_ns = r->exit_ns;
	if (!(r->known & RW_KF_EXIT))
		return;
	p->exit_known = true;
	p->exit_code = r->exit_code;
}

/* CPU of which a tree was told already is not credited again. */
static void recall_cpu(struct runaway_proc *p, const struct rw_known *r)
{
	p->cpu_ns = p->prev_cpu_ns = MAX(p->cpu_ns, r->cpu_ns);
	p->sample_ns = p->prev_sample_ns = r->sample_ns;
	p->rss_bytes = r->rss_bytes;
	p->freed = r->known & RW_KF_FREED;
}

static int known_new(struct runaway_model *m, const struct rw_known *r, struct runaway_proc **ret)
{
	if (r->known & RW_KF_DEAD)
		return process_new_remembered(m, id_of(&r->id), r->exit_ns, ret);
	return process_new(m, id_of(&r->id), r->first_seen_ns, ret);
}

/* What needs no memory. */
static void recall_facts(struct runaway_model *m, struct runaway_proc *p, const struct rw_known *r)
{
	process_set_comm(p, r->comm);
	process_set_flags(m, p, r->flags);
	p->pgid = r->pgid;
	p->sid = r->sid;
	p->uid = r->uid;
	p->threads = r->threads;
	p->first_seen_ns = r->first_seen_ns;
	p->event_ns = r->event_ns;
	p->touched_ns = MAX(p->touched_ns, r->event_ns);
	p->seen_fork = r->known & RW_KF_FORK;
	p->execed = r->known & RW_KF_EXEC;
	recall_cpu(p, r);
}

static void recall_kin(struct runaway_model *m, struct runaway_proc *p, const struct rw_known *r)
{
	struct runaway_proc *origin;

	origin = r->origin.pid ? process_find(m, id_of(&r->origin)) : NULL;
	if (origin)
		process_set_origin(m, p, origin);
	if (p->state == RUNAWAY_DEAD) {
		p->parent = id_of(&r->parent);
		p->parent_ns = r->parent_ns;
	} else if (r->parent.pid) {
		process_set_parent(m, p, id_of(&r->parent), r->parent_ns);
		if (!p->parent_proc)
			process_pend(m, p);
	}
}

int model_known(struct runaway_model *m, const struct rw_known *r, size_t len)
{
	size_t data = (size_t)r->exe_len + r->args_len + r->markers_len + r->cgroup_len;
	struct runaway_proc *p = process_find(m, id_of(&r->id));
	int err, e;

	if (data > len - sizeof(*r))
		return -EBADMSG;
	if (!p) {
		err = known_new(m, r, &p);
		if (err < 0)
			return err == -ENOMEM ? err : 0;
	}
	recall_facts(m, p, r);
	recall_kin(m, p, r);
	recall_end(m, p, r);
	err = recall_image(m, p, r);
	e = recall_markers(m, p, r);
	err = err ? err : e;
	e = recall_cgroup(m, p, r);
	return err ? err : e;
}

int model_recalled(struct runaway_model *m)
{
	/* Held for a tick each; no tick was told. */
	process_release_old(m);
	process_release_old(m);
	process_prune_unnamed(m);
	m->counters = (struct runaway_model_counters){ 0 };
	m->tick.ci_cpu_ns = 0;
	m->scan.churn = 0;
	return 0;
}

/* ---- a process to a record ---- */
struct dump {
	const struct runaway_model *m;
	runaway_record_fn fn;
	void *ctx;
	struct strbuf b; /* one record, grown to the largest */
};

static struct rw_id wire_id(struct runaway_id id)
{
	return (struct rw_id){ .start_ns = id.start_ns, .pid = id.pid };
}

static uint32_t known_flags(const struct runaway_proc *p)
{
	uint32_t f = 0;

	f |= p->seen_fork ? RW_KF_FORK : 0;
	f |= p->execed ? RW_KF_EXEC : 0;
	f |= p->exit_known ? RW_KF_EXIT : 0;
	f |= p->state == RUNAWAY_ZOMBIE ? RW_KF_ZOMBIE : 0;
	f |= p->state == RUNAWAY_DEAD ? RW_KF_DEAD : 0;
	f |= p->freed ? RW_KF_FREED : 0;
	if (!p->image)
		return f;
	f |= RW_KF_IMAGE;
	f |= p->origin && p->origin->image == p->image ? RW_KF_IMAGE_OF_ORIGIN : 0;
	f |= p->image->args_cut ? RW_KF_ARGS_CUT : 0;
	return f;
}

/* Longest texts that a record takes: all of them together stay within 64 KiB. */
#define EXE_MAX	    4096
#define ARGS_MAX    (16 * 1024)
#define MARKERS_MAX (16 * 1024)
#define CGROUP_MAX  (16 * 1024)

static uint16_t add_text(struct strbuf *b, const char *text, size_t len, size_t max)
{
	if (!text || len > max)
		return 0;
	strbuf_add(b, text, len);
	return (uint16_t)len;
}

static void fill_known(const struct runaway_proc *p, struct rw_known *r)
{
	r->id = wire_id(p->id);
	if (p->origin)
		r->origin = wire_id(p->origin->id);
	r->parent = wire_id(p->parent);
	if (p->ci)
		r->ci = wire_id(p->ci->id);
	r->cgroup_id = p->cgroup_id;
	r->cpu_ns = p->cpu_ns;
	r->sample_ns = p->sample_ns;
	r->rss_bytes = p->rss_bytes;
	r->first_seen_ns = p->first_seen_ns;
	r->parent_ns = p->parent_ns;
	r->event_ns = p->event_ns;
	r->exit_ns = p->exit_ns;
	r->pgid = p->pgid;
	r->sid = p->sid;
	r->uid = p->uid;
	r->flags = p->flags;
	r->threads = p->threads;
	r->exit_code = p->exit_code;
	r->known = known_flags(p);
	memcpy(r->comm, p->comm, sizeof(r->comm));
}

static void dump_known(struct dump *d, const struct runaway_proc *p)
{
	const struct runaway_image *i = p->image;
	struct rw_known r = { .hdr = { .type = RW_KNOWN, .time_ns = d->m->now_ns } };
	struct strbuf *b = &d->b;

	fill_known(p, &r);
	strbuf_truncate(b, 0);
	strbuf_add(b, (const char *)&r, sizeof(r));
	if (i && !(r.known & RW_KF_IMAGE_OF_ORIGIN)) {
		r.exe_ino = i->exe_ino;
		r.exe_dev = i->exe_dev;
		r.exec_id = i->exec_id;
		r.exe_len = add_text(b, i->exe, i->exe ? strlen(i->exe) : 0, EXE_MAX);
		r.args_len = add_text(b, i->args, i->args_len, ARGS_MAX);
	}
	if (p->ci && (!p->origin || p->origin->ci != p->ci))
		r.markers_len = add_text(b, p->ci->text, p->ci->text_len, MARKERS_MAX);
	r.cgroup_len = add_text(b, p->cgroup_text, p->cgroup_text ? strlen(p->cgroup_text) : 0,
				CGROUP_MAX);
	r.hdr.len = (uint32_t)b->len;
	if (b->error)
		return;
	memcpy(b->data, &r, sizeof(r));
	d->fn(d->ctx, (const struct rw_hdr *)b->data, b->len);
}

static void dump_orphan(struct dump *d, const struct runaway_proc *p)
{
	const struct runaway_orphan *o = p->orphan;
	struct rw_known_orphan r = {
		.hdr = { .type = RW_KNOWN_ORPHAN, .len = sizeof(r), .time_ns = d->m->now_ns },
		.id = wire_id(p->id),
		.reaper = wire_id(o->reaper),
		.since_ns = o->since_ns,
		.first_seen_ns = o->first_seen_ns,
		.known_ns = o->known_ns,
		.baseline_ns = o->baseline_ns,
		.tree_cpu_ns = o->tree_cpu_ns,
		.hop_count = o->hop_count,
		.via = o->via,
		.reaper_flags = o->reaper_kind == RUNAWAY_REAPER_NS_INIT ? RW_TF_NS_INIT : 0,
		.origin_known = o->origin_known,
	};

	for (size_t i = 0; i < RUNAWAY_HOPS_MAX; i++)
		r.hop[i] = (struct rw_hop){ .at_ns = o->hop[i].at_ns,
					    .from = wire_id(o->hop[i].from),
					    .to = wire_id(o->hop[i].to) };
	memcpy(r.reaper_comm, o->reaper_comm, sizeof(r.reaper_comm));
	d->fn(d->ctx, &r.hdr, sizeof(r));
}

static int dump_end(struct dump *d)
{
	int r = d->b.error;

	strbuf_free(&d->b);
	return r;
}

/* A child starts after its origin and its parent: in this order all whom it names are there. */
static int by_start(const void *pa, const void *pb)
{
	const struct runaway_proc *a = *(struct runaway_proc *const *)pa;
	const struct runaway_proc *b = *(struct runaway_proc *const *)pb;

	if (a->id.start_ns != b->id.start_ns)
		return a->id.start_ns < b->id.start_ns ? -1 : 1;
	return (a->id.pid > b->id.pid) - (a->id.pid < b->id.pid);
}

int runaway_model_dump(const struct runaway_model *m, runaway_record_fn fn, void *ctx)
{
	struct dump d = { .m = m, .fn = fn, .ctx = ctx, .b = STRBUF_INIT };
	_cleanup_free_ struct runaway_proc **all = NULL;
	size_t n = 0;

	all = calloc((size_t)HASH_CNT(hh, m->by_id) + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (struct runaway_proc *p = m->by_id; p; p = p->hh.next)
		all[n++] = p;
	qsort(all, n, sizeof(*all), by_start);
	for (size_t i = 0; i < n; i++)
		dump_known(&d, all[i]);
	for (const struct runaway_proc *p = m->orphan_head; p; p = p->orphan_next)
		dump_orphan(&d, p);
	return dump_end(&d);
}

int runaway_model_dump_proc(const struct runaway_model *m, const struct runaway_proc *p,
			    runaway_record_fn fn, void *ctx)
{
	struct dump d = { .m = m, .fn = fn, .ctx = ctx, .b = STRBUF_INIT };

	dump_known(&d, p);
	return dump_end(&d);
}

int runaway_model_dump_tree(const struct runaway_model *m, const struct runaway_proc *p,
			    runaway_record_fn fn, void *ctx)
{
	struct dump d = { .m = m, .fn = fn, .ctx = ctx, .b = STRBUF_INIT };

	for (const struct runaway_proc *at = p; at; at = tree_next(p, at))
		dump_known(&d, at);
	if (p->orphan && p->listed)
		dump_orphan(&d, p);
	return dump_end(&d);
}
