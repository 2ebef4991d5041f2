/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals that were read before there was a store to note them in. */
#include "incident/records.h"

#include <signal.h>

#include "daemon/daemon.h"
#include "sensor/sensor_priv.h"

#define ROOT  100
#define CHILD 101

static struct harness h;
static struct daemon d;
static struct runaway_sensor sensor; /* of which nobody is watched */
static char incident[40];

static int set_up(void **state _unused_)
{
	struct runaway_finding f;
	struct incident *i;

	harness_begin(&h);
	harness_open_store(&h);
	d = (struct daemon){ .model = h.m, .sensor = &sensor };
	assert_int_equal(runaway_engine_new(&daemon_engine_ops, &d, &d.engine), 0);
	rec_fork(&h, ROOT, init_id(), ROOT, (struct rw_id){ 0 }, "root");
	rec_fork(&h, CHILD, id_of(ROOT), ROOT, (struct rw_id){ 0 }, "child");
	f = finding_on(&h, ROOT);
	f.subject.id.start_ns = id_of(ROOT).start_ns;
	assert_int_equal(runaway_incident_open(h.s, &f, h.m, &i), 0);
	snprintf(incident, sizeof(incident), "%s", i->incident_id);
	return 0;
}

static int tear_down(void **state _unused_)
{
	runaway_engine_free(d.engine);
	free(d.gate.watched);
	harness_end(&h);
	return 0;
}

static void seen_with(uint32_t pid, uint32_t flags)
{
	struct rw_signal r = { .hdr = { .time_ns = h.now_ns },
			       .id = id_of(pid),
			       .sender = { .pid = 7, .start_ns = 7 },
			       .sig = SIGTERM,
			       .flags = flags,
			       .comm = "target",
			       .sender_comm = "somebody" };

	signals_seen(&d, &r);
}

static void seen(uint32_t pid)
{
	seen_with(pid, 0);
}

static void adopt(void)
{
	d.store = h.s;
	signals_adopt(&d);
	assert_null(d.gate.early);
	assert_int_equal(d.gate.early_count, 0);
}

static void test_root_and_child_are_told(void **state _unused_)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *e;
	size_t n = 0;

	seen(CHILD);
	seen(ROOT);
	seen(4711); /* of no incident */
	assert_int_equal(d.gate.early_count, 3);
	adopt();
	assert_int_equal(runaway_incident_notes(d.store, incident), 2);
	doc = readback(&h, incident);
	cJSON_ArrayForEach (e, runaway_json_get(doc, "events")) {
		const cJSON *data = runaway_json_get(e, "data");
		const cJSON *target = runaway_json_get(data, "target");

		if (strcmp(runaway_json_str(e, "type", ""), "signal") != 0)
			continue;
		assert_string_equal(runaway_json_str(data, "name", ""), "SIGTERM");
		assert_int_equal(runaway_json_num(target, "pid", 0), n++ == 0 ? CHILD : ROOT);
	}
	assert_int_equal(n, 2);
}

static void test_what_the_target_does_with_it(void **state _unused_)
{
	static const struct {
		uint32_t flags;
		bool handled, ignored;
		const char *reason;
	} kind[] = {
		{ 0, false, false, "somebody (pid 7, uid 0) sent SIGTERM to target (pid 100)" },
		{ RW_SF_HANDLED, true, false,
		  "somebody (pid 7, uid 0) sent SIGTERM to target (pid 100)" },
		{ RW_SF_IGNORED, false, true,
		  "somebody (pid 7, uid 0) sent SIGTERM to target (pid 100), which ignored it" },
		{ RW_SF_IGNORED | RW_SF_KERNEL, false, true,
		  "the kernel sent SIGTERM to target (pid 100), which ignored it" },
	};
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *e;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kind); i++)
		seen_with(ROOT, kind[i].flags);
	adopt();
	doc = readback(&h, incident);
	cJSON_ArrayForEach (e, runaway_json_get(doc, "events")) {
		const cJSON *data = runaway_json_get(e, "data");

		if (strcmp(runaway_json_str(e, "type", ""), "signal") != 0)
			continue;
		assert_int_equal(runaway_json_true(data, "handled", false), kind[n].handled);
		assert_int_equal(runaway_json_true(data, "ignored", false), kind[n].ignored);
		assert_string_equal(runaway_json_str(e, "reason", ""), kind[n++].reason);
	}
	assert_int_equal(n, ARRAY_SIZE(kind));
}

static void test_incidents_that_are_over_stay_as_they_are(void **state _unused_)
{
	const struct incident_step how = { .remediation = REMEDIATION_MAX };

	assert_int_equal(runaway_incident_resolve(h.s, incident, "manual", &how), 0);
	seen(ROOT);
	adopt();
	assert_int_equal(runaway_incident_notes(d.store, incident), 0);
}

static void test_a_flood_is_counted(void **state _unused_)
{
	for (int i = 0; i < 2000; i++)
		seen(ROOT);
	assert_int_equal(d.runtime.gate.signals_dropped, 2000 - d.gate.early_count);
	assert_in_range(d.gate.early_count, 200, 1999);
	adopt();
	assert_int_equal(runaway_incident_notes(d.store, incident), 200);
	assert_int_equal(d.runtime.gate.signals_dropped, 1800);
}

/* The finding is over, a member lives on: who ends it then is noted as before. */
static void test_survivors_are_watched(void **state _unused_)
{
	go(&h, incident, INCIDENT_TRIAGED, INCIDENT_PLANS, NULL);
	go(&h, incident, INCIDENT_DRY_RUN_READY, INCIDENT_PLANS,
	   "{\"plan_sha256\":\"x\",\"plan\":{\"targets\":[{\"pid\":100,\"start_ns\":\"100000000\"}]"
	   "}}");
	adopt();
	assert_int_equal(d.gate.watched_count, 0);
	go(&h, incident, INCIDENT_APPROVED, INCIDENT_APPROVALS, "{}");
	go(&h, incident, INCIDENT_ACTING, INCIDENT_ACTIONS,
	   "{\"tree\":[{\"pid\":100,\"start_ns\":\"100000000\"},{\"pid\":101,\"start_ns\":"
	   "\"101000000\"},"
	   "{\"pid\":4711,\"start_ns\":\"1\"}]}");
	rec_reparent(&h, CHILD, ROOT, ROOT);
	rec_exit(&h, ROOT, 0, "root");
	signals_update(&d);
	assert_int_equal(d.gate.watched_count, 1);
	assert_int_equal(d.gate.watched[0].id.pid, CHILD);
	go(&h, incident, INCIDENT_POST_CHECK, INCIDENT_ACTIONS, NULL);
	signals_update(&d);
	assert_int_equal(d.gate.watched_count, 1);
	seen(CHILD);
	assert_int_equal(runaway_incident_notes(d.store, incident), 1);
	assert_int_equal(d.runtime.gate.signals_unwatched, 0);
}

static void test_who_is_too_many_is_counted(void **state _unused_)
{
	struct drill two[2] = { { .finding = finding_on(&h, ROOT) },
				{ .finding = finding_on(&h, ROOT) } };

	for (uint32_t pid = 1000; pid < 3100; pid++)
		rec_fork(&h, pid, id_of(ROOT), ROOT, (struct rw_id){ 0 }, "many");
	for (size_t n = 0; n < 2; n++) {
		two[n].finding.subject.id.start_ns = id_of(ROOT).start_ns;
		strcpy(two[n].finding.incident_id, "an incident");
	}
	two[0].next = &two[1];
	adopt();
	d.gate.drills = two;
	/* Each has the root, its first child and 2,100 more. */
	signals_update(&d);
	signals_update(&d);
	assert_int_equal(d.gate.watched_count, 4096);
	assert_int_equal(d.runtime.gate.signals_unwatched, 2 * 2102 - 4096);
	d.gate.drills = NULL;
	signals_update(&d);
	assert_int_equal(d.runtime.gate.signals_unwatched, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_root_and_child_are_told),
		TEST(test_what_the_target_does_with_it),
		TEST(test_incidents_that_are_over_stay_as_they_are),
		TEST(test_a_flood_is_counted),
		TEST(test_survivors_are_watched),
		TEST(test_who_is_too_many_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
