/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open incident whose finding goes on with another root of its group. */
#include "incident/harness.h"

static void step_to(struct harness *h, const char *id, enum incident_status to,
		    enum incident_remediation remediation)
{
	const struct incident_step step = {
		.to = to,
		.realtime_ns = h->now_ns + REALTIME_OFFSET,
		.reason = "test",
		.remediation = remediation,
	};

	assert_int_equal(runaway_incident_step(h->s, id, &step), 0);
}

/* The same finding, of the same incident, about `pid`. */
static void observe_as(struct harness *h, const char *incident_id, uint32_t pid)
{
	struct runaway_finding f = finding_on(h, pid);

	strcpy(f.incident_id, incident_id);
	tick(h, NSEC_PER_SEC);
	runaway_incident_observe(h->s, &f, h->m);
}

static size_t events_of(struct harness *h, const char *id)
{
	_cleanup_cjson_ cJSON *doc = readback(h, id);

	return (size_t)cJSON_GetArraySize(runaway_json_get(doc, "events"));
}

static void test_one_incident_another_root(void **state _unused_)
{
	_cleanup_cjson_ cJSON *doc = NULL;
	const cJSON *event, *to;
	struct incident *i;
	struct harness h;
	char id[40];

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 77);
	strcpy(id, i->incident_id);
	observe_as(&h, id, 77);
	assert_int_equal(events_of(&h, id), 1);
	observe_as(&h, id, 78);
	observe_as(&h, id, 78);
	assert_int_equal(i->root.pid, 78);
	assert_string_equal(i->subject_key, "orphan_tree:78:78000");
	assert_int_equal(i->updated_realtime_ns, h.now_ns - NSEC_PER_SEC + REALTIME_OFFSET);

	/* What was written says the same, and a finding about the new root is this incident's. */
	harness_close_store(&h);
	harness_open_store(&h);
	i = open_on(&h, 78);
	assert_string_equal(i->incident_id, id);
	assert_int_equal(i->root.start_ns, 78000);
	assert_int_equal(i->status, INCIDENT_OPEN);
	doc = readback(&h, id);
	assert_int_equal(events_of(&h, id), 2);
	event = cJSON_GetArrayItem(runaway_json_get(doc, "events"), 1);
	assert_string_equal(runaway_json_str(event, "type", ""), "subject");
	assert_string_equal(runaway_json_str(event, "old", ""), "open");
	assert_string_equal(runaway_json_str(event, "new", ""), "open");
	to = runaway_json_get(runaway_json_get(event, "data"), "to");
	assert_int_equal(runaway_json_u64(to, "root_pid", 0), 78);
	assert_string_equal(runaway_json_str(runaway_json_get(doc, "finding"), "subject_key", ""),
			    "orphan_tree:78:78000");
	assert_true(verified(&h, NULL));
	harness_end(&h);
}

/* While the gate acts, the root's end is the question that the post-check answers. */
static void test_not_while_the_gate_acts(void **state _unused_)
{
	struct incident *i;
	struct harness h;
	char id[40];

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 77);
	strcpy(id, i->incident_id);
	step_to(&h, id, INCIDENT_TRIAGED, REMEDIATION_MAX);
	step_to(&h, id, INCIDENT_DRY_RUN_READY, REMEDIATION_MAX);
	step_to(&h, id, INCIDENT_APPROVED, REMEDIATION_MAX);
	step_to(&h, id, INCIDENT_ACTING, REMEDIATION_MAX);
	observe_as(&h, id, 78);
	assert_int_equal(i->root.pid, 77);
	step_to(&h, id, INCIDENT_POST_CHECK, REMEDIATION_PENDING);
	observe_as(&h, id, 78);
	assert_int_equal(i->root.pid, 77);
	step_to(&h, id, INCIDENT_POST_CHECK, REMEDIATION_FAILED);
	observe_as(&h, id, 78);
	assert_int_equal(i->root.pid, 78);
	assert_int_equal(i->status, INCIDENT_POST_CHECK);
	assert_int_equal(i->remediation, REMEDIATION_FAILED);
	harness_end(&h);
}

static void test_a_resolved_one_stays_as_it_is(void **state _unused_)
{
	struct incident *i;
	struct harness h;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 77);
	assert_int_equal(runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m), 0);
	observe_as(&h, i->incident_id, 78);
	assert_int_equal(i->root.pid, 77);
	assert_int_equal(events_of(&h, i->incident_id), 2);
	harness_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_incident_another_root),
		cmocka_unit_test(test_not_while_the_gate_acts),
		cmocka_unit_test(test_a_resolved_one_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
