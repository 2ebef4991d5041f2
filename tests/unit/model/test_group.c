/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orphans that belong together, and those that do not. */

#include "model/harness.h"

/* Four children of one script, in its process group: three browsers' processes and a server. */
static void litter(struct world *w)
{
	boot(w);
	forks(w, 1, 10, "sh");
	for (uint32_t i = 20; i < 24; i++) {
		forks(w, 10, i, "sh");
		if (i == 22)
			EXECS(w, i, "server", "server\0bin", "server", "");
		else
			EXECS(w, i, "chromium", "chromium\0lib", "chromium", "");
	}
	exits(w, 10, 9);
	for (uint32_t i = 23; i >= 20; i--)
		reparents(w, i, 10, 1, RW_TF_NS_INIT);
	frees(w, 10, 0);
}

static void test_by_process_group_and_executable(void **state)
{
	const struct runaway_group *g;
	struct world w;
	size_t n;

	(void)state;
	world_new(&w);
	litter(&w);
	tick(&w);
	g = runaway_model_groups(w.m, &n);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		if (g[i].root == find(&w, 22)) {
			assert_int_equal(g[i].orphan_count, 1);
			continue;
		}
		/* Who was orphaned first is the root, not the oldest process. */
		assert_ptr_equal(g[i].root, find(&w, 23));
		assert_int_equal(g[i].orphan_count, 3);
		assert_ptr_equal(g[i].orphan[0], g[i].root);
		assert_int_equal(g[i].processes, 3);
	}
	world_free(&w);
}

static void test_sums(void **state)
{
	const struct runaway_group *g;
	struct world w;
	size_t n;

	(void)state;
	world_new(&w);
	litter(&w);
	tick(&w);
	w.now_ns += SEC - 4 * MSEC;
	scan_begin(&w);
	cpu(&w, 21, 500 * MSEC);
	cpu(&w, 23, 500 * MSEC);
	cpu(&w, 22, 3 * SEC); /* the neighbour's is the neighbour's */
	tick(&w);
	g = runaway_model_groups(w.m, &n);
	for (size_t i = 0; i < n; i++) {
		if (g[i].root != find(&w, 23))
			continue;
		assert_int_equal(g[i].cpu_ns, SEC);
		assert_true(g[i].cores > 0.99 && g[i].cores < 1.01);
	}
	world_free(&w);
}

static void test_other_process_groups_are_other_groups(void **state)
{
	struct world w;
	size_t n;

	(void)state;
	world_new(&w);
	litter(&w);
	find(&w, 21)->pgid = 21;
	find(&w, 23)->pgid = 0; /* unknown is nobody's fellow */
	find(&w, 20)->pgid = 0;
	tick(&w);
	runaway_model_groups(w.m, &n);
	assert_int_equal(n, 4);
	world_free(&w);
}

/*
 * A step that a runtime left under its subreaper, and the shell that the step
 * lost: one file, one process group. The first is as meant, the second is not.
 */
static void test_by_design_is_a_group_apart(void **state)
{
	const struct runaway_group *g;
	struct world w;
	size_t n;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "crun");
	forks(&w, 10, 11, "crun");
	EXECS(&w, 11, "step", "sh\0bin", "sh\0step", "");
	exits(&w, 10, 0);
	find(&w, 10)->exit_ns = START(11); /* soon after the fork: starts are small numbers here */
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	find(&w, 11)->sid = 11;
	forks(&w, 11, 12, "step");
	forks(&w, 12, 13, "step");
	exits(&w, 12, 9);
	reparents(&w, 13, 12, 1, RW_TF_NS_INIT);
	find(&w, 13)->pgid = find(&w, 11)->pgid;
	tick(&w);
	g = runaway_model_groups(w.m, &n);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(g[i].orphan_count, 1);
		assert_int_equal(g[i].daemonised, g[i].root == find(&w, 11)
							  ? RUNAWAY_DAEMONISED_YES
							  : RUNAWAY_DAEMONISED_NO);
	}
	world_free(&w);
}

static void test_groups_follow_the_living_between_ticks(void **state)
{
	const struct runaway_group *g;
	struct world w;
	size_t n;

	(void)state;
	world_new(&w);
	litter(&w);
	assert_non_null(runaway_model_groups(w.m, &n));
	tick(&w);
	dies(&w, 23, 15, 0);
	g = runaway_model_groups(w.m, &n);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		assert_true(g[i].root == find(&w, 21) || g[i].root == find(&w, 22));
	for (uint32_t i = 20; i < 23; i++)
		dies(&w, i, 15, 0);
	runaway_model_groups(w.m, &n);
	assert_int_equal(n, 0);
	world_free(&w);
}

/* The group that `pid` is in. */
static const struct runaway_group *group_of(const struct world *w, uint32_t pid)
{
	const struct runaway_group *g;
	size_t n;

	g = runaway_model_groups(w->m, &n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < g[i].orphan_count; k++)
			if (g[i].orphan[k] == find(w, pid))
				return &g[i];
	fail_msg("no group has %u", pid);
	return NULL;
}

/* An older process of the group is orphaned later: the subject stays who it was. */
static void test_who_is_orphaned_later_changes_no_root(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "sh");
	forks(&w, 10, 12, "sh");
	forks(&w, 12, 20, "sh");
	find(&w, 20)->pgid = find(&w, 11)->pgid;
	exits(&w, 12, 9);
	reparents(&w, 20, 12, 1, RW_TF_NS_INIT);
	tick(&w);
	assert_ptr_equal(group_of(&w, 20)->root, find(&w, 20));
	w.now_ns += 60 * SEC;
	exits(&w, 10, 9);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	tick(&w);
	assert_int_equal(group_of(&w, 20)->orphan_count, 2);
	assert_ptr_equal(group_of(&w, 20)->root, find(&w, 20));
	assert_ptr_equal(runaway_model_group_root(w.m, id(20)), find(&w, 20));
	world_free(&w);
}

/* Its root ends: the others are the same group, with its age. */
static void test_the_group_outlives_its_root(void **state)
{
	uint64_t since_ns;
	struct world w;

	(void)state;
	world_new(&w);
	litter(&w);
	tick(&w);
	since_ns = group_of(&w, 21)->since_ns;
	assert_int_equal(since_ns, find(&w, 23)->orphan->since_ns);
	assert_ptr_equal(runaway_model_group_root(w.m, id(23)), find(&w, 23));
	w.now_ns += 60 * SEC;
	dies(&w, 23, 9, 0);
	tick(&w);
	assert_ptr_equal(group_of(&w, 20)->root, find(&w, 21));
	assert_int_equal(group_of(&w, 20)->since_ns, since_ns);
	assert_ptr_equal(runaway_model_group_root(w.m, id(23)), find(&w, 21));
	assert_ptr_equal(runaway_model_group_root(w.m, id(22)), find(&w, 22));
	/* Asked for at that tick only. */
	tick(&w);
	assert_null(runaway_model_group_root(w.m, id(23)));
	dies(&w, 21, 9, 0);
	tick(&w);
	assert_ptr_equal(runaway_model_group_root(w.m, id(21)), find(&w, 20));
	assert_int_equal(group_of(&w, 20)->since_ns, since_ns);
	dies(&w, 20, 9, 0);
	tick(&w);
	assert_null(runaway_model_group_root(w.m, id(20)));
	world_free(&w);
}

/* It runs another program, or goes to another group: both sides are what they are by themselves. */
static void test_a_root_that_leaves_its_group(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	litter(&w);
	tick(&w);
	w.now_ns += 60 * SEC;
	find(&w, 23)->pgid = 23;
	tick(&w);
	assert_ptr_equal(group_of(&w, 23)->root, find(&w, 23));
	assert_int_equal(group_of(&w, 23)->since_ns, find(&w, 23)->orphan->since_ns);
	assert_ptr_equal(group_of(&w, 20)->root, find(&w, 21));
	assert_int_equal(group_of(&w, 20)->since_ns, find(&w, 21)->orphan->since_ns);
	assert_ptr_equal(runaway_model_group_root(w.m, id(23)), find(&w, 23));
	world_free(&w);
}

static void test_many_orphans_of_one_group(void **state)
{
	const struct runaway_group *g;
	struct world w;
	size_t n;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	for (uint32_t i = 100; i < 20100; i++)
		forks(&w, 10, i, "sh");
	exits(&w, 10, 9);
	for (uint32_t i = 100; i < 20100; i++)
		reparents(&w, i, 10, 1, RW_TF_NS_INIT);
	for (int i = 0; i < 10; i++)
		tick(&w);
	g = runaway_model_groups(w.m, &n);
	assert_int_equal(n, 1);
	assert_int_equal(g[0].orphan_count, 20000);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_process_group_and_executable),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_other_process_groups_are_other_groups),
		cmocka_unit_test(test_by_design_is_a_group_apart),
		cmocka_unit_test(test_groups_follow_the_living_between_ticks),
		cmocka_unit_test(test_who_is_orphaned_later_changes_no_root),
		cmocka_unit_test(test_the_group_outlives_its_root),
		cmocka_unit_test(test_a_root_that_leaves_its_group),
		cmocka_unit_test(test_many_orphans_of_one_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
