/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of markers in use: inherited, shared, and counted as jobs. */

#include "model/harness.h"

static const char job_a[] = "CI=true\0GITHUB_RUN_ID=1\0";
#define JOB_A "CI=true\0GITHUB_RUN_ID=1\0"
#define JOB_B "CI=true\0GITHUB_RUN_ID=2\0"

static void test_every_command_of_a_job_is_one_job(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", JOB_A);
	for (uint32_t i = 20; i < 40; i++) {
		forks(&w, 10, i, "sh");
		EXECS(&w, i, "cc", "cc\0bin", "cc", JOB_A);
		assert_ptr_equal(find(&w, i)->ci, find(&w, 10)->ci);
	}
	assert_int_equal(w.m->ci_jobs, 1);
	assert_int_equal(find(&w, 10)->ci->members, 21);
	forks(&w, 1, 50, "sh");
	EXECS(&w, 50, "sh", "sh\0bin", "sh", JOB_B);
	assert_int_equal(w.m->ci_jobs, 2);
	tick(&w);
	assert_int_equal(runaway_model_host(w.m)->ci_jobs, 2);
	exits(&w, 50, 0); /* a zombie is no job any more */
	assert_int_equal(w.m->ci_jobs, 1);
	world_free(&w);
}

static void test_forks_inherit_and_execs_without_markers_keep(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", JOB_A);
	forks(&w, 10, 11, "sh");
	EXECS(&w, 11, "env", "env\0bin", "env", "");
	forks(&w, 11, 12, "x");
	assert_string_equal(find(&w, 12)->ci->marker[1].value, "1");
	EXECS(&w, 12, "x", "x\0bin", "x", JOB_B);
	assert_string_equal(find(&w, 12)->ci->marker[1].value, "2");
	assert_string_equal(find(&w, 11)->ci->marker[1].value, "1");
	world_free(&w);
}

static void test_the_set_goes_with_its_last_holder(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", JOB_A);
	forks(&w, 10, 11, "sh");
	dies(&w, 10, 0, 0); /* remembered: its child needs the story */
	assert_non_null(find(&w, 10)->ci);
	dies(&w, 11, 0, 0);
	assert_null(w.m->ci_by_id);
	assert_null(w.m->ci_by_text);
	assert_int_equal(w.m->ci_jobs, 0);
	world_free(&w);
}

/* The walk names whose exec carried the markers of a process it found. */
static void test_a_found_process_takes_the_set_by_its_id(void **state)
{
	struct world w;
	struct rw_task r;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", JOB_A);
	r = task_of(&w, 11, 10, "lost", 0);
	r.ci = rw_id(10);
	FEED(&w, r);
	assert_ptr_equal(find(&w, 11)->ci, find(&w, 10)->ci);
	procfs(&w, 1, RW_PROCFS_MARKERS, job_a, sizeof(job_a) - 1);
	assert_ptr_equal(find(&w, 1)->ci, find(&w, 10)->ci);
	world_free(&w);
}

static void test_one_process_changes_its_set(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", JOB_A);
	forks(&w, 10, 11, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", JOB_B);
	assert_int_equal(w.m->ci_jobs, 2);
	dies(&w, 11, 0, 0);
	assert_int_equal(w.m->ci_jobs, 1);
	dies(&w, 10, 0, 0);
	assert_int_equal(w.m->ci_jobs, 0);
	assert_null(w.m->ci_by_text);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_command_of_a_job_is_one_job),
		cmocka_unit_test(test_forks_inherit_and_execs_without_markers_keep),
		cmocka_unit_test(test_the_set_goes_with_its_last_holder),
		cmocka_unit_test(test_a_found_process_takes_the_set_by_its_id),
		cmocka_unit_test(test_one_process_changes_its_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
