/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: whole, in range, or refused with the name of what is wrong. */
#include "gate/gate_test.h"

#include "gate/state.h"

#define KEY "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static const char good[] =
	"{\"type\":\"hello\",\"id\":\"1\",\"host_label\":\"ci-host-1\",\"require_signature\":true,"
	"\"two_person\":false,\"require_kernel_guard\":true,\"require_clock_sync\":false,"
	"\"keys\":[{\"owner\":\"anna\",\"public\":\"" KEY "\"}],"
	"\"protected\":[\"precious*\",\"/opt/*\"],"
	"\"budget_per_hour\":4,\"settle_s\":0,\"approval_max_age_s\":3600,\"plan_max_age_s\":900,"
	"\"window_max_s\":7200,\"clock_tolerance_ms\":2000,\"cgroup_ssid\":-1,"
	"\"cgroup_controller\":\"\",\"guard_cgroup\":\"\"}";

static int start(_unused_ void **state)
{
	return runaway_digest_init();
}

static int read_text(const char *text, struct runaway_gate_config *ret, const char **why)
{
	_cleanup_cjson_ cJSON *json = NULL;

	assert_int_equal(runaway_json_parse(text, strlen(text), &json, NULL), 0);
	return runaway_gate_config_read(json, ret, why);
}

static void everything_is_taken(_unused_ void **state)
{
	struct runaway_gate_config c;
	const char *why = NULL;
	char id[RUNAWAY_KEY_ID_HEX];

	assert_int_equal(read_text(good, &c, &why), 0);
	assert_string_equal(c.host_label, "ci-host-1");
	assert_true(c.require_signature && !c.two_person && c.require_kernel_guard &&
		    !c.require_clock_sync);
	assert_int_equal(c.key_count, 1);
	assert_string_equal(c.key[0].owner, "anna");
	runaway_key_id(KEY, id);
	assert_string_equal(c.key[0].id, id);
	assert_int_equal(c.protect.count, 2);
	assert_int_equal(c.budget_per_hour, 4);
	assert_int_equal(c.settle_s, 0);
	assert_int_equal(c.approval_max_age_s, 3600);
	assert_int_equal(c.plan_max_age_s, 900);
	assert_int_equal(c.window_max_s, 7200);
	assert_int_equal(c.clock_tolerance_ms, 2000);
	assert_int_equal(c.cgroup_ssid, -1);
	runaway_gate_config_free(&c);
}

static void refused(const char *from, const char *to, const char *wrong)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct runaway_gate_config c;
	const char *at = strstr(good, from), *why = "";

	assert_non_null(at);
	strbuf_add(&b, good, (size_t)(at - good));
	strbuf_adds(&b, to);
	strbuf_adds(&b, at + strlen(from));
	memset(&c, 0x5a, sizeof(c));
	assert_int_equal(read_text(b.data, &c, &why), -EINVAL);
	assert_non_null(strstr(why, wrong));
	assert_int_equal(c.key_count, 0x5a5a5a5a5a5a5a5aULL);
}

static void anything_else_is_refused(_unused_ void **state)
{
	static const char *const numbers[] = { "budget_per_hour",    "settle_s",
					       "approval_max_age_s", "plan_max_age_s",
					       "window_max_s",	     "clock_tolerance_ms",
					       "cgroup_ssid" };
	static const char *const switches[] = { "require_signature", "two_person",
						"require_kernel_guard", "require_clock_sync" };

	refused("\"host_label\":\"ci-host-1\"", "\"host_label\":\"\"", "host_label");
	refused("\"host_label\":\"ci-host-1\"", "\"host_label\":1", "host_label");
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		refused(switches[i], "x", switches[i]);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		refused(numbers[i], "x", numbers[i]);
	refused("\"two_person\":false", "\"two_person\":0", "two_person");
	refused("\"budget_per_hour\":4", "\"budget_per_hour\":0", "budget_per_hour");
	refused("\"budget_per_hour\":4", "\"budget_per_hour\":101", "budget_per_hour");
	refused("\"budget_per_hour\":4", "\"budget_per_hour\":1.5", "budget_per_hour");
	refused("\"budget_per_hour\":4", "\"budget_per_hour\":\"4\"", "budget_per_hour");
	refused("\"settle_s\":0", "\"settle_s\":-1", "settle_s");
	refused("\"settle_s\":0", "\"settle_s\":3601", "settle_s");
	refused("\"cgroup_ssid\":-1", "\"cgroup_ssid\":-2", "cgroup_ssid");
	refused("\"cgroup_ssid\":-1", "\"cgroup_ssid\":64", "cgroup_ssid");
	refused("\"cgroup_controller\":\"\"", "\"cgroup_controller\":null", "cgroup_controller");
	refused("\"guard_cgroup\":\"\"", "\"guard_cgroup\":7", "guard_cgroup");
}

static void without_signatures_no_key_is_needed(_unused_ void **state)
{
	static const char on[] = "\"require_signature\":true";
	static const char keys[] = "{\"owner\":\"anna\",\"public\":\"" KEY "\"}";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct runaway_gate_config c;
	const char *why, *at = strstr(good, on), *key = strstr(good, keys);

	strbuf_add(&b, good, (size_t)(at - good));
	strbuf_adds(&b, "\"require_signature\":false");
	strbuf_add(&b, at + strlen(on), (size_t)(key - at) - strlen(on));
	strbuf_adds(&b, key + strlen(keys));
	assert_int_equal(read_text(b.data, &c, &why), 0);
	assert_false(c.require_signature);
	assert_int_equal(c.key_count, 0);
	runaway_gate_config_free(&c);
	/* No list is not an empty list. */
	memcpy(strstr(b.data, "\"keys\":[]"), "\"keys\":{}", 9);
	assert_int_equal(read_text(b.data, &c, &why), -EINVAL);
	assert_string_equal(why, "keys");
}

static void keys_and_lists(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf many = STRBUF_INIT;

	refused("[{\"owner\":\"anna\",\"public\":\"" KEY "\"}]", "7", "keys");
	refused("[{\"owner\":\"anna\",\"public\":\"" KEY "\"}]", "[]",
		"require_signature without keys");
	refused("{\"owner\":\"anna\",\"public\":\"" KEY "\"}", "7", "keys");
	refused("\"owner\":\"anna\"", "\"owner\":\"\"", "keys");
	refused("\"owner\":\"anna\"", "\"owner\":7", "keys");
	/* 64 bytes: one more than there is room for. */
	refused("\"owner\":\"anna\"",
		"\"owner\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
		"keys");
	refused("\"public\":\"" KEY "\"", "\"public\":\"00\"", "keys");
	refused("\"public\":\"" KEY "\"", "\"public\":7", "keys");
	strbuf_adds(&many, "[");
	for (int i = 0; i < RUNAWAY_KEYS_MAX + 1; i++)
		strbuf_adds(&many, i ? ",{\"owner\":\"a\",\"public\":\"" KEY "\"}"
				     : "{\"owner\":\"a\",\"public\":\"" KEY "\"}");
	strbuf_adds(&many, "]");
	refused("[{\"owner\":\"anna\",\"public\":\"" KEY "\"}]", many.data, "keys");
	refused("[\"precious*\",\"/opt/*\"]", "null", "protected");
	refused("\"/opt/*\"", "7", "protected");
	refused("\"/opt/*\"", "\"\"", "protected");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_taken),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(without_signatures_no_key_is_needed),
		cmocka_unit_test(keys_and_lists),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
