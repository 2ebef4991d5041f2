/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several targets, and targets that are almost gone. */
#include "gate/acting.h"

static void each_target_for_itself(_unused_ void **state)
{
	struct runaway_plan *plan = calloc(1, sizeof(*plan)), *one = calloc(1, sizeof(*one));
	pid_t pid[3] = { start_target(), start_target(), start_target() };
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *targets;

	plan_for(pid[0], plan);
	for (size_t i = 1; i < 3; i++) {
		plan_for(pid[i], one);
		plan->target[i] = one->target[0];
	}
	plan->target_count = 3;
	plan->target[1].uid = 77;
	write_documents(plan);
	answer = ask_about("apply");
	targets = runaway_json_get(answer, "targets");
	assert_string_equal(runaway_json_str(cJSON_GetArrayItem(targets, 0), "outcome", ""),
			    "signalled");
	assert_string_equal(runaway_json_str(cJSON_GetArrayItem(targets, 1), "reason", ""),
			    "target_other_uid");
	assert_string_equal(runaway_json_str(cJSON_GetArrayItem(targets, 2), "outcome", ""),
			    "signalled");
	(void)terms_of(pid[0]);
	assert_int_equal(terms_of(pid[2]), 2);
	/* The one that was not to be signalled has no INTENT; that it was refused is on record. */
	assert_int_equal(records_of("intent"), 2);
	assert_int_equal(records_of("refused"), 1);
	assert_int_equal(g->refusals[RUNAWAY_REASON_TARGET_OTHER_UID], 1);
	for (size_t i = 0; i < 3; i++)
		end_target(pid[i]);
	free(plan);
	free(one);
}

/* Whoever owns it names its cgroup: that shall not keep it from being ended. */
static void a_cgroup_of_any_bytes(_unused_ void **state)
{
	pid_t pid = start_target();

	fail_file = "/cgroup";
	file_text = "0::/ci/\xff\xfe\n";
	documents_for(pid);
	assert_applied("signalled", "");
	documents_for(pid);
	file_text = "0::/ci/\xff\n";
	assert_applied("not_allowed", "target_other_cgroup");
	fail_file = file_text = NULL;
	assert_int_equal(terms_of(pid), 1);
	end_target(pid);
}

/* root of a user namespace is nobody here: it is told, and no reason against it. */
static void a_target_of_another_user_namespace(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	pid_t pid = start_target();

	more_flags = RW_GATE_ID_USERNS;
	documents_for(pid);
	assert_applied("signalled", "");
	assert_int_equal(runaway_read_file(g->folder, RUNAWAY_AUDIT_FILE, 1 << 20, &b), 0);
	assert_non_null(strstr(b.data, "\"user_ns\":true"));
	end_target(pid);
}

/* None may be signalled: the first one's reason is told. */
static void no_target_left(_unused_ void **state)
{
	struct runaway_plan *plan = calloc(1, sizeof(*plan));
	pid_t pid = start_target();

	plan_for(pid, plan);
	plan->target[1] = plan->target[0];
	plan->target[0].uid = 77;
	plan->target[1].pid = 4194303;
	plan->target_count = 2;
	write_documents(plan);
	assert_applied("not_allowed", "target_other_uid");
	free(plan);
	end_target(pid);
}

static void a_window_that_is_about_to_close(_unused_ void **state)
{
	pid_t pid = start_target();
	struct runaway_approval a;

	documents_for(pid);
	assert_int_equal(runaway_approval_read(approval_text.data, approval_text.len, &a), 0);
	a.window_end_realtime_ns = a.approved_realtime_ns + NSEC_PER_SEC;
	a.deadline_boot_ns = a.approved_boot_ns + NSEC_PER_SEC;
	strbuf_reset(&approval_text);
	assert_int_equal(runaway_approval_write(&a, &approval_text), 0);
	assert_applied("signalled", "");
	end_target(pid);
}

/* Its leader has exited, other threads go on. */
static void a_leader_that_is_a_zombie(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	more_flags = RW_GATE_ID_ZOMBIE;
	assert_applied("not_allowed", "target_gone");
	end_target(pid);
}

static void the_same_target_twice_in_a_plan(_unused_ void **state)
{
	struct runaway_plan *plan = calloc(1, sizeof(*plan));
	pid_t pid = start_target();

	plan_for(pid, plan);
	plan->target[1] = plan->target[0];
	plan->target_count = 2;
	write_documents(plan);
	assert_applied("not_allowed", "plan_invalid");
	assert_int_equal(terms_of(pid), 0);
	free(plan);
	end_target(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_target_for_itself),	       TEST(a_target_of_another_user_namespace),
		TEST(a_cgroup_of_any_bytes),	       TEST(no_target_left),
		TEST(a_window_that_is_about_to_close), TEST(a_leader_that_is_a_zombie),
		TEST(the_same_target_twice_in_a_plan),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
