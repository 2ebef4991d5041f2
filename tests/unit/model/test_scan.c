/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A complete scan heals what was lost, and is asked for when something was. */

#include "model/harness.h"

static void small_host(struct world *w)
{
	boot(w);
	forks(w, 1, 10, "sh");
	forks(w, 10, 11, "kid");
	forks(w, 11, 12, "grandkid");
	scan_begin(w);
	scan_end(w, 0, 4);
}

static void test_a_loss_asks_for_a_resync(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	small_host(&w);
	assert_false(runaway_model_wants_resync(w.m));
	assert_null(runaway_model_resync_reason(w.m));
	loses(&w, 0, 5);
	assert_false(runaway_model_wants_resync(w.m));
	loses(&w, 3, 0);
	assert_true(runaway_model_wants_resync(w.m));
	assert_string_equal(runaway_model_resync_reason(w.m), "loss");
	assert_int_equal(runaway_model_counters(w.m)->lost_events, 3);
	assert_int_equal(runaway_model_counters(w.m)->lost_samples, 5);
	scan_begin(&w);
	scan_end(&w, 0, 4);
	assert_true(runaway_model_wants_resync(w.m));
	scan_begin(&w);
	scan_end(&w, RW_SCAN_RESYNC | RW_SCAN_FAILED, 0);
	assert_true(runaway_model_wants_resync(w.m));
	assert_int_equal(runaway_model_living(w.m), 4);
	world_free(&w);
}

/* A scan that was under way when something was lost may have missed it, too. */
static void test_only_a_scan_after_the_loss_heals(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	scan_begin(&w);
	loses(&w, 1, 0);
	task(&w, 1, 0, "systemd", 0);
	scan_end(&w, RW_SCAN_RESYNC, 1);
	assert_true(runaway_model_wants_resync(w.m));
	scan_begin(&w);
	task(&w, 1, 0, "systemd", 0);
	scan_end(&w, RW_SCAN_RESYNC, 1);
	assert_false(runaway_model_wants_resync(w.m));
	world_free(&w);
}

static void test_resync_heals_lost_exits(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	small_host(&w);
	/* 11's end was lost, and that its child went to init. */
	scan_begin(&w);
	task(&w, 1, 0, "systemd", 0);
	task(&w, 10, 1, "sh", 0);
	task(&w, 12, 1, "grandkid", 0);
	forks(&w, 10, 20, "young"); /* behind the cursor */
	scan_end(&w, RW_SCAN_RESYNC, 3);
	assert_int_equal(find(&w, 11)->state, RUNAWAY_DEAD);
	assert_false(find(&w, 11)->exit_known);
	assert_non_null(find(&w, 12)->orphan);
	assert_true(find(&w, 12)->orphan->origin_known);
	assert_int_equal(find(&w, 12)->orphan->via, RW_VIA_SCAN);
	assert_string_equal(find(&w, 12)->orphan->reaper_comm, "systemd");
	assert_int_equal(find(&w, 20)->state, RUNAWAY_ALIVE);
	assert_int_equal(runaway_model_counters(w.m)->vanished, 1);
	assert_int_equal(runaway_model_living(w.m), 4);
	world_free(&w);
}

/* A sample of a living process that found no room in the ring. */
static void test_a_lossy_resync_ends_nobody(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	small_host(&w);
	scan_begin(&w);
	task(&w, 1, 0, "systemd", 0);
	task(&w, 10, 1, "sh", 0);
	task(&w, 12, 11, "grandkid", 0);
	scan_end(&w, RW_SCAN_RESYNC | RW_SCAN_LOSSY, 4);
	assert_int_equal(find(&w, 11)->state, RUNAWAY_ALIVE);
	assert_int_equal(runaway_model_living(w.m), 4);
	assert_int_equal(runaway_model_counters(w.m)->vanished, 0);
	/* Nobody else may ask: it was the scan of the minute. */
	assert_true(runaway_model_wants_resync(w.m));
	assert_string_equal(runaway_model_resync_reason(w.m), "loss");
	scan_begin(&w);
	task(&w, 1, 0, "systemd", 0);
	task(&w, 10, 1, "sh", 0);
	task(&w, 12, 1, "grandkid", 0);
	scan_end(&w, RW_SCAN_RESYNC, 3);
	assert_false(runaway_model_wants_resync(w.m));
	assert_int_equal(find(&w, 11)->state, RUNAWAY_DEAD);
	world_free(&w);
}

/* It writes who has changed, once: who that was must be asked again. */
static void test_any_lossy_scan_asks_for_a_resync(void **state)
{
	const uint32_t kind[] = { 0, RW_SCAN_HOT };
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kind); i++) {
		world_new(&w);
		small_host(&w);
		scan_begin(&w);
		scan_end(&w, kind[i] | RW_SCAN_LOSSY, 4);
		assert_true(runaway_model_wants_resync(w.m));
		world_free(&w);
	}
}

static void test_resync_heals_lost_forks(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	small_host(&w);
	scan_begin(&w);
	task(&w, 1, 0, "systemd", 0);
	task(&w, 31, 30, "kid", 0); /* before its parent */
	task(&w, 10, 1, "sh", 0);
	task(&w, 11, 10, "kid", 0);
	task(&w, 12, 11, "grandkid", 0);
	task(&w, 30, 10, "new", 0);
	scan_end(&w, RW_SCAN_RESYNC, 6);
	p = find(&w, 31);
	assert_ptr_equal(p->parent_proc, find(&w, 30));
	assert_ptr_equal(p->origin, find(&w, 30));
	assert_false(p->seen_fork);
	assert_ptr_equal(p->origin->origin, find(&w, 10));
	assert_null(p->orphan);
	assert_null(runaway_model_orphans(w.m));
	world_free(&w);
}

static void test_two_wrong_counts_ask_for_a_resync(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	small_host(&w);
	scan_begin(&w);
	scan_end(&w, 0, 7);
	assert_false(runaway_model_wants_resync(w.m));
	scan_begin(&w);
	scan_end(&w, 0, 4);
	scan_begin(&w);
	scan_end(&w, 0, 7);
	assert_false(runaway_model_wants_resync(w.m));
	scan_begin(&w);
	scan_end(&w, RW_SCAN_HOT, 1);
	scan_begin(&w);
	scan_end(&w, RW_SCAN_FAILED, 1);
	assert_false(runaway_model_wants_resync(w.m));
	scan_begin(&w);
	scan_end(&w, 0, 7);
	assert_true(runaway_model_wants_resync(w.m));
	assert_string_equal(runaway_model_resync_reason(w.m), "count");
	world_free(&w);
}

/* While a storm passes, the walk and the events never see the same moment. */
static void test_churn_explains_a_difference(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	small_host(&w);
	for (uint32_t i = 0; i < 20; i++) {
		scan_begin(&w);
		forks(&w, 10, 100 + i, "x");
		dies(&w, 100 + i, 0, 0);
		scan_end(&w, 0, 5);
	}
	assert_false(runaway_model_wants_resync(w.m));
	world_free(&w);
}

static void test_zombies_are_counted_by_the_walk(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	small_host(&w);
	exits(&w, 12, 0);
	for (int i = 0; i < 4; i++) {
		scan_begin(&w);
		scan_end(&w, 0, 4);
	}
	assert_false(runaway_model_wants_resync(w.m));
	world_free(&w);
}

static void test_kernel_threads_are_not_counted(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	task_flags(&w, 2, 0, "kthreadd", RW_TF_KTHREAD);
	task_flags(&w, 3, 2, "kworker", RW_TF_KTHREAD);
	assert_int_equal(runaway_model_living(w.m), 1);
	scan_begin(&w);
	scan_end(&w, 0, 1);
	frees(&w, 3, 0);
	assert_int_equal(runaway_model_living(w.m), 1);
	assert_null(runaway_model_orphans(w.m));
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_loss_asks_for_a_resync),
		cmocka_unit_test(test_only_a_scan_after_the_loss_heals),
		cmocka_unit_test(test_resync_heals_lost_exits),
		cmocka_unit_test(test_a_lossy_resync_ends_nobody),
		cmocka_unit_test(test_any_lossy_scan_asks_for_a_resync),
		cmocka_unit_test(test_resync_heals_lost_forks),
		cmocka_unit_test(test_two_wrong_counts_ask_for_a_resync),
		cmocka_unit_test(test_churn_explains_a_difference),
		cmocka_unit_test(test_zombies_are_counted_by_the_walk),
		cmocka_unit_test(test_kernel_threads_are_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
