/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's figures, and rates over the interval that they were measured in. */

#include <math.h>

#include "model/harness.h"

static struct rw_host host_rec(struct world *w, uint64_t busy_ns, uint64_t attributed_ns)
{
	struct rw_host r = {
		.hdr = hdr(w, RW_HOST, sizeof(r)),
		.load1_milli = 1500,
		.load5_milli = 8000,
		.load15_milli = 250,
		.swap_total_bytes = 1000,
		.swap_used_bytes = 250,
		.busy_ns = busy_ns,
		.attributed_ns = attributed_ns,
		.steal_ns = 3 * SEC,
		.short_lived_ns = 2 * SEC,
		.ncpu = 4,
	};

	for (int i = 0; i < 3; i++) {
		r.psi_cpu_some[i] = 125;
		r.psi_memory_some[i] = r.psi_memory_full[i] = RW_UNKNOWN_U64;
	}
	return r;
}

static void test_levels(void **state)
{
	const struct runaway_host_state *h;
	struct world w;
	struct rw_host r;

	(void)state;
	world_new(&w);
	h = runaway_model_host(w.m);
	assert_false(h->known);
	r = host_rec(&w, 0, 0);
	FEED(&w, r);
	assert_true(h->known);
	assert_true(h->load5_per_core == 2.0);
	assert_true(h->swap_used_ratio == 0.25);
	assert_true(h->psi_cpu_some[1] == 0.125);
	assert_true(isnan(h->psi_memory_full[0]));
	assert_true(h->steal_seconds == 3.0);
	assert_true(h->short_lived_seconds == 2.0);
	r.swap_total_bytes = r.swap_used_bytes = 0;
	FEED(&w, r);
	assert_true(h->swap_used_ratio == 0);
	r.ncpu = 0;
	assert_int_equal(runaway_model_apply(w.m, &r.hdr, sizeof(r)), -EBADMSG);
	assert_int_equal(h->ncpu, 4);
	world_free(&w);
}

static void test_busy_cores_over_the_interval(void **state)
{
	const struct runaway_host_state *h;
	struct world w;
	struct rw_host r;

	(void)state;
	world_new(&w);
	h = runaway_model_host(w.m);
	r = host_rec(&w, 100 * SEC, 0);
	FEED(&w, r);
	tick(&w);
	assert_true(h->busy_cores == 0);
	w.now_ns = r.hdr.time_ns + 2 * SEC - MSEC;
	r = host_rec(&w, 103 * SEC, 0);
	FEED(&w, r);
	tick(&w);
	assert_true(fabs(h->busy_cores - 1.5) < 0.001);
	world_free(&w);
}

static void test_ci_cores(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "sh", "sh\0bin", "sh", "CI=true\0");
	forks(&w, 10, 11, "cc");
	forks(&w, 1, 12, "other");
	tick(&w);
	w.now_ns += SEC - 5 * MSEC;
	cpu(&w, 10, 300 * MSEC);
	cpu(&w, 12, 900 * MSEC);
	frees(&w, 11, 500 * MSEC); /* short-lived work counts */
	w.now_ns += MSEC;
	tick(&w);
	assert_true(fabs(runaway_model_host(w.m)->ci_cores - 0.8) < 0.01);
	w.now_ns += SEC;
	tick(&w);
	assert_true(runaway_model_host(w.m)->ci_cores == 0);
	world_free(&w);
}

static void test_unattributed_only_grows(void **state)
{
	const struct runaway_host_state *h;
	struct world w;
	struct rw_host r;

	(void)state;
	world_new(&w);
	h = runaway_model_host(w.m);
	r = host_rec(&w, 1000 * SEC, 0); /* before we looked: not ours to attribute */
	FEED(&w, r);
	assert_true(h->unattributed_seconds == 0);
	r = host_rec(&w, 1010 * SEC, 8 * SEC);
	FEED(&w, r);
	assert_true(h->unattributed_seconds == 2.0);
	r = host_rec(&w, 1010 * SEC, 9 * SEC); /* the two clocks differ by a tick */
	FEED(&w, r);
	assert_true(h->unattributed_seconds == 2.0);
	r = host_rec(&w, 1020 * SEC, 15 * SEC);
	FEED(&w, r);
	assert_true(h->unattributed_seconds == 5.0);
	r = host_rec(&w, 5 * SEC, 0); /* went back */
	FEED(&w, r);
	assert_true(h->unattributed_seconds == 5.0);
	world_free(&w);
}

static void test_the_tick_tells_the_wall_clock(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	tick(&w);
	assert_int_equal(runaway_model_realtime(w.m, w.now_ns), w.now_ns + BOOTED_AT_NS);
	world_free(&w);
}

/* Times that were told are told again as they were, until somebody sets the clock. */
static void test_the_wall_clock_does_not_jitter(void **state)
{
	static const struct {
		int64_t off_ns;
		bool taken;
	} step[] = { { 1, false },	   { -1, false },	 { 9999999, false },
		     { -9999999, false },  { 10000000, true },	 { -10000000, true },
		     { 3600 * SEC, true }, { -3600 * SEC, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(step); i++) {
		struct world w;
		uint64_t set = BOOTED_AT_NS + (uint64_t)step[i].off_ns;

		world_new(&w);
		tick(&w);
		w.now_ns += SEC;
		tick_at(&w, set);
		assert_int_equal(runaway_model_realtime(w.m, SEC),
				 SEC + (step[i].taken ? set : BOOTED_AT_NS));
		world_free(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_busy_cores_over_the_interval),
		cmocka_unit_test(test_ci_cores),
		cmocka_unit_test(test_unattributed_only_grows),
		cmocka_unit_test(test_the_tick_tells_the_wall_clock),
		cmocka_unit_test(test_the_wall_clock_does_not_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
