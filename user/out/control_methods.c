/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The methods of the control socket. Parameters have been checked against the table below. */

#include <string.h>

#include "base/clock.h"
#include "out/control_private.h"

#define PID_MAX	       INT32_MAX /* of pid_t: what the kernel never gives is just not there */
#define LIMIT_MAX      100000
#define TOP_MAX	       1000
#define TOP_DEFAULT    20
#define NAME_MAX_BYTES 4096

static uint32_t pid_of(const struct control_call *call)
{
	return (uint32_t)runaway_json_u64(call->params, "pid", 0);
}

static const char *string_of(const struct control_call *call, const char *key)
{
	return runaway_json_str(call->params, key, NULL);
}

/* ---- status, doctor ---- */

static int run_status(struct control_call *call, struct json_writer *w)
{
	runaway_doc_status(call->env->view, w);
	return 0;
}

static int run_doctor(struct control_call *call, struct json_writer *w)
{
	bool ok = true;

	/* A requirement that fails is a result, and in the document; the call itself worked. */
	runaway_doc_doctor(call->env->view, w, &ok);
	return 0;
}

/* ---- processes ---- */

static int run_orphans(struct control_call *call, struct json_writer *w)
{
	runaway_doc_orphans(call->env->view, w);
	return 0;
}

static const struct runaway_proc *find_proc(struct control_call *call)
{
	const struct runaway_proc *p = runaway_model_find_pid(call->env->view->model, pid_of(call));

	if (!p)
		runaway_control_fail(call, "not_found", "no living process has pid %u",
				     pid_of(call));
	return p;
}

static int run_proc_show(struct control_call *call, struct json_writer *w)
{
	const struct runaway_proc *p = find_proc(call);

	if (!p)
		return -1;
	runaway_doc_proc(call->env->view, p, w);
	return 0;
}

static int run_proc_tree(struct control_call *call, struct json_writer *w)
{
	const struct runaway_proc *p = find_proc(call);

	if (!p)
		return -1;
	runaway_doc_tree(call->env->view, p, w);
	return 0;
}

static size_t limit_of(const struct control_call *call, size_t def)
{
	return (size_t)runaway_json_u64(call->params, "limit", def);
}

static int run_proc_top(struct control_call *call, struct json_writer *w)
{
	runaway_doc_proc_top(call->env->view, limit_of(call, TOP_DEFAULT), w);
	return 0;
}

/* ---- cgroups ---- */

static int run_cgroup_top(struct control_call *call, struct json_writer *w)
{
	runaway_doc_cgroup_top(call->env->view, limit_of(call, TOP_DEFAULT), w);
	return 0;
}

struct cgroup_search {
	const char *path;
	size_t len; /* of path, slashes at its end not counted */
	const struct runaway_cgroup *found;
};

static bool later(const struct runaway_cgroup *a, const struct runaway_cgroup *b)
{
	return !a->removed_ns || (b->removed_ns && a->removed_ns > b->removed_ns);
}

/* Of several that had this path: the one that lives, else the one that was removed last. */
static void match_cgroup(void *ctx, struct runaway_cgroup *cg)
{
	struct cgroup_search *s = ctx;

	if (!cg->path || strlen(cg->path) != s->len || memcmp(cg->path, s->path, s->len) != 0)
		return;
	if (!s->found || later(cg, s->found))
		s->found = cg;
}

static int run_cgroup_show(struct control_call *call, struct json_writer *w)
{
	struct cgroup_search s = { .path = string_of(call, "path") };

	s.len = strlen(s.path);
	while (s.len > 1 && s.path[s.len - 1] == '/')
		s.len--;
	runaway_model_each_cgroup(call->env->view->model, match_cgroup, &s);
	if (!s.found)
		return runaway_control_fail(call, "not_found", "no cgroup has the path \"%.512s\"",
					    s.path);
	runaway_doc_cgroup(call->env->view, s.found, w);
	return 0;
}

/* ---- lanes and findings ---- */

static int run_lane_list(struct control_call *call, struct json_writer *w)
{
	const struct lane_engine *e = call->env->view->engine;
	const struct lane_set *set = runaway_engine_lanes(e);

	json_array_begin(w);
	for (size_t i = 0; i < set->count; i++) {
		const struct lane *l = &set->lane[i];

		json_object_begin(w);
		json_kv_string(w, "lane_id", l->lane_id);
		json_kv_string(w, "alertname", l->alertname);
		json_kv_string(w, "severity", runaway_severity_name(l->severity));
		json_kv_string(w, "classification", runaway_classification_name(l->classification));
		json_kv_string(w, "action_policy", runaway_policy_name(l->action_policy));
		json_kv_string(w, "subject", runaway_subject_kind_name(l->subject));
		json_kv_bool(w, "enabled", l->enabled);
		json_kv_bool(w, "builtin", l->builtin);
		json_kv_uint(w, "findings",
			     runaway_engine_open_count(e, l->lane_id, RUNAWAY_SEVERITY_MAX));
		json_object_end(w);
	}
	json_array_end(w);
	return 0;
}

static int show_lanes(struct control_call *call, const struct lane_set *set, struct json_writer *w)
{
	const char *lane_id = string_of(call, "lane_id");

	if (lane_id && !runaway_lane_set_find(set, lane_id))
		return runaway_control_fail(call, "not_found", "no lane has the id \"%s\"",
					    lane_id);
	runaway_doc_lanes(set, lane_id, w);
	return 0;
}

static int run_lane_show(struct control_call *call, struct json_writer *w)
{
	_cleanup_(runaway_lane_set_free) struct lane_set builtin = { 0 };

	if (!runaway_json_true(call->params, "builtin", false))
		return show_lanes(call, runaway_engine_lanes(call->env->view->engine), w);
	if (runaway_lane_set_builtin(&builtin) < 0)
		return runaway_control_fail(call, "failed", "out of memory");
	return show_lanes(call, &builtin, w);
}

/* Is the configuration at fault, not the run? Its file is a part of it: at a start it is the same.
 */
static bool bad_configuration(int err)
{
	return err == -EINVAL || err == -ENOENT || err == -EACCES || err == -EFBIG ||
	       err == -EISDIR;
}

/* What a callback of the daemon said, as the call's error. */
static int refused(struct control_call *call, int err, char *why)
{
	_cleanup_free_ char *owned = why;

	return runaway_control_fail(call, bad_configuration(err) ? "usage" : "failed", "%s",
				    owned ? owned : strerror(-err));
}

static int run_lane_test(struct control_call *call, struct json_writer *w)
{
	_cleanup_(runaway_lane_set_free) struct lane_set set = { 0 };
	const char *text = runaway_json_str(call->params, "text", "");
	char *why = NULL;
	int r;

	r = call->env->ops->lanes_from(call->env->ctx, string_of(call, "name"), text, strlen(text),
				       &set, &why);
	if (r < 0)
		return refused(call, r, why);
	if (runaway_engine_try(&set, call->env->view->model, w) < 0)
		return runaway_control_fail(call, "failed", "out of memory");
	return 0;
}

static int run_finding_list(struct control_call *call, struct json_writer *w)
{
	runaway_doc_findings(call->env->view, w);
	return 0;
}

/* ---- incidents ---- */

static int run_incident_list(struct control_call *call, struct json_writer *w)
{
	enum incident_status status = INCIDENT_STATUS_MAX;
	const char *name = string_of(call, "status");

	if (name && runaway_incident_status_parse(name, &status) < 0)
		return runaway_control_fail(call, "usage",
					    "unknown status \"%s\": open, triaged, dry_run_ready, "
					    "approved, acting, post_check, resolved or closed",
					    name);
	runaway_doc_incidents(call->env->view, status, string_of(call, "lane"), limit_of(call, 0),
			      w);
	return 0;
}

static int no_incident(struct control_call *call)
{
	return runaway_control_fail(call, "not_found", RUNAWAY_CONTROL_NO_INCIDENT,
				    string_of(call, "id"));
}

static int run_incident_readback(struct control_call *call, struct json_writer *w)
{
	int r = runaway_incident_write_readback(call->env->view->store, string_of(call, "id"), w);

	if (r == -ENOENT)
		return no_incident(call);
	return r < 0 ? runaway_control_fail(call, "failed", "%s", strerror(-r)) : 0;
}

/* What a person needs of the readback: the workflow's documents are left out. */
static int run_incident_show(struct control_call *call, struct json_writer *w)
{
	static const char *const part[] = { "incident", "finding", "lineage",
					    "samples",	"packet",  "events" };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *doc = NULL;
	struct json_writer readback;

	json_init(&readback, &b, false);
	if (run_incident_readback(call, &readback) < 0)
		return -1;
	if (b.error || runaway_json_parse(b.data, b.len, &doc, NULL) < 0)
		return runaway_control_fail(call, "failed",
					    "the incident's record is not readable");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		json_kv_cjson(w, part[i], runaway_json_get(doc, part[i]));
	json_object_end(w);
	return 0;
}

static int run_incident_packet(struct control_call *call, struct json_writer *w)
{
	const char *id = string_of(call, "id");
	const struct incident *i = runaway_store_find(call->env->view->store, id);

	if (!i)
		return no_incident(call);
	if (!i->packet_json)
		return runaway_control_fail(call, "not_found", "incident %s has no packet", id);
	json_raw(w, i->packet_json, strlen(i->packet_json));
	return 0;
}

/* ---- configuration ---- */

static int run_config_check(struct control_call *call, struct json_writer *w)
{
	const char *text = runaway_json_str(call->params, "text", "");
	char *why = NULL;
	int r = call->env->ops->check(call->env->ctx, string_of(call, "name"), text, strlen(text),
				      &why);

	if (r < 0)
		return refused(call, r, why);
	json_object_begin(w);
	json_kv_bool(w, "ok", true);
	json_object_end(w);
	return 0;
}

static int run_config_show(struct control_call *call, struct json_writer *w)
{
	call->env->ops->show(call->env->ctx, w);
	return 0;
}

static int run_config_reload(struct control_call *call, struct json_writer *w)
{
	char *why = NULL;
	int r = call->env->ops->reload(call->env->ctx, &why);

	if (r < 0)
		return refused(call, r, why);
	json_object_begin(w);
	json_kv_bool(w, "ok", true);
	json_object_end(w);
	return 0;
}

/* ---- store ---- */

#define VERIFY_SHARE 20 /* at most a twentieth of the daemon's time goes into verifying */

static int verify_anew(struct control_call *call)
{
	const struct runaway_runtime *rt = call->env->view->runtime;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	uint64_t began_ns = runaway_mono_ns(), ended_ns;
	struct json_writer w;
	bool ok = false;
	int r;

	json_init(&w, &b, false);
	r = runaway_store_verify(rt->store_dir ? rt->store_dir : rt->state_dir, &w, &ok);
	if (r < 0)
		return runaway_control_fail(call, "failed", "the store cannot be read: %s",
					    strerror(-r));
	if (b.error)
		return runaway_control_fail(call, "failed", "out of memory");
	ended_ns = runaway_mono_ns();
	free(call->env->verify_json);
	call->env->verify_json = strbuf_take(&b);
	call->env->verify_again_ns = ended_ns + VERIFY_SHARE * (ended_ns - began_ns);
	return 0;
}

static int run_store_verify(struct control_call *call, struct json_writer *w)
{
	struct control_env *env = call->env;

	if (!env->verify_json || runaway_mono_ns() >= env->verify_again_ns)
		if (verify_anew(call) < 0)
			return -1;
	json_raw(w, env->verify_json, strlen(env->verify_json));
	return 0;
}

/* ---- the table ---- */

#define P_PID	"pid", PARAM_UINT, true, 1, PID_MAX
#define P_LIMIT "limit", PARAM_UINT, false, 1, LIMIT_MAX
#define P_TOP	"limit", PARAM_UINT, false, 1, TOP_MAX
#define P_ID	"id", PARAM_STRING, true, 1, 64
#define P_NAME	"name", PARAM_STRING, true, 1, NAME_MAX_BYTES
#define P_TEXT	"text", PARAM_STRING, true, 0, RUNAWAY_CONTROL_LINE_MAX

static const struct control_method methods[] = {
	{ "status", ROLE_VIEWER, run_status, { { 0 } } },
	{ "doctor", ROLE_VIEWER, run_doctor, { { 0 } } },
	{ "proc.orphans", ROLE_VIEWER, run_orphans, { { 0 } } },
	{ "proc.show", ROLE_VIEWER, run_proc_show, { { P_PID } } },
	{ "proc.tree", ROLE_VIEWER, run_proc_tree, { { P_PID } } },
	{ "proc.top", ROLE_VIEWER, run_proc_top, { { P_TOP } } },
	{ "cgroup.top", ROLE_VIEWER, run_cgroup_top, { { P_TOP } } },
	{ "cgroup.show",
	  ROLE_VIEWER,
	  run_cgroup_show,
	  { { "path", PARAM_STRING, true, 1, 4096 } } },
	{ "lane.list", ROLE_VIEWER, run_lane_list, { { 0 } } },
	{ "lane.show",
	  ROLE_VIEWER,
	  run_lane_show,
	  { { "lane_id", PARAM_STRING, false, 1, 64 }, { "builtin", PARAM_BOOL, false, 0, 0 } } },
	{ "lane.test", ROLE_VIEWER, run_lane_test, { { P_NAME }, { P_TEXT } } },
	{ "finding.list", ROLE_VIEWER, run_finding_list, { { 0 } } },
	{ "incident.list",
	  ROLE_VIEWER,
	  run_incident_list,
	  { { "status", PARAM_STRING, false, 1, 32 },
	    { "lane", PARAM_STRING, false, 1, 64 },
	    { P_LIMIT } } },
	{ "incident.show", ROLE_VIEWER, run_incident_show, { { P_ID } } },
	{ "incident.readback", ROLE_VIEWER, run_incident_readback, { { P_ID } } },
	{ "incident.packet", ROLE_VIEWER, run_incident_packet, { { P_ID } } },
	{ "config.check", ROLE_VIEWER, run_config_check, { { P_NAME }, { P_TEXT } } },
	{ "config.show", ROLE_VIEWER, run_config_show, { { 0 } } },
	{ "config.reload", ROLE_OPERATOR, run_config_reload, { { 0 } } },
	{ "store.verify", ROLE_VIEWER, run_store_verify, { { 0 } } },
};

/* The client's verbs have dashes where methods have underscores: either is understood. */
static bool is_method(const char *method, const char *name)
{
	for (; *method && (*method == *name || (*method == '_' && *name == '-')); method++)
		name++;
	return !*method && !*name;
}

const struct control_method *runaway_control_method(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (is_method(methods[i].name, name))
			return &methods[i];
	for (const struct control_method *m = runaway_control_workflow; m->name; m++)
		if (is_method(m->name, name))
			return m;
	return NULL;
}
