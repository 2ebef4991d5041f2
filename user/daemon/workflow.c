// SPDX-License-Identifier: GPL-2.0-or-later
/* What people ask for: each call is taken, carried out, and answered exactly once. */

#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

/* ---- answers ---- */

static void call_free(struct pending_call *c)
{
	free(c->data);
	free(c);
}

void call_fail(struct pending_call *c, const char *code, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	runaway_control_reply(c->d->control, c->token, code, text);
	call_free(c);
}

static void on_record(const struct pending_call *c, enum runaway_reason reason, const char *why)
{
	const struct refusal r = {
		.reason = reason,
		.call = c->method,
		.actor = c->actor,
		.incident_id = c->incident_id,
		.plan_sha256 = c->plan_sha256,
		.why = why,
	};

	refusal_by_daemon(c->d, &r);
}

/* What is told to the caller; malloc'ed, NULL without memory. */
static char *refused(const struct pending_call *c, enum runaway_reason reason, const char *fmt,
		     va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = strdup(runaway_reason_text(reason));
	on_record(c, reason, text ? text : runaway_reason_text(reason));
	return text;
}

void call_refuse_saying(struct pending_call *c, enum runaway_reason reason, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = refused(c, reason, fmt, ap);
	va_end(ap);
	call_fail(c, "gate_refused", "%s: %s", runaway_reason_name(reason), text ? text : "");
}

void call_refuse(struct pending_call *c, enum runaway_reason reason)
{
	call_refuse_saying(c, reason, "%s", runaway_reason_text(reason));
}

void call_refuse_disabled(struct pending_call *c)
{
	call_refuse_saying(c, RUNAWAY_REASON_GATE_DISABLED, "%s",
			   c->d->config.gate.enabled
				   ? "the gate is not running: see gate status"
				   : "the configuration does not enable the gate");
}

void call_deny(struct pending_call *c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = refused(c, RUNAWAY_REASON_NOT_PERMITTED, fmt, ap);
	va_end(ap);
	call_fail(c, "denied", "%s", text ? text : "");
}

void call_result(struct pending_call *c, struct strbuf *b)
{
	if (b->error || !b->len)
		runaway_control_reply(c->d->control, c->token, "failed", "out of memory");
	else
		runaway_control_reply(c->d->control, c->token, NULL, b->data);
	call_free(c);
}

void call_done(struct pending_call *c)
{
	const struct incident *i = runaway_store_find(c->d->store, c->incident_id);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	if (i)
		runaway_incident_write_summary(&w, i);
	else
		json_null(&w);
	call_result(c, &b);
}

void call_step_failed(struct pending_call *c, int err)
{
	const struct incident *i = runaway_store_find(c->d->store, c->incident_id);

	if (err == -EPROTO && i)
		call_fail(c, "usage", "incident %s is %s: this step is not possible from there",
			  c->incident_id, runaway_incident_status_name(i->status));
	else if (err == -ENOENT)
		call_fail(c, "not_found", RUNAWAY_CONTROL_NO_INCIDENT, c->incident_id);
	else
		call_fail(c, "failed", "%s", runaway_strerror(err));
}

/* ---- what calls have in common ---- */

struct incident_step call_step(const struct pending_call *c, enum incident_status to,
			       const char *reason)
{
	return (struct incident_step){
		.to = to,
		.realtime_ns = runaway_real_ns(),
		.actor = c->actor,
		.reason = reason,
		.remediation = REMEDIATION_MAX,
	};
}

const struct incident *call_incident(struct pending_call *c)
{
	const struct incident *i = runaway_store_find(c->d->store, c->incident_id);

	if (!i)
		call_fail(c, "not_found", RUNAWAY_CONTROL_NO_INCIDENT, c->incident_id);
	return i;
}

const char *call_plan(struct pending_call *c, const struct incident *i)
{
	const struct incident_documents *plans = &i->doc[INCIDENT_PLANS];
	_cleanup_free_ char *text = NULL;
	char sha[RUNAWAY_SHA256_HEX];

	if (plans->count == 0) {
		call_refuse(c, RUNAWAY_REASON_PLAN_MISSING);
		return NULL;
	}
	/* The digest is taken anew: what stands beside the plan is nobody's word. */
	text = plan_embedded(plans->item[plans->count - 1], "plan");
	if (text)
		runaway_sha256_hex(text, strlen(text), sha);
	if (text && strcmp(sha, c->plan_sha256) == 0)
		return plans->item[plans->count - 1];
	call_refuse_saying(c, RUNAWAY_REASON_PLAN_OTHER,
			   "the digest is not that of the incident's newest plan; do the "
			   "dry-run again or name its plan");
	return NULL;
}

/* ---- the simple ones ---- */

static void call_triage(struct pending_call *c, const cJSON *params)
{
	const char *reason = runaway_json_str(params, "reason", "the packet was read");
	struct incident_step step = call_step(c, INCIDENT_TRIAGED, reason);
	int err = runaway_incident_step(c->d->store, c->incident_id, &step);

	if (err < 0)
		call_step_failed(c, err);
	else
		call_done(c);
}

/* Also from within a plan that waits: what a person decided counts, and nothing is signalled. */
static void call_resolve(struct pending_call *c, const char *path, const char *reason)
{
	const struct incident *i = call_incident(c);
	struct incident_step step = call_step(c, INCIDENT_RESOLVED, reason);
	int err;

	if (!i)
		return;
	if (i->status == INCIDENT_ACTING) {
		call_fail(c, "usage", "incident %s is acting: wait for its outcome",
			  c->incident_id);
		return;
	}
	err = runaway_incident_resolve(c->d->store, c->incident_id, path, &step);
	if (err < 0)
		call_step_failed(c, err);
	else
		call_done(c);
}

/* What a real incident has to leave behind before it may be called closed. */
static void call_close(struct pending_call *c)
{
	const struct incident *i = call_incident(c);

	if (!i)
		return;
	if (i->status == INCIDENT_CLOSED)
		call_done(c);
	else if (i->status != INCIDENT_RESOLVED)
		call_fail(c, "usage", "incident %s is %s: only a resolved one can be closed",
			  c->incident_id, runaway_incident_status_name(i->status));
	else
		call_fail(c, "usage",
			  "incident %s lacks all five assets that closing needs (knowledge, trust "
			  "evidence, work item, verifier, recurrence guard): this version cannot "
			  "write them yet, so it closes nothing",
			  c->incident_id);
}

/* ---- taking a call ---- */

static void fill_names(struct pending_call *c)
{
	const struct passwd *pw = getpwuid(c->peer.uid);

	if (pw)
		snprintf(c->name, sizeof(c->name), "%s", pw->pw_name);
	else
		snprintf(c->name, sizeof(c->name), "uid-%u", c->peer.uid);
	snprintf(c->actor, sizeof(c->actor), "%s (uid %u)", c->name, c->peer.uid);
}

static void run_triage(struct pending_call *c, const cJSON *params)
{
	call_triage(c, params);
}

static void run_dry_run(struct pending_call *c, const cJSON *params _unused_)
{
	call_dry_run(c);
}

static void run_plan(struct pending_call *c, const cJSON *params)
{
	call_show_plan(c, runaway_json_true(params, "approve", false));
}

static void run_approve(struct pending_call *c, const cJSON *params)
{
	call_approve(c, runaway_json_str(params, "approval", ""));
}

static void run_explain(struct pending_call *c, const cJSON *params _unused_)
{
	call_explain(c);
}

static void run_apply(struct pending_call *c, const cJSON *params _unused_)
{
	call_apply(c);
}

static void run_post_check(struct pending_call *c, const cJSON *params _unused_)
{
	call_post_check(c);
}

static void run_no_action(struct pending_call *c, const cJSON *params)
{
	call_resolve(c, "no_action", runaway_json_str(params, "reason", ""));
}

static void run_resolve(struct pending_call *c, const cJSON *params)
{
	call_resolve(c, "manual", runaway_json_str(params, "reason", "resolved by hand"));
}

static void run_close(struct pending_call *c, const cJSON *params _unused_)
{
	call_close(c);
}

static void run_status(struct pending_call *c, const cJSON *params _unused_)
{
	call_status(c);
}

static const struct {
	const char *method;
	void (*run)(struct pending_call *c, const cJSON *params);
} calls[] = {
	{ "incident.triage", run_triage },
	{ "incident.dry_run", run_dry_run },
	{ "incident.plan", run_plan },
	{ "incident.approve", run_approve },
	{ "incident.explain", run_explain },
	{ "incident.apply", run_apply },
	{ "incident.post_check", run_post_check },
	{ "incident.no_action", run_no_action },
	{ "incident.resolve", run_resolve },
	{ "incident.close", run_close },
	{ "gate.status", run_status },
	{ "gate.audit", call_audit },
	{ "gate.disarm", call_disarm },
	{ "gate.release", call_release },
	{ "drill.open", call_drill_open },
	{ "drill.approve", run_approve },
};

static void fill(struct pending_call *c, struct daemon *d, const struct runaway_call *call)
{
	c->d = d;
	c->method = call->method;
	c->peer = call->peer;
	fill_names(c);
	snprintf(c->incident_id, sizeof(c->incident_id), "%s",
		 runaway_json_str(call->params, "id", ""));
	snprintf(c->plan_sha256, sizeof(c->plan_sha256), "%s",
		 runaway_json_str(call->params, "plan", ""));
}

/* Its parameters are whatever the caller sent. */
void daemon_denied(void *ctx, const struct runaway_call *call)
{
	struct pending_call c = { 0 };

	fill(&c, ctx, call);
	on_record(&c, RUNAWAY_REASON_NOT_PERMITTED,
		  runaway_reason_text(RUNAWAY_REASON_NOT_PERMITTED));
}

void daemon_call(void *ctx, const struct runaway_call *call)
{
	struct pending_call *c = calloc(1, sizeof(*c));
	struct daemon *d = ctx;

	if (!c) {
		runaway_control_reply(d->control, call->token, "failed", "out of memory");
		return;
	}
	c->token = call->token;
	fill(c, d, call);
	for (size_t n = 0; n < ARRAY_SIZE(calls); n++)
		if (strcmp(calls[n].method, call->method) == 0) {
			calls[n].run(c, call->params);
			return;
		}
	call_fail(c, "usage", "unknown method \"%s\"", call->method);
}
