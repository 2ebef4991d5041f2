/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of the gate, in numbers and in words. */
#include "out/exposition.h"
#include "out/harness.h"

static void assert_said(const struct runaway_gate_view *g, const char *expected)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_gate_view_say(g, &b);
	assert_string_equal(b.data, expected);
}

static void test_words(void **state _unused_)
{
	struct runaway_gate_view g = { .why = "a reason" };

	assert_said(&g, "disabled: a reason");
	g.enabled = true;
	assert_said(&g, "not running: a reason");
	g.alive = g.disarmed = true;
	strcpy(g.tier, "T3");
	strcpy(g.tier_name, "best effort");
	assert_said(&g, "disarmed, T3 (best effort): a reason");
	g.disarmed = false;
	assert_said(&g, "not armed, T3 (best effort): a reason");
	g.armed = true;
	g.recursion_misses = 58;
	g.why[0] = '\0';
	assert_said(&g, "armed, T3 (best effort); the kernel skipped 58 runs of the guard's "
			"programs");
}

static void test_guards(void **state _unused_)
{
	static const char *const expected[][2] = {
		{ "T1", "lsm" },     { "T2", "fmod_ret" }, { "T3", "fmod_ret" },
		{ "T4", "seccomp" }, { "T5", "none" },	   { "", "none" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct runaway_gate_view g = { .alive = true };

		strcpy(g.tier, expected[i][0]);
		assert_string_equal(runaway_gate_view_guard(&g), expected[i][1]);
		g.alive = false;
		assert_string_equal(runaway_gate_view_guard(&g), "none");
	}
}

/* Whoever refused: one series for each reason. */
static void test_metrics(void **state _unused_)
{
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	w.runtime.gate.alive = true;
	strcpy(w.runtime.gate.tier, "T1");
	w.runtime.gate.refusals[RUNAWAY_REASON_WINDOW_OVER] = 2;
	w.runtime.gate.refused_here[RUNAWAY_REASON_WINDOW_OVER] = 3;
	w.runtime.gate.refused_here[RUNAWAY_REASON_NOT_PERMITTED] = 4;
	w.runtime.gate.recursion_misses = 58;
	w.runtime.gate.audit_seq = 4711;
	w.runtime.gate.signals_dropped = 7;
	w.runtime.gate.signals_unwatched = 108;
	assert_int_equal(runaway_gate_view_refused(&w.runtime.gate), 9);
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_gate_refusals_total{reason=\"window_over\"}", 5);
	assert_value(&e, "runaway_gate_refusals_total{reason=\"not_permitted\"}", 4);
	assert_value(&e, "runaway_gate_refusals_total{reason=\"disarmed\"}", 0);
	assert_value(&e, "runaway_gate_guard_misses_total", 58);
	assert_value(&e, "runaway_gate_audit_seq", 4711);
	assert_value(&e, "runaway_signals_dropped_total", 7);
	assert_value(&e, "runaway_signals_unwatched_processes", 108);
	assert_value(&e,
		     "runaway_sensor_info{scan=\"iter_task\",reparent_hook=\"fentry\","
		     "cgroup_mode=\"v2\",gate_guard=\"lsm\"}",
		     1);
	expo_free(&e);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_guards),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
