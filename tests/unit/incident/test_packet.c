/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "incident/records.h"

#define SCRIPT	 100u
#define BROWSER	 200u
#define RENDERER 300u

static uint64_t cpu_ns; /* of the renderer */

/* smoke.sh under job 4711 starts a browser and is killed; a renderer spins. */
static void make_orphan(struct harness *h, const char *comm)
{
	struct rw_id none = { 0 };

	rec_cgroup(h, "/system.slice/act_runner.service");
	rec_fork(h, SCRIPT, init_id(), SCRIPT, none, "bash");
	rec_exec(h, SCRIPT,
		 &(struct exec_text){ "smoke.sh", "bash/bin/usr", "bash|./smoke.sh|--url=x",
				      "GITHUB_ACTIONS=true|GITHUB_RUN_ID=4711" });
	h->now_ns += 3 * NSEC_PER_SEC;
	rec_fork(h, BROWSER, id_of(SCRIPT), SCRIPT, id_of(SCRIPT), "smoke.sh");
	rec_exec(h, BROWSER,
		 &(struct exec_text){ comm, "chromium/chromium/lib/usr",
				      "/usr/lib/chromium/chromium|--headless", NULL });
	rec_fork(h, RENDERER, id_of(BROWSER), SCRIPT, id_of(SCRIPT), comm);
	h->now_ns += 5 * NSEC_PER_SEC;
	tick(h, NSEC_PER_SEC);
	rec_exit(h, SCRIPT, 9, "smoke.sh");
	rec_reparent(h, BROWSER, SCRIPT, SCRIPT);
	cpu_ns = 1;
	rec_cpu(h, RENDERER, cpu_ns);
	tick(h, NSEC_PER_SEC);
}

static void burn(struct harness *h, unsigned int seconds)
{
	while (seconds-- > 0) {
		h->now_ns += NSEC_PER_SEC;
		cpu_ns += NSEC_PER_SEC;
		rec_cpu(h, RENDERER, cpu_ns);
		tick(h, 0);
	}
}

static struct runaway_finding finding_browser(struct harness *h)
{
	struct runaway_finding f = finding_on(h, BROWSER);

	f.subject.id = (struct runaway_id){ .pid = BROWSER, .start_ns = id_of(BROWSER).start_ns };
	snprintf(f.subject.key, sizeof(f.subject.key), "orphan_tree:%u:%llu", BROWSER,
		 (unsigned long long)id_of(BROWSER).start_ns);
	return f;
}

static struct incident *open_finding(struct harness *h, const struct runaway_finding *f)
{
	struct incident *i = NULL;

	assert_int_equal(runaway_incident_open(h->s, f, h->m, &i), 0);
	return i;
}

static const cJSON *at(const cJSON *json, const char *key)
{
	const cJSON *v = runaway_json_get(json, key);

	if (!v)
		fail_msg("no key %s", key);
	return v;
}

static void test_process_packet(void **state _unused_)
{
	const cJSON *packet, *group, *target, *source;
	_cleanup_cjson_ cJSON *doc = NULL;
	struct runaway_finding f;
	struct incident *i;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, "chromium");
	burn(&h, 5);
	f = finding_browser(&h);
	i = open_finding(&h, &f);
	assert_string_equal(i->title, "orphan chromium tree (2 processes) of smoke.sh burns "
				      "1.00 cores");
	assert_string_equal(i->origin_comm, "smoke.sh");
	assert_string_equal(i->cgroup, "/system.slice/act_runner.service");
	doc = readback(&h, i->incident_id);
	packet = at(doc, "packet");
	group = at(packet, "process_group");
	assert_int_equal(at(group, "pgid")->valueint, SCRIPT);
	assert_int_equal(at(group, "members_total")->valueint, 2);
	/* Busiest first. */
	assert_int_equal(at(cJSON_GetArrayItem(at(group, "members"), 0), "pid")->valueint,
			 RENDERER);
	assert_float_equal(at(at(packet, "cpu"), "cores")->valuedouble, 1.0, 0.01);
	assert_float_equal(at(at(packet, "cpu"), "seconds_since_orphaned")->valuedouble, 6, 1.1);
	assert_float_equal(at(at(packet, "age"), "age_s")->valuedouble, 6, 0.01);
	assert_true(cJSON_IsTrue(at(packet, "dry_run_allowed")));
	target = at(packet, "target");
	assert_int_equal(at(target, "pid")->valueint, BROWSER);
	assert_string_equal(at(target, "start_ns")->valuestring, "200000000");
	source = at(packet, "source_command");
	assert_string_equal(at(source, "comm")->valuestring, "smoke.sh");
	assert_string_equal(at(at(at(source, "ci"), "markers"), "GITHUB_RUN_ID")->valuestring,
			    "4711");
	assert_string_equal(at(at(packet, "cgroup"), "unit")->valuestring, "act_runner.service");
	assert_string_equal(
		at(packet, "why_not_by_design")->valuestring,
		"its origin smoke.sh was killed by signal 9 while this went on working");
	assert_true(cJSON_GetArraySize(at(packet, "post_check")) > 0);
	/* The way is named, not the signal. */
	assert_non_null(strstr(at(packet, "next_step")->valuestring, "incident dry-run"));
	assert_null(strstr(at(packet, "next_step")->valuestring, "kill"));
	harness_end(&h);
}

static void test_lineage(void **state _unused_)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	struct runaway_finding f;
	const cJSON *origin;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, "chromium");
	burn(&h, 2);
	f = finding_browser(&h);
	doc = readback(&h, open_finding(&h, &f)->incident_id);
	origin = cJSON_GetArrayItem(at(doc, "lineage"), 0);
	assert_int_equal(at(origin, "pid")->valueint, SCRIPT);
	assert_string_equal(at(origin, "comm")->valuestring, "smoke.sh");
	assert_string_equal(at(origin, "exe")->valuestring, "/usr/bin/bash");
	assert_int_equal(cJSON_GetArraySize(at(origin, "args")), 3);
	assert_true(cJSON_IsFalse(at(origin, "alive")));
	assert_int_equal(at(at(origin, "exit"), "signal")->valueint, 9);
	assert_true(cJSON_IsString(at(origin, "exited_at")));
	harness_end(&h);
}

static void test_triage_only_has_no_target(void **state _unused_)
{
	struct runaway_finding f;
	_cleanup_cjson_ cJSON *doc = NULL;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, "chromium");
	f = finding_browser(&h);
	f.lane = runaway_lane_set_find(&h.lanes, "orphan_generic_cpu_runaway");
	assert_non_null(f.lane);
	doc = readback(&h, open_finding(&h, &f)->incident_id);
	assert_true(cJSON_IsFalse(at(at(doc, "packet"), "dry_run_allowed")));
	assert_true(cJSON_IsNull(at(at(doc, "packet"), "target")));
	harness_end(&h);
}

/* Names that try to leave their string, in every document and after a restart. */
static void test_hostile_names(void **state _unused_)
{
	static const char hostile[] = "a\"\n\\\x1b[31m\xff\xc2\x9b";
	_cleanup_cjson_ cJSON *before = NULL, *after = NULL;
	struct runaway_finding f;
	struct incident *i;
	struct harness h;
	char id[40], *log;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, hostile);
	burn(&h, 2);
	f = finding_browser(&h);
	i = open_finding(&h, &f);
	assert_string_equal(i->comm, hostile);
	strcpy(id, i->incident_id);
	before = readback(&h, id);
	harness_close_store(&h);
	log = slurp(&h, "incidents.jsonl", NULL);
	for (const char *p = log; *p; p++)
		assert_true(((unsigned char)*p >= 0x20 && *p != 0x7f) || (*p == '\n' && !p[1]));
	assert_null(strstr(log, "\xc2\x9b"));
	free(log);
	harness_open_store(&h);
	after = readback(&h, id);
	assert_true(cJSON_Compare(at(before, "packet"), at(after, "packet"), true));
	assert_true(cJSON_Compare(at(before, "lineage"), at(after, "lineage"), true));
	assert_true(cJSON_Compare(at(before, "finding"), at(after, "finding"), true));
	assert_true(verified(&h, NULL));
	harness_end(&h);
}

static void assert_names_no_process(const cJSON *json)
{
	static const char *const never[] = { "pid", "root_pid", "pgid", "tgid", "root", "members" };
	const cJSON *child;

	cJSON_ArrayForEach (child, json) {
		for (size_t n = 0; child->string && n < ARRAY_SIZE(never); n++)
			assert_string_not_equal(child->string, never[n]);
		assert_names_no_process(child);
	}
}

static void test_capacity_packet(void **state _unused_)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *packet, *run;
	struct runaway_finding f;
	struct incident *i;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, "chromium");
	rec_host(&h, 1 << 30);
	burn(&h, 3);
	f = finding_host(&h);
	i = open_finding(&h, &f);
	assert_int_equal(i->root.pid, 0);
	strcpy(f.incident_id, i->incident_id);
	rec_host(&h, 3u << 30);
	burn(&h, 11);
	runaway_incident_observe(h.s, &f, h.m);
	doc = readback(&h, i->incident_id);
	packet = at(doc, "packet");
	assert_names_no_process(packet);
	assert_string_equal(at(packet, "kind")->valuestring, "capacity");
	assert_true(cJSON_IsFalse(at(packet, "dry_run_allowed")));
	assert_true(cJSON_IsNull(at(packet, "target")));
	assert_true(cJSON_IsNull(at(packet, "runner_queue")));
	assert_float_equal(at(at(packet, "load_per_core"), "load5")->valuedouble, 3.5, 0.001);
	assert_float_equal(at(at(packet, "swap"), "trend_bytes")->valuedouble, 2.0 * (1 << 30), 1);
	assert_float_equal(at(at(at(packet, "pressure_ratio"), "cpu_some"), "avg60")->valuedouble,
			   0.5, 0.001);
	assert_true(cJSON_IsNull(at(at(at(packet, "pressure_ratio"), "io_full"), "avg10")));
	run = cJSON_GetArrayItem(at(packet, "ci_runs"), 0);
	assert_string_equal(at(at(run, "markers"), "GITHUB_RUN_ID")->valuestring, "4711");
	assert_int_equal(at(run, "processes")->valueint, 2);
	assert_string_equal(
		at(cJSON_GetArrayItem(at(packet, "top_ci_consumers"), 0), "comm")->valuestring,
		"chromium");
	/* The trend goes on from the same base after a restart. */
	runaway_incident_self_clear(h.s, i->incident_id, FINDING_CLEARED, h.m);
	harness_close_store(&h);
	harness_open_store(&h);
	assert_true(incident_record_of(runaway_store_find(h.s, f.incident_id))->swap_known);
	assert_int_equal(
		incident_record_of(runaway_store_find(h.s, f.incident_id))->swap_first_bytes,
		1 << 30);
	harness_end(&h);
}

/* The clear may come after the subject has left the model. */
static void test_subject_gone(void **state _unused_)
{
	_cleanup_cjson_ cJSON *before = NULL, *doc = NULL;
	struct runaway_finding f;
	struct incident *i;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, "chromium");
	burn(&h, 2);
	f = finding_browser(&h);
	i = open_finding(&h, &f);
	strcpy(f.incident_id, i->incident_id);
	rec_exit(&h, RENDERER, 15, "chromium");
	rec_exit(&h, BROWSER, 15, "chromium");
	tick(&h, 60 * NSEC_PER_SEC);
	runaway_incident_observe(h.s, &f, h.m);
	before = readback(&h, i->incident_id);
	assert_int_equal(runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m), 0);
	doc = readback(&h, i->incident_id);
	/* Of the packet nothing changes but the next step. */
	assert_string_equal(at(at(doc, "packet"), "next_step")->valuestring,
			    "resolved: nothing to do");
	cJSON_SetValuestring(cJSON_GetObjectItemCaseSensitive(at(before, "packet"), "next_step"),
			     "resolved: nothing to do");
	assert_true(cJSON_Compare(at(before, "packet"), at(doc, "packet"), true));
	assert_int_equal(cJSON_GetArraySize(at(doc, "lineage")), 2);
	assert_string_equal(at(at(doc, "incident"), "status")->valuestring, "resolved");
	assert_int_equal(cJSON_GetArraySize(at(doc, "events")), 2);
	harness_end(&h);
}

/* Restart in the middle: one timeline, still bounded, still since the orphaning. */
static void test_timeline(void **state _unused_)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *samples, *first;
	struct runaway_finding f;
	struct incident *i;
	double last = -1;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	make_orphan(&h, "chromium");
	burn(&h, 30);
	f = finding_browser(&h);
	i = open_finding(&h, &f);
	assert_true(i->point_count >= 10);
	strcpy(f.incident_id, i->incident_id);
	for (int n = 0; n < 2000; n++) {
		burn(&h, 1);
		runaway_incident_observe(h.s, &f, h.m);
		if (n == 1000) {
			harness_close_store(&h);
			harness_open_store(&h);
		}
	}
	i = (struct incident *)runaway_store_find(h.s, f.incident_id);
	assert_true(i->point_count <= INCIDENT_POINTS_MAX);
	assert_true(i->point_count > INCIDENT_POINTS_MAX / 4);
	doc = readback(&h, f.incident_id);
	samples = at(doc, "samples");
	first = cJSON_GetArrayItem(samples, 0);
	assert_true(at(first, "cpu_seconds")->valuedouble < 10);
	for (int n = 0; n < cJSON_GetArraySize(samples); n++) {
		double v = at(cJSON_GetArrayItem(samples, n), "cpu_seconds")->valuedouble;

		assert_true(v > last);
		last = v;
	}
	assert_true(last > 1900);
	harness_end(&h);
}

static void test_halving_keeps_ends(void **state _unused_)
{
	struct incident i = { 0 };

	for (unsigned int n = 0; n < 5000; n++) {
		struct incident_point p = {
			.realtime_ns = (n + 1) * NSEC_PER_SEC,
			.cpu_cores = n == 7 ? NAN : 0.5,
			.cpu_seconds = n / 2.0,
		};

		assert_int_equal(incident_timeline_add(&i, &p), 0);
		assert_true(i.point_count <= INCIDENT_POINTS_MAX);
	}
	assert_int_equal(i.point_spacing_ns, 16 * NSEC_PER_SEC);
	assert_true(i.point[0].realtime_ns <= 16 * NSEC_PER_SEC);
	for (size_t n = 1; n < i.point_count; n++)
		assert_true(i.point[n].realtime_ns > i.point[n - 1].realtime_ns);
	free(i.point);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_packet),
		cmocka_unit_test(test_lineage),
		cmocka_unit_test(test_triage_only_has_no_target),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_capacity_packet),
		cmocka_unit_test(test_subject_gone),
		cmocka_unit_test(test_timeline),
		cmocka_unit_test(test_halving_keeps_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
