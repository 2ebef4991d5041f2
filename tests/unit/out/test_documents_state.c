/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings, incidents, lanes, and the state of the daemon itself. */
#include "out/document_fixture.h"

static cJSON *incidents(const struct world *w, enum incident_status s, const char *lane,
			size_t limit)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer j;

	json_init(&j, &b, false);
	runaway_doc_incidents(&w->view, s, lane, limit, &j);
	return world_parse(&b);
}

static void test_findings_and_incidents(void **state _unused_)
{
	static const struct {
		enum incident_status status;
		const char *lane;
		size_t limit;
		int count;
	} table[] = {
		{ INCIDENT_STATUS_MAX, NULL, 0, 3 },	{ INCIDENT_OPEN, NULL, 0, 3 },
		{ INCIDENT_RESOLVED, NULL, 0, 0 },	{ INCIDENT_STATUS_MAX, "quick", 0, 3 },
		{ INCIDENT_STATUS_MAX, "other", 0, 0 }, { INCIDENT_STATUS_MAX, NULL, 2, 2 },
	};
	const cJSON *f, *s;
	struct world w;
	cJSON *doc;

	world_init(&w, 1000, 10);
	world_scan_begin(&w);
	for (uint32_t pid = 100; pid < 106; pid += 2)
		world_orphan(&w, pid, "chromium", "smoke.sh", "x", 2);
	world_tick(&w);
	world_burn(&w, 100, 3, 3);
	doc = document(&w, runaway_doc_findings);
	assert_int_equal(cJSON_GetArraySize(doc), 3);
	f = cJSON_GetArrayItem(doc, 0);
	assert_text(f, "lane_id", "quick");
	assert_text(f, "severity", "P1");
	assert_true(cJSON_IsString(at(f, "since")));
	assert_true(cJSON_GetArraySize(at(f, "evidence")) >= 1);
	assert_true(strncmp(at(f, "incident_id")->valuestring, "inc_", 4) == 0);
	s = at(f, "subject");
	assert_true(at(s, "root_pid")->valueint >= 100);
	assert_text(s, "comm", "chromium");
	assert_text(s, "origin_comm", "smoke.sh");
	assert_null_at(s, "cgroup");
	cJSON_Delete(doc);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		doc = incidents(&w, table[i].status, table[i].lane, table[i].limit);
		assert_int_equal(cJSON_GetArraySize(doc), table[i].count);
		cJSON_Delete(doc);
	}
	world_free(&w);
}

static void test_lanes(void **state _unused_)
{
	static const struct {
		const char *id;
		int count;
	} table[] = { { NULL, 4 }, { "quick", 1 }, { "none", 0 } };
	struct world w;

	world_init(&w, 100, 10);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct json_writer j;
		cJSON *doc;

		json_init(&j, &b, false);
		runaway_doc_lanes(runaway_engine_lanes(w.engine), table[i].id, &j);
		doc = world_parse(&b);
		assert_int_equal(cJSON_GetArraySize(doc), table[i].count);
		cJSON_Delete(doc);
	}
	world_free(&w);
}

static void test_status(void **state _unused_)
{
	struct world w;
	cJSON *doc;

	smoke_world(&w);
	doc = document(&w, runaway_doc_status);
	assert_true(cJSON_IsTrue(at(doc, "up")));
	assert_text(doc, "version", "1.2.3");
	assert_text(doc, "host_label", "testhost");
	assert_text(doc, "cap_effective", "0000000000000000");
	assert_true(cJSON_IsTrue(at(doc, "privileges_dropped")));
	assert_text(at(doc, "features"), "cgroup_mode", "v2");
	assert_number(at(doc, "counters"), "program_misses", 7);
	assert_number(at(doc, "counters"), "records_dropped", 5);
	assert_number(doc, "orphans", 1);
	assert_text(at(doc, "continuity"), "pins", "none");
	assert_null_at(at(doc, "continuity"), "down_s");
	assert_true(cJSON_IsFalse(at(at(at(doc, "continuity"), "journal"), "failing")));
	assert_int_equal(cJSON_GetArraySize(at(doc, "lanes")), 4);
	assert_number(cJSON_GetArrayItem(at(doc, "lanes"), 3), "open_findings", 1);
	assert_true(cJSON_IsFalse(at(at(doc, "gate"), "enabled")));
	assert_null_at(at(doc, "gate"), "tier");
	assert_text(at(doc, "store"), "backend", "jsonl");
	assert_null_at(at(doc, "config"), "path");
	assert_null_at(doc, "listen_address");
	cJSON_Delete(doc);
	w.sensor.continuity = (struct runaway_continuity){ .pins = RUNAWAY_PINS_REPLACED,
							   .why = "of another build",
							   .until_ns = 5,
							   .down_ns = 5100 * NSEC_PER_MSEC };
	w.runtime.recalled_processes = 12;
	doc = document(&w, runaway_doc_status);
	assert_text(at(doc, "continuity"), "pins", "replaced");
	assert_text(at(doc, "continuity"), "why_replaced", "of another build");
	assert_number(at(doc, "continuity"), "down_s", 5.1);
	assert_number(at(doc, "continuity"), "recalled_processes", 12);
	assert_true(cJSON_IsFalse(at(at(doc, "continuity"), "whole")));
	cJSON_Delete(doc);
	w.runtime.cap_effective = 1 << 5;
	w.runtime.scan_ok = false;
	w.view.sensor = NULL;
	doc = document(&w, runaway_doc_status);
	assert_true(cJSON_IsFalse(at(doc, "privileges_dropped")));
	assert_text(doc, "cap_effective", "0000000000000020");
	assert_true(cJSON_IsFalse(at(doc, "up")));
	assert_null_at(doc, "features");
	assert_null_at(doc, "scan");
	cJSON_Delete(doc);
	world_free(&w);
}

static const cJSON *check_named(const cJSON *doc, const char *name)
{
	const cJSON *c;

	cJSON_ArrayForEach (c, at(doc, "checks"))
		if (strcmp(at(c, "name")->valuestring, name) == 0)
			return c;
	fail_msg("no check %s", name);
	return NULL;
}

static cJSON *doctor(const struct world *w, bool *ret_ok)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer j;
	cJSON *doc;

	json_init(&j, &b, false);
	runaway_doc_doctor(&w->view, &j, ret_ok);
	doc = world_parse(&b);
	assert_int_equal(cJSON_IsTrue(at(doc, "ok")), *ret_ok);
	return doc;
}

/* A failing check says how to mend it, a passing one does not. */
static void test_doctor(void **state _unused_)
{
	const cJSON *c;
	struct world w;
	cJSON *doc;
	bool ok;

	world_init(&w, 100, 10);
	w.runtime.textfile_path = "/nowhere/x.prom";
	doc = doctor(&w, &ok);
	assert_false(ok);
	cJSON_ArrayForEach (c, at(doc, "checks"))
		assert_int_equal(cJSON_IsNull(at(c, "mend")), cJSON_IsTrue(at(c, "ok")));
	assert_true(cJSON_IsTrue(at(check_named(doc, "btf"), "ok")));
	assert_true(cJSON_IsTrue(at(check_named(doc, "scan"), "ok")));
	assert_true(cJSON_IsTrue(at(check_named(doc, "privileges"), "ok")));
	assert_true(cJSON_IsTrue(at(check_named(doc, "store"), "ok")));
	assert_false(cJSON_IsTrue(at(check_named(doc, "events"), "ok")));
	assert_false(cJSON_IsTrue(at(check_named(doc, "program_misses"), "ok")));
	assert_false(cJSON_IsTrue(at(check_named(doc, "textfile"), "ok")));
	cJSON_Delete(doc);
	w.view.sensor = NULL;
	doc = doctor(&w, &ok);
	assert_false(ok);
	assert_false(cJSON_IsTrue(at(check_named(doc, "btf"), "ok")));
	assert_false(cJSON_IsTrue(at(check_named(doc, "scan"), "ok")));
	cJSON_Delete(doc);
	world_free(&w);
}

/* What a kernel lacks is said with what is done instead, and is no failure while that works. */
static void test_doctor_says_fallbacks(void **state _unused_)
{
	const cJSON *c;
	struct world w;
	cJSON *doc;
	bool ok;

	world_init(&w, 100, 10);
	w.sensor.features.hot_pass = w.sensor.features.counts_misses = false;
	strcpy(w.sensor.features.why_no_hot, "this kernel is old");
	strcpy(w.sensor.features.why_walk_by_bpf, "No such device");
	doc = doctor(&w, &ok);
	c = check_named(doc, "hot_pass");
	assert_true(cJSON_IsTrue(at(c, "ok")));
	assert_non_null(strstr(at(c, "detail")->valuestring, "this kernel is old"));
	c = check_named(doc, "program_misses");
	assert_true(cJSON_IsTrue(at(c, "ok")));
	assert_non_null(strstr(at(c, "detail")->valuestring, "not counted"));
	c = check_named(doc, "walk_file");
	assert_true(cJSON_IsTrue(at(c, "ok")));
	assert_non_null(strstr(at(c, "detail")->valuestring, "No such device"));
	cJSON_Delete(doc);
	w.runtime.scan_ok = false;
	doc = doctor(&w, &ok);
	c = check_named(doc, "walk_file");
	assert_true(cJSON_IsFalse(at(c, "ok")));
	assert_non_null(strstr(at(c, "mend")->valuestring, "/sys/fs/bpf"));
	cJSON_Delete(doc);
	world_free(&w);
}

/* Whatever hides a part of the host is told by one check, with its mend, and by the status. */
static void test_gaps(void **state _unused_)
{
	const cJSON *c, *gap;
	struct world w;
	cJSON *doc;
	bool ok;

	world_init(&w, 100, 10);
	w.sensor.stats.prog_count = 0;
	w.sensor.stats.kernel.dropped[RW_EXEC] = 0;
	doc = doctor(&w, &ok);
	assert_true(ok);
	cJSON_Delete(doc);
	/* A guard that the kernel skips guards nothing meanwhile. */
	w.runtime.gate = (struct runaway_gate_view){
		.enabled = true, .alive = true, .armed = true, .recursion_misses = 1
	};
	doc = doctor(&w, &ok);
	assert_false(ok);
	assert_true(cJSON_IsFalse(at(check_named(doc, "gate"), "ok")));
	cJSON_Delete(doc);
	w.runtime.gate = (struct runaway_gate_view){ 0 };
	doc = document(&w, runaway_doc_status);
	assert_int_equal(cJSON_GetArraySize(at(doc, "gaps")), 0);
	cJSON_Delete(doc);
	for (enum runaway_gap g = 0; g < RUNAWAY_GAP_MAX; g++) {
		const char *name = runaway_gap_name(g);

		w.sensor.features.gaps = 1u << g;
		doc = doctor(&w, &ok);
		assert_false(ok);
		c = check_named(doc, g == RUNAWAY_GAP_PROCFS ? "pid_namespace" : name);
		assert_true(cJSON_IsFalse(at(c, "ok")));
		assert_text(c, "detail", runaway_gap_what(g));
		assert_text(c, "mend", runaway_gap_mend(g));
		c = check_named(doc, "scan");
		assert_int_equal(cJSON_IsFalse(at(c, "ok")),
				 runaway_features_blind(&w.sensor.features));
		cJSON_Delete(doc);
		doc = document(&w, runaway_doc_status);
		assert_int_equal(cJSON_GetArraySize(at(doc, "gaps")), 1);
		gap = cJSON_GetArrayItem(at(doc, "gaps"), 0);
		assert_text(gap, "check", name);
		assert_text(gap, "mend", runaway_gap_mend(g));
		cJSON_Delete(doc);
	}
	world_free(&w);
}

static void test_scan_recent(void **state _unused_)
{
	struct world w;
	uint64_t age_ns, last_ns = 50 * NSEC_PER_SEC;

	world_init(&w, 100, 10);
	w.sensor.stats.scan_last_ns = last_ns;
	assert_true(runaway_view_scan_recent(&w.view, last_ns, &age_ns));
	assert_int_equal(age_ns, 0);
	assert_true(runaway_view_scan_recent(&w.view, last_ns + 3 * NSEC_PER_SEC, NULL));
	assert_false(runaway_view_scan_recent(&w.view, last_ns + 3 * NSEC_PER_SEC + 1, &age_ns));
	assert_int_equal(age_ns, 3 * NSEC_PER_SEC + 1);
	w.sensor.stats.scan_last_ns = 0;
	assert_false(runaway_view_scan_recent(&w.view, last_ns, &age_ns));
	assert_true(age_ns == UINT64_MAX);
	w.view.sensor = NULL;
	assert_false(runaway_view_scan_recent(&w.view, last_ns, NULL));
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_findings_and_incidents),
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_doctor),
		cmocka_unit_test(test_doctor_says_fallbacks),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_scan_recent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
