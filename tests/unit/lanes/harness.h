/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_LANES_HARNESS_H
#define RUNAWAY_TESTS_LANES_HARNESS_H

/*
 * A small world of processes that is told to the model in records, as the
 * kernel would. One tick is one second: everybody burns at their rate, a scan
 * writes all of them, the lanes are judged.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/macros.h"
#include "lanes/engine.h"
#include "model/model.h"

#define ACTORS_MAX 64
#define EXITED(n)  ((n) << 8)
#define KILLED(n)  (n)

struct actor {
	struct rw_id id, parent, ci;
	uint32_t pgid, sid;
	uint64_t cgroup_id, cpu_ns;
	double rate; /* cores */
	char comm[RW_COMM_LEN];
	bool alive;
};

struct world {
	struct runaway_model *model;
	struct lane_engine *engine;
	uint64_t now_ns, started_ns, busy_ns, generation;
	double load5;  /* of the whole host, on `ncpu` */
	double others; /* cores burned by nobody we list */
	uint32_t ncpu, next_pid;
	struct actor actor[ACTORS_MAX];
	size_t actors;
	/* What the engine said. */
	unsigned int opened, ended;
	char opened_key[192], ended_key[192];
	enum finding_end why;
	double condition_s; /* of the last opened, since the world began */
};

static inline struct rw_hdr hdr_of(const struct world *w, uint16_t type, size_t len)
{
	return (struct rw_hdr){ .type = type, .len = (uint32_t)len, .time_ns = w->now_ns };
}

static inline void feed(struct world *w, const void *rec)
{
	const struct rw_hdr *h = rec;

	assert_int_equal(runaway_model_apply(w->model, h, h->len), 0);
}

#define RECORD(w, name, type_) struct name name = { .hdr = hdr_of(w, type_, sizeof(name)) }

static inline void on_opened(void *ctx, struct runaway_finding *f)
{
	struct world *w = ctx;

	w->opened++;
	memcpy(w->opened_key, f->key, sizeof(f->key));
	w->condition_s = (double)(f->condition_ns - w->started_ns) / (double)NSEC_PER_SEC;
	assert_true(f->state.open);
	assert_int_equal(f->since_ns, w->now_ns);
}

static inline void on_ended(void *ctx, struct runaway_finding *f, enum finding_end why)
{
	struct world *w = ctx;

	w->ended++;
	memcpy(w->ended_key, f->key, sizeof(f->key));
	w->why = why;
}

/* Built-in lanes with those of the text (a JSON array) put over them. */
static inline void world_lanes(struct world *w, const char *text)
{
	struct lane_set set = { 0 };
	_cleanup_cjson_ cJSON *json = NULL;
	const cJSON *item;

	assert_int_equal(runaway_lane_set_builtin(&set), 0);
	assert_int_equal(runaway_json_parse(text, strlen(text), &json, NULL), 0);
	cJSON_ArrayForEach (item, json) {
		struct lane l = { 0 };
		char *path = NULL, *why = NULL;

		if (runaway_lane_parse(item, &l, &path, &why))
			fail_msg("%s: %s", path, why);
		assert_int_equal(runaway_lane_set_put(&set, &l), 0);
	}
	assert_int_equal(runaway_engine_set_lanes(w->engine, &set), 0);
	assert_int_equal(set.count, 0);
}

/* `comm` may be another actor's: the copy goes through a local one. */
static inline struct actor *add_actor(struct world *w, const char *comm)
{
	char name[RW_COMM_LEN];
	struct actor *a = &w->actor[w->actors++];

	assert_true(w->actors <= ACTORS_MAX);
	*a = (struct actor){ .alive = true, .cgroup_id = 1 };
	a->id = (struct rw_id){ .pid = w->next_pid, .start_ns = w->now_ns };
	a->pgid = a->sid = w->next_pid++;
	snprintf(name, sizeof(name), "%s", comm);
	memcpy(a->comm, name, sizeof(name));
	return a;
}

static inline void tell_task(struct world *w, const struct actor *a)
{
	RECORD(w, rw_task, RW_TASK);

	rw_task.id = a->id;
	rw_task.parent = a->parent;
	rw_task.ci = a->ci;
	rw_task.cgroup_id = a->cgroup_id;
	rw_task.cpu_ns = a->cpu_ns;
	rw_task.pgid = a->pgid;
	rw_task.sid = a->sid;
	rw_task.threads = 1;
	rw_task.flags = a->id.pid == 1 ? RW_TF_NS_INIT : 0;
	memcpy(rw_task.comm, a->comm, sizeof(a->comm));
	feed(w, &rw_task);
}

static inline void tell_scan(struct world *w, uint32_t flags)
{
	RECORD(w, rw_scan, RW_SCAN_BEGIN);

	rw_scan.generation = ++w->generation;
	rw_scan.flags = flags;
	feed(w, &rw_scan);
	for (size_t i = 0; i < w->actors; i++)
		if (w->actor[i].alive) {
			tell_task(w, &w->actor[i]);
			rw_scan.processes++;
		}
	rw_scan.hdr.type = RW_SCAN_END;
	feed(w, &rw_scan);
}

static inline void tell_cgroup(struct world *w, uint64_t id, const char *path)
{
	RECORD(w, rw_cgroup_ev, RW_CGROUP);

	rw_cgroup_ev.cgroup_id = id;
	rw_cgroup_ev.parent_id = id == 1 ? 0 : 1;
	rw_cgroup_ev.level = id == 1 ? 0 : 1;
	rw_cgroup_ev.op = RW_CG_FOUND;
	rw_cgroup_ev.path_len = (uint16_t)(strlen(path) + 1);
	snprintf(rw_cgroup_ev.path, sizeof(rw_cgroup_ev.path), "%s", path);
	feed(w, &rw_cgroup_ev);
}

static inline void world_start(struct world *w)
{
	static const struct lane_engine_ops ops = { on_opened, on_ended };
	static const struct runaway_model_config config = {
		.limits = { .processes = 4096, .cgroups = 256, .series = 16 },
	};

	assert_int_equal(runaway_model_new(&config, &w->model), 0);
	assert_int_equal(runaway_engine_new(&ops, w, &w->engine), 0);
	world_lanes(w, "[]");
	RECORD(w, rw_meta, RW_META);
	rw_meta.ncpu = w->ncpu;
	feed(w, &rw_meta);
	tell_cgroup(w, 1, "/");
}

static inline void world_stop(struct world *w)
{
	runaway_engine_free(w->engine);
	runaway_model_free(w->model);
	w->engine = NULL;
	w->model = NULL;
}

/* actor[0] is init, actor[1] a step script that ran under it before: an orphan that idles. */
static inline void world_new(struct world *w)
{
	*w = (struct world){ .ncpu = 2, .next_pid = 1 };
	w->now_ns = w->started_ns = 1000 * NSEC_PER_SEC;
	world_start(w);
	add_actor(w, "systemd");
	w->next_pid = 100;
	add_actor(w, "step.sh")->parent = w->actor[0].id;
	tell_scan(w, RW_SCAN_RESYNC);
}

/* Nothing is told of it but by the next scan: it ran before the sensor. */
static inline struct actor *stranger(struct world *w, const struct actor *parent, const char *comm)
{
	struct actor *a = add_actor(w, comm);

	a->parent = parent->id;
	return a;
}

static inline struct actor *spawn(struct world *w, const struct actor *parent)
{
	struct actor *a = stranger(w, parent, parent->comm);
	RECORD(w, rw_fork, RW_FORK);

	a->pgid = parent->pgid;
	a->sid = parent->sid;
	a->ci = parent->ci;
	a->cgroup_id = parent->cgroup_id;
	rw_fork.id = a->id;
	rw_fork.origin = rw_fork.parent = parent->id;
	rw_fork.ci = a->ci;
	rw_fork.cgroup_id = a->cgroup_id;
	rw_fork.pgid = a->pgid;
	rw_fork.sid = a->sid;
	memcpy(rw_fork.comm, a->comm, sizeof(a->comm));
	feed(w, &rw_fork);
	return a;
}

static inline uint16_t put_path(char *to, const char *exe)
{
	char copy[RW_PATH_MAX], *slash;
	uint16_t len = 0;

	snprintf(copy, sizeof(copy), "%s", exe);
	while ((slash = strrchr(copy, '/'))) {
		len += (uint16_t)(snprintf(to + len, RW_PATH_MAX - len, "%s", slash + 1) + 1);
		*slash = '\0';
	}
	return len;
}

/* `args` as a list with '|' between them; markers the same, may be "". */
static inline void exec_as(struct world *w, struct actor *a, const char *exe, const char *args,
			   const char *markers)
{
	union {
		struct rw_exec rec;
		char room[sizeof(struct rw_exec) + 3 * RW_PATH_MAX];
	} u = { .room = { 0 } };
	struct rw_exec *r = &u.rec;
	const char *leaf = strrchr(exe, '/') + 1;
	char *at;

	snprintf(a->comm, sizeof(a->comm), "%s", leaf);
	r->id = a->id;
	memcpy(r->comm, a->comm, sizeof(a->comm));
	r->exec_id = 2;
	r->cgroup_id = a->cgroup_id;
	r->path_len = put_path(r->data, exe);
	at = r->data + r->path_len;
	r->args_len = (uint16_t)(snprintf(at, RW_PATH_MAX, "%s", args) + 1);
	for (char *c = at; *c; c++)
		if (*c == '|')
			*c = '\0';
	at += r->args_len;
	if (*markers) {
		r->markers_len = (uint16_t)(snprintf(at, RW_PATH_MAX, "%s", markers) + 1);
		for (char *c = at; *c; c++)
			if (*c == '|')
				*c = '\0';
		a->ci = a->id;
	}
	r->hdr = hdr_of(w, RW_EXEC, sizeof(*r) + r->path_len + r->args_len + r->markers_len);
	feed(w, r);
}

/* What only /proc tells of a stranger. */
static inline void tell_procfs(struct world *w, const struct actor *a, uint32_t what,
			       const char *text, size_t len)
{
	union {
		struct rw_procfs rec;
		char room[sizeof(struct rw_procfs) + RW_PATH_MAX];
	} u = { .room = { 0 } };

	u.rec.hdr = hdr_of(w, RW_PROCFS, sizeof(u.rec) + len);
	u.rec.id = a->id;
	u.rec.what = what;
	u.rec.bytes = (uint32_t)len;
	memcpy(u.rec.data, text, len);
	feed(w, &u.rec);
}

/* It ends with this wait status; init takes its children over. */
static inline void die(struct world *w, struct actor *a, int status)
{
	RECORD(w, rw_exit, RW_EXIT);
	RECORD(w, rw_free, RW_FREE);

	rw_exit.id = a->id;
	rw_exit.exit_code = status;
	memcpy(rw_exit.comm, a->comm, sizeof(a->comm));
	feed(w, &rw_exit);
	for (size_t i = 0; i < w->actors; i++) {
		struct actor *child = &w->actor[i];
		RECORD(w, rw_reparent, RW_REPARENT);

		if (!child->alive || child->parent.pid != a->id.pid)
			continue;
		child->parent = w->actor[0].id;
		rw_reparent.id = child->id;
		rw_reparent.old_parent = a->id;
		rw_reparent.reaper = child->parent;
		rw_reparent.pgid = child->pgid;
		rw_reparent.sid = child->sid;
		rw_reparent.reaper_flags = RW_TF_NS_INIT;
		rw_reparent.via = RW_VIA_HOOK;
		snprintf(rw_reparent.reaper_comm, sizeof(rw_reparent.reaper_comm), "systemd");
		feed(w, &rw_reparent);
	}
	rw_free.id = a->id;
	rw_free.cpu_ns = a->cpu_ns;
	rw_free.exit_code = status;
	rw_free.cgroup_id = a->cgroup_id;
	feed(w, &rw_free);
	a->alive = false;
}

static inline void tell_host(struct world *w)
{
	RECORD(w, rw_host, RW_HOST);

	rw_host.load5_milli = (uint64_t)(w->load5 * 1000);
	rw_host.busy_ns = w->busy_ns;
	rw_host.ncpu = w->ncpu;
	for (int i = 0; i < 3; i++)
		rw_host.psi_cpu_some[i] = rw_host.psi_memory_some[i] = rw_host.psi_memory_full[i] =
			rw_host.psi_io_some[i] = rw_host.psi_io_full[i] = RW_UNKNOWN_U64;
	feed(w, &rw_host);
}

/* Time goes by and everybody burns; nobody looks. */
static inline void burn(struct world *w, double s)
{
	w->now_ns += (uint64_t)(s * (double)NSEC_PER_SEC);
	w->busy_ns += (uint64_t)(s * w->others * (double)NSEC_PER_SEC);
	for (size_t i = 0; i < w->actors; i++) {
		uint64_t ns = (uint64_t)(s * w->actor[i].rate * (double)NSEC_PER_SEC);

		if (!w->actor[i].alive)
			continue;
		w->actor[i].cpu_ns += ns;
		w->busy_ns += ns;
	}
}

static inline void look(struct world *w)
{
	RECORD(w, rw_tick, RW_TICK);

	tell_scan(w, 0);
	tell_host(w);
	rw_tick.realtime_ns = w->now_ns + 1700000000 * NSEC_PER_SEC;
	feed(w, &rw_tick);
	runaway_engine_tick(w->engine, w->model);
}

static inline void run(struct world *w, unsigned int seconds)
{
	while (seconds--) {
		burn(w, 1);
		look(w);
	}
}

static inline const struct runaway_proc *proc_of(const struct world *w, const struct actor *a)
{
	return runaway_model_find(
		w->model, (struct runaway_id){ .pid = a->id.pid, .start_ns = a->id.start_ns });
}

#define CHROMIUM "/usr/lib/chromium/chromium"
#define HEADLESS "chromium|--headless=new|--remote-debugging-port=0|file:///spin.html"

struct browser {
	struct actor *script, *root, *zygote, *renderer;
};

/* A script under the step starts a browser with a session of its own; its renderer burns. */
static inline struct browser start_browser(struct world *w, const char *args)
{
	struct browser b;

	b.script = spawn(w, &w->actor[1]);
	exec_as(w, b.script, "/home/ci/smoke.sh", "sh|/home/ci/smoke.sh|--suite=login", "");
	burn(w, 5);
	b.root = spawn(w, b.script);
	b.root->pgid = b.root->sid = b.root->id.pid;
	exec_as(w, b.root, CHROMIUM, args, "");
	b.zygote = spawn(w, b.root);
	exec_as(w, b.zygote, CHROMIUM, "chromium|--type=zygote", "");
	b.renderer = spawn(w, b.zygote);
	b.root->rate = 0.03;
	b.renderer->rate = 0.93;
	look(w);
	return b;
}

#endif
