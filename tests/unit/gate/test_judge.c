/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conditions of a signal, each at both sides of its edge. */
#include "gate/one_scene.h"

static void nothing_stands_against_it(_unused_ void **state)
{
	assert_reason(s, "");
}

/* ---- time: the edge itself, and a nanosecond beside it (G6) ---- */

static void set_now(int64_t ns)
{
	s->facts.now.real_ns = TEST_REAL_NS + (uint64_t)ns;
	s->facts.now.boot_ns = TEST_BOOT_NS + (uint64_t)ns;
}

#define MIN_NS ((int64_t)MINUTE)

static void window_has_two_edges(_unused_ void **state)
{
	s->approval.window_start_realtime_ns = TEST_REAL_NS + 10 * MINUTE;
	set_now(10 * MIN_NS - 1);
	assert_reason(s, "window_not_open");
	set_now(10 * MIN_NS);
	assert_reason(s, "");
	set_now(30 * MIN_NS - 1);
	assert_reason(s, "");
	set_now(30 * MIN_NS);
	assert_reason(s, "window_over");
}

static void empty_and_backward_windows(_unused_ void **state)
{
	s->approval.window_start_realtime_ns = s->facts.now.real_ns;
	s->approval.window_end_realtime_ns = s->facts.now.real_ns;
	assert_reason(s, "window_over");
	s->approval.window_end_realtime_ns--;
	assert_reason(s, "window_over");
	s->approval.window_end_realtime_ns = 0;
	assert_reason(s, "window_over");
}

static void long_windows(_unused_ void **state)
{
	s->config.window_max_s = 1800;
	assert_reason(s, "");
	s->config.window_max_s = 1799;
	assert_reason(s, "window_too_long");
	s->approval.window_end_realtime_ns = UINT64_MAX;
	assert_reason(s, "window_too_long");
}

static void deadline_holds_whatever_the_wall_says(_unused_ void **state)
{
	s->config.clock_tolerance_ms = 60000;
	s->approval.deadline_boot_ns = s->facts.now.boot_ns;
	s->approval.window_end_realtime_ns = s->facts.now.real_ns + MINUTE;
	assert_reason(s, "");
	s->approval.deadline_boot_ns--;
	assert_reason(s, "window_deadline");
	s->approval.window_end_realtime_ns -= 2;
	assert_reason(s, "window_deadline");
}

static void deadline_must_be_the_windows_end(_unused_ void **state)
{
	const uint64_t right = s->approval.deadline_boot_ns, tolerance = 2000 * NSEC_PER_MSEC;

	s->approval.deadline_boot_ns = right + tolerance;
	assert_reason(s, "");
	s->approval.deadline_boot_ns = right + tolerance + 1;
	assert_reason(s, "window_deadline");
	s->approval.deadline_boot_ns = right - tolerance;
	assert_reason(s, "");
	s->approval.deadline_boot_ns = right - tolerance - 1;
	assert_reason(s, "window_deadline");
	s->approval.deadline_boot_ns = UINT64_MAX;
	assert_reason(s, "window_deadline");
}

/* The wall clock is put back into a window that is over, or on into one that is not open. */
static void moved_clocks(_unused_ void **state)
{
	size_t tried = 0;

	for (int64_t ms = -600000; ms <= 600000; ms += 1000) {
		scene_set(s);
		s->facts.now.real_ns += (uint64_t)(ms * (int64_t)NSEC_PER_MSEC);
		if (ms >= -2000 && ms <= 2000)
			assert_reason(s, "");
		else
			assert_reason(s, "clock_moved");
		tried++;
	}
	s->facts.now.real_ns = TEST_REAL_NS + 2 * MINUTE + 2000 * NSEC_PER_MSEC + 1;
	assert_reason(s, "clock_moved");
	s->facts.now.real_ns = TEST_REAL_NS + 2 * MINUTE - 2000 * NSEC_PER_MSEC - 1;
	assert_reason(s, "clock_moved");
	/* By the wall the window is open again, by the boot clock it is over. */
	scene_set(s);
	set_now(40 * MIN_NS);
	s->facts.now.real_ns = TEST_REAL_NS + 20 * MINUTE;
	assert_reason(s, "clock_moved");
	s->approval.clock_offset_ns -= 20 * MIN_NS;
	assert_reason(s, "window_deadline");
	assert_true(tried > 1000);
}

static void unsynchronised_clocks(_unused_ void **state)
{
	s->config.require_clock_sync = true;
	assert_reason(s, "clock_unsynchronised");
	s->facts.now.synchronised = true;
	assert_reason(s, "");
}

static void age_of_the_approval(_unused_ void **state)
{
	s->config.approval_max_age_s = 60;
	assert_reason(s, "");
	s->approval.approved_boot_ns--;
	assert_reason(s, "approval_too_old");
	s->approval.approved_boot_ns = s->facts.now.boot_ns;
	assert_reason(s, "");
	s->approval.approved_boot_ns++;
	assert_reason(s, "approval_not_yet");
}

static void age_of_the_plan(_unused_ void **state)
{
	s->plan.expires_boot_ns = s->facts.now.boot_ns + 1;
	assert_reason(s, "");
	s->plan.expires_boot_ns--;
	assert_reason(s, "plan_expired");
	test_plan(&s->plan);
	s->plan.expires_realtime_ns = s->facts.now.real_ns + 1;
	assert_reason(s, "");
	s->plan.expires_realtime_ns--;
	assert_reason(s, "plan_expired");
	test_plan(&s->plan);
	s->plan.created_boot_ns = s->facts.now.boot_ns;
	assert_reason(s, "");
	s->plan.created_boot_ns++;
	assert_reason(s, "plan_not_yet");
}

static void plans_for_longer_than_allowed(_unused_ void **state)
{
	s->plan.expires_boot_ns++;
	assert_reason(s, "plan_too_long");
	test_plan(&s->plan);
	s->plan.expires_realtime_ns++;
	assert_reason(s, "plan_too_long");
	s->plan.expires_realtime_ns = UINT64_MAX;
	assert_reason(s, "plan_too_long");
	test_plan(&s->plan);
	s->plan.expires_boot_ns = UINT64_MAX;
	assert_reason(s, "plan_too_long");
}

/* ---- who and what ---- */

static void documents_of_others(_unused_ void **state)
{
	SET(s->plan.host_label, "another");
	assert_reason(s, "plan_other_host");
	scene_set(s);
	SET(s->plan.boot_id, "another");
	assert_reason(s, "plan_other_boot");
	scene_set(s);
	SET(s->approval.host_label, "another");
	assert_reason(s, "approval_other_host");
	scene_set(s);
	SET(s->approval.boot_id, "another");
	assert_reason(s, "approval_other_boot");
	scene_set(s);
	SET(s->approval.incident_id, "another");
	assert_reason(s, "approval_other_incident");
	scene_set(s);
	SET(s->approval.requester, "otto");
	assert_reason(s, "approval_other_plan");
	scene_set(s);
	SET(s->facts.plan_sha256, "f");
	assert_reason(s, "approval_other_plan");
}

static void missing_documents(_unused_ void **state)
{
	s->facts.approval_state = RUNAWAY_DOCUMENT_MISSING;
	s->facts.approval = NULL;
	assert_reason(s, "approval_missing");
	assert_string_equal(
		runaway_reason_name(runaway_judge_condition(&s->facts, RUNAWAY_CONDITION_EVIDENCE)),
		"evidence_missing");
	assert_string_equal(
		runaway_reason_name(runaway_judge_condition(&s->facts, RUNAWAY_CONDITION_WINDOW)),
		"window_not_open");
	s->facts.approval_state = RUNAWAY_DOCUMENT_INVALID;
	assert_reason(s, "approval_invalid");
	scene_set(s);
	s->facts.plan = NULL;
	s->facts.plan_state = RUNAWAY_DOCUMENT_MISSING;
	assert_reason(s, "plan_missing");
	s->facts.plan_state = RUNAWAY_DOCUMENT_INVALID;
	assert_reason(s, "plan_invalid");
	/* What hangs on a plan is missing with it. */
	static const struct {
		enum runaway_condition condition;
		const char *reason;
	} without[] = {
		{ RUNAWAY_CONDITION_RULE, "rule_missing" },
		{ RUNAWAY_CONDITION_APPROVAL, "approval_other_plan" },
		{ RUNAWAY_CONDITION_POST_CHECK, "post_check_missing" },
		{ RUNAWAY_CONDITION_LIMITS, "" },
		{ RUNAWAY_CONDITION_TARGET, "target_missing" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(without); i++)
		assert_string_equal(runaway_reason_name(runaway_judge_condition(
					    &s->facts, without[i].condition)),
				    without[i].reason);
}

static void rules_and_policies(_unused_ void **state)
{
	s->plan.rule[0] = '\0';
	assert_reason(s, "rule_missing");
	scene_set(s);
	s->plan.lane_id[0] = '\0';
	assert_reason(s, "rule_missing");
	scene_set(s);
	SET(s->plan.action_policy, "capacity_triage_no_process_remediation");
	assert_reason(s, "rule_policy");
	s->plan.action_policy[0] = '\0';
	assert_reason(s, "rule_policy");
	scene_set(s);
	s->facts.rule_matches = false;
	assert_reason(s, "rule_not_matching");
}

static void two_people(_unused_ void **state)
{
	s->approval.approver_uid = s->plan.requester_uid;
	assert_reason(s, "approval_self");
	s->config.two_person = false;
	assert_reason(s, "");
	scene_set(s);
	SET(s->approval.owner, "olga");
	assert_reason(s, "approval_self");
	s->config.two_person = false;
	assert_reason(s, "");
	scene_set(s);
	s->approval.two_person = false;
	assert_reason(s, "approval_self");
	s->config.two_person = false;
	assert_reason(s, "");
}

static void nobodys_approval(_unused_ void **state)
{
	s->approval.owner[0] = '\0';
	assert_reason(s, "approval_no_owner");
	scene_set(s);
	s->approval.nonce[0] = '\0';
	assert_reason(s, "approval_no_owner");
}

static void evidence_says_something(_unused_ void **state)
{
	SET(s->approval.evidence_ref, "");
	assert_reason(s, "evidence_missing");
	SET(s->approval.evidence_ref, " \t ");
	assert_reason(s, "evidence_missing");
	SET(s->approval.evidence_ref, " x");
	assert_reason(s, "");
}

static void post_check_sees_the_targets(_unused_ void **state)
{
	SET(s->plan.post_check.check[0], "cpu_fell");
	assert_reason(s, "post_check_missing");
	SET(s->plan.post_check.check[1], "targets_gone");
	assert_reason(s, "");
	s->plan.post_check.count = 1;
	assert_reason(s, "post_check_missing");
	scene_set(s);
	s->plan.post_check.grace_s = 0;
	assert_reason(s, "post_check_missing");
	s->plan.post_check.grace_s = 3600;
	assert_reason(s, "");
	s->plan.post_check.grace_s = 3601;
	assert_reason(s, "post_check_missing");
}

static void gate_is_asked_first(_unused_ void **state)
{
	s->facts.gate = RUNAWAY_REASON_DISARMED;
	s->facts.plan_state = RUNAWAY_DOCUMENT_MISSING;
	assert_reason(s, "disarmed");
}

static void one_target_named_twice(_unused_ void **state)
{
	for (size_t i = 1; i < RUNAWAY_TARGETS_MAX; i++) {
		s->plan.target[i] = s->plan.target[0];
		s->plan.target[i].pid += (uint32_t)i;
	}
	s->config.budget_per_hour = RUNAWAY_TARGETS_MAX;
	s->plan.target_count = RUNAWAY_TARGETS_MAX;
	assert_reason(s, "");
	s->plan.target[RUNAWAY_TARGETS_MAX - 1].pid = s->plan.target[3].pid;
	assert_reason(s, "plan_invalid");
	s->plan.target_count--;
	assert_reason(s, "");
	s->plan.target[1].pid = s->plan.target[0].pid;
	assert_reason(s, "plan_invalid");
}

static void a_plan_without_targets(_unused_ void **state)
{
	s->plan.target_count = 0;
	assert_reason(s, "target_missing");
}

/* ---- what was done before ---- */

static void used_approvals(_unused_ void **state)
{
	SET(s->approval.nonce, "another");
	assert_reason(s, "");
	scene_intent(s, 1, "lane", false);
	assert_reason(s, "approval_used");
	/* Its own INTENT, looked at again just before the signal. */
	s->facts.acting = true;
	assert_reason(s, "");
}

static void budget_of_the_lane(_unused_ void **state)
{
	const uint64_t hour = 3600 * NSEC_PER_SEC, now = s->facts.now.boot_ns;
	const char *lane = s->plan.lane_id;

	scene_intent(s, now - hour, lane, false);
	scene_intent(s, now - hour + 1, lane, false);
	scene_intent(s, now - hour + 2, lane, false);
	assert_reason(s, "budget_spent");
	s->history.intent[0].boot_ns--;
	assert_reason(s, "");
	s->plan.target_count = 2;
	assert_reason(s, "budget_spent");
	s->plan.target_count = 1;
	scene_intent(s, now - hour + 3, "another lane", false);
	assert_reason(s, "");
	scene_intent(s, now - hour + 3, lane, true);
	assert_reason(s, "");
	scene_intent(s, now - hour + 3, lane, false);
	assert_reason(s, "budget_spent");
	s->facts.acting = true;
	assert_reason(s, "");
	/* Within the first hour of the host's life. */
	s->facts.acting = false;
	set_now(-(int64_t)TEST_BOOT_NS + 10);
	assert_string_equal(
		runaway_reason_name(runaway_judge_condition(&s->facts, RUNAWAY_CONDITION_LIMITS)),
		"budget_spent");
}

static void settle_time(_unused_ void **state)
{
	scene_intent(s, s->facts.now.boot_ns - 60 * NSEC_PER_SEC, "another lane", false);
	assert_reason(s, "");
	s->history.intent[0].boot_ns++;
	assert_reason(s, "settling");
	/* Drills and the rest do not wait for each other. */
	s->history.intent[0].drill = true;
	assert_reason(s, "");
}

static void full_history(_unused_ void **state)
{
	while (s->history.count < RUNAWAY_HISTORY_MAX - 1)
		scene_intent(s, 1, "another lane", false);
	assert_reason(s, "");
	scene_intent(s, 1, "another lane", false);
	assert_reason(s, "history_full");
	assert_int_equal(runaway_history_add(&s->history, &s->history.intent[0]), -ENOSPC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_stands_against_it),
		TEST(window_has_two_edges),
		TEST(empty_and_backward_windows),
		TEST(long_windows),
		TEST(deadline_holds_whatever_the_wall_says),
		TEST(deadline_must_be_the_windows_end),
		TEST(moved_clocks),
		TEST(unsynchronised_clocks),
		TEST(age_of_the_approval),
		TEST(age_of_the_plan),
		TEST(plans_for_longer_than_allowed),
		TEST(documents_of_others),
		TEST(missing_documents),
		TEST(rules_and_policies),
		TEST(two_people),
		TEST(nobodys_approval),
		TEST(evidence_says_something),
		TEST(post_check_sees_the_targets),
		TEST(gate_is_asked_first),
		TEST(one_target_named_twice),
		TEST(a_plan_without_targets),
		TEST(used_approvals),
		TEST(budget_of_the_lane),
		TEST(settle_time),
		TEST(full_history),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
