/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fork, exec, exit and release, in the right order and in any other. */

#include "model/harness.h"

static void test_a_forked_process_shares_its_origins_image(void **state)
{
	struct world w;
	struct runaway_proc *a, *b;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "chromium", "chromium\0lib\0usr\0/", "chromium\0--token=x", "");
	forks(&w, 10, 11, "chromium");
	a = find(&w, 10);
	b = find(&w, 11);
	assert_true(b->seen_fork);
	assert_ptr_equal(b->origin, a);
	assert_ptr_equal(b->parent_proc, a);
	assert_ptr_equal(b->image, a->image);
	assert_string_equal(a->image->exe, "/usr/lib/chromium");
	assert_int_equal(a->image->args_len, sizeof("chromium\0--token=***"));
	assert_string_equal(a->image->args + 9, "--token=***");
	assert_string_equal(a->comm, "chromium");
	EXECS(&w, 11, "ls", "ls\0bin", "ls", "");
	assert_string_equal(b->image->exe, "/bin/ls");
	assert_string_equal(a->image->exe, "/usr/lib/chromium");
	world_free(&w);
}

static void test_dead_ancestors_stay_while_a_descendant_lives(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "runner");
	forks(&w, 10, 11, "step.sh");
	forks(&w, 11, 12, "smoke.sh");
	forks(&w, 12, 13, "browser");
	dies(&w, 12, 9, 5);
	reparents(&w, 13, 12, 1, RW_TF_NS_INIT);
	dies(&w, 11, 0, 5);
	p = find(&w, 13);
	assert_int_equal(p->origin->state, RUNAWAY_DEAD);
	assert_string_equal(p->origin->comm, "smoke.sh");
	assert_true(p->origin->exit_known);
	assert_int_equal(p->origin->exit_code, 9);
	assert_string_equal(p->origin->origin->comm, "step.sh");
	assert_int_equal(p->origin->origin->origin->state, RUNAWAY_ALIVE);
	assert_int_equal(runaway_model_remembered(w.m), 2);
	assert_null(runaway_model_find_pid(w.m, 12));
	dies(&w, 13, 0, 5);
	assert_int_equal(runaway_model_remembered(w.m), 0);
	assert_int_equal(runaway_model_living(w.m), 2);
	world_free(&w);
}

static void test_exit_is_told_twice(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "a");
	exits(&w, 10, 3 << 8);
	exits(&w, 10, 9);
	assert_int_equal(find(&w, 10)->state, RUNAWAY_ZOMBIE);
	assert_int_equal(find(&w, 10)->exit_code, 3 << 8);
	/* Never reaped: it stays, and counts as living. */
	for (int i = 0; i < 5; i++)
		tick(&w);
	assert_int_equal(runaway_model_living(w.m), 2);
	frees(&w, 10, 0);
	frees(&w, 10, 0);
	assert_int_equal(runaway_model_living(w.m), 1);
	world_free(&w);
}

/* The release comes through the other ring: it may overtake everything. */
static void test_release_before_the_whole_lineage(void **state)
{
	struct world w;
	struct runaway_proc *c;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	frees(&w, 11, 77); /* of a process nobody announced yet */
	forks(&w, 10, 11, "script");
	EXECS(&w, 11, "script.sh", "sh\0bin", "sh\0script.sh", "CI=true\0");
	forks(&w, 11, 12, "browser");
	exits(&w, 11, 9);
	reparents(&w, 12, 11, 1, RW_TF_NS_INIT);
	c = find(&w, 12);
	assert_non_null(c->origin);
	assert_string_equal(c->origin->comm, "script.sh");
	assert_int_equal(c->origin->state, RUNAWAY_DEAD);
	assert_int_equal(c->origin->cpu_ns, 77);
	assert_ptr_equal(c->origin->origin, find(&w, 10));
	assert_string_equal(c->image->exe, "/bin/sh");
	assert_non_null(c->ci);
	assert_true(c->orphan->origin_known);
	assert_int_equal(runaway_model_living(w.m), 3);
	world_free(&w);
}

static void test_release_before_exit(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "a");
	frees(&w, 10, 5);
	assert_int_equal(runaway_model_living(w.m), 1);
	assert_int_equal(find(&w, 10)->state, RUNAWAY_DEAD);
	exits(&w, 10, 0);
	assert_null(find(&w, 10));
	/* Without an exit it goes after two ticks. */
	forks(&w, 1, 11, "b");
	frees(&w, 11, 5);
	frees(&w, 12, 5);
	tick(&w);
	assert_int_equal(runaway_model_remembered(w.m), 2);
	tick(&w);
	assert_int_equal(runaway_model_remembered(w.m), 0);
	world_free(&w);
}

static void test_exec_before_fork(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 11, "ls", "ls\0bin", "ls", "");
	assert_int_equal(runaway_model_counters(w.m)->unknown_process, 1);
	forks(&w, 10, 11, "sh");
	p = find(&w, 11);
	assert_string_equal(p->comm, "ls");
	assert_string_equal(p->image->exe, "/bin/ls");
	assert_ptr_equal(p->origin, find(&w, 10));
	assert_ptr_equal(p->parent_proc, find(&w, 10));
	forks(&w, 10, 11, "sh");
	assert_int_equal(find(&w, 10)->refs, 1);
	world_free(&w);
}

static void test_pid_reuse(void **state)
{
	struct world w;
	struct rw_fork r;
	struct rw_exit x;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "old");
	r = (struct rw_fork){ .hdr = hdr(&w, RW_FORK, sizeof(r)),
			      .id = { .pid = 10, .start_ns = START(10) + 50 },
			      .origin = rw_id(1),
			      .parent = rw_id(1),
			      .comm = "new" };
	FEED(&w, r);
	assert_int_equal(runaway_model_counters(w.m)->vanished, 1);
	assert_int_equal(runaway_model_living(w.m), 2);
	assert_string_equal(runaway_model_find_pid(w.m, 10)->comm, "new");
	assert_null(find(&w, 10));
	/* Late news of the old one does not touch the new one. */
	exits(&w, 10, 0);
	task(&w, 10, 1, "old", 5);
	assert_int_equal(runaway_model_find_pid(w.m, 10)->state, RUNAWAY_ALIVE);
	assert_string_equal(runaway_model_find_pid(w.m, 10)->comm, "new");
	x = (struct rw_exit){ .hdr = hdr(&w, RW_EXIT, sizeof(x)), .id = r.id };
	FEED(&w, x);
	assert_int_equal(runaway_model_find_pid(w.m, 10)->state, RUNAWAY_ZOMBIE);
	world_free(&w);
}

/* Its own fork was lost; that of its child names it, and it may end before any scan. */
static void test_an_origin_whose_fork_was_lost(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 77, 10, "a");
	assert_ptr_equal(find(&w, 10)->origin, find(&w, 77));
	assert_ptr_equal(find(&w, 10)->parent_proc, find(&w, 77));
	assert_string_equal(find(&w, 77)->comm, "a");
	assert_null(find(&w, 77)->origin);
	dies(&w, 77, 9, 5);
	reparents(&w, 10, 77, 1, RW_TF_NS_INIT);
	assert_true(find(&w, 10)->orphan->origin_known);
	assert_int_equal(find(&w, 10)->origin->exit_code, 9);
	dies(&w, 10, 0, 5);
	assert_int_equal(runaway_model_living(w.m), 1);
	assert_int_equal(runaway_model_remembered(w.m), 0);
	world_free(&w);
}

/* No scan would tell of a kernel thread, nor when it ends. */
static void test_a_kernel_thread_is_no_origin(void **state)
{
	struct world w;
	struct rw_fork r;

	(void)state;
	world_new(&w);
	boot(&w);
	r = (struct rw_fork){ .hdr = hdr(&w, RW_FORK, sizeof(r)),
			      .id = rw_id(10),
			      .origin = rw_id(77),
			      .parent = rw_id(77),
			      .flags = RW_TF_BY_KERNEL };
	FEED(&w, r);
	assert_non_null(find(&w, 10));
	assert_null(find(&w, 10)->origin);
	assert_null(find(&w, 77));
	world_free(&w);
}

/* One number for both can only be a lie: it must not end the process at hand. */
static void test_an_origin_with_the_number_of_its_child(void **state)
{
	struct world w;
	struct rw_fork r;

	(void)state;
	world_new(&w);
	boot(&w);
	r = (struct rw_fork){ .hdr = hdr(&w, RW_FORK, sizeof(r)), .id = rw_id(10) };
	r.origin = (struct rw_id){ .pid = 10, .start_ns = START(10) + 5 };
	FEED(&w, r);
	r.id = rw_id(11);
	r.origin = (struct rw_id){ .pid = 11, .start_ns = START(11) - 5 };
	FEED(&w, r);
	assert_null(find(&w, 11)->origin);
	world_free(&w);
}

static void test_memory_returns_after_many_processes(void **state)
{
	struct world w;
	size_t living, remembered;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	living = runaway_model_living(w.m);
	remembered = runaway_model_remembered(w.m);
	for (uint32_t i = 0; i < 100000; i++) {
		forks(&w, 10, 100 + i, "job");
		if (i % 3 == 0)
			EXECS(&w, 100 + i, "true", "true\0bin", "true", "CI=true\0");
		dies(&w, 100 + i, 0, 1000);
		if (i % 1000 == 0)
			tick(&w);
	}
	assert_int_equal(runaway_model_living(w.m), living);
	assert_int_equal(runaway_model_remembered(w.m), remembered);
	assert_int_equal(runaway_model_counters(w.m)->frees, 100000);
	assert_int_equal(w.m->ci_jobs, 0);
	assert_null(w.m->ci_by_id);
	world_free(&w);
}

static void test_a_chain_of_double_forks_is_bounded(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "start");
	for (uint32_t i = 10; i < 10010; i++) {
		forks(&w, i, i + 1, "link");
		exits(&w, i, 0);
		reparents(&w, i + 1, i, 1, RW_TF_NS_INIT);
		frees(&w, i, 1);
		assert_true(runaway_model_remembered(w.m) <= LINEAGE_MAX);
	}
	assert_int_equal(runaway_model_remembered(w.m), LINEAGE_MAX);
	assert_true(runaway_model_counters(w.m)->lineage_cut > 9000);
	dies(&w, 10010, 0, 1);
	assert_int_equal(runaway_model_remembered(w.m), 0);
	world_free(&w);
}

/* The same depth, but the deaths go from the youngest up. */
static void test_a_chain_that_dies_upwards_is_bounded(void **state)
{
	struct world w;
	unsigned int depth = 0;

	(void)state;
	world_new(&w);
	boot(&w);
	for (uint32_t i = 10; i < 1010; i++)
		forks(&w, i == 10 ? 1 : i - 1, i, "link");
	for (uint32_t i = 1008; i >= 11; i--)
		dies(&w, i, 0, 1);
	for (const struct runaway_proc *p = find(&w, 1009)->origin; p; p = p->origin)
		depth++;
	assert_int_equal(depth, LINEAGE_MAX);
	assert_int_equal(runaway_model_remembered(w.m), LINEAGE_MAX);
	world_free(&w);
}

static void test_the_limit_refuses_and_says_so(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 32, 10, 2);
	boot(&w);
	for (uint32_t i = 10; i < 60; i++)
		forks(&w, 1, i, "x");
	assert_int_equal(runaway_model_living(w.m), 32);
	assert_int_equal(runaway_model_counters(w.m)->processes_full, 19);
	assert_false(runaway_model_wants_resync(w.m));
	for (uint32_t i = 10; i < 30; i++)
		dies(&w, i, 0, 0);
	scan_begin(&w);
	scan_end(&w, 0, 31);
	assert_true(runaway_model_wants_resync(w.m));
	assert_string_equal(runaway_model_resync_reason(w.m), "room");
	world_free(&w);
}

static void exits_with_children(struct world *w, uint32_t parent, uint32_t flags, uint32_t a,
				uint32_t b)
{
	struct rw_children r = { .hdr = hdr(w, RW_CHILDREN, sizeof(r)),
				 .parent = rw_id(parent),
				 .flags = flags,
				 .count = 2,
				 .child = { { .id = rw_id(a), .pgid = 70, .sid = 71 },
					    { .id = rw_id(b), .pgid = 70, .sid = 71 } } };

	FEED(w, r);
}

static void test_children_are_only_a_hint(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "kid");
	forks(&w, 10, 12, "kid");
	exits_with_children(&w, 10, 0, 11, 12);
	assert_int_equal(find(&w, 11)->pgid, 70);
	assert_int_equal(find(&w, 11)->sid, 71);
	assert_null(find(&w, 11)->orphan);
	world_free(&w);
}

/* Forks and execs were lost; the parent is gone before anybody looks. */
static void test_children_of_whom_nothing_was_told(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	exits_with_children(&w, 10, 0, 11, 12);
	dies(&w, 10, 0, 5);
	EXECS(&w, 21, "ls", "ls\0bin", "ls", "");
	exits_with_children(&w, 20, 0, 21, 22);
	dies(&w, 20, 0, 5);
	for (uint32_t pid = 11; pid <= 22; pid += pid == 12 ? 9 : 1) {
		reparents_via(&w, pid, pid / 10 * 10, 1, RW_TF_NS_INIT, RW_VIA_PROCFS);
		p = find(&w, pid);
		assert_non_null(p->orphan);
		assert_true(p->orphan->origin_known);
		assert_int_equal(p->origin->id.pid, pid / 10 * 10);
	}
	world_free(&w);
}

/* Whoever adopts children did not fork all of them. */
static void test_children_of_a_reaper(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	exits_with_children(&w, 10, RW_TF_SUBREAPER, 11, 12);
	assert_null(find(&w, 11)->origin);
	reparents_via(&w, 11, 10, 1, RW_TF_NS_INIT, RW_VIA_PROCFS);
	assert_false(find(&w, 11)->orphan->origin_known);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_forked_process_shares_its_origins_image),
		cmocka_unit_test(test_dead_ancestors_stay_while_a_descendant_lives),
		cmocka_unit_test(test_exit_is_told_twice),
		cmocka_unit_test(test_release_before_the_whole_lineage),
		cmocka_unit_test(test_release_before_exit),
		cmocka_unit_test(test_exec_before_fork),
		cmocka_unit_test(test_pid_reuse),
		cmocka_unit_test(test_an_origin_whose_fork_was_lost),
		cmocka_unit_test(test_a_kernel_thread_is_no_origin),
		cmocka_unit_test(test_an_origin_with_the_number_of_its_child),
		cmocka_unit_test(test_memory_returns_after_many_processes),
		cmocka_unit_test(test_a_chain_of_double_forks_is_bounded),
		cmocka_unit_test(test_a_chain_that_dies_upwards_is_bounded),
		cmocka_unit_test(test_the_limit_refuses_and_says_so),
		cmocka_unit_test(test_children_are_only_a_hint),
		cmocka_unit_test(test_children_of_whom_nothing_was_told),
		cmocka_unit_test(test_children_of_a_reaper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
