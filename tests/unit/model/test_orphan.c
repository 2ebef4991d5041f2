/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is an orphan, since when, and through how many hands it went. */

#include "model/harness.h"

static void test_a_killed_script_leaves_an_orphan(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	p = find(&w, 12);
	assert_non_null(p->orphan);
	assert_ptr_equal(runaway_model_orphans(w.m), p);
	assert_null(p->orphan_next);
	assert_true(p->orphan->origin_known);
	assert_string_equal(p->origin->comm, "step.sh");
	assert_int_equal(p->orphan->reaper.pid, 1);
	assert_int_equal(p->orphan->reaper_kind, RUNAWAY_REAPER_INIT);
	assert_string_equal(p->orphan->reaper_comm, "systemd");
	assert_int_equal(p->orphan->via, RW_VIA_HOOK);
	assert_int_equal(p->orphan->hop_count, 1);
	assert_int_equal(p->orphan->hop[0].from.pid, 11);
	assert_int_equal(w.orphans_told, 1);
	assert_int_equal(w.last_orphan, 12);
	assert_ptr_equal(runaway_proc_orphan_root(find(&w, 14)), p);
	assert_null(runaway_proc_orphan_root(find(&w, 10)));
	assert_int_equal(runaway_model_counters(w.m)->orphans_by_reaper[RUNAWAY_REAPER_INIT], 1);
	w.now_ns += 5 * SEC;
	tick(&w);
	assert_int_equal(runaway_orphan_age_ns(w.m, p) / SEC, 5);
	dies(&w, 12, 15, 0);
	assert_null(runaway_model_orphans(w.m));
	world_free(&w);
}

static void test_the_same_move_told_three_times_is_one_hop(void **state)
{
	struct world w;
	struct runaway_proc *p;
	uint64_t since;

	(void)state;
	world_new(&w);
	orphaned_browser(&w);
	p = find(&w, 12);
	since = p->orphan->since_ns;
	reparents_via(&w, 12, 11, 1, RW_TF_NS_INIT, RW_VIA_PROCFS);
	scan_begin(&w);
	task(&w, 12, 1, "chromium", 0);
	scan_end(&w, 0, 5);
	assert_int_equal(p->orphan->hop_count, 1);
	assert_int_equal(p->orphan->since_ns, since);
	assert_int_equal(w.orphans_told, 1);
	assert_int_equal(runaway_model_counters(w.m)->orphans_by_reaper[RUNAWAY_REAPER_INIT], 1);
	world_free(&w);
}

/* The walk saw it first; the hook's record, drained later, has the exact time. */
static void test_the_exact_time_comes_late(void **state)
{
	struct world w;
	struct runaway_proc *p;
	uint64_t at;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "kid");
	exits(&w, 10, 0);
	at = w.now_ns;
	w.now_ns += 10 * MSEC;
	task(&w, 11, 1, "kid", 0);
	p = find(&w, 11);
	assert_int_equal(p->orphan->via, RW_VIA_SCAN);
	w.now_ns = at;
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	assert_int_equal(p->orphan->hop_count, 1);
	assert_int_equal(p->orphan->via, RW_VIA_HOOK);
	assert_int_equal(p->orphan->since_ns, at + MSEC);
	world_free(&w);
}

/* Nobody looked for a while: it is an orphan since its parent ended, not since it was seen. */
static void test_the_parents_end_is_when_it_was_orphaned(void **state)
{
	struct world w;
	uint64_t ended;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "kid");
	forks(&w, 10, 12, "other");
	exits(&w, 10, 9);
	ended = w.now_ns;
	w.now_ns += 5 * SEC;
	reparents_via(&w, 11, 10, 1, RW_TF_NS_INIT, RW_VIA_PROCFS);
	task(&w, 12, 1, "other", 0);
	for (uint32_t pid = 11; pid <= 12; pid++) {
		assert_int_equal(find(&w, pid)->orphan->since_ns, ended);
		assert_int_equal(find(&w, pid)->orphan->hop[0].at_ns, ended);
	}
	tick(&w);
	assert_int_equal(runaway_orphan_age_ns(w.m, find(&w, 11)) / SEC, 5);
	world_free(&w);
}

static void test_second_and_later_hops(void **state)
{
	struct world w;
	struct runaway_proc *p;
	uint64_t since;

	(void)state;
	world_new(&w);
	boot(&w);
	for (uint32_t i = 20; i < 30; i++)
		forks(&w, 1, i, "subreaper");
	forks(&w, 20, 40, "sh");
	forks(&w, 40, 41, "kid");
	exits(&w, 40, 9);
	reparents(&w, 41, 40, 21, RW_TF_SUBREAPER);
	p = find(&w, 41);
	since = p->orphan->since_ns;
	assert_int_equal(p->orphan->reaper_kind, RUNAWAY_REAPER_SUBREAPER);
	for (uint32_t i = 22; i < 28; i++)
		reparents(&w, 41, i - 1, i, RW_TF_SUBREAPER);
	reparents(&w, 41, 27, 28, RW_TF_NS_INIT);
	assert_int_equal(p->orphan->hop_count, 8);
	assert_int_equal(p->orphan->hop[0].to.pid, 21);
	assert_int_equal(p->orphan->hop[1].to.pid, 26);
	assert_int_equal(p->orphan->hop[3].to.pid, 28);
	assert_int_equal(p->orphan->since_ns, since);
	assert_int_equal(p->orphan->reaper_kind, RUNAWAY_REAPER_NS_INIT);
	assert_int_equal(w.orphans_told, 1);
	assert_ptr_equal(p->parent_proc, find(&w, 28));
	assert_string_equal(p->origin->comm, "sh");
	assert_int_equal(runaway_model_counters(w.m)->orphans_by_reaper[RUNAWAY_REAPER_SUBREAPER],
			 1);
	assert_int_equal(runaway_model_counters(w.m)->orphans_by_reaper[RUNAWAY_REAPER_NS_INIT], 0);
	world_free(&w);
}

static void test_another_thread_takes_the_child(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "threads");
	forks(&w, 10, 11, "kid");
	reparents(&w, 11, 10, 10, 0);
	assert_null(find(&w, 11)->orphan);
	assert_int_equal(w.orphans_told, 0);
	world_free(&w);
}

static void test_a_zombie_is_handed_on_but_no_orphan(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "kid");
	exits(&w, 11, 0);
	exits(&w, 10, 0);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	assert_null(find(&w, 11)->orphan);
	assert_ptr_equal(find(&w, 11)->parent_proc, find(&w, 1));
	assert_null(runaway_model_orphans(w.m));
	world_free(&w);
}

static void test_reparent_of_an_unknown_process(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	reparents(&w, 50, 49, 1, RW_TF_NS_INIT);
	p = find(&w, 50);
	assert_non_null(p);
	assert_non_null(p->orphan);
	assert_false(p->orphan->origin_known);
	assert_int_equal(runaway_model_counters(w.m)->unknown_process, 1);
	world_free(&w);
}

static void test_the_reapers_start_may_be_unknown(void **state)
{
	struct world w;
	struct rw_reparent r;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "kid");
	exits(&w, 10, 0);
	r = (struct rw_reparent){ .hdr = hdr(&w, RW_REPARENT, sizeof(r)),
				  .id = rw_id(11),
				  .old_parent = rw_id(10),
				  .reaper = { .pid = 1 },
				  .via = RW_VIA_PROCFS };
	FEED(&w, r);
	FEED(&w, r);
	assert_int_equal(find(&w, 11)->orphan->reaper.start_ns, START(1));
	assert_int_equal(find(&w, 11)->orphan->hop_count, 1);
	assert_ptr_equal(find(&w, 11)->parent_proc, find(&w, 1));
	world_free(&w);
}

/* A sample written before the death, drained after the hook, does not move it back. */
static void test_an_old_sample_moves_nothing_back(void **state)
{
	struct world w;
	struct rw_task r;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "kid");
	r = task_of(&w, 11, 10, "kid", 5);
	exits(&w, 10, 0);
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	FEED(&w, r);
	assert_int_equal(find(&w, 11)->parent.pid, 1);
	assert_int_equal(find(&w, 11)->orphan->hop_count, 1);
	assert_int_equal(find(&w, 11)->cpu_ns, 5);
	world_free(&w);
}

static void test_double_fork(void **state)
{
	struct world w;
	struct runaway_proc *c;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "daemon");
	forks(&w, 11, 12, "daemon");
	dies(&w, 11, 0, 0);
	reparents(&w, 12, 11, 1, RW_TF_NS_INIT);
	c = find(&w, 12);
	assert_non_null(c->orphan);
	assert_ptr_equal(c->origin->origin, find(&w, 10));
	assert_int_equal(c->origin->origin->state, RUNAWAY_ALIVE);
	world_free(&w);
}

static void test_no_circle_of_parents(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "a");
	forks(&w, 10, 11, "b");
	forks(&w, 11, 12, "c");
	reparents(&w, 10, 1, 12, RW_TF_SUBREAPER);
	assert_null(find(&w, 10)->parent_proc);
	assert_ptr_equal(runaway_proc_orphan_root(find(&w, 12)), find(&w, 10));
	tick(&w);
	assert_int_equal(find(&w, 10)->orphan->processes, 3);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_killed_script_leaves_an_orphan),
		cmocka_unit_test(test_the_same_move_told_three_times_is_one_hop),
		cmocka_unit_test(test_the_exact_time_comes_late),
		cmocka_unit_test(test_the_parents_end_is_when_it_was_orphaned),
		cmocka_unit_test(test_second_and_later_hops),
		cmocka_unit_test(test_another_thread_takes_the_child),
		cmocka_unit_test(test_a_zombie_is_handed_on_but_no_orphan),
		cmocka_unit_test(test_reparent_of_an_unknown_process),
		cmocka_unit_test(test_the_reapers_start_may_be_unknown),
		cmocka_unit_test(test_an_old_sample_moves_nothing_back),
		cmocka_unit_test(test_double_fork),
		cmocka_unit_test(test_no_circle_of_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
