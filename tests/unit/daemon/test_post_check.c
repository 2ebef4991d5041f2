// SPDX-License-Identifier: GPL-2.0-or-later
/* After the signal: who of the tree is left, also of those whom nobody had named. */
#include "incident/records.h"

#include "base/clock.h"
#include "daemon/daemon.h"

#define OLD   90  /* forked by the root before it was asked, and on its own since */
#define ROOT  100 /* the target */
#define CHILD 101 /* named in the action */
#define LATE  102 /* forked by the root when it was told to end */
#define DEEP  103 /* forked by that one */
#define OTHER 104 /* of somebody else, as late */

static struct harness h;
static struct daemon d;
static char incident[40];

#define ID(pid) "{\"pid\":" #pid ",\"start_ns\":\"" #pid "000000\"}"

static void signal_was_sent(void)
{
	char at[RUNAWAY_RFC3339_LEN], action[512];

	/* Behind the root's start and its child's. */
	runaway_rfc3339(runaway_model_realtime(h.m, id_of(CHILD).start_ns + 500000), at);
	snprintf(action, sizeof(action), "{\"asked_at\":\"%s\",\"tree\":[" ID(100) "," ID(101) "]}",
		 at);
	go(&h, incident, INCIDENT_TRIAGED, INCIDENT_PLANS, NULL);
	go(&h, incident, INCIDENT_DRY_RUN_READY, INCIDENT_PLANS,
	   "{\"plan_sha256\":\"x\",\"plan\":{\"targets\":[" ID(100) "]}}");
	go(&h, incident, INCIDENT_APPROVED, INCIDENT_APPROVALS, "{}");
	go(&h, incident, INCIDENT_ACTING, INCIDENT_ACTIONS, action);
	go(&h, incident, INCIDENT_POST_CHECK, INCIDENT_ACTIONS, NULL);
}

static int set_up(void **state _unused_)
{
	struct runaway_finding f;
	struct incident *i;

	harness_begin(&h);
	harness_open_store(&h);
	d = (struct daemon){ .model = h.m, .store = h.s };
	assert_int_equal(runaway_engine_new(&daemon_engine_ops, &d, &d.engine), 0);
	rec_fork(&h, ROOT, init_id(), ROOT, (struct rw_id){ 0 }, "root");
	rec_fork(&h, OLD, id_of(ROOT), OLD, (struct rw_id){ 0 }, "old");
	rec_reparent(&h, OLD, ROOT, OLD);
	rec_fork(&h, CHILD, id_of(ROOT), ROOT, (struct rw_id){ 0 }, "child");
	f = finding_on(&h, ROOT);
	f.subject.id.start_ns = id_of(ROOT).start_ns;
	assert_int_equal(runaway_incident_open(h.s, &f, h.m, &i), 0);
	snprintf(incident, sizeof(incident), "%s", i->incident_id);
	signal_was_sent();
	return 0;
}

static int tear_down(void **state _unused_)
{
	runaway_engine_free(d.engine);
	free(d.gate.due);
	harness_end(&h);
	return 0;
}

static const struct incident *check(void)
{
	post_check_schedule(&d, incident, 0);
	post_check_tick(&d);
	return runaway_store_find(h.s, incident);
}

static void expect_survivors(const uint32_t *pids, size_t count)
{
	_cleanup_cjson_ cJSON *doc = readback(&h, incident);
	const cJSON *checks = runaway_json_get(doc, "post_checks");
	const cJSON *last = cJSON_GetArrayItem(checks, cJSON_GetArraySize(checks) - 1);
	const cJSON *s = runaway_json_get(last, "survivors");

	assert_int_equal(cJSON_GetArraySize(s), count);
	for (size_t n = 0; n < count; n++)
		assert_int_equal(runaway_json_num(cJSON_GetArrayItem(s, (int)n), "pid", 0),
				 pids[n]);
}

static void root_ends(uint32_t heir)
{
	rec_exit(&h, ROOT, 0, "root");
	rec_reparent(&h, heir, ROOT, ROOT);
}

static void test_all_have_gone(void **state _unused_)
{
	rec_fork(&h, OTHER, init_id(), OTHER, (struct rw_id){ 0 }, "other");
	root_ends(CHILD);
	rec_exit(&h, CHILD, 0, "child");
	/* What had left the tree before is not of it, nor is what others do. */
	assert_int_equal(check()->status, INCIDENT_RESOLVED);
	assert_string_equal(runaway_store_find(h.s, incident)->resolution_path, "remediated");
}

static void test_a_member_survives(void **state _unused_)
{
	root_ends(CHILD);
	assert_int_equal(check()->status, INCIDENT_POST_CHECK);
	expect_survivors((const uint32_t[]){ CHILD }, 1);
}

/* The root forked at SIGTERM and ended: the tree lives, and nobody in it was named. */
static void test_what_was_forked_at_the_signal_survives(void **state _unused_)
{
	rec_fork(&h, LATE, id_of(ROOT), ROOT, (struct rw_id){ 0 }, "late");
	rec_exit(&h, CHILD, 0, "child");
	root_ends(LATE);
	assert_int_equal(check()->status, INCIDENT_POST_CHECK);
	expect_survivors((const uint32_t[]){ LATE }, 1);
	/* And its own child behind it. */
	rec_fork(&h, DEEP, id_of(LATE), ROOT, (struct rw_id){ 0 }, "deep");
	assert_int_equal(check()->status, INCIDENT_POST_CHECK);
	expect_survivors((const uint32_t[]){ LATE, DEEP }, 2);
	rec_exit(&h, LATE, 0, "late");
	rec_reparent(&h, DEEP, LATE, ROOT);
	assert_int_equal(check()->status, INCIDENT_POST_CHECK);
	expect_survivors((const uint32_t[]){ DEEP }, 1);
	rec_exit(&h, DEEP, 0, "deep");
	assert_int_equal(check()->status, INCIDENT_RESOLVED);
}

/* A member that lives has its children with it. */
static void test_children_of_survivors_are_told(void **state _unused_)
{
	root_ends(CHILD);
	rec_fork(&h, LATE, id_of(CHILD), ROOT, (struct rw_id){ 0 }, "late");
	assert_int_equal(check()->status, INCIDENT_POST_CHECK);
	expect_survivors((const uint32_t[]){ CHILD, LATE }, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_have_gone),
		TEST(test_a_member_survives),
		TEST(test_what_was_forked_at_the_signal_survives),
		TEST(test_children_of_survivors_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
