/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the gate tells, as members of an answer's object. */
#include <string.h>

#include "gate/state.h"

#define REASON(id) RUNAWAY_REASON_##id

static void write_reason(struct json_writer *w, enum runaway_reason reason)
{
	json_kv_bool(w, "pass", reason == REASON(NONE));
	json_kv_string(w, "reason", runaway_reason_name(reason));
	json_kv_string(w, "message", runaway_reason_text(reason));
}

/* ---- status ---- */

static void write_outcome(struct json_writer *w, const struct runaway_guard_outcome *o)
{
	json_object_begin(w);
	json_kv_string(w, "name", o->name);
	json_kv_int(w, "expected_errno", o->expected_err);
	json_kv_int(w, "errno", o->got_err);
	json_kv_bool(w, "ok", o->ok);
	json_object_end(w);
}

void runaway_answer_self_test(const struct runaway_gate *g, struct json_writer *w)
{
	json_key(w, "self_test");
	json_object_begin(w);
	json_kv_time(w, "at", g->self_test_real_ns);
	json_kv_bool(w, "passed", g->self_test.passed);
	json_kv_string(w, "why", g->self_test.why);
	json_key(w, "outcomes");
	json_array_begin(w);
	for (size_t i = 0; i < g->self_test.n; i++)
		write_outcome(w, &g->self_test.outcomes[i]);
	json_array_end(w);
	json_object_end(w);
}

/* A run that the kernel skipped is a signal that nobody checked. */
static void write_programs(const struct runaway_gate *g, struct json_writer *w)
{
	uint64_t misses, sum = 0;
	const char *name;

	json_key(w, "guard_programs");
	json_array_begin(w);
	for (size_t i = 0; runaway_guard_program(g->guard, i, &name, &misses); i++) {
		json_object_begin(w);
		json_kv_string(w, "program", name);
		json_kv_u64_string(w, "recursion_misses", misses);
		json_object_end(w);
		sum += misses;
	}
	json_array_end(w);
	json_kv_u64_string(w, "recursion_misses", sum);
}

static void write_tier(const struct runaway_gate *g, struct json_writer *w)
{
	enum runaway_guard_tier tier = runaway_guard_tier(g->guard);

	json_kv_string(w, "tier", runaway_guard_tier_code(tier));
	json_kv_string(w, "tier_name", runaway_guard_tier_name(tier));
	json_kv_string(w, "tier_why", runaway_guard_why(g->guard));
	json_kv_bool(w, "enforced", runaway_guard_enforced(g->guard));
	json_kv_u64_string(w, "kernel_denied", g->kernel_denied);
	json_kv_u64_string(w, "witnessed", g->witnessed);
	write_programs(g, w);
}

static void write_audit(const struct runaway_gate *g, struct json_writer *w)
{
	json_key(w, "audit");
	json_object_begin(w);
	json_kv_bool(w, "ok", g->audit.failed == REASON(NONE));
	json_kv_string(w, "reason", runaway_reason_name(g->audit.failed));
	json_kv_u64_string(w, "seq", g->audit.seq);
	json_kv_string(w, "head", g->audit.head);
	json_kv_u64_string(w, "bytes", g->audit.bytes);
	json_kv_bool(w, "full", !runaway_audit_has_room(&g->audit));
	json_kv_u64_string(w, "torn_lines", g->audit.torn_lines);
	json_kv_u64_string(w, "unknown",
			   runaway_history_unknown(&g->history) + g->audit.unknown_earlier);
	json_kv_u64_string(w, "unrecorded", g->refusals_seen.refused + g->refusals_told.refused);
	json_object_end(w);
}

/* The newest of those whose end nobody knows; the count is in the audit's part. */
#define UNKNOWN_SHOWN 16

static void write_unknown(const struct runaway_gate *g, struct json_writer *w)
{
	size_t shown = 0;

	json_key(w, "unknown");
	json_array_begin(w);
	for (size_t i = g->history.count; i-- > 0 && shown < UNKNOWN_SHOWN;) {
		const struct runaway_intent *intent = &g->history.intent[i];

		if (intent->answered)
			continue;
		json_object_begin(w);
		json_kv_u64_string(w, "intent", intent->seq);
		json_kv_string(w, "incident_id", intent->incident_id);
		json_kv_uint(w, "pid", intent->pid);
		json_kv_u64_string(w, "start_ns", intent->start_ns);
		json_kv_u64_string(w, "boot_ns", intent->boot_ns);
		json_object_end(w);
		shown++;
	}
	json_array_end(w);
}

static void write_counts(const struct runaway_gate *g, struct json_writer *w)
{
	json_kv_u64_string(w, "requests", g->requests);
	json_kv_u64_string(w, "signals", g->signals_sent);
	json_key(w, "refusals");
	json_object_begin(w);
	for (int i = REASON(NONE) + 1; i < RUNAWAY_REASON_COUNT; i++)
		json_kv_u64_string(w, runaway_reason_name((enum runaway_reason)i), g->refusals[i]);
	json_object_end(w);
}

void runaway_answer_status(struct runaway_gate *g, struct json_writer *w)
{
	enum runaway_reason closed = runaway_gate_closed(g);

	json_kv_bool(w, "armed", closed == REASON(NONE));
	json_kv_string(w, "closed_by", runaway_reason_name(closed));
	json_kv_string(w, "why", runaway_reason_text(closed));
	write_tier(g, w);
	runaway_answer_self_test(g, w);
	json_kv_bool(w, "disarmed", g->audit.disarm_seq != 0);
	json_kv_u64_string(w, "disarm_seq", g->audit.disarm_seq);
	json_kv_string(w, "disarmed_by", g->audit.disarmed_by);
	json_kv_bool(w, "disarm_file", runaway_gate_disarm_file(g));
	json_kv_bool(w, "landlocked", g->landlocked);
	write_audit(g, w);
	write_unknown(g, w);
	write_counts(g, w);
	json_kv_string(w, "boot_id", g->self.boot_id);
	json_kv_uint(w, "authoriser_pid", g->self.authoriser_pid);
	json_kv_uint(w, "actuator_pid", g->self.actuator_pid);
}

/* ---- check and apply ---- */

static void write_conditions(const struct runaway_act *act, struct json_writer *w)
{
	json_key(w, "conditions");
	json_array_begin(w);
	for (size_t i = 0; i < RUNAWAY_JUDGED; i++) {
		json_object_begin(w);
		json_kv_string(w, "name", runaway_condition_name(runaway_judged[i]));
		write_reason(w, act->condition[i]);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_target(const struct runaway_act *act, size_t i, bool applied,
			 struct json_writer *w)
{
	const struct runaway_target_result *t = &act->target[i];

	json_object_begin(w);
	json_kv_uint(w, "pid", act->plan.target[i].pid);
	json_kv_u64_string(w, "start_ns", act->plan.target[i].start_ns);
	write_reason(w, t->reason);
	if (applied) {
		json_kv_string(w, "outcome", runaway_outcome_name(t->outcome));
		json_kv_u64_string(w, "audit_seq", t->audit_seq);
	}
	json_object_end(w);
}

void runaway_answer_act(const struct runaway_gate *g, const struct runaway_act *act, bool applied,
			struct json_writer *w)
{
	json_kv_bool(w, "allowed", act->refused == REASON(NONE));
	json_kv_string(w, "reason", runaway_reason_name(act->refused));
	json_kv_string(w, "message", runaway_reason_text(act->refused));
	json_kv_string(w, "plan_sha256", act->facts.plan_sha256);
	write_conditions(act, w);
	json_key(w, "targets");
	json_array_begin(w);
	for (size_t i = 0; i < act->plan.target_count; i++)
		write_target(act, i, applied, w);
	json_array_end(w);
	json_kv_string(w, "audit_head", g->audit.head);
}

/* ---- look ---- */

static void write_seen(const struct runaway_seen *seen, struct json_writer *w)
{
	const struct rw_gate_identity *id = &seen->id;

	json_kv_uint(w, "pid", id->tgid);
	json_kv_u64_string(w, "start_ns", id->start_boottime_ns);
	json_kv_u64_string(w, "exec_id", id->exec_id);
	json_kv_u64_string(w, "exe_ino", id->exe_ino);
	json_kv_uint(w, "exe_dev", id->exe_dev);
	json_kv_uint(w, "uid", id->uid);
	json_kv_u64_string(w, "cgroup_id", id->cgroup_id);
	json_kv_string(w, "cgroup_path", seen->cgroup_path);
	json_kv_string(w, "args_sha256", seen->args_sha256);
	json_kv_string(w, "comm", id->comm);
	json_kv_uint(w, "parent_pid", id->parent_tgid);
	json_kv_u64_string(w, "parent_start_ns", id->parent_start_boottime_ns);
	json_kv_bool(w, "orphan", id->flags & RW_GATE_ID_PARENT_REAPER);
	json_kv_bool(w, "init", id->flags & RW_GATE_ID_INIT);
	json_kv_bool(w, "kernel_thread", id->flags & RW_GATE_ID_KTHREAD);
	json_kv_bool(w, "user_ns", id->flags & RW_GATE_ID_USERNS);
}

void runaway_answer_look(struct runaway_gate *g, const cJSON *message, struct json_writer *w)
{
	uint64_t pid = runaway_json_u64(message, "pid", 0);
	_cleanup_close_ int pidfd = -1;
	struct runaway_seen seen;
	enum runaway_reason reason = RUNAWAY_REASON_TARGET_GONE;

	if (pid > 0 && pid <= INT32_MAX)
		reason = runaway_look_hold((uint32_t)pid, &pidfd);
	if (reason == REASON(NONE)) {
		runaway_look(g->guard, g->config.cgroup_controller, (uint32_t)pid, pidfd, &seen);
		reason = seen.failed;
	}
	write_reason(w, reason);
	if (reason == REASON(NONE))
		write_seen(&seen, w);
}
