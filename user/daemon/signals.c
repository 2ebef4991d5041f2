// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signal audit: who belongs to an open incident's tree, and who sent one of them a
 * signal that ends it. Whoever it was: the gate's own signal is noted like any other.
 */

#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"

/* Trees larger than this are watched in part; a crowd of ten thousand has one cause. */
#define WATCHED_MAX 4096
/* Notes of one incident: who signals in a loop shall not fill the disk. */
#define NOTES_MAX 200

/* ---- whom to watch ---- */

static void add(struct daemon *d, struct runaway_id id, const char *incident_id)
{
	struct daemon_gate *g = &d->gate;

	if (g->watched_count == g->watched_cap) {
		size_t cap = g->watched_cap ? g->watched_cap * 2 : 64;
		struct watched *grown =
			cap > WATCHED_MAX ? NULL : realloc(g->watched, cap * sizeof(*grown));

		if (!grown) {
			d->runtime.gate.signals_unwatched++;
			return;
		}
		g->watched = grown;
		g->watched_cap = cap;
	}
	g->watched[g->watched_count] = (struct watched){ .id = id };
	snprintf(g->watched[g->watched_count].incident_id, sizeof(g->watched[0].incident_id), "%s",
		 incident_id);
	g->watched_count++;
}

static void add_tree(struct daemon *d, const struct runaway_proc *root, const char *incident_id)
{
	for (const struct runaway_proc *p = root; p; p = runaway_proc_tree_next(root, p))
		if (p->state == RUNAWAY_ALIVE)
			add(d, p->id, incident_id);
}

static void add_finding(struct daemon *d, const struct runaway_finding *f)
{
	const struct runaway_proc *root = runaway_model_find(d->model, f->subject.id);
	const struct runaway_group *groups;
	size_t count = 0;

	if (!root || !*f->incident_id)
		return;
	groups = runaway_model_groups(d->model, &count);
	for (size_t n = 0; n < count; n++) {
		if (groups[n].root != root || f->subject.kind != RUNAWAY_SUBJECT_ORPHAN_TREE)
			continue;
		for (size_t k = 0; k < groups[n].orphan_count; k++)
			add_tree(d, groups[n].orphan[k], f->incident_id);
		return;
	}
	add_tree(d, root, f->incident_id);
}

/* After a signal the finding may be over while somebody of the tree lives on. */
static void add_acted_on(void *ctx, const struct incident *i)
{
	_cleanup_(tree_ids_free) struct tree_ids tree = { 0 };
	_cleanup_cjson_ cJSON *action = NULL;
	struct daemon *d = ctx;

	if ((i->status != INCIDENT_ACTING && i->status != INCIDENT_POST_CHECK) ||
	    plan_finding(d, i->incident_id) || action_tree(d, i, &tree, &action) < 0)
		return;
	for (size_t n = 0; n < tree.count; n++) {
		const struct runaway_proc *p = runaway_model_find(d->model, tree.id[n]);

		if (p && p->state == RUNAWAY_ALIVE)
			add(d, p->id, i->incident_id);
	}
}

static void tell_kernel(struct daemon *d)
{
	struct daemon_gate *g = &d->gate;
	_cleanup_free_ uint32_t *pids = NULL;

	if (!g->watched_count && !g->watching)
		return;
	pids = calloc(g->watched_count + 1, sizeof(*pids));
	if (!pids)
		return;
	for (size_t n = 0; n < g->watched_count; n++)
		pids[n] = g->watched[n].id.pid;
	runaway_sensor_watch(d->sensor, pids, g->watched_count);
	g->watching = g->watched_count > 0;
}

void signals_update(struct daemon *d)
{
	d->gate.watched_count = 0;
	d->runtime.gate.signals_unwatched = 0;
	for (const struct drill *drill = d->gate.drills; drill; drill = drill->next)
		add_finding(d, &drill->finding);
	for (const struct runaway_finding *f = runaway_engine_findings(d->engine); f;
	     f = f->hh.next)
		if (f->subject.kind == RUNAWAY_SUBJECT_ORPHAN_TREE ||
		    f->subject.kind == RUNAWAY_SUBJECT_PROCESS)
			add_finding(d, f);
	if (d->store)
		runaway_store_each(d->store, add_acted_on, d);
	tell_kernel(d);
}

int signals_members(const struct daemon *d, const struct incident *i, struct tree_ids *ret)
{
	const struct daemon_gate *g = &d->gate;
	const struct runaway_proc *root = runaway_model_find(d->model, i->root);

	ret->id = calloc(g->watched_count + 1, sizeof(*ret->id));
	if (!ret->id)
		return -ENOMEM;
	for (size_t n = 0; n < g->watched_count; n++)
		if (strcmp(g->watched[n].incident_id, i->incident_id) == 0)
			ret->id[ret->count++] = g->watched[n].id;
	ret->cgroup_id = root ? root->cgroup_id : 0;
	return 0;
}

/* ---- what was seen ---- */

/* Of a process at its signal: it, who forked it, and so on. */
#define ANCESTRY 16

static size_t ancestry(const struct daemon *d, struct runaway_id id,
		       struct runaway_id ret[static ANCESTRY])
{
	const struct runaway_proc *p = runaway_model_find(d->model, id);
	size_t n = 0;

	ret[n++] = id;
	for (p = p ? p->parent_proc : NULL; p && n < ANCESTRY; p = p->parent_proc)
		ret[n++] = p->id;
	return n;
}

/* The incident of the first that is watched: a child may be younger than the last tick. */
static const char *watched_for(const struct daemon *d, const struct runaway_id *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < d->gate.watched_count; k++)
			if (runaway_id_eq(d->gate.watched[k].id, line[i]))
				return d->gate.watched[k].incident_id;
	return NULL;
}

static const char *name_of(int sig)
{
	const char *name = sigabbrev_np(sig);

	return name ? name : "RT";
}

static void write_process(struct json_writer *w, const char *key, const struct rw_id *id,
			  const char comm[RW_COMM_LEN])
{
	json_key(w, key);
	json_object_begin(w);
	json_kv_uint(w, "pid", id->pid);
	json_kv_u64_string(w, "start_ns", id->start_ns);
	json_key(w, "comm");
	json_string_n(w, comm, strnlen(comm, RW_COMM_LEN));
}

static void write_signal(const struct rw_signal *r, const struct runaway_model *m, struct strbuf *b)
{
	const bool kernel = r->flags & RW_SF_KERNEL;
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_int(&w, "signal", r->sig);
	json_key(&w, "name");
	json_stringf(&w, "SIG%s", name_of(r->sig));
	json_kv_time(&w, "sent_at", runaway_model_realtime(m, r->hdr.time_ns));
	json_kv_bool(&w, "handled", r->flags & RW_SF_HANDLED);
	json_kv_bool(&w, "ignored", r->flags & RW_SF_IGNORED);
	json_kv_int(&w, "si_code", r->code);
	write_process(&w, "target", &r->id, r->comm);
	json_object_end(&w);
	json_kv_string(&w, "sent_by", kernel ? "kernel" : "process");
	/* What only happened to run on that CPU is nobody's sender. */
	if (kernel) {
		json_kv_null(&w, "sender");
	} else {
		write_process(&w, "sender", &r->sender, r->sender_comm);
		json_kv_uint(&w, "uid", r->sender_uid);
		json_object_end(&w);
	}
	json_object_end(&w);
}

static void note(struct daemon *d, const struct rw_signal *r, const char *incident_id)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *reason = NULL;
	const char *ignored = r->flags & RW_SF_IGNORED ? ", which ignored it" : "";
	struct incident_step what = { .remediation = REMEDIATION_MAX };

	if (runaway_incident_notes(d->store, incident_id) >= NOTES_MAX) {
		d->runtime.gate.signals_dropped++;
		return;
	}
	write_signal(r, d->model, &b);
	if (r->flags & RW_SF_KERNEL)
		(void)!asprintf(&reason, "the kernel sent SIG%s to %.16s (pid %u)%s",
				name_of(r->sig), r->comm, r->id.pid, ignored);
	else
		(void)!asprintf(&reason, "%.16s (pid %u, uid %u) sent SIG%s to %.16s (pid %u)%s",
				r->sender_comm, r->sender.pid, r->sender_uid, name_of(r->sig),
				r->comm, r->id.pid, ignored);
	if (b.error || !reason)
		return;
	what.realtime_ns = runaway_model_realtime(d->model, r->hdr.time_ns);
	what.data = b.data;
	what.reason = reason;
	if (runaway_incident_note(d->store, incident_id, "signal", &what) < 0)
		d->runtime.gate.signals_dropped++;
}

/* ---- what was sent while there was no daemon: it is read before there is a store ---- */

#define EARLY_MAX 1024

struct early_signal {
	struct rw_signal rec;
	struct runaway_id line[ANCESTRY]; /* as it was then: some of them may have ended since */
	size_t depth;
};

static void keep_early(struct daemon *d, const struct rw_signal *r)
{
	const struct runaway_id id = { .pid = r->id.pid, .start_ns = r->id.start_ns };
	struct daemon_gate *g = &d->gate;
	struct early_signal *e;

	if (!g->early)
		g->early = calloc(EARLY_MAX, sizeof(*g->early));
	if (!g->early || g->early_count == EARLY_MAX) {
		d->runtime.gate.signals_dropped++;
		return;
	}
	e = &g->early[g->early_count++];
	e->rec = *r;
	e->depth = ancestry(d, id, e->line);
}

struct search {
	const struct early_signal *e;
	const char *found;
};

/* Who has ended is not watched any more: the root of an incident that is open still says it. */
static void match_root(void *ctx, const struct incident *i)
{
	struct search *s = ctx;

	for (size_t n = 0; n < s->e->depth && i->status < INCIDENT_RESOLVED; n++)
		if (runaway_id_eq(i->root, s->e->line[n]))
			s->found = i->incident_id;
}

void signals_adopt(struct daemon *d)
{
	struct daemon_gate *g = &d->gate;

	/* Whom the daemon before it watched, the kernel side may know still. */
	g->watching = true;
	signals_update(d);
	for (size_t n = 0; n < g->early_count; n++) {
		struct search s = { .e = &g->early[n] };

		s.found = watched_for(d, s.e->line, s.e->depth);
		if (!s.found)
			runaway_store_each(d->store, match_root, &s);
		if (s.found)
			note(d, &s.e->rec, s.found);
	}
	free(TAKE_PTR(g->early));
	g->early_count = 0;
}

void signals_seen(void *ctx, const struct rw_signal *r)
{
	const struct runaway_id id = { .pid = r->id.pid, .start_ns = r->id.start_ns };
	struct runaway_id line[ANCESTRY];
	struct daemon *d = ctx;
	const char *incident_id;

	if (!d->store) {
		keep_early(d, r);
		return;
	}
	incident_id = watched_for(d, line, ancestry(d, id, line));
	if (incident_id)
		note(d, r, incident_id);
}
