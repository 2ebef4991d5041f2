/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verdict at its boundaries: a row is one tick, a table is one story. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "lanes/engine.h"
#include "lanes/step.h"

struct row {
	double at_s;
	double cores;
	enum lane_verdict want;
};

/* 0.5 cores for `for_s`, calm at 0.1 for `clear_s`. */
static struct lane cpu_lane(double for_s, double clear_s)
{
	return (struct lane){
		.subject = RUNAWAY_SUBJECT_ORPHAN_TREE,
		.enabled = true,
		.trigger = { .cpu_cores_min = 0.5,
			     .age_s_min = NAN,
			     .for_s = for_s,
			     .load5_per_core_min = NAN,
			     .ci_containers_min = NAN,
			     .ci_cpu_share_min = NAN,
			     .psi_cpu_some_avg60_min = NAN,
			     .swap_used_ratio_min = NAN },
		.clear = { .cpu_cores_max = 0.1, .load5_per_core_max = NAN, .for_s = clear_s },
	};
}

static struct lane_numbers unknown(void)
{
	return (struct lane_numbers){ NAN, NAN, NAN, NAN, NAN, NAN, NAN };
}

static uint64_t ns(double s)
{
	return (uint64_t)(s * (double)NSEC_PER_SEC);
}

static void play(const struct lane *lane, const struct row *rows, size_t count)
{
	struct lane_state state = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct evidence ev[RUNAWAY_EVIDENCE_MAX];
		struct lane_numbers n = unknown();
		size_t n_ev = 0;
		enum lane_verdict got;

		n.cpu_cores = rows[i].cores;
		got = runaway_lane_step(lane, true, &n, ns(rows[i].at_s), &state, ev, &n_ev);
		if (got != rows[i].want)
			fail_msg("row %zu (t=%.3f cores=%.3f): %d, not %d", i, rows[i].at_s,
				 rows[i].cores, (int)got, (int)rows[i].want);
		assert_int_equal(n_ev, 1);
	}
}

#define PLAY(lane, rows) play(lane, rows, ARRAY_SIZE(rows))

static void opens_exactly_when_the_time_is_full(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(3, 2);
	static const struct row rows[] = {
		{ 10, 0.499999, LANE_IDLE },	{ 11, 0.5, LANE_PENDING },
		{ 12, 0.5, LANE_PENDING },	{ 13.999999, 0.5, LANE_PENDING },
		{ 14, 0.5, LANE_OPENED },	{ 15, 0.5, LANE_HOLDING },
		{ 16, 0.100001, LANE_HOLDING }, { 17, 0.1, LANE_CLEARING },
		{ 18, 0.1, LANE_CLEARING },	{ 19, 0.1, LANE_CLEARED },
		{ 20, 0.1, LANE_IDLE },
	};

	PLAY(&lane, rows);
}

static void one_dip_starts_the_time_anew(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(3, 2);
	static const struct row rows[] = {
		{ 1, 1, LANE_PENDING },	 { 2, 1, LANE_PENDING }, { 3, 1, LANE_PENDING },
		{ 3.5, 0.4, LANE_IDLE }, { 4, 1, LANE_PENDING }, { 5, 1, LANE_PENDING },
		{ 6, 1, LANE_PENDING },	 { 7, 1, LANE_OPENED },
	};

	PLAY(&lane, rows);
}

/* A tenth of the time may be lost, and is added at the end. */
static void a_saturated_host_lapses(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(20, 2);
	static const struct row rows[] = {
		{ 1, 1, LANE_PENDING },	 { 10, 1, LANE_PENDING },   { 11, 0.2, LANE_PENDING },
		{ 12, 1, LANE_PENDING }, { 15, 1, LANE_PENDING },   { 16, 0.2, LANE_PENDING },
		{ 17, 1, LANE_PENDING }, { 22.9, 1, LANE_PENDING }, { 23, 1, LANE_OPENED },
	};
	static const struct row too_many[] = {
		{ 1, 1, LANE_PENDING },	   { 2, 1, LANE_PENDING },   { 3, 0.2, LANE_PENDING },
		{ 4, 1, LANE_PENDING },	   { 5, 0.2, LANE_PENDING }, { 6, 1, LANE_PENDING },
		{ 6.1, 0.2, LANE_IDLE },   { 7, 1, LANE_PENDING },   { 8, 1, LANE_PENDING },
		{ 26.9, 1, LANE_PENDING }, { 27, 1, LANE_OPENED },
	};
	static const struct row once_long[] = {
		{ 1, 1, LANE_PENDING },
		{ 19, 1, LANE_PENDING },
		{ 21.1, 0.2, LANE_IDLE },
		{ 22, 1, LANE_PENDING },
	};

	PLAY(&lane, rows);
	PLAY(&lane, too_many);
	PLAY(&lane, once_long);
}

/* Between the two limits nothing moves: that is the hysteresis. */
static void flapping_between_the_limits_is_one_finding(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(0, 2);
	static const struct row rows[] = {
		{ 1, 0.6, LANE_OPENED },    { 2, 0.4, LANE_HOLDING },
		{ 3, 0.6, LANE_HOLDING },   { 4, 0.05, LANE_CLEARING },
		{ 5, 0.3, LANE_HOLDING },   { 6, 0.05, LANE_CLEARING },
		{ 7, 0.05, LANE_CLEARING }, { 7.9, 0.05, LANE_CLEARING },
		{ 8, 0.05, LANE_CLEARED },  { 9, 0.6, LANE_OPENED },
	};

	PLAY(&lane, rows);
}

static void no_hold_time_opens_and_clears_at_once(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(0, 0);
	static const struct row rows[] = {
		{ 1, 0.5, LANE_OPENED },
		{ 1, 0.5, LANE_HOLDING },
		{ 2, 0, LANE_CLEARED },
		{ 2, 0.5, LANE_OPENED },
	};

	PLAY(&lane, rows);
}

static void unknown_crosses_nothing_and_calms_nothing(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(2, 1);
	static const struct row rows[] = {
		{ 1, NAN, LANE_IDLE },	   { 2, 1, LANE_PENDING },    { 3, NAN, LANE_IDLE },
		{ 4, 1, LANE_PENDING },	   { 5, 1, LANE_PENDING },    { 6, 1, LANE_OPENED },
		{ 7, NAN, LANE_HOLDING },  { 90, NAN, LANE_HOLDING }, { 91, 0, LANE_CLEARING },
		{ 92, NAN, LANE_HOLDING },
	};

	PLAY(&lane, rows);
}

/* Two looks with an hour between them are not an hour of watching. */
static void a_clock_that_jumped_opens_nothing(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(60, 60);
	static const struct row rows[] = {
		{ 1, 1, LANE_PENDING },	    { 3601, 1, LANE_PENDING },	{ 3602, 1, LANE_OPENED },
		{ 3603, 0, LANE_CLEARING }, { 7203, 0, LANE_CLEARING }, { 7204, 0, LANE_CLEARED },
	};

	PLAY(&lane, rows);
}

static void a_clock_that_went_back_is_no_age(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(3, 3);
	static const struct row rows[] = {
		{ 100, 1, LANE_PENDING }, { 50, 1, LANE_PENDING },  { 51, 1, LANE_PENDING },
		{ 52, 1, LANE_PENDING },  { 102, 1, LANE_PENDING }, { 103, 1, LANE_OPENED },
	};

	PLAY(&lane, rows);
}

static void time_zero_is_a_time(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(2, 2);
	static const struct row rows[] = {
		{ 0, 1, LANE_PENDING },
		{ 1, 1, LANE_PENDING },
		{ 3, 1, LANE_OPENED },
	};

	PLAY(&lane, rows);
}

static void without_a_clear_limit_the_trigger_is_it(void **s)
{
	(void)s;
	struct lane lane = cpu_lane(0, 0);
	static const struct row rows[] = {
		{ 1, 0.5, LANE_OPENED },
		{ 2, 0.5, LANE_HOLDING },
		{ 3, 0.4999, LANE_CLEARED },
	};

	lane.clear.cpu_cores_max = NAN;
	PLAY(&lane, rows);
}

static void a_subject_that_matches_no_more_is_over(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(0, 60);
	struct lane_numbers n = unknown();
	struct lane_state state = { 0 };
	struct evidence ev[RUNAWAY_EVIDENCE_MAX];
	size_t count;

	n.cpu_cores = 2;
	assert_int_equal(runaway_lane_step(&lane, false, &n, 1, &state, ev, &count), LANE_IDLE);
	assert_int_equal(runaway_lane_step(&lane, true, &n, 2, &state, ev, &count), LANE_OPENED);
	assert_int_equal(runaway_lane_step(&lane, false, &n, 3, &state, ev, &count), LANE_CLEARED);
	assert_false(state.open);
	assert_int_equal(state.true_since_ns, 0);
}

/* A capacity lane asks for two numbers; calm is when one of them came down. */
static void all_must_cross_and_one_calms(void **s)
{
	(void)s;
	struct lane lane = cpu_lane(0, 0);
	struct lane_numbers n = unknown();
	struct lane_state state = { 0 };
	struct evidence ev[RUNAWAY_EVIDENCE_MAX];
	size_t count;

	lane.subject = RUNAWAY_SUBJECT_HOST;
	lane.trigger.cpu_cores_min = lane.clear.cpu_cores_max = NAN;
	lane.trigger.load5_per_core_min = 1.5;
	lane.trigger.ci_cpu_share_min = 0.5;
	lane.clear.load5_per_core_max = 1;

	n.load5_per_core = 3;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 1, &state, ev, &count), LANE_IDLE);
	assert_int_equal(count, 2);
	assert_string_equal(ev[0].metric, "load5_per_core");
	assert_true(ev[0].value == 3 && ev[0].limit == 1.5);
	assert_string_equal(ev[1].metric, "ci_cpu_share");
	assert_true(isnan(ev[1].value) && ev[1].limit == 0.5);

	n.ci_cpu_share = 0.5;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 2, &state, ev, &count), LANE_OPENED);
	n.load5_per_core = 1.2;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 3, &state, ev, &count), LANE_HOLDING);
	n.ci_cpu_share = 0.4;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 4, &state, ev, &count), LANE_CLEARED);
}

/* Age only grows: a lane on age alone has nothing that could calm down. */
static void age_alone_never_clears(void **s)
{
	(void)s;
	struct lane lane = cpu_lane(0, 0);
	struct lane_numbers n = unknown();
	struct lane_state state = { 0 };
	struct evidence ev[RUNAWAY_EVIDENCE_MAX];
	size_t count;

	lane.trigger.cpu_cores_min = lane.clear.cpu_cores_max = NAN;
	lane.trigger.age_s_min = 120;
	n.age_s = 119.999999999;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 1, &state, ev, &count), LANE_IDLE);
	n.age_s = 120;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 2, &state, ev, &count), LANE_OPENED);
	n.age_s = NAN;
	assert_int_equal(runaway_lane_step(&lane, true, &n, 3, &state, ev, &count), LANE_HOLDING);
}

static void a_lane_without_limits_crosses_nothing(void **s)
{
	(void)s;
	struct lane lane = cpu_lane(0, 0);
	struct lane_numbers n = { 9, 9, 9, 9, 1, 1, 1 };

	lane.trigger.cpu_cores_min = NAN;
	assert_false(runaway_lane_crossed(&lane, &n));
}

static void infinite_is_a_number(void **s)
{
	(void)s;
	const struct lane lane = cpu_lane(0, 0);
	static const struct row rows[] = {
		{ 1, -INFINITY, LANE_IDLE },
		{ 2, INFINITY, LANE_OPENED },
		{ 3, 0, LANE_CLEARED },
	};

	PLAY(&lane, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_exactly_when_the_time_is_full),
		cmocka_unit_test(one_dip_starts_the_time_anew),
		cmocka_unit_test(a_saturated_host_lapses),
		cmocka_unit_test(flapping_between_the_limits_is_one_finding),
		cmocka_unit_test(no_hold_time_opens_and_clears_at_once),
		cmocka_unit_test(unknown_crosses_nothing_and_calms_nothing),
		cmocka_unit_test(a_clock_that_jumped_opens_nothing),
		cmocka_unit_test(a_clock_that_went_back_is_no_age),
		cmocka_unit_test(time_zero_is_a_time),
		cmocka_unit_test(without_a_clear_limit_the_trigger_is_it),
		cmocka_unit_test(a_subject_that_matches_no_more_is_over),
		cmocka_unit_test(all_must_cross_and_one_calms),
		cmocka_unit_test(age_alone_never_clears),
		cmocka_unit_test(a_lane_without_limits_crosses_nothing),
		cmocka_unit_test(infinite_is_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
