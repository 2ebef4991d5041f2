/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was refused stands in the audit: what the gate saw, and what it was told. */
#include "gate/acting.h"

static struct strbuf text;

/* Whether the gate took it. */
static bool take(const char *message)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;

	runaway_gate_answer(g, message, strlen(message), &out);
	assert_int_equal(runaway_json_parse(out.data + RUNAWAY_GATE_FRAME_HEAD,
					    out.len - RUNAWAY_GATE_FRAME_HEAD, &answer, NULL),
			 0);
	return runaway_json_true(answer, "ok", false);
}

/* The newest record; caller deletes. */
static cJSON *newest(void)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	cJSON *json = NULL;
	char *line;

	assert_int_equal(runaway_read_file(g->folder, RUNAWAY_AUDIT_FILE, 1 << 26, &b), 0);
	b.data[b.len - 1] = '\0';
	line = strrchr(b.data, '\n');
	line = line ? line + 1 : b.data;
	assert_int_equal(runaway_json_parse(line, strlen(line), &json, NULL), 0);
	return json;
}

static void expect(const cJSON *record, const char *key, const char *value)
{
	assert_string_equal(runaway_json_str(record, key, "(none)"), value);
}

#define TOLD                                                                                       \
	"{\"type\":\"refused\",\"id\":\"1\",\"reason\":\"not_permitted\",\"call\":\"incident."     \
	"apply\","                                                                                 \
	"\"actor\":\"news (uid 9)\",\"incident_id\":\"" TEST_INCIDENT                              \
	"\",\"plan_sha256\":\"" TEST_SHA "\",\"untold\":\"3\"}"

static void told_by_the_daemon(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *r = NULL;

	assert_true(take(TOLD));
	r = newest();
	expect(r, "type", "refused");
	expect(r, "said_by", "daemon");
	expect(r, "reason", "not_permitted");
	expect(r, "call", "incident.apply");
	expect(r, "actor", "news (uid 9)");
	expect(r, "incident_id", TEST_INCIDENT);
	expect(r, "plan_sha256", TEST_SHA);
	expect(r, "untold", "3");
	expect(r, "unrecorded", "0");
	/* The daemon counts its own. */
	assert_int_equal(g->refusals[RUNAWAY_REASON_NOT_PERMITTED], 0);
	assert_true(take("{\"type\":\"refused\",\"id\":\"1\",\"reason\":\"plan_other\"}"));
	assert_int_equal(records_of("refused"), 2);
}

static bool take_with(const char *key, size_t len)
{
	strbuf_reset(&text);
	strbuf_addf(&text, "{\"type\":\"refused\",\"id\":\"1\",\"reason\":\"plan_other\",\"%s\":\"",
		    key);
	for (size_t i = 0; i < len; i++)
		strbuf_addc(&text, 'x');
	strbuf_adds(&text, "\"}");
	return take(text.data);
}

static void bounds_of_what_is_told(_unused_ void **state)
{
	assert_true(take_with("call", 63) && !take_with("call", 64));
	assert_true(take_with("actor", 511) && !take_with("actor", 512));
	assert_true(take_with("incident_id", 63) && !take_with("incident_id", 64));
	assert_true(take_with("plan_sha256", 64) && !take_with("plan_sha256", 65));
	assert_false(take("{\"type\":\"refused\",\"id\":\"1\"}"));
	assert_false(take("{\"type\":\"refused\",\"id\":\"1\",\"reason\":\"\"}"));
	assert_false(take("{\"type\":\"refused\",\"id\":\"1\",\"reason\":\"signalled\"}"));
	assert_int_equal(g->refusals[RUNAWAY_REASON_BAD_MESSAGE], 7);
}

/* A flood of the one leaves room for the other, and none fills the disk. */
static void floods_are_rationed(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *r = NULL;
	size_t told, now;

	for (int i = 0; i < 1000; i++)
		assert_true(take(TOLD));
	told = records_of("refused");
	assert_in_range(told, RUNAWAY_RATION_AT_ONCE, 200);
	assert_int_equal(told + g->refusals_told.refused, 1000);
	for (int i = 0; i < 1000; i++)
		assert_false(take("no message"));
	now = records_of("refused");
	assert_in_range(now - told, RUNAWAY_RATION_AT_ONCE, 200);
	assert_int_equal(now - told + g->refusals_seen.refused, 1000);
	assert_int_equal(g->refusals[RUNAWAY_REASON_BAD_MESSAGE], 1000);
	r = newest();
	expect(r, "said_by", "gate");
	expect(r, "call", "");
}

/* What decides about a signal finds room in any case. */
static void a_full_audit_keeps_what_matters(_unused_ void **state)
{
	const uint64_t bytes = g->audit.bytes;
	pid_t pid = start_target();

	g->audit.bytes = RUNAWAY_AUDIT_FULL_BYTES - 1;
	assert_true(take(TOLD));
	assert_int_equal(records_of("refused"), 1);
	assert_true(g->audit.bytes >= RUNAWAY_AUDIT_FULL_BYTES);
	assert_true(take(TOLD));
	assert_false(take("no message"));
	assert_true(take("{\"type\":\"self_test\",\"id\":\"1\"}"));
	assert_int_equal(records_of("refused"), 1);
	assert_int_equal(records_of("self_test"), 0);
	assert_int_equal(g->refusals_told.refused, 1);
	assert_int_equal(g->refusals_seen.refused, 1);
	documents_for(pid);
	assert_applied("signalled", "");
	assert_int_equal(records_of("result"), 1);
	runaway_gate_self_test(g);
	assert_true(take("{\"type\":\"disarm\",\"id\":\"1\"}"));
	assert_int_equal(records_of("disarm") + records_of("self_test"), 2);
	/* It is the file's size that counts. */
	restart_gate();
	assert_true(runaway_audit_has_room(&g->audit) && g->audit.bytes > bytes);
	assert_true(take(TOLD));
	assert_int_equal(records_of("refused"), 2);
	end_target(pid);
}

static void errors_are_recorded(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *r = NULL;

	assert_false(take("{\"type\":\"release\",\"id\":\"1\",\"release\":\"{}\"}"));
	r = newest();
	expect(r, "reason", "release_invalid");
	expect(r, "call", "release");
	assert_int_equal(g->refusals[RUNAWAY_REASON_RELEASE_INVALID], 1);
}

static void self_tests_on_demand_are_rationed(_unused_ void **state)
{
	for (int i = 0; i < 1000; i++)
		assert_true(take("{\"type\":\"self_test\",\"id\":\"1\"}"));
	assert_in_range(records_of("self_test"), RUNAWAY_RATION_AT_ONCE, 200);
}

/* What is written down of a disarming has its bounds; disarmed it is. */
static void long_words_of_a_disarming(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *r = NULL;

	strbuf_reset(&text);
	strbuf_adds(&text, "{\"type\":\"disarm\",\"id\":\"1\",\"why\":\"");
	for (int i = 0; i < 60000; i++)
		strbuf_addc(&text, 'x');
	strbuf_adds(&text, "\"}");
	assert_true(take(text.data));
	r = newest();
	assert_int_equal(strlen(runaway_json_str(r, "why", "")), RUNAWAY_SENTENCE);
	expect(r, "by", "the daemon");
	assert_true(g->audit.disarm_seq > 0);
}

static int over(void **state)
{
	strbuf_free(&text);
	return done(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, over)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(told_by_the_daemon),	 TEST(bounds_of_what_is_told),
		TEST(floods_are_rationed),	 TEST(a_full_audit_keeps_what_matters),
		TEST(errors_are_recorded),	 TEST(self_tests_on_demand_are_rationed),
		TEST(long_words_of_a_disarming),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
