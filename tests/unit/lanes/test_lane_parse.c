/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The form of a lane: what is read, what is refused and with which words, what is written. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "lanes/engine.h"
#include "lanes/lane.h"

static int parse(const char *text, struct lane *ret, char **path, char **why)
{
	_cleanup_cjson_ cJSON *json = NULL;

	if (runaway_json_parse(text, strlen(text), &json, NULL))
		fail_msg("no JSON: %s", text);
	return runaway_lane_parse(json, ret, path, why);
}

static char *written(const struct lane *l)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	runaway_lane_write(&w, l);
	return strbuf_take(&b);
}

#define TRIGGER "\"trigger\":{\"cpu_cores_min\":1}"

static void a_short_lane_has_safe_defaults(void **s)
{
	(void)s;
	_cleanup_(runaway_lane_free) struct lane l = { 0 };
	char *path = NULL, *why = NULL;

	assert_int_equal(parse("{\"lane_id\":\"x\"," TRIGGER "}", &l, &path, &why), 0);
	assert_null(path);
	assert_null(why);
	assert_string_equal(l.lane_id, "x");
	assert_string_equal(l.alertname, "HostOrphanHighCpu");
	assert_int_equal(l.subject, RUNAWAY_SUBJECT_ORPHAN_TREE);
	assert_int_equal(l.classification, RUNAWAY_CLASS_RUNAWAY_PROCESS);
	assert_int_equal(l.action_policy, RUNAWAY_POLICY_TRIAGE_ONLY);
	assert_int_equal(l.severity, RUNAWAY_P3);
	assert_true(l.enabled);
	assert_false(l.fallback || l.builtin);
	assert_true(l.trigger.cpu_cores_min == 1 && l.trigger.for_s == 60 && l.clear.for_s == 60);
	assert_true(isnan(l.trigger.age_s_min) && isnan(l.clear.cpu_cores_max));
}

struct refused {
	const char *text, *path, *why;
};

static const struct refused refused[] = {
	{ "[]", "", "wrong type; an object is wanted" },
	{ "{" TRIGGER "}", "", "\"lane_id\" is missing; every lane has one" },
	{ "{\"lane_id\":7}", "lane_id", "wrong type; 1 to 63 of a-z, 0-9 and _, a letter first" },
	{ "{\"lane_id\":\"\"}", "lane_id",
	  "not a usable name; 1 to 63 of a-z, 0-9 and _, a letter first" },
	{ "{\"lane_id\":\"9a\"}", "lane_id",
	  "not a usable name; 1 to 63 of a-z, 0-9 and _, a letter first" },
	{ "{\"lane_id\":\"a/b\"}", "lane_id",
	  "not a usable name; 1 to 63 of a-z, 0-9 and _, a letter first" },
	{ "{\"lane_id\":\"a234567890123456789012345678901234567890123456789012345678901234\"}",
	  "lane_id", "not a usable name; 1 to 63 of a-z, 0-9 and _, a letter first" },
	{ "{\"lane_id\":\"x\",\"triger\":{}}", "triger", "unknown key; did you mean \"trigger\"?" },
	{ "{\"lane_id\":\"x\"}", "", "\"trigger\" is missing; it names the limits" },
	{ "{\"lane_id\":\"x\",\"enabled\":false}", "",
	  "\"trigger\" is missing; it names the limits" },
	{ "{\"lane_id\":\"x\",\"enabled\":1," TRIGGER "}", "enabled", "wrong type; true or false" },
	{ "{\"lane_id\":\"orphan_generic_cpu_runaway\",\"enabled\":\"no\"}", "enabled",
	  "wrong type; true or false" },
	{ "{\"lane_id\":\"x\",\"alertname\":\"1up\"," TRIGGER "}", "alertname",
	  "not a usable name; 1 to 127 of A-Z, a-z, 0-9 and _, no digit first" },
	{ "{\"lane_id\":\"x\",\"severity\":\"P9\"," TRIGGER "}", "severity",
	  "not a known word; one of P0, P1, P2, P3" },
	{ "{\"lane_id\":\"x\",\"severity\":1," TRIGGER "}", "severity",
	  "wrong type; one of P0, P1, P2, P3" },
	{ "{\"lane_id\":\"x\",\"subject\":\"thread\"," TRIGGER "}", "subject",
	  "not a known word; one of orphan_tree, process, cgroup, host" },
	{ "{\"lane_id\":\"x\",\"trigger\":7}", "trigger", "wrong type; an object is wanted" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"for_s\":1}}", "trigger",
	  "no limit; at least one key beside for_s" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"cpu_cores_min\":0}}", "trigger.cpu_cores_min",
	  "out of range; a number of cores from 0.001 to 65536" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"cpu_cores_min\":65537}}", "trigger.cpu_cores_min",
	  "out of range; a number of cores from 0.001 to 65536" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"cpu_cores_min\":\"1\"}}", "trigger.cpu_cores_min",
	  "wrong type; a number of cores from 0.001 to 65536" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"cpu_cores_min\":1,\"for_s\":-1}}", "trigger.for_s",
	  "out of range; seconds from 0 to 86400" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"load5_per_core_min\":1}}",
	  "trigger.load5_per_core_min", "not a number of subject orphan_tree; only host has it" },
	{ "{\"lane_id\":\"x\",\"subject\":\"host\"," TRIGGER "}", "trigger.cpu_cores_min",
	  "not a number of subject host; only orphan_tree, process and cgroup have it" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"cpu_core_min\":1}}", "trigger.cpu_core_min",
	  "unknown key; did you mean \"cpu_cores_min\"?" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"clear\":{\"cpu_cores_max\":1.5}}",
	  "clear.cpu_cores_max", "above trigger.cpu_cores_min; at most the same" },
	{ "{\"lane_id\":\"x\",\"trigger\":{\"age_s_min\":1},\"clear\":{\"cpu_cores_max\":1}}",
	  "clear.cpu_cores_max", "clears nothing; it goes with trigger.cpu_cores_min" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"clear\":{\"banana\":1}}", "clear.banana",
	  "unknown key; known are cpu_cores_max, load5_per_core_max, for_s" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":[]}", "match",
	  "wrong type; an object is wanted" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"exe_any\":\"a\"}}", "match.exe_any",
	  "wrong type; a list of globs" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"exe_any\":[\"a\",7]}}", "match.exe_any[1]",
	  "wrong type; a glob in a string" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"exe_any\":[\"\"]}}", "match.exe_any[0]",
	  "is empty and matches nothing; a glob of 1 to 512 bytes" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"exe_any\":[\"a[b\"]}}", "match.exe_any[0]",
	  "has a '[' without its ']'; put a backslash before a character to mean itself" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"exe_any\":[\"a[!]\"]}}", "match.exe_any[0]",
	  "has a '[' without its ']'; put a backslash before a character to mean itself" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"exe_any\":[\"a\\\\\"]}}", "match.exe_any[0]",
	  "ends with a lone backslash; put a backslash before a character to mean itself" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"not\":{\"not\":{}}}}", "match.not.not",
	  "unknown key; known are exe_any, comm_any, args_any, origin_any, cgroup_any, "
	  "daemonised_any" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"not\":{\"comm_any\":{}}}}",
	  "match.not.comm_any", "wrong type; a list of globs" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"daemonised_any\":[\"maybe\"]}}",
	  "match.daemonised_any[0]", "not a known word; one of no, unknown, yes" },
	{ "{\"lane_id\":\"x\",\"subject\":\"process\"," TRIGGER
	  ",\"match\":{\"daemonised_any\":[\"no\"]}}",
	  "match.daemonised_any", "not for this subject; only orphan_tree has it" },
	{ "{\"lane_id\":\"x\",\"subject\":\"cgroup\"," TRIGGER ",\"match\":{\"comm_any\":[\"a\"]}}",
	  "match.comm_any", "not for this subject; a cgroup has only cgroup_any" },
	{ "{\"lane_id\":\"x\",\"subject\":\"cgroup\"," TRIGGER
	  ",\"action_policy\":\"triage_packet_then_dry_run_then_gated_sigterm\"}",
	  "action_policy",
	  "not for subject cgroup; only \"capacity_triage_no_process_remediation\"" },
	{ "{\"lane_id\":\"x\"," TRIGGER ",\"classification\":\"host_resource_capacity\","
	  "\"action_policy\":\"triage_packet_then_dry_run_then_gated_sigterm\"}",
	  "action_policy",
	  "not for classification host_resource_capacity; only "
	  "\"capacity_triage_no_process_remediation\"" },
};

static void refuses_with_path_and_reason(void **s)
{
	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *path = NULL, *why = NULL;
		struct lane l = { 0 }, zero = { 0 };

		assert_int_equal(parse(refused[i].text, &l, &path, &why), -EINVAL);
		assert_string_equal(path, refused[i].path);
		assert_string_equal(why, refused[i].why);
		assert_memory_equal(&l, &zero, sizeof(l));
	}
}

static void accepts_character_classes(void **s)
{
	(void)s;
	static const char *const fine[] = { "a[b]c", "[]x]", "[!]x]", "\\\\[", "a\\\\*" };

	for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
		_cleanup_(runaway_lane_free) struct lane l = { 0 };
		_cleanup_free_ char *path = NULL, *why = NULL;
		char text[256];

		snprintf(text, sizeof(text),
			 "{\"lane_id\":\"x\"," TRIGGER ",\"match\":{\"comm_any\":[\"%s\"]}}",
			 fine[i]);
		if (parse(text, &l, &path, &why))
			fail_msg("%s: %s", text, why);
	}
}

/* A round trip through the written form, and the same text again. */
static void written_lanes_read_back(void **s)
{
	(void)s;
	_cleanup_(runaway_lane_set_free) struct lane_set set = { 0 };

	assert_int_equal(runaway_lane_set_builtin(&set), 0);
	assert_int_equal(set.count, 3);
	for (size_t i = 0; i < set.count; i++) {
		_cleanup_free_ char *text = written(&set.lane[i]), *again = NULL;
		_cleanup_(runaway_lane_free) struct lane back = { 0 };
		_cleanup_free_ char *path = NULL, *why = NULL;

		assert_true(set.lane[i].builtin);
		assert_int_equal(parse(text, &back, &path, &why), 0);
		again = written(&back);
		assert_string_equal(text, again);
		assert_memory_equal(&back.trigger, &set.lane[i].trigger, sizeof(back.trigger));
		assert_memory_equal(&back.clear, &set.lane[i].clear, sizeof(back.clear));
		assert_int_equal(back.match.daemonised_any, set.lane[i].match.daemonised_any);
		assert_int_equal(back.fallback, set.lane[i].fallback);
		assert_false(back.builtin);
	}
}

static void every_key_survives_the_round_trip(void **s)
{
	(void)s;
	static const char host[] =
		"{\"lane_id\":\"h\",\"alertname\":\"A\",\"classification\":"
		"\"host_resource_capacity\",\"action_policy\":"
		"\"capacity_triage_no_process_remediation\",\"severity\":\"P0\",\"subject\":"
		"\"host\","
		"\"enabled\":false,\"fallback\":false,\"trigger\":{\"load5_per_core_min\":1.25,"
		"\"ci_containers_min\":3,\"ci_cpu_share_min\":0.1,\"psi_cpu_some_avg60_min\":0.3,"
		"\"swap_used_ratio_min\":0.7,\"for_s\":0},\"clear\":{\"load5_per_core_max\":0.5,"
		"\"for_s\":0}}";
	static const char tree[] =
		"{\"lane_id\":\"t\",\"alertname\":\"A\",\"classification\":"
		"\"host_resource_runaway_process\",\"action_policy\":"
		"\"triage_packet_then_dry_run_then_gated_sigterm\",\"severity\":\"P1\",\"subject\":"
		"\"orphan_tree\",\"enabled\":true,\"fallback\":true,\"match\":{\"exe_any\":[\"a\"],"
		"\"comm_any\":[\"b\",\"\\\"\"],\"args_any\":[\"c\"],\"origin_any\":[\"d\"],"
		"\"cgroup_any\":[\"e\"],\"daemonised_any\":[\"no\",\"unknown\",\"yes\"],\"not\":{"
		"\"exe_any\":[\"f\"],\"daemonised_any\":[\"yes\"]}},\"trigger\":{"
		"\"cpu_cores_min\":0.123,\"age_s_min\":0,\"for_s\":1.5},\"clear\":{"
		"\"cpu_cores_max\":0,\"for_s\":86400}}";
	const char *const texts[] = { host, tree };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(runaway_lane_free) struct lane l = { 0 };
		_cleanup_free_ char *path = NULL, *why = NULL, *again = NULL;

		assert_int_equal(parse(texts[i], &l, &path, &why), 0);
		again = written(&l);
		assert_string_equal(again, texts[i]);
	}
}

static void a_built_in_lane_can_be_switched_by_two_keys(void **s)
{
	(void)s;
	_cleanup_(runaway_lane_free) struct lane l = { 0 };
	char *path = NULL, *why = NULL;

	assert_int_equal(parse("{\"lane_id\":\"orphan_browser_smoke_runaway_process\","
			       "\"enabled\":false}",
			       &l, &path, &why),
			 0);
	assert_false(l.enabled);
	assert_true(l.builtin);
	assert_true(l.trigger.cpu_cores_min == 0.5 && l.trigger.age_s_min == 120 &&
		    l.trigger.for_s == 60 && l.clear.cpu_cores_max == 0.1 && l.clear.for_s == 60);
	assert_int_equal(l.severity, RUNAWAY_P1);
}

static void a_set_replaces_by_id(void **s)
{
	(void)s;
	_cleanup_(runaway_lane_set_free) struct lane_set set = { 0 };
	struct lane l = { 0 };
	char *path = NULL, *why = NULL;

	assert_int_equal(runaway_lane_set_builtin(&set), 0);
	assert_int_equal(parse("{\"lane_id\":\"ci_runner_load_saturation\",\"subject\":\"host\","
			       "\"trigger\":{\"load5_per_core_min\":9}}",
			       &l, &path, &why),
			 0);
	assert_int_equal(runaway_lane_set_put(&set, &l), 0);
	assert_null(l.lane_id);
	assert_int_equal(set.count, 3);
	assert_true(runaway_lane_set_find(&set, "ci_runner_load_saturation")
			    ->trigger.load5_per_core_min == 9);
	assert_int_equal(parse("{\"lane_id\":\"mine\"," TRIGGER "}", &l, &path, &why), 0);
	assert_int_equal(runaway_lane_set_put(&set, &l), 0);
	assert_int_equal(set.count, 4);
	assert_null(runaway_lane_set_find(&set, "other"));
}

static void evidence_is_written_with_unknown_as_null(void **s)
{
	(void)s;
	static const struct evidence ev[] = {
		{ "cpu_cores", "cores", 1.23456, 0.5 },
		{ "age_s", "s", NAN, 120 },
	};
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	_cleanup_free_ char *text = NULL;

	json_init(&w, &b, false);
	runaway_evidence_write(&w, ev, ARRAY_SIZE(ev));
	text = strbuf_take(&b);
	assert_string_equal(
		text,
		"[{\"metric\":\"cpu_cores\",\"value\":1.235,\"limit\":0.5,\"unit\":\"cores\"},"
		"{\"metric\":\"age_s\",\"value\":null,\"limit\":120,\"unit\":\"s\"}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_lane_has_safe_defaults),
		cmocka_unit_test(refuses_with_path_and_reason),
		cmocka_unit_test(accepts_character_classes),
		cmocka_unit_test(written_lanes_read_back),
		cmocka_unit_test(every_key_survives_the_round_trip),
		cmocka_unit_test(a_built_in_lane_can_be_switched_by_two_keys),
		cmocka_unit_test(a_set_replaces_by_id),
		cmocka_unit_test(evidence_is_written_with_unknown_as_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
