// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An owner's word for a plan. The approval is a document that the owner's own client
 * wrote (and signed); the daemon sees that it says what the kernel knows of the
 * caller, lets the gate check it, and keeps it. The gate checks it again when it acts.
 */

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

struct approving {
	struct runaway_approval approval;
	char text[]; /* as it came: byte for byte what was signed */
};

/* A person may approve ahead of the window, and while the gate is disarmed or busy. */
static bool matters_now(const char *reason)
{
	return strcmp(reason, runaway_reason_name(RUNAWAY_REASON_WINDOW_NOT_OPEN)) != 0;
}

static bool condition_matters(const char *name)
{
	static const char *const names[] = { "dry_run", "approval", "window", "evidence",
					     "post_check" };

	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		if (strcmp(names[n], name) == 0)
			return true;
	return false;
}

/* The first condition that stands against the approval; NULL: none. */
static const cJSON *objection(const cJSON *answer)
{
	const cJSON *c, *list = runaway_json_get(answer, "conditions");

	cJSON_ArrayForEach (c, list)
		if (!runaway_json_true(c, "pass", false) &&
		    condition_matters(runaway_json_str(c, "name", "")) &&
		    matters_now(runaway_json_str(c, "reason", "")))
			return c;
	return NULL;
}

static int record(struct pending_call *c, const struct approving *a)
{
	_cleanup_strbuf_ struct strbuf doc = STRBUF_INIT, data = STRBUF_INIT;
	struct incident_step step = call_step(c, INCIDENT_APPROVED, a->approval.evidence_ref);
	struct json_writer w;

	json_init(&w, &doc, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", a->approval.plan_sha256);
	json_kv_string(&w, "received_from", c->actor);
	json_kv_bool(&w, "signed", *a->approval.signature != '\0');
	json_key(&w, "approval");
	json_raw(&w, a->text, strlen(a->text));
	json_object_end(&w);
	json_init(&w, &data, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan_sha256", a->approval.plan_sha256);
	json_kv_string(&w, "owner", a->approval.owner);
	json_kv_string(&w, "evidence_ref", a->approval.evidence_ref);
	json_kv_time(&w, "window_start", a->approval.window_start_realtime_ns);
	json_kv_time(&w, "window_end", a->approval.window_end_realtime_ns);
	json_kv_bool(&w, "signed", *a->approval.signature != '\0');
	json_object_end(&w);
	if (doc.error || data.error)
		return -ENOMEM;
	step.document = doc.data;
	step.array = INCIDENT_APPROVALS;
	step.data = data.data;
	return runaway_incident_step(c->d->store, c->incident_id, &step);
}

static void on_checked(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;
	struct approving *a = c->data;
	const cJSON *against = err == 0 ? objection(answer) : NULL;

	if (!call_answered(c, err, answer))
		return;
	if (against) {
		call_refuse(c, runaway_reason_by_name(runaway_json_str(against, "reason", "")));
	} else {
		err = record(c, a);
		if (err < 0)
			call_step_failed(c, err);
		else
			call_done(c);
	}
}

/* What the kernel says of the caller against what the document says. */
static enum runaway_reason credentials(const struct pending_call *c, const struct incident *i,
				       const struct runaway_approval *a)
{
	if (strcmp(a->incident_id, i->incident_id) != 0)
		return RUNAWAY_REASON_APPROVAL_OTHER_INCIDENT;
	if (strcmp(a->plan_sha256, c->plan_sha256) != 0)
		return RUNAWAY_REASON_APPROVAL_OTHER_PLAN;
	if (a->approver_uid != c->peer.uid)
		return RUNAWAY_REASON_APPROVAL_INVALID;
	if (i->drill != (*a->drill_key != '\0'))
		return RUNAWAY_REASON_APPROVAL_DRILL;
	if (i->drill)
		return RUNAWAY_REASON_NONE;
	/* Without a signature the name is the kernel's word, or it is nobody's. */
	if (!*a->signature && strcmp(a->owner, c->name) != 0)
		return RUNAWAY_REASON_APPROVAL_NO_OWNER;
	if (a->two_person != c->d->config.gate.two_person)
		return RUNAWAY_REASON_APPROVAL_INVALID;
	return RUNAWAY_REASON_NONE;
}

static enum runaway_reason requester(const struct pending_call *c, const struct incident *i,
				     const char *plan_text)
{
	_cleanup_free_ struct runaway_plan *plan = calloc(1, sizeof(*plan));

	if (!plan || runaway_plan_read(plan_text, strlen(plan_text), plan) < 0)
		return RUNAWAY_REASON_PLAN_INVALID;
	if (!i->drill && c->d->config.gate.two_person && plan->requester_uid == c->peer.uid)
		return RUNAWAY_REASON_APPROVAL_SELF;
	return RUNAWAY_REASON_NONE;
}

static void ask_gate(struct pending_call *c, const char *plan_text, const char *approval)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	int err;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "plan", plan_text);
	json_kv_string(&w, "approval", approval);
	json_kv_bool(&w, "rule_matches", true);
	json_object_end(&w);
	err = b.error ? b.error : gate_link_ask(c->d->gate.link, "check", b.data, on_checked, c);
	if (err < 0)
		call_fail(c, "failed", "the gate cannot be asked: %s", runaway_strerror(err));
}

bool call_may_approve(struct pending_call *c, const struct incident *i)
{
	if (i->drill || c->peer.role >= ROLE_OWNER)
		return true;
	call_deny(c, "approving needs the role owner, yours is %s",
		  runaway_role_name(c->peer.role));
	return false;
}

void call_approve(struct pending_call *c, const char *text)
{
	const struct incident *i = call_incident(c);
	_cleanup_free_ char *plan_text = NULL;
	enum runaway_reason why;
	const char *document;
	struct approving *a;

	if (!i || !call_may_approve(c, i))
		return;
	document = call_plan(c, i);
	if (!document)
		return;
	if (!runaway_incident_may(i->status, INCIDENT_APPROVED)) {
		call_step_failed(c, -EPROTO);
		return;
	}
	plan_text = plan_embedded(document, "plan");
	c->data = a = calloc(1, sizeof(*a) + strlen(text) + 1);
	if (!plan_text || !a) {
		call_fail(c, "failed", "out of memory");
		return;
	}
	memcpy(a->text, text, strlen(text) + 1);
	why = runaway_approval_read(text, strlen(text), &a->approval) < 0
		      ? RUNAWAY_REASON_APPROVAL_INVALID
		      : credentials(c, i, &a->approval);
	if (why == RUNAWAY_REASON_NONE)
		why = requester(c, i, plan_text);
	if (why != RUNAWAY_REASON_NONE) {
		call_refuse(c, why);
		return;
	}
	if (!gate_works(c->d)) {
		call_refuse_disabled(c);
		return;
	}
	ask_gate(c, plan_text, a->text);
}

struct open_windows {
	uint64_t now_ns, count;
};

static void count_open(void *ctx, const struct incident *i)
{
	const struct incident_documents *approvals = &i->doc[INCIDENT_APPROVALS];
	struct open_windows *o = ctx;
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *a;
	uint64_t start, end;
	const char *text;

	if (i->status != INCIDENT_APPROVED || approvals->count == 0)
		return;
	text = approvals->item[approvals->count - 1];
	if (runaway_json_parse(text, strlen(text), &doc, NULL) < 0)
		return;
	a = runaway_json_get(doc, "approval");
	if (runaway_rfc3339_parse(runaway_json_str(a, "window_start", ""), &start) == 0 &&
	    runaway_rfc3339_parse(runaway_json_str(a, "window_end", ""), &end) == 0)
		o->count += o->now_ns >= start && o->now_ns < end;
}

uint64_t approve_authorized(const struct daemon *d)
{
	struct open_windows o = { .now_ns = runaway_real_ns() };

	runaway_store_each(d->store, count_open, &o);
	return o.count;
}
