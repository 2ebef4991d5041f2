/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table: identities, the forest of the living, and what is kept of the dead. */

#include "model/harness.h"

static void test_a_pid_alone_is_no_identity(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "x");
	assert_ptr_equal(process_living(w.m, (struct runaway_id){ .pid = 10 }), find(&w, 10));
	assert_null(process_living(w.m, (struct runaway_id){ .pid = 10, .start_ns = 3 }));
	assert_null(process_find(w.m, (struct runaway_id){ .pid = 10 }));
	assert_null(runaway_model_find_pid(w.m, 11));
	world_free(&w);
}

static void test_origins_never_form_a_circle(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "a");
	forks(&w, 10, 11, "b");
	forks(&w, 11, 12, "c");
	process_set_origin(w.m, find(&w, 10), find(&w, 12));
	assert_ptr_equal(find(&w, 10)->origin, find(&w, 1));
	process_set_origin(w.m, find(&w, 10), find(&w, 10));
	assert_ptr_equal(find(&w, 10)->origin, find(&w, 1));
	assert_int_equal(find(&w, 12)->refs, 0);
	world_free(&w);
}

static void test_children_lose_a_dead_parent(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "a");
	for (uint32_t i = 20; i < 25; i++)
		forks(&w, 10, i, "kid");
	dies(&w, 22, 0, 0);
	exits(&w, 10, 0);
	assert_ptr_equal(find(&w, 21)->parent_proc, find(&w, 10));
	frees(&w, 10, 0);
	assert_null(find(&w, 21)->parent_proc);
	assert_int_equal(find(&w, 21)->parent.pid, 10);
	assert_null(find(&w, 10)->child_head);
	assert_int_equal(find(&w, 10)->refs, 4);
	world_free(&w);
}

static void test_early_releases_are_bounded(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	for (uint32_t i = 1; i <= 3 * HELD_MAX; i++)
		frees(&w, i, 1);
	assert_int_equal(runaway_model_remembered(w.m), HELD_MAX);
	tick(&w);
	tick(&w);
	assert_int_equal(runaway_model_remembered(w.m), 0);
	world_free(&w);
}

static void test_what_ten_thousand_processes_cost(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	for (uint32_t i = 10; i < 10010; i++)
		forks(&w, 1, i, "x");
	/* The rest of the budget of 1.5 KiB is for what an exec brings. */
	assert_true(sizeof(struct runaway_proc) + sizeof(struct runaway_image) < 768);
	assert_int_equal(runaway_model_living(w.m), 10001);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pid_alone_is_no_identity),
		cmocka_unit_test(test_origins_never_form_a_circle),
		cmocka_unit_test(test_children_lose_a_dead_parent),
		cmocka_unit_test(test_early_releases_are_bounded),
		cmocka_unit_test(test_what_ten_thousand_processes_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
