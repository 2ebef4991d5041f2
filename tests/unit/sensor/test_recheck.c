/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose child is it now? The fallback for kernels on which the hook does not load. */

#include "sensor/harness.h"

#include "base/clock.h"

#define OLD 20
#define PID 21

static struct rw_children children_of(uint32_t parent, uint32_t count)
{
	struct rw_children ev = {
		.hdr = { .type = RW_CHILDREN, .len = sizeof(ev), .time_ns = 1000 },
		.parent = rig_id(parent, 100),
		.count = count,
	};

	for (uint32_t i = 0; i < MIN(count, (uint32_t)RW_CHILDREN_MAX); i++)
		ev.child[i] = (struct rw_child){
			.id = rig_id(PID + i, 200 + i),
			.pgid = 300 + i,
			.sid = 400 + i,
		};
	return ev;
}

static void add_one(struct rig *g)
{
	struct rw_children ev = children_of(OLD, 1);

	sensor_pending_add(&g->s, &ev);
	assert_int_equal(g->s.pending_count, 1);
}

/* As if its time had come. */
static void recheck_now(struct rig *g)
{
	for (size_t i = 0; i < g->s.pending_count; i++)
		g->s.pending[i].next_ns = 0;
	g->s.pending_next_ns = 0;
	runaway_sensor_recheck(&g->s);
}

static void test_nothing_waits(void **state)
{
	struct rig *g = *state;

	assert_int_equal(runaway_sensor_recheck_at(&g->s), 0);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->count, 0);
}

static void test_reparented(void **state)
{
	struct rig *g = *state;
	const struct rw_reparent *r = &g->rec[0].reparent;

	rig_stat(g, PID, "child", 'R', 1, 200);
	rig_text(g, "1/comm", "systemd\n");
	rig_text(g, "1/status", "Name:\tsystemd\nNSpid:\t1\n");
	add_one(g);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->count, 1);
	assert_int_equal(r->hdr.type, RW_REPARENT);
	assert_int_equal(r->id.pid, PID);
	assert_int_equal(r->id.start_ns, rig_id(PID, 200).start_ns);
	assert_int_equal(r->old_parent.pid, OLD);
	assert_int_equal(r->reaper.pid, 1);
	assert_int_equal(r->reaper_flags, RW_TF_NS_INIT);
	assert_int_equal(r->pgid, 300);
	assert_int_equal(r->sid, 400);
	assert_int_equal(r->via, RW_VIA_PROCFS);
	assert_string_equal(r->reaper_comm, "systemd");
	assert_int_equal(g->s.pending_count, 0);
}

static void test_a_reaper_that_is_gone_again(void **state)
{
	struct rig *g = *state;

	/* A subreaper that has died meanwhile: its pid is told, no more. */
	rig_stat(g, PID, "child", 'R', 99, 200);
	add_one(g);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->count, 1);
	assert_int_equal(g->rec[0].reparent.reaper.pid, 99);
	assert_int_equal(g->rec[0].reparent.reaper_flags, 0);
	assert_string_equal(g->rec[0].reparent.reaper_comm, "");
}

static void test_backs_off_and_gives_up(void **state)
{
	struct rig *g = *state;
	uint64_t before, at, wait, last = 0;
	unsigned int rounds = 0;

	rig_stat(g, PID, "child", 'S', OLD, 200);
	add_one(g);
	while (g->s.pending_count && rounds < 100) {
		before = runaway_boot_ns();
		recheck_now(g);
		rounds++;
		at = runaway_sensor_recheck_at(&g->s);
		if (!at)
			break;
		assert_true(at > before);
		/* Never sooner than the pause that it chose, and each twice the last. */
		wait = g->s.pending[0].backoff_ns / 2;
		assert_true(at >= before + wait);
		if (last)
			assert_int_equal(wait, 2 * last);
		last = wait;
	}
	/* 1 ms to 512 ms, and once more at the end. */
	assert_int_equal(last, 512 * NSEC_PER_MSEC);
	assert_int_equal(rounds, 11);
	assert_int_equal(g->s.pending_count, 0);
	assert_int_equal(g->count, 0);
}

/* Memory that takes seconds to be freed, a file that takes seconds to be closed. */
static void test_a_parent_that_takes_long_to_exit(void **state)
{
	struct rw_children ev = children_of(OLD, 1);
	struct rig *g = *state;
	const char *stat = "20/task/19/stat";

	ev.tid = 19;
	rig_text(g, stat, "19 (a ) thread) R 1 7 8 0 -1 4194564 11 12");
	rig_stat(g, PID, "child", 'S', OLD, 200);
	sensor_pending_add(&g->s, &ev);
	for (int i = 0; i < 30; i++)
		recheck_now(g);
	assert_int_equal(g->s.pending_count, 1);
	assert_true(runaway_sensor_recheck_at(&g->s) <= runaway_boot_ns() + 513 * NSEC_PER_MSEC);
	rig_stat(g, PID, "child", 'S', 1, 200);
	recheck_now(g);
	assert_int_equal(g->count, 1);
	assert_int_equal(g->s.pending_count, 0);
	/* It ended, and another thread of its process has the child; or it never did. */
	rig_stat(g, PID, "child", 'S', OLD, 200);
	for (int i = 0; i < 2; i++) {
		sensor_pending_add(&g->s, &ev);
		for (int j = 0; j < 12; j++)
			recheck_now(g);
		rig_text(g, stat,
			 i ? "19 (a ) thread) S 1 7 8 0 -1 4194560 11 12"
			   : "19 (a ) thread) Z 1 7 8 0 -1 4194564 11 12");
		recheck_now(g);
		assert_int_equal(g->s.pending_count, 0);
	}
	assert_int_equal(g->count, 1);
}

static void test_not_before_its_time(void **state)
{
	struct rig *g = *state;
	uint64_t at;

	rig_stat(g, PID, "child", 'S', OLD, 200);
	add_one(g);
	assert_int_equal(runaway_sensor_recheck_at(&g->s), 1000);
	runaway_sensor_recheck(&g->s);
	at = runaway_boot_ns() + 3600 * NSEC_PER_SEC;
	g->s.pending[0].next_ns = g->s.pending_next_ns = at;
	rig_stat(g, PID, "child", 'S', 1, 200);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->s.pending_count, 1);
	assert_int_equal(g->count, 0);
	assert_int_equal(runaway_sensor_recheck_at(&g->s), at);
}

static void settles_silently(struct rig *g)
{
	add_one(g);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->s.pending_count, 0);
	assert_int_equal(g->count, 0);
}

static void test_gone(void **state)
{
	settles_silently(*state);
}

static void test_zombie(void **state)
{
	struct rig *g = *state;

	rig_stat(g, PID, "child", 'Z', 1, 200);
	settles_silently(g);
	rig_stat(g, PID, "child", 'X', 1, 200);
	settles_silently(g);
}

static void test_pid_was_given_away(void **state)
{
	struct rig *g = *state;

	rig_stat(g, PID, "child", 'R', 1, 201);
	settles_silently(g);
	rig_stat(g, PID, "child", 'R', 1, 199);
	settles_silently(g);
}

static void test_parent_outside_the_namespace(void **state)
{
	struct rig *g = *state;

	rig_stat(g, PID, "child", 'R', 0, 200);
	settles_silently(g);
}

static void test_garbage_in_proc(void **state)
{
	struct rig *g = *state;

	rig_text(g, "21/stat", "21 (child) R");
	settles_silently(g);
}

/* Each by itself: one goes, one stays, one is told. */
static void test_many_at_once(void **state)
{
	struct rw_children ev = children_of(OLD, 3);
	struct rig *g = *state;

	rig_stat(g, PID, "a", 'S', OLD, 200);
	rig_stat(g, PID + 2, "c", 'S', 1, 202);
	sensor_pending_add(&g->s, &ev);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->count, 1);
	assert_int_equal(g->rec[0].reparent.id.pid, PID + 2);
	assert_int_equal(g->rec[0].reparent.pgid, 302);
	assert_int_equal(g->s.pending_count, 1);
	assert_int_equal(g->s.pending[0].id.pid, PID);
}

/* Who waits is left alone while others come: a storm wakes the daemon for each of these. */
static void test_only_the_new_ones(void **state)
{
	struct rw_children second = children_of(OLD, 1);
	struct rig *g = *state;

	rig_stat(g, PID, "waits", 'S', OLD, 200);
	add_one(g);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->s.pending_old, 1);
	g->s.pending_next_ns = runaway_boot_ns() + 3600 * NSEC_PER_SEC;
	/* It would be told, if it were looked at. */
	rig_stat(g, PID, "waits", 'S', 1, 200);
	second.child[0].id = rig_id(PID + 1, 201);
	rig_stat(g, PID + 1, "new", 'S', 1, 201);
	sensor_pending_add(&g->s, &second);
	assert_int_equal(runaway_sensor_recheck_at(&g->s), 1000);
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->count, 1);
	assert_int_equal(g->rec[0].reparent.id.pid, PID + 1);
	assert_int_equal(g->s.pending_count, 1);
	assert_int_equal(runaway_sensor_recheck_at(&g->s), g->s.pending_next_ns);
	g->s.pending_next_ns = g->s.pending[0].next_ns = 1;
	runaway_sensor_recheck(&g->s);
	assert_int_equal(g->count, 2);
	assert_int_equal(runaway_sensor_recheck_at(&g->s), 0);
}

static void test_a_count_that_lies(void **state)
{
	struct rw_children ev = children_of(OLD, UINT32_MAX);
	struct rig *g = *state;

	sensor_pending_add(&g->s, &ev);
	assert_int_equal(g->s.pending_count, RW_CHILDREN_MAX);
	ev.count = 0;
	sensor_pending_add(&g->s, &ev);
	assert_int_equal(g->s.pending_count, RW_CHILDREN_MAX);
}

static void test_a_storm_is_bounded(void **state)
{
	struct rw_children ev = children_of(OLD, RW_CHILDREN_MAX);
	struct rig *g = *state;

	for (int i = 0; i < 2100; i++)
		sensor_pending_add(&g->s, &ev);
	assert_int_equal(g->s.pending_count, 65536);
	/* What is beyond is left to the next walk; nothing has to be settled here. */
	g->s.pending_count = 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_waits),
		T(test_reparented),
		T(test_a_reaper_that_is_gone_again),
		T(test_backs_off_and_gives_up),
		T(test_a_parent_that_takes_long_to_exit),
		T(test_not_before_its_time),
		T(test_gone),
		T(test_zombie),
		T(test_pid_was_given_away),
		T(test_parent_outside_the_namespace),
		T(test_garbage_in_proc),
		T(test_many_at_once),
		T(test_only_the_new_ones),
		T(test_a_count_that_lies),
		T(test_a_storm_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
