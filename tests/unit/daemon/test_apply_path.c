// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's part of a signal's path: asked, looked at services, asked the gate, told what
 * came of it. Services and gate are the test's: they answer when it says so.
 *
 * linked with --wrap: health_ask gate_link_ask gate_link_alive runaway_control_reply
 */
#include "incident/records.h"

#include "daemon/daemon.h"
#include "daemon/reply.h"

#define ROOT 100
#define ASKS 4

static struct harness h;
static struct daemon d;
static struct runaway_sensor *const no_sensor;
static char incident[40], sha[RUNAWAY_SHA256_HEX];
static unsigned int plans;

/* What waits for the services, and for the gate. */
static struct {
	health_fn fn;
	void *ctx;
} looking[ASKS];
static struct {
	gate_answer_fn fn;
	void *ctx;
} asked[ASKS];
static size_t looks, asks;
static int ask_error;

int __wrap_health_ask(struct health *health, const struct gate_config *g, health_fn fn, void *ctx);
int __wrap_gate_link_ask(struct gate_link *l, const char *type, const char *members,
			 gate_answer_fn fn, void *ctx);
bool __wrap_gate_link_alive(const struct gate_link *l);

int __wrap_health_ask(struct health *health _unused_, const struct gate_config *g _unused_,
		      health_fn fn, void *ctx)
{
	assert_true(looks < ASKS);
	looking[looks].fn = fn;
	looking[looks++].ctx = ctx;
	return 0;
}

int __wrap_gate_link_ask(struct gate_link *l _unused_, const char *type,
			 const char *members _unused_, gate_answer_fn fn, void *ctx)
{
	/* Its state, and what it is told of refusals, are not the point here. */
	if (strcmp(type, "apply") != 0)
		return -ENOMEM;
	if (ask_error)
		return ask_error;
	assert_true(asks < ASKS);
	asked[asks].fn = fn;
	asked[asks++].ctx = ctx;
	return 0;
}

bool __wrap_gate_link_alive(const struct gate_link *l _unused_)
{
	return true;
}

static const struct incident *now(void)
{
	return runaway_store_find(h.s, incident);
}

/* A new plan, and somebody's approval of it. */
static void approve_new_plan(void)
{
	char plan[64], document[256];

	snprintf(plan, sizeof(plan), "{\"number\":%u}", ++plans);
	runaway_sha256_hex(plan, strlen(plan), sha);
	snprintf(document, sizeof(document), "{\"plan_sha256\":\"%s\",\"plan\":%s}", sha, plan);
	go(&h, incident, INCIDENT_DRY_RUN_READY, INCIDENT_PLANS, document);
	go(&h, incident, INCIDENT_APPROVED, INCIDENT_APPROVALS,
	   "{\"signed\":false,\"approval\":{\"by\":1}}");
}

static int set_up(void **state _unused_)
{
	struct runaway_finding f;
	struct incident *i;

	harness_begin(&h);
	harness_open_store(&h);
	d = (struct daemon){ .model = h.m,
			     .store = h.s,
			     .sensor = no_sensor,
			     .gate = { .folder_fd = open(h.dir, O_RDONLY | O_DIRECTORY) } };
	assert_int_equal(runaway_engine_new(&daemon_engine_ops, &d, &d.engine), 0);
	rec_fork(&h, ROOT, init_id(), ROOT, (struct rw_id){ 0 }, "root");
	f = finding_on(&h, ROOT);
	f.subject.id.start_ns = id_of(ROOT).start_ns;
	assert_int_equal(runaway_incident_open(h.s, &f, h.m, &i), 0);
	snprintf(incident, sizeof(incident), "%s", i->incident_id);
	go(&h, incident, INCIDENT_TRIAGED, INCIDENT_PLANS, NULL);
	approve_new_plan();
	looks = asks = replies = 0;
	ask_error = 0;
	return 0;
}

static int tear_down(void **state _unused_)
{
	runaway_engine_free(d.engine);
	free(d.gate.due);
	close(d.gate.folder_fd);
	harness_end(&h);
	return 0;
}

static void apply(uint64_t token, const char *plan_sha256)
{
	_cleanup_cjson_ cJSON *params = cJSON_CreateObject();
	const struct runaway_call call = { .method = "incident.apply",
					   .params = params,
					   .token = token };

	cJSON_AddStringToObject(params, "id", incident);
	cJSON_AddStringToObject(params, "plan", plan_sha256);
	daemon_call(&d, &call);
}

static void services_answer(size_t n)
{
	looking[n].fn(looking[n].ctx, NULL, 0);
}

static void gate_answers(size_t n, const char *text)
{
	_cleanup_cjson_ cJSON *answer = NULL;

	assert_int_equal(runaway_json_parse(text, strlen(text), &answer, NULL), 0);
	asked[n].fn(asked[n].ctx, 0, answer);
}

static void expect_reply(size_t count, uint64_t token, const char *code, const char *text)
{
	assert_int_equal(replies, count);
	assert_int_equal(reply.token, token);
	assert_string_equal(reply.code, code);
	if (strncmp(reply.text, text, strlen(text)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", reply.text, text);
}

/* ---- what came of it ---- */

#define ANSWER(reason, targets)                                                                    \
	"{\"ok\":true,\"reason\":\"" reason "\",\"message\":\"it says why\",\"targets\":[" targets \
	"]}"
#define TARGET(outcome, seq, reason)                                                               \
	"{\"outcome\":\"" outcome "\",\"audit_seq\":\"" seq "\",\"reason\":\"" reason              \
	"\",\"message\":\"a target's why\"}"

static void ask_gate(void)
{
	apply(1, sha);
	services_answer(0);
	assert_int_equal(asks, 1);
	assert_int_equal(replies, 0);
	assert_int_equal(now()->status, INCIDENT_ACTING);
}

static void test_signalled(void **state _unused_)
{
	ask_gate();
	gate_answers(0, ANSWER("", TARGET("signalled", "7", "")));
	expect_reply(1, 1, "", "{");
	assert_int_equal(now()->status, INCIDENT_POST_CHECK);
	assert_int_equal(now()->remediation, REMEDIATION_PENDING);
	assert_int_equal(d.gate.due_count, 1);
}

static void test_refused_before_its_intent(void **state _unused_)
{
	ask_gate();
	gate_answers(0, ANSWER("window_not_open", TARGET("refused", "0", "")));
	expect_reply(1, 1, "gate_refused", "window_not_open: ");
	/* The approval is as good as before. */
	assert_int_equal(now()->status, INCIDENT_APPROVED);
	assert_int_equal(d.gate.due_count, 0);
}

/* Its nonce is used, its plan has had its INTENT: nothing is approved any more. */
static void test_refused_behind_its_intent(void **state _unused_)
{
	ask_gate();
	gate_answers(0, ANSWER("", TARGET("refused", "7", "disarmed")));
	expect_reply(1, 1, "gate_refused", "disarmed: ");
	assert_int_equal(now()->status, INCIDENT_TRIAGED);
	assert_int_equal(approve_authorized(&d), 0);
	assert_int_equal(d.gate.due_count, 0);
	/* From there a dry-run goes on. */
	approve_new_plan();
}

static void test_no_answer(void **state _unused_)
{
	static const struct {
		int err;
		const char *outcome;
		enum incident_status status;
	} row[] = {
		/* Only its end says that it did nothing. */
		{ -EPIPE, "refused", INCIDENT_APPROVED },
		{ -ETIMEDOUT, "unknown", INCIDENT_POST_CHECK },
	};
	int fd = openat(d.gate.folder_fd, "audit.jsonl", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	for (size_t n = 0; n < ARRAY_SIZE(row); n++) {
		looks = asks = replies = 0;
		ask_gate();
		asked[0].fn(asked[0].ctx, row[n].err, NULL);
		expect_reply(1, 1, "failed", row[n].outcome);
		assert_int_equal(now()->status, row[n].status);
	}
}

static void test_frames_that_mean_nothing_are_no_end(void **state _unused_)
{
	int fd = openat(d.gate.folder_fd, "audit.jsonl", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	ask_gate();
	asked[0].fn(asked[0].ctx, -EBADMSG, NULL);
	expect_reply(1, 1, "failed", "unknown");
	assert_int_equal(now()->status, INCIDENT_POST_CHECK);
}

static void test_a_gate_that_cannot_be_asked(void **state _unused_)
{
	ask_error = -ENOMEM;
	apply(1, sha);
	services_answer(0);
	expect_reply(1, 1, "failed", "the gate cannot be asked");
	assert_int_equal(now()->status, INCIDENT_APPROVED);
}

/* ---- while the services are looked at ---- */

static void test_two_at_once_ask_once(void **state _unused_)
{
	apply(1, sha);
	apply(2, sha);
	assert_int_equal(looks, 2);
	services_answer(0);
	services_answer(1);
	assert_int_equal(asks, 1);
	expect_reply(1, 2, "usage", "incident ");
	gate_answers(0, ANSWER("", TARGET("signalled", "7", "")));
	expect_reply(2, 1, "", "{");
	assert_int_equal(now()->status, INCIDENT_POST_CHECK);
}

static void test_another_plan_meanwhile_is_not_applied(void **state _unused_)
{
	char named[RUNAWAY_SHA256_HEX];

	memcpy(named, sha, sizeof(named));
	apply(1, named);
	approve_new_plan();
	services_answer(0);
	assert_int_equal(asks, 0);
	expect_reply(1, 1, "gate_refused", "plan_other: ");
	assert_int_equal(now()->status, INCIDENT_APPROVED);
}

static void test_resolved_meanwhile(void **state _unused_)
{
	const struct incident_step how = { .remediation = REMEDIATION_MAX };

	apply(1, sha);
	assert_int_equal(runaway_incident_resolve(h.s, incident, "no_action", &how), 0);
	services_answer(0);
	assert_int_equal(asks, 0);
	expect_reply(1, 1, "gate_refused", "rule_not_matching: incident ");
}

static void test_acting_already(void **state _unused_)
{
	ask_gate();
	apply(2, sha);
	expect_reply(1, 2, "usage", "incident ");
	gate_answers(0, ANSWER("", TARGET("unknown", "7", "actuator_gone")));
	assert_int_equal(now()->status, INCIDENT_POST_CHECK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_signalled),
		TEST(test_refused_before_its_intent),
		TEST(test_refused_behind_its_intent),
		TEST(test_no_answer),
		TEST(test_frames_that_mean_nothing_are_no_end),
		TEST(test_a_gate_that_cannot_be_asked),
		TEST(test_two_at_once_ask_once),
		TEST(test_another_plan_meanwhile_is_not_applied),
		TEST(test_resolved_meanwhile),
		TEST(test_acting_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
