/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/exposition.h"

#include <time.h>

#define LANE_BROWSER "orphan_browser_smoke_runaway_process"

static void assert_absent(const struct expo *e, const char *series)
{
	if (expo_count(e, series))
		fail_msg("%s is there", series);
}

/* Every lane, status and reason has its series before anything happened. */
static void test_zeros_from_the_start(void **state _unused_)
{
	static const char *const zeros[] = {
		"runaway_findings{lane=\"" LANE_BROWSER "\",severity=\"P1\"}",
		"runaway_findings{lane=\"quick\",severity=\"P0\"}",
		"runaway_orphan_groups{lane=\"" LANE_BROWSER "\"}",
		"runaway_orphan_groups{lane=\"orphan_generic_cpu_runaway\"}",
		"runaway_orphan_cpu_seconds_total{lane=\"" LANE_BROWSER "\"}",
		"runaway_incidents{status=\"open\",severity=\"P1\"}",
		"runaway_incidents{status=\"closed\",severity=\"P3\"}",
		"runaway_incidents_stuck",
		"runaway_incidents_opened_total{lane=\"quick\"}",
		"runaway_incidents_resolved_total{lane=\"quick\",path=\"self_cleared\"}",
		"runaway_gate_enabled",
		"runaway_gate_kernel_enforced",
		"runaway_remediations_authorized",
		"runaway_gate_requests_total",
		"runaway_gate_signals_total{signal=\"SIGTERM\"}",
		"runaway_remediation_attempts_total{lane=\"quick\"}",
		"runaway_remediation_successes_total{lane=\"quick\"}",
		"runaway_remediation_samples",
		"runaway_orphans_reparented_total{reaper=\"init\"}",
		"runaway_orphans_reparented_total{reaper=\"subreaper\"}",
		"runaway_orphans_reparented_total{reaper=\"namespace_init\"}",
		"runaway_rescans_total{reason=\"loss\"}",
		"runaway_cgroup_cpu_seconds_total{cgroup=\"_other\"}",
		"runaway_sensor_up{component=\"gate\"}",
		"runaway_detection_delay_seconds_count",
		"runaway_series_dropped_total",
	};
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	expo_of(&w, METRICS_TEXT, &e);
	for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
		assert_value(&e, zeros[i], 0);
	assert_int_equal(expo_count(&e, "runaway_incidents{"),
			 INCIDENT_STATUS_MAX * RUNAWAY_SEVERITY_MAX);
	assert_value(&e, "runaway_monitor_up", 1);
	assert_value(&e, "runaway_series", (double)e.count);
	expo_free(&e);
	world_free(&w);
}

static void test_unknown_is_absent(void **state _unused_)
{
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	w.sensor.stats.scan_last_ns = 0;
	w.runtime.config_last_reload_realtime_ns = 0;
	w.view.series_dropped = NULL;
	expo_of(&w, METRICS_TEXT, &e);
	assert_absent(&e, "runaway_host_load5_per_core");
	assert_absent(&e, "runaway_scan_last_success_timestamp_seconds");
	assert_absent(&e, "runaway_textfile_last_write_timestamp_seconds");
	assert_absent(&e, "runaway_config_last_reload_success_timestamp_seconds");
	assert_absent(&e, "runaway_remediation_success_ratio");
	assert_absent(&e, "runaway_series_dropped_total");
	expo_free(&e);
	world_scan_begin(&w);
	world_tick(&w);
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_host_load5_per_core", 0.5);
	assert_value(&e, "runaway_host_pressure_ratio{resource=\"cpu\",window=\"60s\"}", 0.2);
	assert_absent(&e, "runaway_host_pressure_ratio{resource=\"memory\"");
	assert_absent(&e, "runaway_host_pressure_full_ratio");
	expo_free(&e);
	world_free(&w);
}

static void test_sensor_figures(void **state _unused_)
{
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	runaway_histogram_add(&w.runtime.scan_duration, 0.005);
	runaway_histogram_add(&w.runtime.scan_duration, 0.05);
	runaway_histogram_add(&w.runtime.scan_duration, 99);
	runaway_histogram_add(&w.runtime.scan_duration, NAN);
	w.runtime.events_ok = false;
	w.runtime.rescans_by_reason[RESCAN_LOSS] = 3;
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_monitor_up", 0);
	assert_value(&e, "runaway_sensor_up{component=\"bpf\"}", 0);
	assert_value(&e, "runaway_sensor_up{component=\"scan\"}", 1);
	assert_value(&e, "runaway_build_info{version=\"1.2.3\",commit=\"abc\",libbpf=\"1.1\"}", 1);
	assert_value(&e,
		     "runaway_sensor_info{scan=\"iter_task\",reparent_hook=\"fentry\","
		     "cgroup_mode=\"v2\",gate_guard=\"none\"}",
		     1);
	assert_value(&e, "runaway_events_received_total{event=\"fork\"}", 11);
	assert_value(&e, "runaway_events_lost_total{event=\"exec\"}", 5);
	assert_value(&e, "runaway_rescans_total{reason=\"loss\"}", 3);
	assert_value(&e, "runaway_map_entries{map=\"procs\"}", 3);
	assert_value(&e, "runaway_map_capacity{map=\"procs\"}", 65536);
	assert_value(&e, "runaway_map_errors_total{map=\"events\"}", 2);
	assert_value(&e, "runaway_program_misses_total{program=\"rw_fork\"}", 7);
	assert_value(&e, "runaway_scan_duration_seconds_bucket{le=\"0.001\"}", 0);
	assert_value(&e, "runaway_scan_duration_seconds_bucket{le=\"0.01\"}", 1);
	assert_value(&e, "runaway_scan_duration_seconds_bucket{le=\"1.0\"}", 2);
	assert_value(&e, "runaway_scan_duration_seconds_bucket{le=\"+Inf\"}", 3);
	assert_value(&e, "runaway_scan_duration_seconds_count", 3);
	expo_free(&e);
	world_free(&w);
}

static void test_own_process(void **state _unused_)
{
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	expo_of(&w, METRICS_TEXT, &e);
	assert_true(expo_value(&e, "process_cpu_seconds_total") >= 0);
	assert_true(expo_value(&e, "process_resident_memory_bytes") > 1 << 20);
	assert_true(expo_value(&e, "process_open_fds") >= 3);
	assert_true(expo_value(&e, "process_max_fds") >= expo_value(&e, "process_open_fds"));
	assert_value(&e, "process_threads", 1);
	expo_free(&e);
	world_free(&w);
}

/* A daemon that took 100 s to be ready began 100 s before, whatever the clock says now. */
static void test_own_start(void **state _unused_)
{
	double at_once, ready_late;
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	expo_of(&w, METRICS_TEXT, &e);
	at_once = expo_value(&e, "process_start_time_seconds");
	expo_free(&e);
	w.runtime.started_boot_ns += 100 * NSEC_PER_SEC;
	expo_of(&w, METRICS_TEXT, &e);
	ready_late = expo_value(&e, "process_start_time_seconds");
	expo_free(&e);
	world_free(&w);
	assert_true(at_once <= 1.7e9 && at_once > 1.7e9 - 600);
	assert_float_equal((at_once - ready_late), 100, 1e-3);
}

static void test_finding_and_its_end(void **state _unused_)
{
	static const char labels[] = "{lane=\"quick\",comm=\"chromium\",origin_comm=\"smoke.sh\","
				     "cgroup=\"\"}";
	char series[256];
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	world_scan_begin(&w);
	world_orphan(&w, 100, "chromium", "smoke.sh", "chromium\0--headless\0", 20);
	world_tick(&w);
	world_burn(&w, 100, 1, 3);
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_orphan_groups{lane=\"quick\"}", 1);
	assert_value(&e, "runaway_findings{lane=\"quick\",severity=\"P1\"}", 1);
	assert_value(&e, "runaway_incidents{status=\"open\",severity=\"P1\"}", 1);
	assert_value(&e, "runaway_incidents_opened_total{lane=\"quick\"}", 1);
	snprintf(series, sizeof(series), "runaway_finding_cpu_cores%s", labels);
	assert_true(fabs(expo_value(&e, series) - 1) < 0.05);
	snprintf(series, sizeof(series), "runaway_finding_processes%s", labels);
	assert_value(&e, series, 1);
	snprintf(series, sizeof(series), "runaway_finding_age_seconds%s", labels);
	assert_true(expo_value(&e, series) >= 1);
	assert_true(expo_value(&e, "runaway_orphan_cpu_seconds_total{lane=\"quick\"}") >= 2);
	expo_free(&e);
	world_scan_begin(&w);
	world_exit(&w, 100, 15);
	world_release(&w, 100, 4 * NSEC_PER_SEC);
	world_tick(&w);
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_orphan_groups{lane=\"quick\"}", 0);
	assert_absent(&e, "runaway_finding_cpu_cores");
	assert_value(&e, "runaway_incidents_resolved_total{lane=\"quick\",path=\"self_cleared\"}",
		     1);
	assert_true(expo_value(&e, "runaway_orphan_cpu_seconds_total{lane=\"quick\"}") >= 2);
	expo_free(&e);
	world_free(&w);
}

/* All bytes in comm and origin_comm, fifteen at a time, and in a cgroup's path. */
static void hostile_world(struct world *w)
{
	char path[256], args[256];
	uint32_t pid = 100;

	world_init(w, 1000, 10);
	world_scan_begin(w);
	path[0] = '/';
	for (int i = 1; i < 255; i++)
		path[i] = (char)(i == '/' ? '.' : i);
	path[255] = '\0';
	for (int i = 0; i < 255; i++)
		args[i] = (char)(i + 1);
	args[255] = '\0';
	world_cgroup(w, 10, 1, path, RW_CG_FOUND);
	world_cgroup(w, 11, 1, "/a\"} 1\nfake_metric 1", RW_CG_FOUND);
	for (int first = 1; first < 256; first += 15, pid += 2) {
		char comm[16] = { 0 };

		for (int i = 0; i < 15 && first + i < 256; i++)
			comm[i] = (char)(first + i);
		world_orphan(w, pid, comm, comm, args, sizeof(args));
	}
	world_orphan(w, pid, "\"\n\\\x1b[31m\xff\xc3(", "} 1\nfake 1", args, sizeof(args));
	pid += 2;
	world_tick(w);
	for (int i = 0; i < 3; i++) {
		world_cgroup_cpu(w, 10, (uint64_t)i * NSEC_PER_SEC);
		world_cgroup_cpu(w, 11, (uint64_t)i * NSEC_PER_SEC);
		world_burn(w, 100, (pid - 100) / 2, 1);
	}
}

static void test_hostile_names(void **state _unused_)
{
	struct world w;
	struct expo e;

	hostile_world(&w);
	for (int f = METRICS_TEXT; f <= METRICS_OPENMETRICS; f++) {
		expo_of(&w, f, &e);
		assert_absent(&e, "fake");
		/* Names that differ in invalid bytes only are one series: nobody is left out. */
		assert_true(expo_count(&e, "runaway_finding_cpu_cores") >= 10);
		assert_true(expo_sum(&e, "runaway_finding_processes{") == 18);
		expo_free(&e);
	}
	world_free(&w);
}

static void test_promtool(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct world w;

	hostile_world(&w);
	w.runtime.textfile_last_write_realtime_ns = WORLD_REALTIME_NS;
	runaway_metrics_write(&w.view, METRICS_TEXT, &b);
	assert_int_equal(b.error, 0);
	promtool_check(&b);
	world_free(&w);
}

static void test_findings_are_bounded(void **state _unused_)
{
	const uint32_t count = 300;
	struct world w;
	struct expo e;

	world_init(&w, 2000, 10);
	world_scan_begin(&w);
	for (uint32_t i = 0; i < count; i++) {
		char comm[16];

		snprintf(comm, sizeof(comm), "p%u", i);
		world_orphan(&w, 100 + 2 * i, comm, "o", "x", 2);
	}
	world_tick(&w);
	world_burn(&w, 100, count, 3);
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_findings{lane=\"quick\",severity=\"P1\"}", count);
	assert_int_equal(expo_count(&e, "runaway_finding_cpu_cores"), 101);
	assert_value(&e,
		     "runaway_finding_processes{lane=\"quick\",comm=\"_other\","
		     "origin_comm=\"_other\",cgroup=\"_other\"}",
		     200);
	assert_true(fabs(expo_sum(&e, "runaway_finding_cpu_cores{") - count) < 1);
	assert_value(&e, "runaway_series_dropped_total", 200);
	expo_free(&e);
	expo_of(&w, METRICS_TEXT, &e);
	assert_value(&e, "runaway_series_dropped_total", 400);
	expo_free(&e);
	world_free(&w);
}

/* Findings that share all labels are one series: cores and processes summed. */
static void test_equal_labels_are_summed(void **state _unused_)
{
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	world_scan_begin(&w);
	for (uint32_t pid = 100; pid < 106; pid += 2)
		world_orphan(&w, pid, "same", "o", "x", 2);
	world_tick(&w);
	world_burn(&w, 100, 3, 3);
	expo_of(&w, METRICS_TEXT, &e);
	assert_int_equal(expo_count(&e, "runaway_finding_processes"), 1);
	assert_value(&e,
		     "runaway_finding_processes{lane=\"quick\",comm=\"same\",origin_comm=\"o\","
		     "cgroup=\"\"}",
		     3);
	expo_free(&e);
	world_free(&w);
}

/* More cgroups than series, the busy ones changing: no series goes back, nothing is lost. */
static void test_other_never_goes_back(void **state _unused_)
{
	uint64_t cpu_ns[40] = { 0 };
	double last_other = 0, last_sum = 0;
	struct world w;

	world_init(&w, 100, 5);
	for (uint64_t i = 0; i < 40; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/cg%u", (unsigned int)i);
		world_cgroup(&w, 100 + i, 1, path, RW_CG_FOUND);
	}
	for (unsigned int t = 0; t < 120; t++) {
		struct expo e;
		double other, sum;

		world_scan_begin(&w);
		for (uint64_t i = 0; i < 40; i++) {
			cpu_ns[i] += i / 5 == t / 15 ? NSEC_PER_SEC : NSEC_PER_MSEC;
			world_cgroup_cpu(&w, 100 + i, cpu_ns[i]);
		}
		if (t == 70)
			world_cgroup(&w, 103, 1, "/cg3", RW_CG_RMDIR);
		world_tick(&w);
		expo_of(&w, METRICS_TEXT, &e);
		other = expo_value(&e, "runaway_cgroup_cpu_seconds_total{cgroup=\"_other\"}");
		assert_true(other >= last_other);
		last_other = other;
		assert_true(expo_count(&e, "runaway_cgroup_cpu_seconds_total") <= 6);
		sum = expo_sum(&e, "runaway_cgroup_cpu_seconds_total{");
		/* A removed cgroup may take its series with it. */
		assert_true(t >= 70 || sum + 1e-6 >= last_sum);
		last_sum = sum;
		expo_free(&e);
	}
	world_free(&w);
}

static void test_openmetrics(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct world w;
	struct expo e;

	world_init(&w, 100, 10);
	runaway_metrics_write(&w.view, METRICS_OPENMETRICS, &b);
	expo_parse(&b, true, &e);
	assert_non_null(strstr(b.data, "# TYPE runaway_process_forks counter\n"));
	assert_non_null(strstr(b.data, "\nrunaway_process_forks_total 0\n"));
	assert_null(strstr(b.data, "# TYPE runaway_process_forks_total"));
	assert_string_equal(b.data + b.len - 6, "# EOF\n");
	expo_free(&e);
	world_free(&w);
}

static double seconds_now(void)
{
	return (double)runaway_mono_ns() / 1e9;
}

static void fill_big_world(struct world *w)
{
	world_init(w, 20000, 200);
	world_scan_begin(w);
	world_task(w, (struct task){ .pid = 1, .comm = "init", .flags = RW_TF_NS_INIT });
	for (uint64_t i = 0; i < 1000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/system.slice/service-%u.service", (unsigned int)i);
		world_cgroup(w, 100 + i, 1, path, RW_CG_FOUND);
		world_cgroup_cpu(w, 100 + i, i * NSEC_PER_SEC);
	}
	for (uint32_t pid = 2; pid < 10002; pid++)
		world_task(w, (struct task){ .pid = pid,
					     .ppid = 1,
					     .comm = "worker",
					     .cpu_ns = pid,
					     .cgroup_id = 100 + pid % 1000 });
	world_tick(w);
}

static void test_cost(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	double worst = 0, best = 1e9;
	struct world w;

	fill_big_world(&w);
	for (int i = 0; i < 50; i++) {
		double start = seconds_now(), took;

		strbuf_reset(&b);
		runaway_metrics_write(&w.view, METRICS_TEXT, &b);
		took = seconds_now() - start;
		worst = MAX(worst, took);
		best = MIN(best, took);
	}
	printf("10,000 processes, 1,000 cgroups: %.3f to %.3f ms, %zu bytes\n", best * 1e3,
	       worst * 1e3, b.len);
	assert_true(best < 0.1);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeros_from_the_start),
		cmocka_unit_test(test_unknown_is_absent),
		cmocka_unit_test(test_sensor_figures),
		cmocka_unit_test(test_own_process),
		cmocka_unit_test(test_own_start),
		cmocka_unit_test(test_finding_and_its_end),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_promtool),
		cmocka_unit_test(test_findings_are_bounded),
		cmocka_unit_test(test_equal_labels_are_summed),
		cmocka_unit_test(test_other_never_goes_back),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
