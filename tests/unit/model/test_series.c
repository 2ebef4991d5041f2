/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded set of series that together say everything, and never go back. */

#include "model/harness.h"

static struct runaway_cgroup *cg(const struct world *w, uint64_t n)
{
	return runaway_model_cgroup(w->m, n);
}

static uint64_t other(const struct world *w)
{
	return runaway_model_counters(w->m)->other_cgroup_cpu_ns;
}

static void test_slots_are_given_in_order(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 100, 100, 2);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	for (uint64_t i = 2; i < 6; i++)
		cgroup_ev(&w, RW_CG_FOUND, i, 1, 0, "/x");
	assert_true(cg(&w, 1)->has_series);
	assert_true(cg(&w, 2)->has_series);
	assert_true(cg(&w, 3)->has_series);
	assert_false(cg(&w, 4)->has_series);
	for (uint64_t i = 2; i < 6; i++)
		cgroup_cpu(&w, i, 10 * i);
	assert_int_equal(cg(&w, 1)->series_cpu_ns, 140);
	assert_int_equal(cg(&w, 2)->series_cpu_ns, 20);
	assert_int_equal(cg(&w, 4)->series_cpu_ns, 0);
	assert_int_equal(other(&w), 90);
	world_free(&w);
}

/* cpu.stat of a group holds its descendants: so does its series. */
static void test_descendants_count_into_their_ancestors_series(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 100, 100, 1);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_FOUND, 2, 1, 0, "/a");
	cgroup_ev(&w, RW_CG_FOUND, 3, 2, 0, "/a/b");
	cgroup_cpu(&w, 3, 50);
	assert_int_equal(cg(&w, 2)->series_cpu_ns, 50);
	assert_int_equal(other(&w), 0);
	cgroup_cpu(&w, 1, 7); /* the root's own */
	assert_int_equal(other(&w), 7);
	world_free(&w);
}

static void test_a_freed_slot_goes_to_the_busiest(void **state)
{
	struct world w;
	uint64_t before;

	(void)state;
	world_new_limits(&w, 100, 100, 1);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_FOUND, 2, 1, 0, "/first");
	cgroup_ev(&w, RW_CG_FOUND, 3, 1, 0, "/quiet");
	cgroup_ev(&w, RW_CG_FOUND, 4, 1, 0, "/busy");
	tick(&w);
	cgroup_ev(&w, RW_CG_RELEASE, 2, 1, 5, NULL);
	w.now_ns += SEC;
	cgroup_cpu(&w, 3, 10 * MSEC);
	cgroup_cpu(&w, 4, 900 * MSEC);
	tick(&w);
	assert_true(cg(&w, 2)->has_series); /* sticky for two minutes */
	assert_false(cg(&w, 4)->has_series);
	w.now_ns += 130 * SEC;
	cgroup_cpu(&w, 3, 20 * MSEC);
	cgroup_cpu(&w, 4, 1900 * MSEC);
	before = other(&w);
	tick(&w);
	tick(&w);
	assert_null(cg(&w, 2));
	assert_true(cg(&w, 4)->has_series);
	assert_false(cg(&w, 3)->has_series);
	/* What went to `_other` stays there: the new series begins at 0. */
	assert_int_equal(cg(&w, 4)->series_cpu_ns, 0);
	assert_int_equal(other(&w), before);
	cgroup_cpu(&w, 4, 2000 * MSEC);
	assert_int_equal(cg(&w, 4)->series_cpu_ns, 100 * MSEC);
	assert_int_equal(other(&w), before);
	world_free(&w);
}

/* Who came first does not keep a slot for nothing; what has a series is never made smaller. */
static void test_an_idle_slot_goes_to_who_burns(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 100, 100, 2);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_FOUND, 2, 1, 0, "/ran-once");
	cgroup_ev(&w, RW_CG_FOUND, 3, 1, 0, "/never-ran");
	cgroup_ev(&w, RW_CG_FOUND, 4, 1, 0, "/busy");
	cgroup_ev(&w, RW_CG_FOUND, 5, 1, 0, "/busy-too");
	tick(&w);
	cgroup_cpu(&w, 2, 50 * MSEC);
	w.now_ns += SEC;
	tick(&w);
	w.now_ns += SEC;
	cgroup_cpu(&w, 4, 900 * MSEC);
	cgroup_cpu(&w, 5, 300 * MSEC);
	tick(&w);
	assert_false(cg(&w, 3)->has_series);
	assert_true(cg(&w, 4)->has_series);
	assert_true(cg(&w, 2)->has_series); /* it burned a moment ago */
	assert_false(cg(&w, 5)->has_series);
	assert_int_equal(w.m->series_used, 2);
	w.now_ns += 601 * SEC;
	cgroup_cpu(&w, 4, 1000 * MSEC);
	cgroup_cpu(&w, 5, 300 * SEC);
	tick(&w);
	assert_false(cg(&w, 2)->has_series);
	assert_true(cg(&w, 5)->has_series);
	assert_int_equal(cg(&w, 2)->series_cpu_ns,
			 50 * MSEC); /* goes on from there, if it comes back */
	/* A flicker takes nobody's slot. */
	w.now_ns += 601 * SEC;
	cgroup_cpu(&w, 2, 51 * MSEC);
	tick(&w);
	assert_false(cg(&w, 2)->has_series);
	world_free(&w);
}

/* A group known by its id alone takes a slot; when it turns out to be the root, it gives it back.
 */
static void test_the_root_needs_no_slot(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 100, 100, 1);
	cgroup_cpu(&w, 1, 5);
	assert_int_equal(w.m->series_used, 1);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	assert_int_equal(w.m->series_used, 0);
	assert_true(cg(&w, 1)->has_series);
	assert_int_equal(cg(&w, 1)->series_cpu_ns, 5);
	cgroup_ev(&w, RW_CG_FOUND, 2, 1, 0, "/a");
	assert_true(cg(&w, 2)->has_series);
	cgroup_ev(&w, RW_CG_RENAME, 1, 0, 0, "/was-root");
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots_are_given_in_order),
		cmocka_unit_test(test_descendants_count_into_their_ancestors_series),
		cmocka_unit_test(test_a_freed_slot_goes_to_the_busiest),
		cmocka_unit_test(test_an_idle_slot_goes_to_who_burns),
		cmocka_unit_test(test_the_root_needs_no_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
