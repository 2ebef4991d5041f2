/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a tree burned: living, zombie and short-lived members; and its timeline. */

#include "model/harness.h"

static void scan_cpu(struct world *w, uint32_t pid, uint64_t cpu_ns)
{
	scan_begin(w);
	cpu(w, pid, cpu_ns);
	scan_end(w, RW_SCAN_HOT, 0);
}

static void test_cpu_goes_to_the_nearest_orphan(void **state)
{
	struct world w;
	struct runaway_orphan *o;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	tick(&w);
	o = find(&w, 12)->orphan;
	assert_int_equal(o->tree_cpu_ns, 0);
	scan_cpu(&w, 14, 500 * MSEC); /* the renderer */
	scan_cpu(&w, 12, 100 * MSEC);
	scan_cpu(&w, 14, 400 * MSEC); /* went back: nothing */
	scan_cpu(&w, 10, 900 * MSEC); /* the runner is no part of it */
	assert_int_equal(o->tree_cpu_ns, 600 * MSEC);
	assert_int_equal(find(&w, 14)->cpu_ns, 500 * MSEC);
	world_free(&w);
}

static void test_zombies_and_short_lived_members_count(void **state)
{
	struct world w;
	struct runaway_orphan *o;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	o = find(&w, 12)->orphan;
	forks(&w, 13, 20, "short");
	forks(&w, 20, 21, "shorter");
	dies(&w, 21, 0, 30 * MSEC);
	dies(&w, 20, 0, 20 * MSEC);
	assert_int_equal(o->tree_cpu_ns, 50 * MSEC);
	exits(&w, 14, 0);
	frees(&w, 14, 7 * MSEC);
	assert_int_equal(o->tree_cpu_ns, 57 * MSEC);
	/* Freed before its fork was told. */
	frees(&w, 22, 5 * MSEC);
	forks(&w, 13, 22, "early");
	assert_int_equal(o->tree_cpu_ns, 62 * MSEC);
	world_free(&w);
}

static void test_what_was_burned_before_is_no_part(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "browser");
	forks(&w, 11, 12, "renderer");
	scan_cpu(&w, 11, SEC);
	scan_cpu(&w, 12, 10 * SEC);
	exits(&w, 10, 9);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	p = find(&w, 11);
	assert_int_equal(p->orphan->baseline_ns, 11 * SEC);
	assert_int_equal(p->orphan->tree_cpu_ns, 0);
	scan_cpu(&w, 12, 12 * SEC);
	assert_int_equal(p->orphan->tree_cpu_ns, 2 * SEC);
	world_free(&w);
}

static void test_nested_orphans_are_their_own(void **state)
{
	struct world w;
	struct runaway_proc *outer, *inner;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "supervisor");
	forks(&w, 11, 12, "sh");
	forks(&w, 12, 13, "job");
	forks(&w, 13, 14, "worker");
	exits(&w, 10, 9);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	dies(&w, 12, 9, 0);
	reparents(&w, 13, 12, 11, RW_TF_SUBREAPER);
	outer = find(&w, 11);
	inner = find(&w, 13);
	scan_cpu(&w, 14, SEC);
	scan_cpu(&w, 11, 2 * SEC);
	w.now_ns += SEC;
	tick(&w);
	assert_int_equal(inner->orphan->tree_cpu_ns, SEC);
	assert_int_equal(outer->orphan->tree_cpu_ns, 2 * SEC);
	assert_int_equal(inner->orphan->processes, 2);
	assert_int_equal(outer->orphan->processes, 1);
	/* The supervisor dies: a second hop for the job, not a new orphan. */
	dies(&w, 11, 0, 2 * SEC);
	reparents(&w, 13, 11, 1, RW_TF_NS_INIT);
	assert_int_equal(inner->orphan->hop_count, 2);
	assert_int_equal(w.orphans_told, 2);
	world_free(&w);
}

static void test_rates_cover_their_interval(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	p = find(&w, 12);
	tick(&w);
	for (unsigned int i = 1; i <= 5; i++) {
		w.now_ns += SEC - 4 * MSEC; /* four records a round */
		scan_cpu(&w, 14, i * 930 * MSEC);
		tick(&w);
		assert_true(p->orphan->cores > 0.92 && p->orphan->cores < 0.94);
	}
	assert_int_equal(p->orphan->processes, 3);
	assert_true(runaway_proc_cores(w.m, find(&w, 14)) > 0.9);
	assert_true(runaway_proc_cores(w.m, find(&w, 12)) == 0);
	w.now_ns += SEC;
	tick(&w);
	assert_true(p->orphan->cores == 0);
	/* A tick at the same moment measures nothing and spoils nothing. */
	w.now_ns -= MSEC;
	tick(&w);
	assert_true(p->orphan->cores == 0);
	world_free(&w);
}

/* Orphaned between two samples: the first sample covers the whole interval. */
static void test_no_spike_at_the_beginning(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "browser");
	tick(&w);
	w.now_ns += 990 * MSEC;
	exits(&w, 10, 9);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	scan_cpu(&w, 11, SEC);
	tick(&w);
	assert_true(find(&w, 11)->orphan->cores < 1.05);
	world_free(&w);
}

static void test_a_timeline_only_for_those_that_burn(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	p = find(&w, 12);
	tick(&w);
	w.now_ns += SEC;
	scan_cpu(&w, 14, 10 * MSEC);
	tick(&w);
	assert_null(p->orphan->timeline);
	w.now_ns += SEC;
	scan_cpu(&w, 14, SEC);
	tick(&w);
	assert_non_null(p->orphan->timeline);
	assert_int_equal(p->orphan->timeline->count, 1);
	assert_int_equal(p->orphan->timeline->point[0].cpu_ns, SEC);
	assert_int_equal(w.m->timelines, 1);
	dies(&w, 12, 15, 0);
	assert_int_equal(w.m->timelines, 0);
	world_free(&w);
}

static void test_timeline_merges_pairs_when_full(void **state)
{
	struct runaway_timeline t = { .spacing_ns = SEC };

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		const struct runaway_point pt = { .at_ns = i * SEC, .cpu_ns = i };

		timeline_add(&t, &pt);
		assert_true(t.count <= RUNAWAY_TIMELINE_MAX);
	}
	assert_int_equal(t.spacing_ns, 64 * SEC);
	assert_true(t.count > RUNAWAY_TIMELINE_MAX / 2);
	assert_int_equal(t.point[0].at_ns, 0);
	for (size_t i = 1; i < t.count; i++)
		assert_int_equal(t.point[i].at_ns - t.point[i - 1].at_ns, 64 * SEC);
	assert_true(t.point[t.count - 1].at_ns > 9900 * SEC);
}

static void test_timeline_takes_jittered_ticks(void **state)
{
	struct runaway_timeline t = { .spacing_ns = SEC };

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		const struct runaway_point pt = { .at_ns = i * SEC + (i % 2) * 50 * MSEC };

		timeline_add(&t, &pt);
	}
	assert_int_equal(t.count, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_goes_to_the_nearest_orphan),
		cmocka_unit_test(test_zombies_and_short_lived_members_count),
		cmocka_unit_test(test_what_was_burned_before_is_no_part),
		cmocka_unit_test(test_nested_orphans_are_their_own),
		cmocka_unit_test(test_rates_cover_their_interval),
		cmocka_unit_test(test_no_spike_at_the_beginning),
		cmocka_unit_test(test_a_timeline_only_for_those_that_burn),
		cmocka_unit_test(test_timeline_merges_pairs_when_full),
		cmocka_unit_test(test_timeline_takes_jittered_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
