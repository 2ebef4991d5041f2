/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole table: every condition in every state, all combinations. One cell fires. What
 * a single fault gives as its reason stands in the table beside it.
 */
#include "gate/facts.h"

#define R(id)		 RUNAWAY_REASON_##id
#define FIELD(member, v) (s->member = (v))

struct variant {
	void (*set)(struct scene *s);
	enum runaway_reason reason;
};

#define SETTER(name, ...)                                                                          \
	static void name(struct scene *s)                                                          \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}

/* Every setter of a dimension sets all that its dimension has: the others overwrite nothing. */
static void set_approval(struct scene *s, enum runaway_document_state state, const char *host,
			 const char *boot, const char *incident, const char *sha, bool two)
{
	s->facts.approval_state = state;
	s->facts.approval = state == RUNAWAY_DOCUMENT_READ ? &s->approval : NULL;
	SET(s->approval.host_label, host);
	SET(s->approval.boot_id, boot);
	SET(s->approval.incident_id, incident);
	SET(s->approval.plan_sha256, sha);
	s->approval.two_person = two;
	s->approval.approver_uid = 1002;
	SET(s->approval.nonce, "approval-1");
	SET(s->approval.owner, "anna");
}
#define OTHER_SHA "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define READ_OK	  RUNAWAY_DOCUMENT_READ
SETTER(ap_valid, set_approval(s, READ_OK, TEST_HOST, TEST_BOOT, TEST_INCIDENT, TEST_SHA, true))
SETTER(ap_missing, set_approval(s, RUNAWAY_DOCUMENT_MISSING, TEST_HOST, TEST_BOOT, TEST_INCIDENT,
				TEST_SHA, true))
SETTER(ap_invalid, set_approval(s, RUNAWAY_DOCUMENT_INVALID, TEST_HOST, TEST_BOOT, TEST_INCIDENT,
				TEST_SHA, true))
SETTER(ap_host, set_approval(s, READ_OK, "other", TEST_BOOT, TEST_INCIDENT, TEST_SHA, true))
SETTER(ap_boot, set_approval(s, READ_OK, TEST_HOST, "other", TEST_INCIDENT, TEST_SHA, true))
SETTER(ap_incident, set_approval(s, READ_OK, TEST_HOST, TEST_BOOT, "inc_other", TEST_SHA, true))
SETTER(ap_plan, set_approval(s, READ_OK, TEST_HOST, TEST_BOOT, TEST_INCIDENT, OTHER_SHA, true))
SETTER(ap_one_person,
       set_approval(s, READ_OK, TEST_HOST, TEST_BOOT, TEST_INCIDENT, TEST_SHA, false))
SETTER(ap_same_uid, ap_valid(s); s->approval.approver_uid = s->plan.requester_uid)
SETTER(ap_same_name, ap_valid(s); SET(s->approval.owner, "olga"))
SETTER(ap_nobody, ap_valid(s); s->approval.owner[0] = '\0')
SETTER(ap_used, ap_valid(s); SET(s->approval.nonce, "another"))
static const struct variant approval[] = {
	{ ap_valid, R(NONE) },
	{ ap_missing, R(APPROVAL_MISSING) },
	{ ap_invalid, R(APPROVAL_INVALID) },
	{ ap_host, R(APPROVAL_OTHER_HOST) },
	{ ap_boot, R(APPROVAL_OTHER_BOOT) },
	{ ap_incident, R(APPROVAL_OTHER_INCIDENT) },
	{ ap_plan, R(APPROVAL_OTHER_PLAN) },
	{ ap_one_person, R(APPROVAL_SELF) },
	{ ap_same_uid, R(APPROVAL_SELF) },
	{ ap_same_name, R(APPROVAL_SELF) },
	{ ap_nobody, R(APPROVAL_NO_OWNER) },
	{ ap_used, R(APPROVAL_USED) },
};

SETTER(si_valid, FIELD(facts.signature, R(NONE)))
SETTER(si_bad, FIELD(facts.signature, R(APPROVAL_BAD_SIGNATURE)))
static const struct variant signature[] = {
	{ si_valid, R(NONE) },
	{ si_bad, R(APPROVAL_BAD_SIGNATURE) },
};

static void set_window(struct scene *s, int64_t start_min, int64_t end_min, int64_t deadline_min,
		       int64_t offset_min)
{
	s->approval.window_start_realtime_ns = TEST_REAL_NS +
					       (uint64_t)(start_min * (int64_t)MINUTE);
	s->approval.window_end_realtime_ns = TEST_REAL_NS + (uint64_t)(end_min * (int64_t)MINUTE);
	s->approval.deadline_boot_ns = TEST_BOOT_NS + (uint64_t)(deadline_min * (int64_t)MINUTE);
	s->approval.clock_offset_ns = (int64_t)(TEST_REAL_NS - TEST_BOOT_NS) +
				      offset_min * (int64_t)MINUTE;
	s->approval.approved_boot_ns = TEST_BOOT_NS + MINUTE;
}
SETTER(wi_valid, set_window(s, 0, 30, 30, 0))
SETTER(wi_early, set_window(s, 5, 30, 30, 0))
SETTER(wi_over, set_window(s, 0, 1, 1, 0))
SETTER(wi_long, set_window(s, 0, 121, 121, 0))
SETTER(wi_deadline, set_window(s, 0, 30, 29, 0))
SETTER(wi_clock, set_window(s, 0, 30, 31, -1))
SETTER(wi_future, wi_valid(s); s->approval.approved_boot_ns = TEST_BOOT_NS + 3 * MINUTE)
SETTER(wi_old, wi_valid(s); s->approval.approved_boot_ns = TEST_BOOT_NS - 60 * MINUTE)
static const struct variant window[] = {
	{ wi_valid, R(NONE) },
	{ wi_early, R(WINDOW_NOT_OPEN) },
	{ wi_over, R(WINDOW_OVER) },
	{ wi_long, R(WINDOW_TOO_LONG) },
	{ wi_deadline, R(WINDOW_DEADLINE) },
	{ wi_clock, R(CLOCK_MOVED) },
	{ wi_future, R(APPROVAL_NOT_YET) },
	{ wi_old, R(APPROVAL_TOO_OLD) },
};

SETTER(ev_valid, SET(s->approval.evidence_ref, "https://ci.example/job/4711"))
SETTER(ev_missing, s->approval.evidence_ref[0] = '\0')
static const struct variant evidence[] = {
	{ ev_valid, R(NONE) },
	{ ev_missing, R(EVIDENCE_MISSING) },
};

static void set_rule(struct scene *s, const char *rule, const char *policy, bool matches)
{
	SET(s->plan.rule, rule);
	SET(s->plan.action_policy, policy);
	s->facts.rule_matches = matches;
}
SETTER(ru_valid, set_rule(s, "cpu", RUNAWAY_PLAN_POLICY, true))
SETTER(ru_missing, set_rule(s, "", RUNAWAY_PLAN_POLICY, true))
SETTER(ru_policy, set_rule(s, "cpu", "capacity_triage_no_process_remediation", true))
SETTER(ru_not, set_rule(s, "cpu", RUNAWAY_PLAN_POLICY, false))
static const struct variant rule[] = {
	{ ru_valid, R(NONE) },
	{ ru_missing, R(RULE_MISSING) },
	{ ru_policy, R(RULE_POLICY) },
	{ ru_not, R(RULE_NOT_MATCHING) },
};

static void set_plan(struct scene *s, enum runaway_document_state state, const char *host,
		     const char *boot, int64_t created_min, int64_t expires_min)
{
	s->facts.plan_state = state;
	s->facts.plan = state == RUNAWAY_DOCUMENT_READ ? &s->plan : NULL;
	SET(s->plan.host_label, host);
	SET(s->plan.boot_id, boot);
	s->plan.created_boot_ns = TEST_BOOT_NS + (uint64_t)(created_min * (int64_t)MINUTE);
	s->plan.expires_boot_ns = TEST_BOOT_NS + (uint64_t)(expires_min * (int64_t)MINUTE);
	s->plan.created_realtime_ns = TEST_REAL_NS + (uint64_t)(created_min * (int64_t)MINUTE);
	s->plan.expires_realtime_ns = TEST_REAL_NS + (uint64_t)(expires_min * (int64_t)MINUTE);
}
SETTER(pl_valid, set_plan(s, READ_OK, TEST_HOST, TEST_BOOT, 0, 60))
SETTER(pl_missing, set_plan(s, RUNAWAY_DOCUMENT_MISSING, TEST_HOST, TEST_BOOT, 0, 60))
SETTER(pl_invalid, set_plan(s, RUNAWAY_DOCUMENT_INVALID, TEST_HOST, TEST_BOOT, 0, 60))
SETTER(pl_host, set_plan(s, READ_OK, "other", TEST_BOOT, 0, 60))
SETTER(pl_boot, set_plan(s, READ_OK, TEST_HOST, "other", 0, 60))
SETTER(pl_future, set_plan(s, READ_OK, TEST_HOST, TEST_BOOT, 3, 60))
SETTER(pl_over, set_plan(s, READ_OK, TEST_HOST, TEST_BOOT, -10, 1))
SETTER(pl_long, set_plan(s, READ_OK, TEST_HOST, TEST_BOOT, 0, 61))
static const struct variant plan[] = {
	{ pl_valid, R(NONE) },		 { pl_missing, R(PLAN_MISSING) },
	{ pl_invalid, R(PLAN_INVALID) }, { pl_host, R(PLAN_OTHER_HOST) },
	{ pl_boot, R(PLAN_OTHER_BOOT) }, { pl_future, R(PLAN_NOT_YET) },
	{ pl_over, R(PLAN_EXPIRED) },	 { pl_long, R(PLAN_TOO_LONG) },
};

SETTER(po_valid, FIELD(plan.post_check.count, 2))
SETTER(po_missing, FIELD(plan.post_check.count, 0))
static const struct variant post_check[] = {
	{ po_valid, R(NONE) },
	{ po_missing, R(POST_CHECK_MISSING) },
};

SETTER(ga_open, FIELD(facts.gate, R(NONE)))
SETTER(ga_disarmed, FIELD(facts.gate, R(DISARMED)))
static const struct variant gate[] = {
	{ ga_open, R(NONE) },
	{ ga_disarmed, R(DISARMED) },
};

/* The history has one signal of this lane, five minutes old. */
SETTER(li_valid, s->config.budget_per_hour = 2; s->config.settle_s = 60)
SETTER(li_budget, s->config.budget_per_hour = 1; s->config.settle_s = 60)
SETTER(li_settling, s->config.budget_per_hour = 2; s->config.settle_s = 600)
static const struct variant limits[] = {
	{ li_valid, R(NONE) },
	{ li_budget, R(BUDGET_SPENT) },
	{ li_settling, R(SETTLING) },
};

static void set_seen(struct scene *s, enum runaway_reason failed, uint64_t start, uint64_t ino,
		     uint32_t uid, const char *args)
{
	s->seen.failed = failed;
	s->seen.id.start_boottime_ns = start;
	s->seen.id.exe_ino = ino;
	s->seen.id.uid = uid;
	SET(s->seen.args_sha256, args);
}
#define START s->target->start_ns
#define INO   s->target->exe_ino
SETTER(id_valid, set_seen(s, R(NONE), START, INO, 1000, TEST_SHA))
SETTER(id_gone, set_seen(s, R(TARGET_GONE), START, INO, 1000, TEST_SHA))
SETTER(id_unreadable, set_seen(s, R(TARGET_UNREADABLE), START, INO, 1000, TEST_SHA))
SETTER(id_start, set_seen(s, R(NONE), START + 1, INO, 1000, TEST_SHA))
SETTER(id_exe, set_seen(s, R(NONE), START, INO - 1, 1000, TEST_SHA))
SETTER(id_uid, set_seen(s, R(NONE), START, INO, 0, TEST_SHA))
SETTER(id_args, set_seen(s, R(NONE), START, INO, 1000, OTHER_SHA))
static const struct variant identity[] = {
	{ id_valid, R(NONE) },
	{ id_gone, R(TARGET_GONE) },
	{ id_unreadable, R(TARGET_UNREADABLE) },
	{ id_start, R(TARGET_OTHER_START) },
	{ id_exe, R(TARGET_OTHER_EXE) },
	{ id_uid, R(TARGET_OTHER_UID) },
	{ id_args, R(TARGET_OTHER_ARGS) },
};

SETTER(cg_valid, s->seen.id.cgroup_id = 4711; SET(s->seen.cgroup_path, "/ci/job-4711"))
SETTER(cg_id, s->seen.id.cgroup_id = 4712; SET(s->seen.cgroup_path, "/ci/job-4711"))
SETTER(cg_path, s->seen.id.cgroup_id = 4711; SET(s->seen.cgroup_path, "/ci/job-4712"))
SETTER(cg_ours, s->seen.id.cgroup_id = 4711; SET(s->seen.cgroup_path, "/system.slice"))
static const struct variant cgroup[] = {
	{ cg_valid, R(NONE) },
	{ cg_id, R(TARGET_OTHER_CGROUP) },
	{ cg_path, R(TARGET_OTHER_CGROUP) },
	{ cg_ours, R(PROTECTED_CGROUP) },
};

SETTER(ex_valid, FIELD(seen.id.exec_id, 3))
SETTER(ex_other, FIELD(seen.id.exec_id, 4))
static const struct variant exec_id[] = {
	{ ex_valid, R(NONE) },
	{ ex_other, R(TARGET_OTHER_EXEC) },
};

SETTER(pa_valid, s->seen.id.parent_tgid = 1; s->seen.id.flags = RW_GATE_ID_PARENT_REAPER)
SETTER(pa_other, s->seen.id.parent_tgid = 2; s->seen.id.flags = RW_GATE_ID_PARENT_REAPER)
SETTER(pa_parent, s->seen.id.parent_tgid = 1; s->seen.id.flags = 0)
SETTER(pa_init, s->seen.id.parent_tgid = 1;
       s->seen.id.flags = RW_GATE_ID_PARENT_REAPER | RW_GATE_ID_INIT)
static const struct variant parent[] = {
	{ pa_valid, R(NONE) },
	{ pa_other, R(TARGET_NOT_ORPHAN) },
	{ pa_parent, R(TARGET_NOT_ORPHAN) },
	{ pa_init, R(PROTECTED_INIT) },
};

#define DIMENSION(name) { #name, name, ARRAY_SIZE(name) }
/* Those of the target last: they are walked through fastest. */
static const struct {
	const char *name;
	const struct variant *variant;
	size_t count;
} dimensions[] = {
	DIMENSION(approval), DIMENSION(signature), DIMENSION(window),	  DIMENSION(evidence),
	DIMENSION(rule),     DIMENSION(plan),	   DIMENSION(post_check), DIMENSION(gate),
	DIMENSION(limits),   DIMENSION(identity),  DIMENSION(cgroup),	  DIMENSION(exec_id),
	DIMENSION(parent),
};
#define CONDITIONS 9 /* of the dimensions; the rest speak of the target */

struct walk {
	struct scene s;
	size_t faults; /* variants that are not the first of their dimension */
	enum runaway_reason fault, conditions;
	size_t cells, fired, single;
	size_t reasons[RUNAWAY_REASON_COUNT];
};

static void look_at_cell(struct walk *w)
{
	enum runaway_reason reason = w->conditions;

	if (reason == R(NONE))
		reason = runaway_judge_target(&w->s.facts, w->s.target, &w->s.seen);
	w->cells++;
	w->reasons[reason]++;
	if (reason == R(NONE)) {
		w->fired++;
		assert_int_equal(w->faults, 0);
	}
	if (w->faults == 1) {
		w->single++;
		assert_string_equal(runaway_reason_name(reason), runaway_reason_name(w->fault));
	}
}

static void walk(struct walk *w, size_t d)
{
	if (d == CONDITIONS)
		w->conditions = runaway_judge(&w->s.facts);
	if (d == ARRAY_SIZE(dimensions)) {
		look_at_cell(w);
		return;
	}
	for (size_t i = 0; i < dimensions[d].count; i++) {
		enum runaway_reason fault = w->fault;

		dimensions[d].variant[i].set(&w->s);
		w->faults += i > 0;
		if (i > 0)
			w->fault = dimensions[d].variant[i].reason;
		walk(w, d + 1);
		w->faults -= i > 0;
		w->fault = fault;
	}
	dimensions[d].variant[0].set(&w->s);
}

static void exactly_one_cell_fires(_unused_ void **state)
{
	struct walk *w = calloc(1, sizeof(*w));
	size_t expected = 1, singles = 0;

	assert_non_null(w);
	scene_set(&w->s);
	scene_intent(&w->s, w->s.facts.now.boot_ns - 5 * MINUTE, w->s.plan.lane_id, false);
	for (size_t d = 0; d < ARRAY_SIZE(dimensions); d++) {
		expected *= dimensions[d].count;
		singles += dimensions[d].count - 1;
	}
	walk(w, 0);
	assert_int_equal(w->cells, expected);
	assert_int_equal(w->single, singles);
	assert_int_equal(w->fired, 1);
	print_message("# truth table: %zu dimensions, %zu cells, %zu fired\n",
		      ARRAY_SIZE(dimensions), w->cells, w->fired);
	for (size_t d = 0; d < ARRAY_SIZE(dimensions); d++)
		print_message("#   %-10s %zu states\n", dimensions[d].name, dimensions[d].count);
	/* Every fault of the table is the reason of some cells. */
	for (size_t d = 0; d < ARRAY_SIZE(dimensions); d++)
		for (size_t i = 0; i < dimensions[d].count; i++)
			assert_true(w->reasons[dimensions[d].variant[i].reason] > 0);
	scene_free(&w->s);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exactly_one_cell_fires) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
