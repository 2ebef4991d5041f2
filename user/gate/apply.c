/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The path of one signal, in the order that makes it safe: hold the target, look at it,
 * judge everything; write the INTENT; let the kernel know; look and judge once more; send;
 * compare with what the kernel saw; write the RESULT.
 */
#include <string.h>
#include <sys/timex.h>

#include "base/clock.h"
#include "gate/state.h"

#define REASON(id) RUNAWAY_REASON_##id

/* From the authorisation to the signal are microseconds. */
#define AUTHORISED_NS (2 * NSEC_PER_SEC)
/* What is told as unknown is over: no signal comes behind its RESULT. */
static_assert(AUTHORISED_NS < RUNAWAY_ACTUATOR_ANSWER_S * NSEC_PER_SEC, "late signals");

const char *runaway_outcome_name(enum runaway_outcome outcome)
{
	static const char *const names[] = {
		[RUNAWAY_OUTCOME_REFUSED] = "refused",
		[RUNAWAY_OUTCOME_GONE] = "gone",
		[RUNAWAY_OUTCOME_SIGNALLED] = "signalled",
		[RUNAWAY_OUTCOME_UNKNOWN] = "unknown",
	};

	return names[outcome];
}

/* ---- judging ---- */

static void ask_clocks(const struct runaway_gate *g, struct runaway_gate_clocks *ret)
{
	struct timex t = { .modes = 0 };

	ret->real_ns = runaway_real_ns();
	ret->boot_ns = runaway_boot_ns();
	ret->synchronised = g->config.require_clock_sync && adjtimex(&t) != TIME_ERROR;
}

static void read_plan(struct runaway_act *act, const char *text)
{
	struct runaway_facts *f = &act->facts;

	if (text[0] == '\0')
		return;
	f->plan_state = RUNAWAY_DOCUMENT_INVALID;
	if (runaway_plan_read(text, strlen(text), &act->plan) < 0)
		return;
	f->plan_state = RUNAWAY_DOCUMENT_READ;
	f->plan = &act->plan;
	runaway_sha256_hex(text, strlen(text), f->plan_sha256);
}

static void read_approval(struct runaway_act *act, const char *text)
{
	struct runaway_facts *f = &act->facts;

	if (text[0] == '\0')
		return;
	f->approval_state = RUNAWAY_DOCUMENT_INVALID;
	if (runaway_approval_read(text, strlen(text), &act->approval) < 0)
		return;
	f->approval_state = RUNAWAY_DOCUMENT_READ;
	f->approval = &act->approval;
	if (f->plan)
		f->signature = runaway_judge_signature(f->config, f->plan, f->approval);
}

static void note(struct runaway_act *act, enum runaway_reason reason)
{
	if (act->refused == REASON(NONE))
		act->refused = reason;
}

static void judge_conditions(struct runaway_gate *g, struct runaway_act *act)
{
	ask_clocks(g, &act->facts.now);
	act->facts.gate = runaway_gate_closed(g);
	act->refused = REASON(NONE);
	for (size_t i = 0; i < RUNAWAY_JUDGED; i++) {
		act->condition[i] = runaway_judge_condition(&act->facts, runaway_judged[i]);
		note(act, act->condition[i]);
	}
}

static enum runaway_reason look_and_judge(struct runaway_gate *g, struct runaway_act *act, size_t i)
{
	const struct runaway_target *planned = &act->plan.target[i];
	struct runaway_seen seen;

	runaway_look(g->guard, g->config.cgroup_controller, planned->pid, act->pidfd[i], &seen);
	act->target[i].user_ns = seen.id.flags & RW_GATE_ID_USERNS;
	return runaway_judge_target(&act->facts, planned, &seen);
}

static enum runaway_outcome outcome_of(enum runaway_reason reason)
{
	return reason == REASON(TARGET_GONE) ? RUNAWAY_OUTCOME_GONE : RUNAWAY_OUTCOME_REFUSED;
}

static void judge_one(struct runaway_gate *g, struct runaway_act *act, size_t i)
{
	struct runaway_target_result *t = &act->target[i];

	t->reason = runaway_look_hold(act->plan.target[i].pid, &act->pidfd[i]);
	if (t->reason == REASON(NONE))
		t->reason = look_and_judge(g, act, i);
	t->outcome = outcome_of(t->reason);
}

/* One target that may be signalled is enough to go on; without any, the first reason is told. */
static void judge_targets(struct runaway_gate *g, struct runaway_act *act)
{
	enum runaway_reason first = REASON(NONE);
	bool any = false;

	for (size_t i = 0; i < act->plan.target_count; i++) {
		judge_one(g, act, i);
		if (act->target[i].reason == REASON(NONE))
			any = true;
		else if (first == REASON(NONE))
			first = act->target[i].reason;
	}
	if (!any)
		note(act, first);
}

void runaway_act_judge(struct runaway_gate *g, const cJSON *message, struct runaway_act *act)
{
	*act = (struct runaway_act){
		.facts = { .config = &g->config,
			   .self = &g->self,
			   .history = &g->history,
			   .rule_matches = runaway_json_true(message, "rule_matches", false) },
	};
	for (size_t i = 0; i < RUNAWAY_TARGETS_MAX; i++)
		act->pidfd[i] = -1;
	read_plan(act, runaway_json_str(message, "plan", ""));
	read_approval(act, runaway_json_str(message, "approval", ""));
	judge_conditions(g, act);
	judge_targets(g, act);
}

void runaway_act_end(struct runaway_act *act)
{
	for (size_t i = 0; i < RUNAWAY_TARGETS_MAX; i++)
		runaway_closep(&act->pidfd[i]);
}

/* ---- records ---- */

static int write_intent(struct runaway_gate *g, struct runaway_act *act, size_t i)
{
	const struct runaway_target *t = &act->plan.target[i];
	struct runaway_intent intent = { .boot_ns = act->facts.now.boot_ns,
					 .start_ns = t->start_ns,
					 .pid = t->pid,
					 .drill = act->plan.drill };
	struct runaway_record r;
	int err;

	runaway_audit_begin(&g->audit, "intent", &r);
	json_kv_string(&r.w, "incident_id", act->plan.incident_id);
	json_kv_string(&r.w, "lane_id", act->plan.lane_id);
	json_kv_bool(&r.w, "drill", act->plan.drill);
	json_kv_string(&r.w, "plan_sha256", act->facts.plan_sha256);
	json_kv_string(&r.w, "nonce", act->approval.nonce);
	json_kv_string(&r.w, "owner", act->approval.owner);
	json_kv_string(&r.w, "key_id", act->approval.key_id);
	json_kv_string(&r.w, "requester", act->plan.requester);
	json_kv_string(&r.w, "evidence_ref", act->approval.evidence_ref);
	json_kv_string(&r.w, "signal", RUNAWAY_PLAN_SIGNAL);
	json_kv_uint(&r.w, "pid", t->pid);
	json_kv_u64_string(&r.w, "start_ns", t->start_ns);
	json_kv_u64_string(&r.w, "exec_id", t->exec_id);
	json_kv_string(&r.w, "exe", t->exe);
	json_kv_string(&r.w, "cgroup_path", t->cgroup_path);
	json_kv_bool(&r.w, "user_ns", act->target[i].user_ns);
	json_kv_string(&r.w, "tier", runaway_guard_tier_code(runaway_guard_tier(g->guard)));
	intent.seq = r.seq;
	snprintf(intent.incident_id, sizeof(intent.incident_id), "%s", act->plan.incident_id);
	snprintf(intent.lane_id, sizeof(intent.lane_id), "%s", act->plan.lane_id);
	snprintf(intent.plan_sha256, sizeof(intent.plan_sha256), "%s", act->facts.plan_sha256);
	snprintf(intent.nonce, sizeof(intent.nonce), "%s", act->approval.nonce);
	err = runaway_audit_commit(&g->audit, &r);
	if (err == 0) {
		act->target[i].audit_seq = intent.seq;
		err = runaway_history_add(&g->history, &intent);
	}
	return err;
}

static void write_result(struct runaway_gate *g, const struct runaway_target_result *t, int err)
{
	struct runaway_record r;

	runaway_audit_begin(&g->audit, "result", &r);
	json_kv_u64_string(&r.w, "intent", t->audit_seq);
	json_kv_string(&r.w, "outcome", runaway_outcome_name(t->outcome));
	json_kv_string(&r.w, "reason", runaway_reason_name(t->reason));
	json_kv_int(&r.w, "errno", -err);
	if (runaway_audit_commit(&g->audit, &r) == 0)
		(void)runaway_history_answer(&g->history, t->audit_seq);
}

/* ---- acting ---- */

/* Of this signal: kernel guard and actuator send nothing behind it. */
static uint64_t deadline_of(const struct runaway_act *act)
{
	return MIN(act->approval.deadline_boot_ns, runaway_boot_ns() + AUTHORISED_NS);
}

static int authorise(struct runaway_gate *g, const struct runaway_act *act, size_t i)
{
	const struct runaway_target *t = &act->plan.target[i];
	const struct runaway_guard_target target = {
		.tgid = (pid_t)t->pid,
		.authz = { .start_boottime_ns = t->start_ns,
			   .exec_id = t->exec_id,
			   .deadline_boot_ns = deadline_of(act),
			   .nonce = act->target[i].audit_seq },
	};

	return runaway_guard_authorise(g->guard, &target);
}

/* Everything once more, with clocks, switch and target as they are now. */
static enum runaway_reason judge_again(struct runaway_gate *g, struct runaway_act *act, size_t i)
{
	struct runaway_facts *f = &act->facts;
	enum runaway_reason reason;

	f->acting = true;
	ask_clocks(g, &f->now);
	runaway_gate_take_signals(g);
	f->gate = runaway_gate_closed(g);
	reason = runaway_judge(f);
	return reason != REASON(NONE) ? reason : look_and_judge(g, act, i);
}

static void tell(struct runaway_target_result *t, enum runaway_outcome outcome,
		 enum runaway_reason reason)
{
	t->outcome = outcome;
	t->reason = reason;
}

static void send_it(struct runaway_gate *g, struct runaway_act *act, size_t i, int *ret_err)
{
	struct runaway_target_result *t = &act->target[i];
	int err = *ret_err = runaway_actuator_signal(&g->actuator, act->pidfd[i], deadline_of(act));

	if (err == 0)
		tell(t, RUNAWAY_OUTCOME_SIGNALLED, REASON(NONE));
	else if (err == -ESRCH)
		tell(t, RUNAWAY_OUTCOME_GONE, REASON(TARGET_GONE));
	else if (err == -EPERM)
		tell(t, RUNAWAY_OUTCOME_REFUSED, REASON(KERNEL_REFUSED));
	else if (err == -EIO)
		tell(t, RUNAWAY_OUTCOME_UNKNOWN, REASON(ACTUATOR_GONE));
	else
		tell(t, RUNAWAY_OUTCOME_REFUSED, REASON(SEND_FAILED));
	/* Without its answer nothing more is asked of it. */
	if (err == -EIO || err == -EPIPE)
		runaway_actuator_stop(&g->actuator);
}

/* A signal that was sent has its record. One that the kernel let through may still have found
 * its target gone, and of one without an answer nobody knows: then a record is no mismatch. */
static void expect_witness(struct runaway_gate *g, enum runaway_outcome outcome)
{
	runaway_gate_drain(g);
	if (outcome == RUNAWAY_OUTCOME_SIGNALLED)
		g->sent_under_guard++;
	else if (outcome != RUNAWAY_OUTCOME_REFUSED)
		g->sent_under_guard = MAX(g->sent_under_guard, g->witnessed);
}

/* The INTENT is written. */
static void carry_out_intent(struct runaway_gate *g, struct runaway_act *act, size_t i)
{
	struct runaway_target_result *t = &act->target[i];
	int authorised = authorise(g, act, i), err = 0;

	if (authorised < 0) {
		tell(t, RUNAWAY_OUTCOME_REFUSED, REASON(NOT_AUTHORISED));
		err = authorised;
	} else {
		t->reason = judge_again(g, act, i);
		t->outcome = outcome_of(t->reason);
		if (t->reason == REASON(NONE))
			send_it(g, act, i, &err);
		(void)runaway_guard_revoke(g->guard, (pid_t)act->plan.target[i].pid);
	}
	g->signals_sent += t->outcome == RUNAWAY_OUTCOME_SIGNALLED;
	if (authorised == RUNAWAY_GUARD_AUTHORISED)
		expect_witness(g, t->outcome);
	runaway_gate_reconcile(g);
	write_result(g, t, err);
}

static void carry_out_one(struct runaway_gate *g, struct runaway_act *act, size_t i)
{
	struct runaway_target_result *t = &act->target[i];

	if (t->reason != REASON(NONE)) {
		runaway_refusal_of_target(g, act, i);
		return;
	}
	if (write_intent(g, act, i) < 0)
		tell(t, RUNAWAY_OUTCOME_REFUSED, REASON(AUDIT_FAILED));
	else
		carry_out_intent(g, act, i);
	/* Its record is the RESULT, where one could be written. */
	if (t->reason != REASON(NONE))
		g->refusals[t->reason]++;
}

void runaway_act_carry_out(struct runaway_gate *g, struct runaway_act *act)
{
	for (size_t i = 0; i < act->plan.target_count; i++)
		carry_out_one(g, act, i);
}
