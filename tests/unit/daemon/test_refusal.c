/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon refuses is counted, told to its incident, and cannot flood it. */
#include "incident/harness.h"

#include "daemon/daemon.h"

static struct harness h;
static struct daemon d;
static char incident[40];

static int set_up(void **state _unused_)
{
	harness_begin(&h);
	harness_open_store(&h);
	d = (struct daemon){ .store = h.s, .model = h.m };
	snprintf(incident, sizeof(incident), "%s", open_on(&h, 100)->incident_id);
	return 0;
}

static int tear_down(void **state _unused_)
{
	harness_end(&h);
	return 0;
}

static struct refusal refusal(enum runaway_reason reason)
{
	return (struct refusal){ .reason = reason,
				 .call = "incident.approve",
				 .actor = "mail (uid 8)",
				 .incident_id = incident,
				 .plan_sha256 = "abcd",
				 .why = "a reason in words" };
}

/* Events of that type; *ret_last (may be NULL) is borrowed from doc. */
static size_t refused(const cJSON *doc, const cJSON **ret_last)
{
	const cJSON *e;
	size_t n = 0;

	cJSON_ArrayForEach (e, runaway_json_get(doc, "events"))
		if (strcmp(runaway_json_str(e, "type", ""), "refused") == 0) {
			n++;
			if (ret_last)
				*ret_last = e;
		}
	return n;
}

static void test_counted_and_noted(void **state _unused_)
{
	const struct refusal r = refusal(RUNAWAY_REASON_APPROVAL_SELF);
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *e = NULL, *data;

	refusal_by_daemon(&d, &r);
	doc = readback(&h, incident);
	assert_int_equal(refused(doc, &e), 1);
	data = runaway_json_get(e, "data");
	assert_string_equal(runaway_json_str(e, "actor", ""), "mail (uid 8)");
	assert_string_equal(runaway_json_str(e, "reason", ""), "a reason in words");
	assert_string_equal(runaway_json_str(data, "refused", ""), "approval_self");
	assert_string_equal(runaway_json_str(data, "call", ""), "incident.approve");
	assert_string_equal(runaway_json_str(data, "plan_sha256", ""), "abcd");
	assert_int_equal(d.runtime.gate.refused_here[RUNAWAY_REASON_APPROVAL_SELF], 1);
	/* The gate counts its own. */
	refusal_by_gate(&d, &r);
	cJSON_Delete(TAKE_PTR(doc));
	doc = readback(&h, incident);
	assert_int_equal(refused(doc, NULL), 2);
	assert_int_equal(d.runtime.gate.refused_here[RUNAWAY_REASON_APPROVAL_SELF], 1);
}

/* About an incident that there is not, or about none. */
static void test_nothing_to_note_in(void **state _unused_)
{
	struct refusal r = refusal(RUNAWAY_REASON_NOT_PERMITTED);

	r.incident_id = "inc_20200101_0000_00000000";
	refusal_by_daemon(&d, &r);
	r.incident_id = "";
	refusal_by_daemon(&d, &r);
	assert_int_equal(d.runtime.gate.refused_here[RUNAWAY_REASON_NOT_PERMITTED], 2);
	assert_int_equal(runaway_incident_notes(d.store, incident), 0);
}

static void test_floods(void **state _unused_)
{
	const struct refusal r = refusal(RUNAWAY_REASON_PLAN_OTHER);

	for (int i = 0; i < 1000; i++)
		refusal_by_daemon(&d, &r);
	assert_int_equal(d.runtime.gate.refused_here[RUNAWAY_REASON_PLAN_OTHER], 1000);
	assert_in_range(runaway_incident_notes(d.store, incident), RUNAWAY_RATION_AT_ONCE, 99);
	assert_true(d.gate.untold > 800);
	/* However long it goes on: half of an incident's notes are left to signals. */
	for (int i = 0; i < 1000; i++) {
		d.gate.refusals = (struct runaway_ration){ 0 };
		refusal_by_daemon(&d, &r);
	}
	assert_int_equal(runaway_incident_notes(d.store, incident), 100);
}

static void test_a_role_that_is_missing(void **state _unused_)
{
	_cleanup_cjson_ cJSON *params = cJSON_CreateObject(), *doc = NULL;
	const struct runaway_call call = { .method = "incident.apply",
					   .peer = { .uid = 0, .role = ROLE_VIEWER },
					   .params = params };
	const cJSON *e = NULL;

	assert_non_null(cJSON_AddStringToObject(params, "id", incident));
	assert_non_null(cJSON_AddNumberToObject(params, "plan", 7));
	daemon_denied(&d, &call);
	doc = readback(&h, incident);
	assert_int_equal(refused(doc, &e), 1);
	assert_string_equal(runaway_json_str(e, "actor", ""), "root (uid 0)");
	e = runaway_json_get(e, "data");
	assert_string_equal(runaway_json_str(e, "refused", ""), "not_permitted");
	assert_string_equal(runaway_json_str(e, "call", ""), "incident.apply");
	assert_int_equal(d.runtime.gate.refused_here[RUNAWAY_REASON_NOT_PERMITTED], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counted_and_noted),
		TEST(test_nothing_to_note_in),
		TEST(test_floods),
		TEST(test_a_role_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
