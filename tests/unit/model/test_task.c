/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples: what they refresh, what they reveal, and what they must not undo. */

#include "model/harness.h"

static struct rw_task with_image(struct world *w, uint32_t pid, uint64_t exec_id, uint64_t ino)
{
	struct rw_task r = task_of(w, pid, 1, "x", 0);

	r.exec_id = exec_id;
	r.exe_ino = ino;
	r.exe_dev = 1;
	return r;
}

static void test_a_lost_exec_is_noticed(void **state)
{
	struct world w;
	struct rw_task r;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh\0-c", "");
	p = find(&w, 10);
	r = with_image(&w, 10, 10, p->image->exe_ino);
	FEED(&w, r);
	assert_non_null(p->image->args);
	/* Another exec of the same file: the path still holds, the arguments do not. */
	r = with_image(&w, 10, 11, p->image->exe_ino);
	FEED(&w, r);
	assert_string_equal(p->image->exe, "/bin/sh");
	assert_null(p->image->args);
	/* Another file. */
	r = with_image(&w, 10, 12, 4711);
	FEED(&w, r);
	assert_null(p->image->exe);
	assert_int_equal(p->image->exe_ino, 4711);
	world_free(&w);
}

static void test_the_path_may_come_with_the_sample(void **state)
{
	struct world w;
	union {
		struct rw_task r;
		char room[sizeof(struct rw_task) + 16];
	} u = { 0 };

	(void)state;
	world_new(&w);
	u.r = with_image(&w, 10, 1, 5);
	u.r.hdr.len = sizeof(u);
	u.r.path_len = 9;
	memcpy(u.r.data, "cat\0bin\0", 9);
	assert_int_equal(runaway_model_apply(w.m, &u.r.hdr, sizeof(u)), 0);
	assert_string_equal(find(&w, 10)->image->exe, "/bin/cat");
	world_free(&w);
}

/* Written before an exec that the other ring told first. */
static void test_an_old_sample_brings_only_cpu(void **state)
{
	struct world w;
	struct rw_task r;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	r = task_of(&w, 10, 1, "sh", 33);
	EXECS(&w, 10, "ls", "ls\0bin", "ls", "");
	FEED(&w, r);
	assert_string_equal(find(&w, 10)->comm, "ls");
	assert_int_equal(find(&w, 10)->cpu_ns, 33);
	world_free(&w);
}

static void test_zombies(void **state)
{
	struct world w;
	struct rw_task r;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "a");
	r = task_of(&w, 10, 1, "a", 0);
	r.flags = RW_TF_ZOMBIE;
	r.threads = 3; /* only the leader is one: the process lives */
	FEED(&w, r);
	assert_int_equal(find(&w, 10)->state, RUNAWAY_ALIVE);
	r.threads = 1;
	FEED(&w, r);
	assert_int_equal(find(&w, 10)->state, RUNAWAY_ZOMBIE);
	assert_false(find(&w, 10)->exit_known);
	exits(&w, 10, 9);
	assert_true(find(&w, 10)->exit_known);
	assert_int_equal(find(&w, 10)->exit_code, 9);
	/* A late sample does not raise the dead. */
	r.flags = 0;
	r.hdr = hdr(&w, RW_TASK, sizeof(r));
	FEED(&w, r);
	assert_int_equal(find(&w, 10)->state, RUNAWAY_ZOMBIE);
	frees(&w, 10, 0);
	world_free(&w);
}

static void test_cpu_of_nobody(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cpu(&w, 99, 5);
	assert_int_equal(runaway_model_counters(w.m)->unknown_process, 1);
	assert_int_equal(runaway_model_living(w.m), 0);
	world_free(&w);
}

/* Its fork was lost, an exec made it known: what it had burned until then is not its tree's. */
static void test_the_first_sample_of_whom_an_event_made_known(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	forks(&w, 10, 11, "root");
	reparents(&w, 11, 10, 1, RW_TF_NS_INIT);
	EXECS(&w, 12, "ls", "ls\0bin", "ls", "");
	scan_begin(&w);
	task(&w, 12, 11, "ls", 5 * SEC);
	scan_end(&w, 0, 4);
	assert_int_equal(find(&w, 11)->orphan->tree_cpu_ns, 0);
	assert_int_equal(find(&w, 12)->cpu_ns, 5 * SEC);
	scan_begin(&w);
	task(&w, 12, 11, "ls", 6 * SEC);
	scan_end(&w, 0, 4);
	assert_int_equal(find(&w, 11)->orphan->tree_cpu_ns, SEC);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lost_exec_is_noticed),
		cmocka_unit_test(test_the_path_may_come_with_the_sample),
		cmocka_unit_test(test_an_old_sample_brings_only_cpu),
		cmocka_unit_test(test_zombies),
		cmocka_unit_test(test_cpu_of_nobody),
		cmocka_unit_test(test_the_first_sample_of_whom_an_event_made_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
