/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Legal steps, the documents that they leave, and that a new opening finds all of it again. */
#include "incident/harness.h"

static struct incident_step step_to(const struct harness *h, enum incident_status to)
{
	return (struct incident_step){
		.to = to,
		.realtime_ns = h->now_ns + REALTIME_OFFSET,
		.actor = "alice (uid 1001)",
		.reason = "because",
		.remediation = REMEDIATION_MAX,
	};
}

static void go(struct harness *h, const char *id, enum incident_status to)
{
	struct incident_step step = step_to(h, to);

	assert_int_equal(runaway_incident_step(h->s, id, &step), 0);
}

/* Written out a second time, from issue and docs: a slip in either shows here. */
static const char *const allowed[] = {
	"open>triaged",		 "open>resolved",	   "triaged>dry_run_ready",
	"triaged>resolved",	 "dry_run_ready>approved", "dry_run_ready>dry_run_ready",
	"approved>acting",	 "dry_run_ready>resolved", "approved>dry_run_ready",
	"approved>approved",	 "approved>resolved",	   "acting>post_check",
	"acting>approved",	 "acting>triaged",	   "acting>resolved",
	"post_check>post_check", "post_check>resolved",	   "post_check>dry_run_ready",
	"resolved>closed",
};

static void test_every_pair_of_states(void **state _unused_)
{
	size_t legal = 0;

	for (enum incident_status a = 0; a < INCIDENT_STATUS_MAX; a++)
		for (enum incident_status b = 0; b < INCIDENT_STATUS_MAX; b++) {
			char pair[64];
			bool listed = false;

			snprintf(pair, sizeof(pair), "%s>%s", runaway_incident_status_name(a),
				 runaway_incident_status_name(b));
			for (size_t n = 0; n < ARRAY_SIZE(allowed); n++)
				listed |= strcmp(pair, allowed[n]) == 0;
			if (runaway_incident_may(a, b) != listed)
				fail_msg("%s: expected %d", pair, listed);
			legal += listed;
		}
	assert_int_equal(legal, ARRAY_SIZE(allowed));
	assert_false(runaway_incident_may(INCIDENT_STATUS_MAX, INCIDENT_OPEN));
	assert_false(runaway_incident_may(INCIDENT_OPEN, INCIDENT_STATUS_MAX));
}

static void check_last_event(struct harness *h, const char *id, const char *old, const char *new,
			     const char *actor)
{
	_cleanup_cjson_ cJSON *doc = readback(h, id);
	const cJSON *events = runaway_json_get(doc, "events");
	const cJSON *e = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);

	assert_string_equal(runaway_json_str(e, "old", ""), old);
	assert_string_equal(runaway_json_str(e, "new", ""), new);
	assert_string_equal(runaway_json_str(e, "actor", ""), actor);
}

static void test_illegal_changes_nothing(void **state _unused_)
{
	struct harness h;
	struct incident_step step;
	struct incident *i;
	struct store_info before, after;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 7);
	runaway_store_info(h.s, &before);
	step = step_to(&h, INCIDENT_ACTING);
	step.document = "{}";
	assert_int_equal(runaway_incident_step(h.s, i->incident_id, &step), -EPROTO);
	step.to = INCIDENT_RESOLVED;
	assert_int_equal(runaway_incident_step(h.s, i->incident_id, &step), -EPROTO);
	assert_int_equal(runaway_incident_step(h.s, "inc_20260101_0000_00000000", &step), -ENOENT);
	assert_int_equal(
		runaway_incident_resolve(h.s, "inc_20260101_0000_00000000", "manual", &step),
		-ENOENT);
	assert_int_equal(runaway_incident_note(h.s, "inc_20260101_0000_00000000", "x", &step),
			 -ENOENT);
	runaway_store_info(h.s, &after);
	assert_int_equal(after.chain_length, before.chain_length);
	assert_int_equal(i->status, INCIDENT_OPEN);
	assert_int_equal(i->doc[INCIDENT_PLANS].count, 0);
	harness_end(&h);
}

static void add(struct harness *h, const char *id, enum incident_status to,
		enum incident_array array, const char *document, bool replace)
{
	struct incident_step step = step_to(h, to);

	step.document = document;
	step.array = array;
	step.replace = replace;
	assert_int_equal(runaway_incident_step(h->s, id, &step), 0);
}

static void reopen(struct harness *h)
{
	harness_close_store(h);
	harness_open_store(h);
}

#define PLAN "{\"n\":1,\"text\":\"a\\u001bb\",\"big\":\"18446744073709551615\"}"

static void test_the_whole_path_survives_reopening(void **state _unused_)
{
	struct harness h;
	const struct incident *i;
	struct incident_step step;
	size_t judged, succeeded;
	char id[40];

	harness_begin(&h);
	harness_open_store(&h);
	snprintf(id, sizeof(id), "%s", open_on(&h, 7)->incident_id);
	go(&h, id, INCIDENT_TRIAGED);
	check_last_event(&h, id, "open", "triaged", "alice (uid 1001)");
	add(&h, id, INCIDENT_DRY_RUN_READY, INCIDENT_PLANS, PLAN, false);
	add(&h, id, INCIDENT_APPROVED, INCIDENT_APPROVALS, "{\"by\":\"bob\"}", false);
	reopen(&h);
	i = runaway_store_find(h.s, id);
	assert_int_equal(i->status, INCIDENT_APPROVED);
	assert_int_equal(i->doc[INCIDENT_PLANS].count, 1);
	assert_string_equal(i->doc[INCIDENT_PLANS].item[0], PLAN);
	assert_string_equal(i->doc[INCIDENT_APPROVALS].item[0], "{\"by\":\"bob\"}");
	assert_int_equal(i->acted_realtime_ns, 0);

	tick(&h, NSEC_PER_SEC);
	add(&h, id, INCIDENT_ACTING, INCIDENT_ACTIONS, "{\"result\":null}", false);
	/* Asking is no attempt yet: the gate may refuse. */
	assert_int_equal(runaway_store_attempts_total(h.s, i->lane_id), 0);
	go(&h, id, INCIDENT_APPROVED);
	assert_int_equal(i->acted_realtime_ns, 0);
	go(&h, id, INCIDENT_ACTING);
	step = step_to(&h, INCIDENT_POST_CHECK);
	step.document = "{\"result\":\"sent\"}";
	step.array = INCIDENT_ACTIONS;
	step.replace = true;
	step.remediation = REMEDIATION_PENDING;
	assert_int_equal(runaway_incident_step(h.s, id, &step), 0);
	reopen(&h);
	i = runaway_store_find(h.s, id);
	assert_int_equal(i->doc[INCIDENT_ACTIONS].count, 1);
	assert_string_equal(i->doc[INCIDENT_ACTIONS].item[0], "{\"result\":\"sent\"}");
	assert_int_equal(i->acted_realtime_ns, h.now_ns + REALTIME_OFFSET);
	assert_int_equal(i->remediation, REMEDIATION_PENDING);
	assert_int_equal(runaway_store_attempts_total(h.s, i->lane_id), 1);
	runaway_store_remediations(h.s, 0, &judged, &succeeded);
	assert_int_equal(judged, 0);

	step = step_to(&h, INCIDENT_RESOLVED);
	step.document = "{\"ok\":true}";
	step.array = INCIDENT_POST_CHECKS;
	step.remediation = REMEDIATION_SUCCEEDED;
	assert_int_equal(runaway_incident_resolve(h.s, id, "remediated", &step), 0);
	/* The second time is no event, no document and no count. */
	assert_int_equal(runaway_incident_resolve(h.s, id, "manual", &step), 0);
	reopen(&h);
	i = runaway_store_find(h.s, id);
	assert_int_equal(i->status, INCIDENT_RESOLVED);
	assert_string_equal(i->resolution_path, "remediated");
	assert_int_equal(i->doc[INCIDENT_POST_CHECKS].count, 1);
	assert_int_equal(runaway_store_resolved_total(h.s, i->lane_id, "remediated"), 1);
	assert_int_equal(runaway_store_resolved_total(h.s, i->lane_id, "manual"), 0);
	runaway_store_remediations(h.s, 0, &judged, &succeeded);
	assert_int_equal(judged, 1);
	assert_int_equal(succeeded, 1);
	runaway_store_remediations(h.s, h.now_ns + REALTIME_OFFSET + 1, &judged, &succeeded);
	assert_int_equal(judged, 0);
	assert_true(verified(&h, NULL));
	harness_end(&h);
}

static void test_readback_has_the_arrays(void **state _unused_)
{
	static const char *const names[] = { "plans", "approvals", "actions", "post_checks" };
	_cleanup_cjson_ cJSON *doc = NULL;
	struct harness h;
	char id[40];

	harness_begin(&h);
	harness_open_store(&h);
	snprintf(id, sizeof(id), "%s", open_on(&h, 7)->incident_id);
	go(&h, id, INCIDENT_TRIAGED);
	add(&h, id, INCIDENT_DRY_RUN_READY, INCIDENT_PLANS, PLAN, false);
	doc = readback(&h, id);
	for (enum incident_array a = 0; a < INCIDENT_ARRAYS; a++) {
		const cJSON *array = runaway_json_get(doc, names[a]);

		assert_string_equal(runaway_incident_array_name(a), names[a]);
		assert_true(cJSON_IsArray(array));
		assert_int_equal(cJSON_GetArraySize(array), a == INCIDENT_PLANS);
	}
	harness_end(&h);
}

static void test_documents_are_bounded(void **state _unused_)
{
	const struct incident_documents *plans;
	struct harness h;
	char id[40];

	harness_begin(&h);
	harness_open_store(&h);
	snprintf(id, sizeof(id), "%s", open_on(&h, 7)->incident_id);
	go(&h, id, INCIDENT_TRIAGED);
	for (int n = 0; n < INCIDENT_DOCUMENTS_MAX + 3; n++) {
		char text[32];

		snprintf(text, sizeof(text), "{\"n\":%d}", n);
		add(&h, id, INCIDENT_DRY_RUN_READY, INCIDENT_PLANS, text, false);
	}
	for (int round = 0; round < 2; round++) {
		plans = &runaway_store_find(h.s, id)->doc[INCIDENT_PLANS];
		assert_int_equal(plans->count, INCIDENT_DOCUMENTS_MAX);
		assert_string_equal(plans->item[0], "{\"n\":3}");
		assert_string_equal(plans->item[INCIDENT_DOCUMENTS_MAX - 1], "{\"n\":18}");
		reopen(&h);
	}
	harness_end(&h);
}

static void test_the_post_check_judges_before_the_finding_ends(void **state _unused_)
{
	struct harness h;
	const struct incident *i;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 7);
	go(&h, i->incident_id, INCIDENT_TRIAGED);
	go(&h, i->incident_id, INCIDENT_DRY_RUN_READY);
	go(&h, i->incident_id, INCIDENT_APPROVED);
	go(&h, i->incident_id, INCIDENT_ACTING);
	assert_int_equal(runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m), 0);
	assert_int_equal(i->status, INCIDENT_ACTING);
	go(&h, i->incident_id, INCIDENT_POST_CHECK);
	assert_int_equal(runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m), 0);
	assert_int_equal(i->status, INCIDENT_POST_CHECK);
	harness_end(&h);
}

static void test_a_note_changes_no_state(void **state _unused_)
{
	struct harness h;
	struct incident_step what;
	const struct incident *i;

	harness_begin(&h);
	harness_open_store(&h);
	i = open_on(&h, 7);
	what = step_to(&h, INCIDENT_CLOSED);
	what.data = "{\"signal\":9}";
	assert_int_equal(runaway_incident_note(h.s, i->incident_id, "signal", &what), 0);
	assert_int_equal(i->status, INCIDENT_OPEN);
	check_last_event(&h, i->incident_id, "open", "open", "alice (uid 1001)");
	reopen(&h);
	assert_true(verified(&h, NULL));
	assert_true(runaway_store_durable(h.s));
	harness_end(&h);
}

static void test_drills_are_not_counted(void **state _unused_)
{
	struct harness h;
	struct runaway_finding f;
	struct incident_step step;
	struct incident *i;
	size_t judged, succeeded;

	harness_begin(&h);
	harness_open_store(&h);
	for (uint32_t pid = 7; pid < 9; pid++) {
		f = finding_on(&h, pid);
		assert_int_equal(runaway_incident_open_drill(h.s, &f, h.m, &i), 0);
		assert_true(i->drill);
		assert_string_equal(i->recurrence_of, "");
		go(&h, i->incident_id, INCIDENT_TRIAGED);
		go(&h, i->incident_id, INCIDENT_DRY_RUN_READY);
		go(&h, i->incident_id, INCIDENT_APPROVED);
		go(&h, i->incident_id, INCIDENT_ACTING);
		go(&h, i->incident_id, INCIDENT_POST_CHECK);
		step = step_to(&h, INCIDENT_RESOLVED);
		step.remediation = REMEDIATION_SUCCEEDED;
		assert_int_equal(runaway_incident_resolve(h.s, i->incident_id, "remediated", &step),
				 0);
	}
	for (int round = 0; round < 2; round++) {
		assert_int_equal(runaway_store_attempts_total(h.s, f.lane->lane_id), 0);
		runaway_store_remediations(h.s, 0, &judged, &succeeded);
		assert_int_equal(judged + succeeded, 0);
		reopen(&h);
	}
	harness_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_of_states),
		cmocka_unit_test(test_illegal_changes_nothing),
		cmocka_unit_test(test_the_whole_path_survives_reopening),
		cmocka_unit_test(test_readback_has_the_arrays),
		cmocka_unit_test(test_documents_are_bounded),
		cmocka_unit_test(test_the_post_check_judges_before_the_finding_ends),
		cmocka_unit_test(test_a_note_changes_no_state),
		cmocka_unit_test(test_drills_are_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
