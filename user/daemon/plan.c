// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dry-run: from a finding to a plan. Whom the plan names and with which identity is
 * the gate's own look at the process; the daemon adds why. Nothing is signalled.
 */

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "lanes/tables.h"

/* ---- the rule ---- */

bool plan_lane_allowed(const struct lane *l)
{
	if (l->classification != RUNAWAY_CLASS_RUNAWAY_PROCESS ||
	    l->action_policy != RUNAWAY_POLICY_GATED_SIGTERM)
		return false;
	return l->subject == RUNAWAY_SUBJECT_ORPHAN_TREE || l->subject == RUNAWAY_SUBJECT_PROCESS;
}

const struct runaway_finding *plan_finding(const struct daemon *d, const char *incident_id)
{
	for (const struct drill *drill = d->gate.drills; drill; drill = drill->next)
		if (strcmp(drill->finding.incident_id, incident_id) == 0)
			return &drill->finding;
	for (const struct runaway_finding *f = runaway_engine_findings(d->engine); f;
	     f = f->hh.next)
		if (strcmp(f->incident_id, incident_id) == 0)
			return f;
	return NULL;
}

static int rule_digest(const struct lane *l, char ret[static RUNAWAY_SHA256_HEX])
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	runaway_lane_write(&w, l);
	if (b.error)
		return b.error;
	runaway_sha256_hex(b.data, b.len, ret);
	return 0;
}

/* A plan is for the root of its time: a group that goes on under another one needs a new plan. */
static bool plan_is_for(const struct runaway_plan *plan, struct runaway_id root)
{
	const struct runaway_target *t = &plan->target[0];

	return plan->target_count && t->pid == root.pid && t->start_ns == root.start_ns;
}

bool plan_rule_matches(const struct daemon *d, const struct incident *i,
		       const struct runaway_plan *plan)
{
	const struct runaway_finding *f = plan_finding(d, i->incident_id);
	const struct runaway_proc *root;
	char sha[RUNAWAY_SHA256_HEX];

	if (!f || !plan_lane_allowed(f->lane) || rule_digest(f->lane, sha) < 0)
		return false;
	root = runaway_model_find(d->model, f->subject.id);
	return root && root->state == RUNAWAY_ALIVE && runaway_id_eq(f->subject.id, i->root) &&
	       plan_is_for(plan, i->root) && strcmp(sha, plan->rule_sha256) == 0 &&
	       strcmp(f->lane->lane_id, plan->lane_id) == 0;
}

static void describe_rule(const struct runaway_finding *f, char *ret, size_t size)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "lane %s matched:", f->lane->lane_id);
	for (size_t n = 0; n < f->evidence_count; n++) {
		const struct evidence *e = &f->evidence[n];

		if (isnan(e->value))
			continue;
		strbuf_addf(&b, "%s %s %.3f (limit %.3f %s)", n ? "," : "", e->metric, e->value,
			    e->limit, e->unit);
	}
	snprintf(ret, size, "%s", b.error ? f->lane->lane_id : b.data);
}

/* ---- the call ---- */

/* A dry-run while the gate looks at its targets, one after the other. */
struct dry_run {
	struct runaway_plan plan;
	struct runaway_id wanted[RUNAWAY_TARGETS_MAX];
	size_t wanted_count;
};

static void random_nonce(char ret[static RUNAWAY_WORD])
{
	unsigned char bytes[16];

	runaway_random(bytes, sizeof(bytes));
	for (size_t n = 0; n < sizeof(bytes); n++)
		snprintf(ret + 2 * n, 3, "%02x", bytes[n]);
}

static const struct runaway_group *group_of(const struct daemon *d, struct runaway_id root)
{
	size_t count = 0;
	const struct runaway_group *g = runaway_model_groups(d->model, &count);

	for (size_t n = 0; n < count; n++)
		if (runaway_id_eq(g[n].root->id, root))
			return &g[n];
	return NULL;
}

/*
 * The root alone: what it started goes with it. Where the root of a browser died before, its
 * orphans hang beside each other, and each is the root of its own tree.
 */
static void choose_targets(const struct daemon *d, const struct runaway_finding *f,
			   struct dry_run *r)
{
	const struct runaway_group *g = group_of(d, f->subject.id);

	r->wanted[r->wanted_count++] = f->subject.id;
	for (size_t n = 0; g && n < g->orphan_count && r->wanted_count < RUNAWAY_TARGETS_MAX; n++)
		if (g->orphan[n] != g->root && g->orphan[n]->state == RUNAWAY_ALIVE)
			r->wanted[r->wanted_count++] = g->orphan[n]->id;
}

static void describe_effect(const struct daemon *d, const struct runaway_finding *f,
			    const struct dry_run *r, char *ret, size_t size)
{
	const struct runaway_group *g = group_of(d, f->subject.id);
	size_t total = g ? g->processes : r->wanted_count;

	snprintf(ret, size,
		 "SIGTERM to %zu process%s; a tree of %zu process%s is expected to end with %s. "
		 "Nothing stronger is ever sent: what survives is a person's matter.",
		 r->wanted_count, r->wanted_count == 1 ? "" : "es", total, total == 1 ? "" : "es",
		 r->wanted_count == 1 ? "it" : "them");
}

static void fill_plan(const struct pending_call *c, const struct incident *i,
		      const struct runaway_finding *f, struct dry_run *r)
{
	const struct gate_config *g = &c->d->config.gate;
	struct runaway_plan *p = &r->plan;
	const struct rw_meta *meta = runaway_model_meta(c->d->model);

	snprintf(p->incident_id, sizeof(p->incident_id), "%s", i->incident_id);
	snprintf(p->host_label, sizeof(p->host_label), "%s", c->d->host_label);
	snprintf(p->boot_id, sizeof(p->boot_id), "%s", meta->boot_id);
	snprintf(p->lane_id, sizeof(p->lane_id), "%s", f->lane->lane_id);
	snprintf(p->action_policy, sizeof(p->action_policy), "%s",
		 runaway_policy_name(f->lane->action_policy));
	describe_rule(f, p->rule, sizeof(p->rule));
	describe_effect(c->d, f, r, p->expected_effect, sizeof(p->expected_effect));
	if (rule_digest(f->lane, p->rule_sha256) < 0)
		p->rule_sha256[0] = '\0'; /* matches no rule */
	snprintf(p->requester, sizeof(p->requester), "%s", c->name);
	p->requester_uid = c->peer.uid;
	random_nonce(p->nonce);
	p->created_boot_ns = runaway_boot_ns();
	p->created_realtime_ns = runaway_real_ns() / NSEC_PER_MSEC * NSEC_PER_MSEC;
	p->expires_boot_ns = p->created_boot_ns + g->plan_max_age_s * NSEC_PER_SEC;
	p->expires_realtime_ns = p->created_realtime_ns + g->plan_max_age_s * NSEC_PER_SEC;
	p->drill = i->drill;
	p->post_check.grace_s = g->grace_s;
	snprintf(p->post_check.check[p->post_check.count++], RUNAWAY_WORD,
		 RUNAWAY_CHECK_TARGETS_GONE);
	snprintf(p->post_check.check[p->post_check.count++], RUNAWAY_WORD, "tree_gone");
	snprintf(p->post_check.check[p->post_check.count++], RUNAWAY_WORD, "cpu_before_after");
	snprintf(p->post_check.check[p->post_check.count++], RUNAWAY_WORD, "alert_state");
	if (g->health_count)
		snprintf(p->post_check.check[p->post_check.count++], RUNAWAY_WORD,
			 "service_health");
}

/* ---- what the gate saw ---- */

static int fill_target(const struct dry_run *r, size_t n, const cJSON *look,
		       struct runaway_target *t)
{
	const struct runaway_id id = r->wanted[n];

	*t = (struct runaway_target){
		.pid = (uint32_t)runaway_json_u64(look, "pid", 0),
		.start_ns = runaway_json_u64(look, "start_ns", 0),
		.exec_id = runaway_json_u64(look, "exec_id", 0),
		.exe_ino = runaway_json_u64(look, "exe_ino", 0),
		.exe_dev = (uint32_t)runaway_json_u64(look, "exe_dev", 0),
		.uid = (uint32_t)runaway_json_u64(look, "uid", UINT32_MAX),
		.cgroup_id = runaway_json_u64(look, "cgroup_id", 0),
		.parent_pid = (uint32_t)runaway_json_u64(look, "parent_pid", 0),
		.parent_start_ns = runaway_json_u64(look, "parent_start_ns", 0),
	};
	snprintf(t->args_sha256, sizeof(t->args_sha256), "%s",
		 runaway_json_str(look, "args_sha256", ""));
	snprintf(t->comm, sizeof(t->comm), "%s", runaway_json_str(look, "comm", ""));
	snprintf(t->cgroup_path, sizeof(t->cgroup_path), "%s",
		 runaway_json_str(look, "cgroup_path", ""));
	snprintf(t->reason, sizeof(t->reason), "%s",
		 n == 0 ? "root of the orphaned tree"
			: "orphan of the same process group and executable: root of what is left "
			  "beside the oldest one");
	return t->pid == id.pid && t->start_ns == id.start_ns ? 0 : -ESRCH;
}

/* What only the sensor knows: another user's executable has no path for the gate. */
static void add_names(const struct daemon *d, struct runaway_target *t)
{
	const struct runaway_id id = { .pid = t->pid, .start_ns = t->start_ns };
	const struct runaway_proc *p = runaway_model_find(d->model, id);

	if (p && p->image && p->image->exe)
		snprintf(t->exe, sizeof(t->exe), "%s", p->image->exe);
}

static void record_plan(struct pending_call *c, struct dry_run *r)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, doc = STRBUF_INIT, data = STRBUF_INIT;
	struct incident_step step = call_step(c, INCIDENT_DRY_RUN_READY, "a plan was made");
	char sha[RUNAWAY_SHA256_HEX];
	struct json_writer w;
	int err = runaway_plan_write(&r->plan, &text);

	if (err < 0) {
		call_fail(c, "failed", "the plan cannot be written: %s", runaway_strerror(err));
		return;
	}
	runaway_sha256_hex(text.data, text.len, sha);
	json_init(&w, &doc, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", sha);
	json_key(&w, "plan");
	json_raw(&w, text.data, text.len);
	json_object_end(&w);
	json_init(&w, &data, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", sha);
	json_object_end(&w);
	if (doc.error || data.error) {
		call_fail(c, "failed", "out of memory");
		return;
	}
	step.document = doc.data;
	step.array = INCIDENT_PLANS;
	step.data = data.data;
	err = runaway_incident_step(c->d->store, c->incident_id, &step);
	if (err < 0)
		call_step_failed(c, err);
	else
		call_result(c, &doc);
}

static void ask_next(struct pending_call *c);

static void on_look(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;
	struct dry_run *r = c->data;
	struct runaway_target *t;

	if (!call_answered(c, err, answer))
		return;
	if (!runaway_json_true(answer, "pass", false)) {
		call_refuse(c, runaway_reason_by_name(runaway_json_str(answer, "reason", "")));
		return;
	}
	t = &r->plan.target[r->plan.target_count];
	if (fill_target(r, r->plan.target_count, answer, t) < 0) {
		call_refuse(c, RUNAWAY_REASON_TARGET_OTHER_START);
		return;
	}
	add_names(c->d, t);
	r->plan.target_count++;
	ask_next(c);
}

static void ask_next(struct pending_call *c)
{
	struct dry_run *r = c->data;
	char members[64];
	int err;

	if (r->plan.target_count == r->wanted_count) {
		record_plan(c, r);
		return;
	}
	snprintf(members, sizeof(members), "{\"pid\":%u}", r->wanted[r->plan.target_count].pid);
	err = gate_link_ask(c->d->gate.link, "look", members, on_look, c);
	if (err < 0)
		call_fail(c, "failed", "the gate cannot be asked: %s", runaway_strerror(err));
}

/* An open incident is triaged by whoever plans for it: the packet was there to be read. */
static int triage_first(struct pending_call *c, const struct incident *i)
{
	struct incident_step step =
		call_step(c, INCIDENT_TRIAGED, "triaged with the dry-run that follows");

	if (i->status != INCIDENT_OPEN)
		return 0;
	return runaway_incident_step(c->d->store, c->incident_id, &step);
}

static bool may_plan(struct pending_call *c, const struct incident *i,
		     const struct runaway_finding **ret)
{
	const struct runaway_finding *f = plan_finding(c->d, i->incident_id);

	if (i->status != INCIDENT_OPEN && !runaway_incident_may(i->status, INCIDENT_DRY_RUN_READY))
		call_step_failed(c, -EPROTO);
	else if (f && !plan_lane_allowed(f->lane))
		call_refuse(c, RUNAWAY_REASON_RULE_POLICY);
	else if (!f)
		call_refuse(c, RUNAWAY_REASON_RULE_NOT_MATCHING);
	else if (!gate_works(c->d))
		call_refuse_disabled(c);
	else {
		*ret = f;
		return true;
	}
	return false;
}

void call_dry_run(struct pending_call *c)
{
	const struct incident *i = call_incident(c);
	const struct runaway_finding *f;
	struct dry_run *r;
	int err;

	if (!i || !may_plan(c, i, &f))
		return;
	c->data = r = calloc(1, sizeof(*r));
	if (!r) {
		call_fail(c, "failed", "out of memory");
		return;
	}
	err = triage_first(c, i);
	if (err < 0) {
		call_step_failed(c, err);
		return;
	}
	choose_targets(c->d, f, r);
	fill_plan(c, i, f, r);
	ask_next(c);
}

/* ---- reading plans back ---- */

char *plan_embedded(const char *document, const char *key)
{
	char mark[64];
	const char *at;
	size_t len;

	/* Within a string the quotes would be escaped: this is the key and nothing else. */
	snprintf(mark, sizeof(mark), ",\"%s\":{", key);
	at = strstr(document, mark);
	if (!at)
		return NULL;
	at += strlen(mark) - 1;
	len = strlen(at);
	return len > 1 && at[len - 1] == '}' ? strndup(at, len - 1) : NULL;
}

void call_show_plan(struct pending_call *c, bool approve)
{
	const struct incident *i = call_incident(c);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	const char *document;
	struct json_writer w;

	if (approve)
		c->method = "incident.approve";
	if (!i || (approve && !call_may_approve(c, i)))
		return;
	document = call_plan(c, i);
	if (!document)
		return;
	text = plan_embedded(document, "plan");
	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", c->plan_sha256);
	json_kv_string(&w, "canonical", text);
	json_kv_bool(&w, "two_person", c->d->config.gate.two_person);
	json_kv_bool(&w, "require_signature", c->d->config.gate.require_signature);
	json_kv_uint(&w, "window_max_s", c->d->config.gate.window_max_s);
	json_object_end(&w);
	call_result(c, &b);
}
