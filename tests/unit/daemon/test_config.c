/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: each way to get it wrong has a file and a message of its own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "daemon/config.h"

#include <fcntl.h>
#include <unistd.h>

#define FIXTURES "tests/fixtures/config/"

/* Behind the file's name. */
static const struct {
	const char *file, *message;
} refused[] = {
	{ "address", ":3: web.listen_address: not usable; \"ADDRESS:PORT\" as in "
		     "\"127.0.0.1:10917\" or \"[::1]:10917\", or \"\" for no HTTP" },
	{ "blank", ":1: is empty; {} at least" },
	{ "bom", ":1: begins with a byte order mark; plain UTF-8 is wanted" },
	{ "control", ":1: host_label: holds a control character; a string of 1 to 128 bytes" },
	{ "duplicate_key", ":4: env: stands twice in one object; once is wanted" },
	{ "empty", ":1: is empty; {} at least" },
	{ "ends_early", ":2: ends too early; a JSON object is wanted" },
	{ "gate_health", ":3: gate.health_checks[0].address: not usable; \"127.0.0.1:PORT\" or "
			 "\"[::1]:PORT\": loopback only" },
	{ "gate_key", ":5: gate.keys[1].public: not usable; 64 lower-case hex digits, as "
		      "`runawayctl gate keygen` prints them" },
	{ "gate_owner", ":1: gate.keys[0].owner: is missing; a name of 1 to 64 bytes" },
	{ "gate_path", ":1: gate.health_checks[0].http_path: not usable; a path that begins with "
		       "'/', printable ASCII without spaces, or null" },
	{ "gate_signature",
	  ":4: gate.require_signature: no key is configured; gate.keys, or false" },
	{ "gate_switch", ":1: gate.two_person: wrong type; true or false" },
	{ "glob_empty", ":1: redact[0]: is empty; a glob of 1 to 512 bytes" },
	{ "hostile_key", ":2: \\x1b[2J\\x0afake: unknown key; known are host_label, env, "
			 "sample_interval_ms, web, textfile, limits, redact, ci_markers, "
			 "by_design, lanes, gate, roles, store, workers, rule_packs" },
	{ "lane_glob", ":5: lanes[0].match.exe_any[1]: has a '[' without its ']'; put a backslash "
		       "before a character to mean itself" },
	{ "lane_key", ":4: lanes[0].tiggers: unknown key; did you mean \"trigger\"?" },
	{ "lane_kind", ":7: lanes[0].trigger.load5_per_core_min: not a number of subject "
		       "orphan_tree; only host has it" },
	{ "lane_limit", ":7: lanes[1].trigger.cpu_cores_min: out of range; a number of cores from "
			"0.001 to 65536" },
	{ "lane_missing", ":3: lanes[0]: \"trigger\" is missing; it names the limits" },
	{ "lane_twice",
	  ":4: lanes[1].lane_id: names a lane that stands above already; once is wanted" },
	{ "marker",
	  ":1: ci_markers[1]: not usable; the name of an environment variable, at most 31 bytes" },
	{ "not_object", ":1: wrong type; a JSON object is wanted" },
	{ "not_utf8", ":2: byte 0xe9 is no text; UTF-8 is wanted" },
	{ "not_whole", ":1: web.timeout_s: not a whole number; seconds from 1 to 300" },
	{ "nul", ":1: byte 0x00 is no text; UTF-8 is wanted" },
	{ "open_comment", ":3: a comment is not closed; \"*/\" is wanted" },
	{ "out_of_range", ":3: sample_interval_ms: out of range; milliseconds from 100 to 60000" },
	{ "role_both", ":1: roles.viewer[0]: names both; {\"user\": …} or {\"group\": …}" },
	{ "role_nobody", ":2: roles.owner[1]: names nobody; {\"user\": …} or {\"group\": …}" },
	{ "rule_packs", ":1: rule_packs: this build has no rule_packs yet; {} or []" },
	{ "section_type", ":2: web: wrong type; an object is wanted" },
	{ "store", ":1: store.backend: not in this build; \"jsonl\"" },
	{ "syntax", ":3: not JSON at '5 }'; JSON with comments is wanted" },
	{ "too_deep", ":2: nested too deep; at most 32 levels" },
	{ "trailing", ":2: not JSON at '}'; JSON with comments is wanted" },
	{ "unknown_key", ":3: sample_interval: unknown key; did you mean \"sample_interval_ms\"?" },
	{ "unknown_key_far", ":1: store.dsn: unknown key; known are backend" },
	{ "workers", ":2: workers: this build has no workers yet; {} or []" },
	{ "wrong_type", ":2: sample_interval_ms: wrong type; milliseconds from 100 to 60000" },
};

static char *written(const struct config *c)
{
	struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, true);
	config_write(&w, c);
	return strbuf_take(&b);
}

static int parse(const char *text, struct config *ret, char **error)
{
	_cleanup_free_ char *copy = strdup(text);

	return config_parse("test", copy, strlen(text), ret, error);
}

static void every_fault_is_named(void **s)
{
	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *error = NULL;
		struct config c, before;
		char path[256], want[512];

		memset(&c, 0xa5, sizeof(c));
		before = c;
		snprintf(path, sizeof(path), FIXTURES "%s.jsonc", refused[i].file);
		snprintf(want, sizeof(want), "%s%s", path, refused[i].message);
		assert_int_equal(config_load(path, &c, &error), -EINVAL);
		assert_string_equal(error, want);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

static void defaults_stand_without_a_file(void **s)
{
	(void)s;
	_cleanup_(config_free) struct config c = { 0 }, d = { 0 };
	_cleanup_free_ char *error = NULL, *a = NULL, *b = NULL;

	assert_int_equal(config_defaults(&d), 0);
	assert_int_equal(parse("{}", &c, &error), 0);
	assert_null(error);
	a = written(&c);
	b = written(&d);
	assert_string_equal(a, b);
	assert_int_equal(c.sample_interval_ms, 1000);
	assert_string_equal(c.web.listen_address, "127.0.0.1:10917");
	assert_null(c.web.config_file);
	assert_int_equal(c.web.max_connections, 64);
	assert_int_equal(c.web.timeout_s, 10);
	assert_null(c.textfile.path);
	assert_int_equal(c.textfile.interval_s, 15);
	assert_int_equal(c.limits.processes, 65536);
	assert_int_equal(c.limits.cgroups, 8192);
	assert_int_equal(c.limits.metric_series, 200);
	assert_int_equal(c.lanes.count, 3);
	assert_false(c.gate.enabled);
	assert_true(c.gate.two_person);
	assert_false(c.gate.require_signature);
	assert_int_equal(c.gate.budget_per_hour, 4);
	assert_string_equal(c.store.backend, "jsonl");
	assert_string_equal(c.env, "production");
	assert_true(*c.host_label);
	assert_int_equal(c.roles.owner.count, 0);
}

static void every_key_is_taken_over(void **s)
{
	(void)s;
	_cleanup_(config_free) struct config c = { 0 };
	_cleanup_free_ char *error = NULL;
	const struct lane *l;

	assert_int_equal(config_load(FIXTURES "complete.jsonc", &c, &error), 0);
	assert_string_equal(c.host_label, "ci-host-7");
	assert_string_equal(c.env, "staging");
	assert_int_equal(c.sample_interval_ms, 500);
	assert_string_equal(c.web.listen_address, "[::1]:0");
	assert_null(c.web.config_file);
	assert_int_equal(c.web.max_connections, 8);
	assert_int_equal(c.web.timeout_s, 3);
	assert_string_equal(c.textfile.path, "/var/lib/node_exporter");
	assert_int_equal(c.textfile.interval_s, 30);
	assert_int_equal(c.limits.processes, 1000);
	assert_int_equal(c.limits.cgroups, 100);
	assert_int_equal(c.limits.metric_series, 10);
	assert_string_equal(c.redact.item[0], "*pin*");
	assert_null(c.redact.item[1]);
	assert_string_equal(c.ci_markers.item[0], "BUILD_URL");
	assert_int_equal(c.by_design.count, 2);
	assert_null(c.by_design.item[2]);
	assert_string_equal(c.roles.owner.rule[0].user, "alice");
	assert_string_equal(c.roles.operator_.rule[0].group, "sre");
	assert_null(c.roles.operator_.rule[0].user);
	assert_string_equal(c.roles.operator_.rule[1].user, "bob");
	assert_string_equal(c.roles.viewer.rule[0].group, "dev");

	assert_true(c.gate.enabled && c.gate.require_kernel_guard && c.gate.require_clock_sync);
	assert_false(c.gate.two_person || c.gate.require_signature);
	assert_int_equal(c.gate.key_count, 1);
	assert_string_equal(c.gate.key[0].owner, "alice");
	assert_int_equal(strlen(c.gate.key[0].public_hex), 64);
	assert_string_equal(c.gate.protected_.item[0], "postgres*");
	assert_int_equal(c.gate.health_count, 2);
	assert_string_equal(c.gate.health[0].path, "/health");
	assert_string_equal(c.gate.health[1].address, "127.0.0.1:5432");
	assert_null(c.gate.health[1].path);
	assert_int_equal(c.gate.plan_max_age_s, 60);
	assert_int_equal(c.gate.window_max_s, 600);
	assert_int_equal(c.gate.approval_max_age_s, 3600);
	assert_int_equal(c.gate.grace_s, 5);
	assert_int_equal(c.gate.budget_per_hour, 1);
	assert_int_equal(c.gate.settle_s, 0);
	assert_int_equal(c.gate.clock_tolerance_ms, 100);

	/* Three built in: one off, one replaced, one as it was; and one more. */
	assert_int_equal(c.lanes.count, 4);
	l = runaway_lane_set_find(&c.lanes, "ci_runner_load_saturation");
	assert_true(l->builtin && !l->enabled);
	l = runaway_lane_set_find(&c.lanes, "orphan_generic_cpu_runaway");
	assert_true(!l->builtin && l->enabled && !l->fallback);
	assert_true(l->trigger.cpu_cores_min == 0.25 && l->clear.cpu_cores_max == 0.05);
	l = runaway_lane_set_find(&c.lanes, "orphan_browser_smoke_runaway_process");
	assert_true(l->builtin && l->enabled);
	l = runaway_lane_set_find(&c.lanes, "swap");
	assert_int_equal(l->subject, RUNAWAY_SUBJECT_HOST);
	assert_int_equal(l->classification, RUNAWAY_CLASS_CAPACITY);
}

/* Signatures are wanted where somebody could sign, unless it is said otherwise. */
static void keys_ask_for_signatures(void **s)
{
	(void)s;
	static const char keys[] =
		"\"keys\":[{\"owner\":\"a\",\"public\":\"00112233445566778899aabbccddeeff"
		"00112233445566778899aabbccddeeff\"}]";
	_cleanup_(config_free) struct config with = { 0 }, without = { 0 };
	_cleanup_free_ char *error = NULL, *text = NULL;

	assert_true(asprintf(&text, "{\"gate\":{%s}}", keys) > 0);
	assert_int_equal(parse(text, &with, &error), 0);
	assert_true(with.gate.require_signature);
	free(text);
	assert_true(asprintf(&text, "{\"gate\":{\"require_signature\":false,%s}}", keys) > 0);
	assert_int_equal(parse(text, &without, &error), 0);
	assert_false(without.gate.require_signature);
}

static void what_is_written_reads_back(void **s)
{
	(void)s;
	_cleanup_(config_free) struct config c = { 0 }, back = { 0 };
	_cleanup_free_ char *error = NULL, *a = NULL, *b = NULL;

	assert_int_equal(config_load(FIXTURES "complete.jsonc", &c, &error), 0);
	a = written(&c);
	if (parse(a, &back, &error))
		fail_msg("%s", error);
	b = written(&back);
	assert_string_equal(a, b);
}

static void null_and_empty_switch_off(void **s)
{
	(void)s;
	_cleanup_(config_free) struct config c = { 0 };
	_cleanup_free_ char *error = NULL;

	assert_int_equal(parse("{\"web\":{\"listen_address\":\"\",\"config_file\":null},"
			       "\"textfile\":{\"path\":null},\"lanes\":[],\"roles\":{},"
			       "\"workers\":[],\"rule_packs\":{}}",
			       &c, &error),
			 0);
	assert_string_equal(c.web.listen_address, "");
	assert_null(c.textfile.path);
	assert_int_equal(c.lanes.count, 3);
}

static void ranges_hold_at_both_ends(void **s)
{
	(void)s;
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "{\"sample_interval_ms\":100}", 0 },
		{ "{\"sample_interval_ms\":99}", -EINVAL },
		{ "{\"sample_interval_ms\":60000}", 0 },
		{ "{\"sample_interval_ms\":60001}", -EINVAL },
		{ "{\"sample_interval_ms\":-1}", -EINVAL },
		{ "{\"sample_interval_ms\":1e3}", 0 },
		{ "{\"sample_interval_ms\":1e300}", -EINVAL },
		{ "{\"sample_interval_ms\":true}", -EINVAL },
		{ "{\"sample_interval_ms\":null}", -EINVAL },
		{ "{\"limits\":{\"processes\":64}}", 0 },
		{ "{\"limits\":{\"processes\":63}}", -EINVAL },
		{ "{\"limits\":{\"cgroups\":1048577}}", -EINVAL },
		{ "{\"limits\":{\"metric_series\":0}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\"0.0.0.0:65535\"}}", 0 },
		{ "{\"web\":{\"listen_address\":\"0.0.0.0:65536\"}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\"0.0.0.0:\"}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\":10917\"}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\"::1:10917\"}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\"[127.0.0.1]:1\"}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\"[]:1\"}}", -EINVAL },
		{ "{\"web\":{\"listen_address\":\"1.2.3.4:99999999999\"}}", -EINVAL },
		{ "{\"ci_markers\":[\"A234567890123456789012345678901\"]}", 0 },
		{ "{\"ci_markers\":[\"A2345678901234567890123456789012\"]}", -EINVAL },
		{ "{\"host_label\":\"\"}", -EINVAL },
		{ "7", -EINVAL },
		{ "\"x\"", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(config_free) struct config c = { 0 };
		_cleanup_free_ char *error = NULL;
		int got = parse(rows[i].text, &c, &error);

		if (got != rows[i].want)
			fail_msg("%s: %d, %s", rows[i].text, got, error ? error : "no error");
		assert_true(!got == !error);
	}
}

static void the_allow_list_has_its_slots(void **s)
{
	(void)s;
	_cleanup_(config_free) struct config c = { 0 };
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *error = NULL;

	strbuf_adds(&text, "{\"ci_markers\":[\"M\"");
	for (int i = 0; i < 64; i++)
		strbuf_addf(&text, ",\"M%d\"", i);
	strbuf_adds(&text, "]}");
	assert_int_equal(parse(text.data, &c, &error), -EINVAL);
	assert_non_null(strstr(error, "test:1: ci_markers: too many; at most "));
}

static void files_that_cannot_be_read(void **s)
{
	(void)s;
	char dir[] = "/tmp/test_config.XXXXXX", path[64];
	struct config c = { 0 };
	char *error = NULL;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(config_load(path, &c, &error), -ENOENT);
	assert_non_null(strstr(error, "/none: cannot be read: "));
	free(TAKE_PTR(error));

	assert_true(config_load(dir, &c, &error) < 0);
	assert_non_null(error);
	free(TAKE_PTR(error));

	snprintf(path, sizeof(path), "%s/big", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RUNAWAY_CONFIG_MAX_BYTES + 1), 0);
	close(fd);
	assert_int_equal(config_load(path, &c, &error), -EFBIG);
	assert_non_null(strstr(error, "/big: is too large; at most 1048576 bytes"));
	free(TAKE_PTR(error));
	unlink(path);
	rmdir(dir);
}

static void text_that_is_too_large(void **s)
{
	(void)s;
	size_t len = RUNAWAY_CONFIG_MAX_BYTES + 1;
	_cleanup_free_ char *text = malloc(len), *error = NULL;
	struct config c = { 0 };

	assert_non_null(text);
	memset(text, ' ', len);
	assert_int_equal(config_parse("test", text, len, &c, &error), -EINVAL);
	assert_string_equal(error, "test: 1048577 bytes is too large; at most 1048576");
}

static void lanes_alone_come_in_three_forms(void **s)
{
	(void)s;
	static const struct {
		const char *text;
		size_t count;
		const char *error;
	} rows[] = {
		{ "{\"lane_id\":\"a\",\"trigger\":{\"age_s_min\":1}}", 1, NULL },
		{ "[{\"lane_id\":\"a\",\"trigger\":{\"age_s_min\":1}}]", 1, NULL },
		{ "[]", 0, NULL },
		{ "// mine\n{\"lanes\":[{\"lane_id\":\"a\",\"trigger\":{\"age_s_min\":1}},"
		  "{\"lane_id\":\"ci_runner_load_saturation\",\"enabled\":false}]}",
		  2, NULL },
		{ "{\"env\":\"x\",\"lanes\":[{\"lane_id\":\"a\",\"trigger\":{\"age_s_min\":1}}],"
		  "\"sample_interval_ms\":200}",
		  1, NULL },
		{ "{\"lanes\":[],\n\"sample_interval_ms\":5}", 0,
		  "test:2: sample_interval_ms: out of range; milliseconds from 100 to 60000" },
		{ "[{\"lane_id\":\"a\",\"trigger\":{\"age_s_min\":-1}}]", 0,
		  "test:1: [0].trigger.age_s_min: out of range; seconds from 0 to 31536000" },
		{ "\n{\"lane_id\":\"a\",\n\"trigger\":{}}", 0,
		  "test:3: trigger: no limit; at least one key beside for_s" },
		{ "7", 0, "test:1: wrong type; an object is wanted" },
		{ "", 0, "test:1: is empty; {} at least" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(runaway_lane_set_free) struct lane_set set = { 0 };
		_cleanup_free_ char *error = NULL, *copy = strdup(rows[i].text);
		int r = config_parse_lanes("test", copy, strlen(copy), &set, &error);

		if (rows[i].error) {
			assert_int_equal(r, -EINVAL);
			assert_string_equal(error, rows[i].error);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(set.count, rows[i].count);
		}
	}
}

static uint32_t dice(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

static size_t mutate(char *text, size_t len, uint64_t *seed)
{
	static const char spice[] = "{}[]\",:\\/*0-e.tfn\n\x80\xff";
	size_t at = dice(seed) % len, n = 1 + dice(seed) % 40;

	n = MIN(n, len - at);
	switch (dice(seed) % 4) {
	case 0:
		text[at] = spice[dice(seed) % (sizeof(spice) - 1)];
		return len;
	case 1: /* a piece goes */
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 2: /* a piece comes again elsewhere */
		memmove(text + dice(seed) % (len - n + 1), text + at, n);
		return len;
	default:
		text[at] ^= (char)(1 << dice(seed) % 8);
		return len;
	}
}

/* Whatever the file holds: an answer, with words when it is no. */
static void no_text_breaks_the_reader(void **s)
{
	(void)s;
	_cleanup_strbuf_ struct strbuf valid = STRBUF_INIT;
	uint64_t seed = 4711;

	assert_true(runaway_read_file(AT_FDCWD, FIXTURES "complete.jsonc", 1 << 20, &valid) >= 0);
	for (int round = 0; round < 4000; round++) {
		_cleanup_(config_free) struct config c = { 0 };
		_cleanup_free_ char *error = NULL, *text = malloc(valid.len);
		size_t len = valid.len;
		int r;

		memcpy(text, valid.data, len);
		for (uint32_t n = 1 + dice(&seed) % 4; n && len > 1; n--)
			len = mutate(text, len, &seed);
		r = config_parse("fuzz", text, len, &c, &error);
		assert_true(r == 0 || r == -EINVAL);
		assert_true(!r == !error);
		for (const char *e = error; e && *e; e++)
			assert_true((unsigned char)*e >= 0x20 && *e != 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_is_named),
		cmocka_unit_test(defaults_stand_without_a_file),
		cmocka_unit_test(every_key_is_taken_over),
		cmocka_unit_test(keys_ask_for_signatures),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(null_and_empty_switch_off),
		cmocka_unit_test(ranges_hold_at_both_ends),
		cmocka_unit_test(the_allow_list_has_its_slots),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(text_that_is_too_large),
		cmocka_unit_test(lanes_alone_come_in_three_forms),
		cmocka_unit_test(no_text_breaks_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
