/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process's CPU: monotonic, and a rate over the interval it was measured in. */

#include <math.h>

#include "model/harness.h"

static void test_several_records_of_one_scan_are_one_sample(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "threads");
	p = find(&w, 10);
	scan_begin(&w);
	task(&w, 10, 1, "threads", SEC);
	scan_end(&w, 0, 2);
	w.now_ns += SEC - 3 * MSEC;
	scan_begin(&w);
	task(&w, 10, 1, "threads", SEC + 400 * MSEC);
	cpu(&w, 10, SEC + 600 * MSEC);
	cpu(&w, 10, SEC + 800 * MSEC);
	scan_end(&w, 0, 2);
	assert_true(fabs(runaway_proc_cores(w.m, p) - 0.8) < 0.01);
	world_free(&w);
}

static void test_idle_times_do_not_dilute_the_rate(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "x");
	p = find(&w, 10);
	for (int i = 0; i < 50; i++) {
		w.now_ns += SEC - 2 * MSEC;
		scan_begin(&w);
		scan_end(&w, 0, 2);
	}
	w.now_ns += SEC - 2 * MSEC;
	scan_begin(&w);
	cpu(&w, 10, 900 * MSEC);
	scan_end(&w, 0, 2);
	assert_true(fabs(runaway_proc_cores(w.m, p) - 0.9) < 0.01);
	w.now_ns += SEC;
	scan_begin(&w);
	scan_end(&w, 0, 2);
	assert_true(runaway_proc_cores(w.m, p) == 0);
	world_free(&w);
}

static void test_what_a_found_process_used_before_is_no_rate(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	scan_begin(&w);
	task(&w, 10, 1, "old", 5000 * SEC);
	scan_end(&w, 0, 2);
	assert_int_equal(find(&w, 10)->cpu_ns, 5000 * SEC);
	assert_true(runaway_proc_cores(w.m, find(&w, 10)) == 0);
	world_free(&w);
}

static void test_a_deep_chain_is_climbed_with_a_bound(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	for (uint32_t i = 100; i < 400; i++)
		forks(&w, i == 100 ? 14 : i - 1, i, "deep");
	assert_ptr_equal(runaway_proc_orphan_root(find(&w, 150)), find(&w, 12));
	assert_null(runaway_proc_orphan_root(find(&w, 399)));
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_records_of_one_scan_are_one_sample),
		cmocka_unit_test(test_idle_times_do_not_dilute_the_rate),
		cmocka_unit_test(test_what_a_found_process_used_before_is_no_rate),
		cmocka_unit_test(test_a_deep_chain_is_climbed_with_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
