// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Did it help? Looks at what the action's document names: whether all of the tree has
 * gone, what it cost before and after, and whether the services still are healthy.
 * A survivor is told to a person; it is never signalled harder.
 */

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

/* ---- what it costs ---- */

static void number(struct json_writer *w, const char *key, bool known, double v)
{
	if (known && !isnan(v))
		json_kv_fixed(w, key, v, 3);
	else
		json_kv_null(w, key);
}

void post_check_measure(const struct daemon *d, const struct tree_ids *tree, struct json_writer *w)
{
	const struct runaway_host_state *host = runaway_model_host(d->model);
	const struct runaway_cgroup *cg = runaway_model_cgroup(d->model, tree->cgroup_id);
	uint64_t rss = 0;
	size_t living = 0;
	double cores = 0;

	for (size_t n = 0; n < tree->count; n++) {
		const struct runaway_proc *p = runaway_model_find(d->model, tree->id[n]);

		if (!p || p->state != RUNAWAY_ALIVE)
			continue;
		living++;
		cores += runaway_proc_cores(d->model, p);
		rss += p->rss_bytes;
	}
	json_kv_time(w, "at", runaway_real_ns());
	json_kv_uint(w, "processes", living);
	json_kv_fixed(w, "cpu_cores", cores, 3);
	json_kv_uint(w, "rss_bytes", rss);
	number(w, "cgroup_cpu_cores", cg != NULL, cg ? cg->cores : 0);
	number(w, "host_busy_cores", host->known, host->busy_cores);
	number(w, "host_load5_per_core", host->known, host->load5_per_core);
}

/* ---- the verdict ---- */

struct checking {
	struct daemon *d;
	struct pending_call *call; /* NULL: made by itself */
	char incident_id[40];
};

struct verdict {
	bool ok;
	char why[512];
};

static bool alive(const struct daemon *d, struct runaway_id id)
{
	const struct runaway_proc *p = runaway_model_find(d->model, id);

	return p && p->state == RUNAWAY_ALIVE;
}

static void judge_survivors(const struct daemon *d, const struct tree_ids *t, struct verdict *v)
{
	size_t survivors = 0;
	uint32_t first = 0;

	for (size_t n = 0; n < t->count; n++) {
		if (!alive(d, t->id[n]))
			continue;
		first = survivors++ ? first : t->id[n].pid;
	}
	if (!survivors)
		return;
	v->ok = false;
	snprintf(v->why, sizeof(v->why),
		 "%zu of %zu processes of the tree survived, among them pid %u: a person has to "
		 "look; nothing stronger is sent",
		 survivors, t->count, first);
}

static bool was_healthy(const cJSON *action, const char *name)
{
	const cJSON *h;

	cJSON_ArrayForEach (h, runaway_json_get(runaway_json_get(action, "before"), "health"))
		if (strcmp(runaway_json_str(h, "name", ""), name) == 0)
			return runaway_json_true(h, "ok", false);
	return false;
}

static void judge_health(const cJSON *action, const struct health_result *r, size_t count,
			 struct verdict *v)
{
	for (size_t n = 0; n < count && v->ok; n++) {
		if (r[n].ok || !was_healthy(action, r[n].name))
			continue;
		v->ok = false;
		snprintf(v->why, sizeof(v->why),
			 "service %s was healthy before and is not after (%s)", r[n].name,
			 r[n].detail);
	}
}

static void write_survivors(const struct daemon *d, const struct tree_ids *t, struct json_writer *w)
{
	json_key(w, "survivors");
	json_array_begin(w);
	for (size_t n = 0; n < t->count; n++) {
		const struct runaway_proc *p = runaway_model_find(d->model, t->id[n]);

		if (!p || p->state != RUNAWAY_ALIVE)
			continue;
		json_object_begin(w);
		json_kv_uint(w, "pid", p->id.pid);
		json_kv_u64_string(w, "start_ns", p->id.start_ns);
		json_kv_string(w, "comm", p->comm);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_check(const struct checking *k, const cJSON *action, const struct tree_ids *t,
			const struct health_result *health, size_t count, const struct verdict *v,
			struct strbuf *b)
{
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", runaway_json_str(action, "plan_sha256", NULL));
	json_kv_time(&w, "at", runaway_real_ns());
	json_kv_string(&w, "asked_by", k->call ? k->call->actor : "runawayd");
	json_kv_bool(&w, "ok", v->ok);
	json_kv_string(&w, "why", v->why);
	json_kv_uint(&w, "processes_checked", t->count);
	write_survivors(k->d, t, &w);
	json_kv_cjson(&w, "before", runaway_json_get(action, "before"));
	json_key(&w, "after");
	json_object_begin(&w);
	post_check_measure(k->d, t, &w);
	health_write(&w, health, count);
	json_object_end(&w);
	json_kv_string(&w, "alert_state",
		       plan_finding(k->d, k->incident_id) ? "firing" : "resolved");
	json_object_end(&w);
}

/* ---- what follows from it ---- */

static int follow(const struct checking *k, const struct incident *i, const struct verdict *v,
		  const char *document)
{
	struct incident_step step = {
		.to = INCIDENT_POST_CHECK,
		.realtime_ns = runaway_real_ns(),
		.actor = k->call ? k->call->actor : NULL,
		.reason = v->why,
		.document = document,
		.array = INCIDENT_POST_CHECKS,
		.remediation = v->ok ? REMEDIATION_SUCCEEDED : REMEDIATION_FAILED,
	};

	if (!v->ok) {
		log_error("incident %s: the post-check failed: %s", i->incident_id, v->why);
		return runaway_incident_step(k->d->store, i->incident_id, &step);
	}
	/* What failed once stays failed: the end came from somebody else. */
	if (i->remediation == REMEDIATION_FAILED) {
		step.remediation = REMEDIATION_FAILED;
		return runaway_incident_resolve(k->d->store, i->incident_id, "manual", &step);
	}
	return runaway_incident_resolve(k->d->store, i->incident_id, "remediated", &step);
}

static void finish(struct checking *k, int err, struct strbuf *document)
{
	if (k->call) {
		if (err < 0)
			call_step_failed(k->call, err);
		else
			call_result(k->call, document);
	} else if (err < 0) {
		log_error_errno(err, "incident %s: the post-check could not be recorded",
				k->incident_id);
	}
	free(k);
}

static void on_health(void *ctx, const struct health_result *health, size_t count)
{
	_cleanup_(tree_ids_free) struct tree_ids tree = { 0 };
	_cleanup_cjson_ cJSON *action = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct checking *k = ctx;
	const struct incident *i = runaway_store_find(k->d->store, k->incident_id);
	struct verdict v = { .ok = true, .why = "every process of the tree has gone" };
	int err = i ? 0 : -ENOENT;

	if (err == 0 && i->status != INCIDENT_POST_CHECK)
		err = -EPROTO;
	if (err == 0)
		err = action_tree(k->d, i, &tree, &action);
	if (err < 0) {
		finish(k, err, NULL);
		return;
	}
	judge_survivors(k->d, &tree, &v);
	judge_health(action, health, count, &v);
	write_check(k, action, &tree, health, count, &v, &b);
	err = b.error ? b.error : follow(k, i, &v, b.data);
	finish(k, err, &b);
}

static void start(struct daemon *d, const char *incident_id, struct pending_call *call)
{
	struct checking *k = calloc(1, sizeof(*k));
	int err = -ENOMEM;

	if (k) {
		*k = (struct checking){ .d = d, .call = call };
		snprintf(k->incident_id, sizeof(k->incident_id), "%s", incident_id);
		err = health_ask(d->health, &d->config.gate, on_health, k);
	}
	if (err == 0)
		return;
	free(k);
	if (call)
		call_fail(call, "failed", "%s", runaway_strerror(err));
	else
		log_error_errno(err, "incident %s: no post-check", incident_id);
}

void call_post_check(struct pending_call *c)
{
	const struct incident *i = call_incident(c);

	if (!i)
		return;
	if (i->status != INCIDENT_POST_CHECK) {
		call_fail(c, "usage", "incident %s is %s: there is nothing to check after",
			  c->incident_id, runaway_incident_status_name(i->status));
		return;
	}
	start(c->d, c->incident_id, c);
}

/* ---- by itself ---- */

void post_check_schedule(struct daemon *d, const char *incident_id, uint64_t at_ns)
{
	struct daemon_gate *g = &d->gate;
	struct due_check *grown = realloc(g->due, (g->due_count + 1) * sizeof(*grown));

	if (!grown) {
		log_error("incident %s: out of memory: its post-check has to be asked for",
			  incident_id);
		return;
	}
	g->due = grown;
	g->due[g->due_count] = (struct due_check){ .at_ns = at_ns };
	snprintf(g->due[g->due_count].incident_id, sizeof(g->due[0].incident_id), "%s",
		 incident_id);
	g->due_count++;
}

void post_check_tick(struct daemon *d)
{
	struct daemon_gate *g = &d->gate;
	const uint64_t now_ns = runaway_boot_ns();

	for (size_t n = 0; n < g->due_count;) {
		struct due_check due = g->due[n];
		const struct incident *i;

		if (now_ns < due.at_ns) {
			n++;
			continue;
		}
		g->due[n] = g->due[--g->due_count];
		i = runaway_store_find(d->store, due.incident_id);
		if (i && i->status == INCIDENT_POST_CHECK)
			start(d, due.incident_id, NULL);
	}
}
