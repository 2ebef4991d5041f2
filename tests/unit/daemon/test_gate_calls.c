// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls about the gate itself: many that read, and one that has to get through.
 *
 * linked with --wrap: gate_link_ask gate_link_ask_urgent gate_link_give_up gate_link_alive
 * linked with --wrap: runaway_control_reply
 */
#include "incident/records.h"

#include "daemon/daemon.h"
#include "daemon/reply.h"

static struct harness h;
static struct daemon d;

static struct {
	char type[16];
	gate_answer_fn fn;
	void *ctx;
} asked[64];
static size_t asks, answered, gave_up;
static int urgent_error;
static bool alive, tells_status;

int __wrap_gate_link_ask(struct gate_link *l, const char *type, const char *members,
			 gate_answer_fn fn, void *ctx);
int __wrap_gate_link_ask_urgent(struct gate_link *l, const char *type, const char *members,
				gate_answer_fn fn, void *ctx);
void __wrap_gate_link_give_up(struct gate_link *l);
bool __wrap_gate_link_alive(const struct gate_link *l);

static int take(const char *type, gate_answer_fn fn, void *ctx)
{
	assert_true(asks < ARRAY_SIZE(asked));
	snprintf(asked[asks].type, sizeof(asked[asks].type), "%s", type);
	asked[asks].fn = fn;
	asked[asks++].ctx = ctx;
	return 0;
}

int __wrap_gate_link_ask(struct gate_link *l _unused_, const char *type,
			 const char *members _unused_, gate_answer_fn fn, void *ctx)
{
	/* Its state is asked for behind each answer. */
	return strcmp(type, "status") == 0 && !tells_status ? -ENOMEM : take(type, fn, ctx);
}

int __wrap_gate_link_ask_urgent(struct gate_link *l _unused_, const char *type,
				const char *members _unused_, gate_answer_fn fn, void *ctx)
{
	return urgent_error ? urgent_error : take(type, fn, ctx);
}

void __wrap_gate_link_give_up(struct gate_link *l _unused_)
{
	gave_up++;
	alive = false;
}

bool __wrap_gate_link_alive(const struct gate_link *l _unused_)
{
	return alive;
}

static int set_up(void **state _unused_)
{
	harness_begin(&h);
	harness_open_store(&h);
	d = (struct daemon){ .model = h.m, .store = h.s };
	asks = answered = gave_up = replies = 0;
	urgent_error = 0;
	alive = true;
	tells_status = false;
	return 0;
}

static int tear_down(void **state _unused_)
{
	harness_end(&h);
	return 0;
}

static void call(const char *method, uint64_t token)
{
	const struct runaway_call c = { .method = method, .token = token };

	daemon_call(&d, &c);
}

static void answer(int err, const char *text)
{
	_cleanup_cjson_ cJSON *json = NULL;

	if (text)
		assert_int_equal(runaway_json_parse(text, strlen(text), &json, NULL), 0);
	asked[answered].fn(asked[answered].ctx, err, json);
	answered++;
}

static void test_a_few_read_the_audit_at_once(void **state _unused_)
{
	for (uint64_t token = 1; token <= 60; token++)
		call("gate.audit", token);
	assert_int_equal(asks, 4);
	assert_int_equal(replies, 56);
	assert_string_equal(reply.code, "failed");
	/* Each that is answered makes room, whatever the answer. */
	answer(0, "{\"ok\":true,\"records\":[]}");
	assert_string_equal(reply.code, "");
	answer(-ECANCELED, NULL);
	assert_string_equal(reply.code, "failed");
	for (uint64_t token = 61; token <= 70; token++)
		call("gate.audit", token);
	assert_int_equal(asks, 6);
	while (answered < asks)
		answer(0, "{\"ok\":false,\"error\":\"audit_failed\"}");
	assert_int_equal(replies, 70);
	assert_int_equal(d.gate.audits, 0);
}

static void test_disarmed(void **state _unused_)
{
	call("gate.disarm", 7);
	assert_int_equal(asks, 1);
	assert_string_equal(asked[0].type, "disarm");
	answer(0, "{\"ok\":true,\"disarm_seq\":\"3\"}");
	assert_int_equal(reply.token, 7);
	assert_string_equal(reply.code, "");
	assert_int_equal(gave_up, 0);
}

/* What is shown the moment after shall not be what was. */
static void test_a_switch_is_answered_with_its_effect(void **state _unused_)
{
	tells_status = true;
	d.runtime.gate.armed = true;
	call("gate.disarm", 7);
	answer(0, "{\"ok\":true,\"disarm_seq\":\"3\"}");
	assert_int_equal(replies, 0);
	assert_int_equal(asks, 2);
	assert_string_equal(asked[1].type, "status");
	answer(0, "{\"ok\":true,\"armed\":false,\"disarmed\":true}");
	assert_int_equal(replies, 1);
	assert_int_equal(reply.token, 7);
	assert_string_equal(reply.code, "");
	assert_non_null(strstr(reply.text, "\"disarm_seq\":\"3\""));
	assert_true(d.runtime.gate.disarmed && !d.runtime.gate.armed);
	while (answered < asks) /* asked behind it, as always */
		answer(-ECANCELED, NULL);
	call("gate.release", 8);
	answer(0, "{\"ok\":false,\"error\":\"release_invalid\"}");
	assert_int_equal(replies, 1);
	/* It is lost meanwhile: what it had said is said. */
	answer(-EPIPE, NULL);
	assert_int_equal(replies, 2);
	assert_string_equal(reply.text, "release_invalid: the gate refused");
	while (answered < asks)
		answer(-ECANCELED, NULL);
	free(d.gate.status_json);
}

static void test_disarmed_for_now_is_said(void **state _unused_)
{
	call("gate.disarm", 7);
	answer(0, "{\"ok\":false,\"error\":\"disarm_not_durable\",\"message\":\"make the file\"}");
	assert_string_equal(reply.code, "gate_refused");
	assert_string_equal(reply.text, "disarm_not_durable: make the file");
}

/* A gate that cannot be told is made to end. */
static void test_who_cannot_be_told_ends(void **state _unused_)
{
	urgent_error = -ENOMEM;
	call("gate.disarm", 7);
	assert_int_equal(gave_up, 1);
	assert_int_equal(replies, 1);
	assert_string_equal(reply.code, "failed");
	/* And is not told again. */
	call("gate.disarm", 8);
	assert_int_equal(gave_up, 1);
	assert_string_equal(reply.code, "gate_refused");
}

static void test_by_signal(void **state _unused_)
{
	gate_disarm_by_signal(&d);
	assert_int_equal(asks, 1);
	answer(0, "{\"ok\":true}");
	gate_disarm_by_signal(&d);
	answer(0, "{\"ok\":false,\"error\":\"disarm_not_durable\",\"message\":\"make the file\"}");
	gate_disarm_by_signal(&d);
	answer(-ETIMEDOUT, NULL);
	assert_int_equal(gave_up, 0);
	urgent_error = -ENOMEM;
	gate_disarm_by_signal(&d);
	assert_int_equal(gave_up, 1);
	gate_disarm_by_signal(&d);
	assert_int_equal(gave_up, 1);
	assert_int_equal(asks, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_few_read_the_audit_at_once),
		TEST(test_disarmed),
		TEST(test_a_switch_is_answered_with_its_effect),
		TEST(test_disarmed_for_now_is_said),
		TEST(test_who_cannot_be_told_ends),
		TEST(test_by_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
