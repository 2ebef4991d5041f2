// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asking the gate to act. The incident says so durably before the gate is asked, and
 * the gate's own audit says INTENT before it signals: whatever is killed in between,
 * what happened is told as it is known, and unknown is said as unknown.
 */

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

/* Members of a tree that the action's document names; a state line has its bound. */
#define TREE_MAX 512

/* ---- what both ask ---- */

static char *newest(const struct incident *i, enum incident_array array, const char *key)
{
	const struct incident_documents *d = &i->doc[array];

	return d->count ? plan_embedded(d->item[d->count - 1], key) : NULL;
}

/* The approval of this plan; "" when there is none: the gate says what that means. */
static char *approval_text(const struct incident *i)
{
	char *text = i->status == INCIDENT_APPROVED || i->status == INCIDENT_ACTING
			     ? newest(i, INCIDENT_APPROVALS, "approval")
			     : NULL;

	return text ? text : strdup("");
}

static int make_question(struct pending_call *c, const struct incident *i, struct strbuf *b)
{
	_cleanup_free_ struct runaway_plan *plan = calloc(1, sizeof(*plan));
	_cleanup_free_ char *plan_text = newest(i, INCIDENT_PLANS, "plan");
	_cleanup_free_ char *approval = approval_text(i);
	struct json_writer w;
	bool readable;

	if (!plan || !approval)
		return -ENOMEM;
	/* A plan that cannot be read matches no rule; the gate says why it cannot. */
	readable = plan_text && runaway_plan_read(plan_text, strlen(plan_text), plan) >= 0;
	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan", plan_text ? plan_text : "");
	json_kv_string(&w, "approval", approval);
	json_kv_bool(&w, "rule_matches", readable && plan_rule_matches(c->d, i, plan));
	json_object_end(&w);
	return b->error;
}

/* ---- explain ---- */

static void on_explained(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	if (!call_answered(c, err, answer))
		return;
	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_bool(&w, "allowed", runaway_json_true(answer, "allowed", false));
	json_kv_cjson(&w, "conditions", runaway_json_get(answer, "conditions"));
	json_kv_cjson(&w, "targets", runaway_json_get(answer, "targets"));
	json_object_end(&w);
	call_result(c, &b);
}

/* What is over matches no rule any more; an approval that was acted on is used up besides. */
static void refuse_resolved(struct pending_call *c, const struct incident *i)
{
	call_refuse_saying(c,
			   i->acted_realtime_ns ? RUNAWAY_REASON_APPROVAL_USED
						: RUNAWAY_REASON_RULE_NOT_MATCHING,
			   "incident %s is %s: there is nothing to signal any more", i->incident_id,
			   runaway_incident_status_name(i->status));
}

static bool ready_to_ask(struct pending_call *c, bool any_plan, const struct incident **ret)
{
	const struct incident *i = call_incident(c);

	if (!i || (!any_plan && !call_plan(c, i)))
		return false;
	if (i->status >= INCIDENT_RESOLVED) {
		refuse_resolved(c, i);
		return false;
	}
	if (!gate_works(c->d)) {
		call_refuse_disabled(c);
		return false;
	}
	*ret = i;
	return true;
}

/* Without a digest it is about the newest plan; before there is one, the gate says that too. */
void call_explain(struct pending_call *c)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct incident *i;
	int err;

	if (!ready_to_ask(c, c->plan_sha256[0] == '\0', &i))
		return;
	err = make_question(c, i, &b);
	if (err == 0)
		err = gate_link_ask(c->d->gate.link, "check", b.data, on_explained, c);
	if (err < 0)
		call_fail(c, "failed", "the gate cannot be asked: %s", runaway_strerror(err));
}

/* ---- the action's document ---- */

/* Members of the tree as it is now: what the post-check looks for afterwards. */
static void write_tree(const struct daemon *d, const struct tree_ids *tree, struct json_writer *w)
{
	json_key(w, "tree");
	json_array_begin(w);
	for (size_t n = 0; n < MIN(tree->count, (size_t)TREE_MAX); n++) {
		const struct runaway_proc *p = runaway_model_find(d->model, tree->id[n]);

		json_object_begin(w);
		json_kv_uint(w, "pid", tree->id[n].pid);
		json_kv_u64_string(w, "start_ns", tree->id[n].start_ns);
		json_kv_string(w, "comm", p ? p->comm : NULL);
		json_object_end(w);
	}
	json_array_end(w);
}

static void begin_action(struct pending_call *c, const struct incident *i,
			 const struct health_result *health, size_t count, struct strbuf *b)
{
	_cleanup_(tree_ids_free) struct tree_ids tree = { 0 };
	struct json_writer w;

	if (signals_members(c->d, i, &tree) < 0)
		b->error = -ENOMEM;
	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", c->plan_sha256);
	json_kv_time(&w, "asked_at", runaway_real_ns());
	json_kv_string(&w, "asked_by", c->actor);
	write_tree(c->d, &tree, &w);
	json_key(&w, "before");
	json_object_begin(&w);
	post_check_measure(c->d, &tree, &w);
	health_write(&w, health, count);
	json_object_end(&w);
	json_object_end(&w);
}

/* The same document with what came of it. */
static void end_action(const char *begun, const struct gate_outcome *o, const cJSON *answer,
		       struct strbuf *b)
{
	struct json_writer w;

	strbuf_add(b, begun, strlen(begun) - 1);
	strbuf_adds(b, ",\"outcome\":");
	json_init(&w, b, false);
	json_string(&w, o->outcome);
	strbuf_adds(b, ",\"why\":");
	json_init(&w, b, false);
	json_string(&w, o->why);
	strbuf_adds(b, ",\"gate\":");
	json_init(&w, b, false);
	if (answer) {
		json_object_begin(&w);
		json_kv_cjson(&w, "targets", runaway_json_get(answer, "targets"));
		json_kv_cjson(&w, "audit_head", runaway_json_get(answer, "audit_head"));
		json_object_end(&w);
	} else {
		json_null(&w);
	}
	strbuf_addc(b, '}');
}

/* ---- apply ---- */

static const char *outcome_of(const cJSON *answer)
{
	bool signalled = false, unknown = false;
	const cJSON *t;

	cJSON_ArrayForEach (t, runaway_json_get(answer, "targets")) {
		const char *o = runaway_json_str(t, "outcome", "");

		signalled |= strcmp(o, "signalled") == 0;
		unknown |= strcmp(o, "unknown") == 0;
	}
	return unknown ? "unknown" : signalled ? "signalled" : "refused";
}

static bool any_intent(const cJSON *answer)
{
	const cJSON *t;

	cJSON_ArrayForEach (t, runaway_json_get(answer, "targets"))
		if (runaway_json_u64(t, "audit_seq", 0) > 0)
			return true;
	return false;
}

/* The condition that failed, else what became of the first target. */
static const char *refusal_of(const cJSON *answer, const char **ret_message)
{
	const cJSON *t = cJSON_GetArrayItem(runaway_json_get(answer, "targets"), 0);
	const char *reason = runaway_json_str(answer, "reason", "");

	if (!runaway_json_true(answer, "ok", false)) {
		*ret_message = runaway_json_str(answer, "message", "the gate refused");
		return runaway_json_str(answer, "error", "?");
	}
	if (*reason) {
		*ret_message = runaway_json_str(answer, "message", "the gate refused");
		return reason;
	}
	*ret_message = runaway_json_str(t, "message", "the gate refused");
	return runaway_json_str(t, "reason", "?");
}

static void reply_applied(struct pending_call *c, const cJSON *answer, const char *outcome)
{
	const struct incident *i = runaway_store_find(c->d->store, c->incident_id);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "incident_id", c->incident_id);
	json_kv_string(&w, "status", i ? runaway_incident_status_name(i->status) : NULL);
	json_kv_string(&w, "plan_sha256", c->plan_sha256);
	json_kv_string(&w, "outcome", outcome);
	json_kv_cjson(&w, "targets", runaway_json_get(answer, "targets"));
	json_kv_cjson(&w, "audit_head", runaway_json_get(answer, "audit_head"));
	json_kv_uint(&w, "post_check_in_s", c->d->config.gate.grace_s);
	json_object_end(&w);
	call_result(c, &b);
}

static void note_refusal(struct pending_call *c, const char *reason, const char *message)
{
	refusal_by_gate(c->d, &(struct refusal){
				      .reason = runaway_reason_by_name(reason),
				      .call = c->method,
				      .actor = c->actor,
				      .incident_id = c->incident_id,
				      .plan_sha256 = c->plan_sha256,
				      .why = message,
			      });
}

/* A refusal leaves the approval as it was, or, used up by an INTENT, nothing to go on with. */
static enum incident_status status_after(const struct gate_outcome *o)
{
	if (strcmp(o->outcome, "refused") != 0)
		return INCIDENT_POST_CHECK;
	return o->used ? INCIDENT_TRIAGED : INCIDENT_APPROVED;
}

void apply_conclude(struct daemon *d, const char *incident_id, const struct gate_outcome *o,
		    const cJSON *answer)
{
	const struct incident *i = runaway_store_find(d->store, incident_id);
	_cleanup_strbuf_ struct strbuf doc = STRBUF_INIT;
	struct incident_step step = {
		.to = status_after(o),
		.realtime_ns = runaway_real_ns(),
		.reason = o->why,
		.array = INCIDENT_ACTIONS,
		.replace = true,
		.remediation = REMEDIATION_MAX,
	};
	const struct incident_documents *actions;

	if (!i || i->status != INCIDENT_ACTING)
		return;
	actions = &i->doc[INCIDENT_ACTIONS];
	if (actions->count)
		end_action(actions->item[actions->count - 1], o, answer, &doc);
	step.document = doc.error ? NULL : doc.data;
	if (step.to == INCIDENT_POST_CHECK)
		step.remediation = REMEDIATION_PENDING;
	if (runaway_incident_step(d->store, incident_id, &step) < 0) {
		log_error("incident %s: the outcome \"%s\" of the gate could not be recorded",
			  incident_id, o->outcome);
		return;
	}
	if (step.to == INCIDENT_POST_CHECK)
		post_check_schedule(d, incident_id,
				    runaway_boot_ns() + d->config.gate.grace_s * NSEC_PER_SEC);
}

/* No answer came: the gate's audit says how far it got, and whether that is all only its end. */
static void on_lost(struct pending_call *c, int err)
{
	struct gate_outcome o;

	if (c->d->stop) {
		/* The gate may still be at it. The next start reads how it ended. */
		call_fail(c, "failed", "unknown: the daemon is stopping");
		return;
	}
	o = gate_audit_outcome(c->d, c->plan_sha256, err == -EPIPE);
	apply_conclude(c->d, c->incident_id, &o, NULL);
	call_fail(c, "failed", "%s: %s", o.outcome, o.why);
}

static void on_refused(struct pending_call *c, const cJSON *answer)
{
	struct gate_outcome o = { .outcome = "refused", .used = any_intent(answer) };
	const char *reason = refusal_of(answer, &o.why);

	note_refusal(c, reason, o.why);
	apply_conclude(c->d, c->incident_id, &o, answer);
	call_fail(c, "gate_refused", "%s: %s", reason, o.why);
}

static void on_applied(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;
	struct gate_outcome o = { .used = true };

	gate_ask_status(c->d);
	if (err < 0) {
		on_lost(c, err);
		return;
	}
	o.outcome = runaway_json_true(answer, "ok", false) ? outcome_of(answer) : "refused";
	if (strcmp(o.outcome, "refused") == 0) {
		on_refused(c, answer);
		return;
	}
	o.why = strcmp(o.outcome, "signalled") == 0 ? "the gate sent SIGTERM"
						    : "the gate does not know whether its signal "
						      "was sent: it is not sent again";
	apply_conclude(c->d, c->incident_id, &o, answer);
	reply_applied(c, answer, o.outcome);
}

/* The gate was not asked: nothing was signalled, and nothing used up. */
static void not_asked(struct pending_call *c, const char *why)
{
	const struct gate_outcome o = { .outcome = "refused", .why = why };

	apply_conclude(c->d, c->incident_id, &o, NULL);
}

/* Asked when the call comes, and again when the health checks have: a plan may be new by then. */
static bool ready_to_act(struct pending_call *c, const struct incident **ret)
{
	const struct incident *i;

	if (!ready_to_ask(c, false, &i))
		return false;
	if (i->status == INCIDENT_ACTING) {
		call_fail(c, "usage", "incident %s is acting already", c->incident_id);
		return false;
	}
	*ret = i;
	return true;
}

/* The intent, durable; then the question. */
static void act(struct pending_call *c, const struct health_result *health, size_t count)
{
	_cleanup_strbuf_ struct strbuf question = STRBUF_INIT, doc = STRBUF_INIT;
	struct incident_step step = call_step(c, INCIDENT_ACTING, "the gate is asked to act");
	const struct incident *i;
	int err;

	if (!ready_to_act(c, &i))
		return;
	err = make_question(c, i, &question);
	if (err == 0 && i->status == INCIDENT_APPROVED) {
		begin_action(c, i, health, count, &doc);
		step.document = doc.data;
		step.array = INCIDENT_ACTIONS;
		err = doc.error ? doc.error
				: runaway_incident_step(c->d->store, c->incident_id, &step);
		if (err == 0 && !runaway_store_durable(c->d->store)) {
			not_asked(c, "the incident store cannot be written");
			call_refuse_saying(c, RUNAWAY_REASON_STORE_FAILED,
					   "the incident store cannot be written, so nothing is "
					   "signalled");
			return;
		}
	}
	if (err == 0)
		err = gate_link_ask(c->d->gate.link, "apply", question.data, on_applied, c);
	if (err < 0) {
		not_asked(c, "the gate could not be asked");
		call_fail(c, "failed", "the gate cannot be asked: %s", runaway_strerror(err));
	}
}

static void on_health(void *ctx, const struct health_result *results, size_t count)
{
	act(ctx, results, count);
}

void call_apply(struct pending_call *c)
{
	const struct incident *i;
	int err;

	if (!ready_to_act(c, &i))
		return;
	/* How the services do before: the comparison needs it. */
	err = health_ask(c->d->health, &c->d->config.gate, on_health, c);
	if (err < 0)
		call_fail(c, "failed", "%s", runaway_strerror(err));
}
