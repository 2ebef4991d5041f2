/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/evidence.h"
#include "cli/format.h"

static cJSON *parse(const char *text)
{
	cJSON *json = NULL;

	assert_int_equal(runaway_json_parse(text, strlen(text), &json, NULL), 0);
	return json;
}

static void test_get(void **state)
{
	_cleanup_cjson_ cJSON *o = parse("{\"a\":{\"b\":{\"c\":7}},\"n\":null,\"s\":\"\"}");

	(void)state;
	assert_int_equal(runaway_cli_get(o, "a.b.c")->valueint, 7);
	assert_null(runaway_cli_get(o, "a.x.c"));
	assert_null(runaway_cli_get(o, "a.b.c.d"));
	assert_null(runaway_cli_get(o, "n"));
	assert_null(runaway_cli_get(NULL, "a"));
	assert_null(runaway_cli_string(o, "s"));
	assert_null(runaway_cli_string(o, "a"));
}

static void test_commands_are_quoted(void **state)
{
	static const struct {
		const char *args, *want;
	} row[] = {
		{ "[\"sh\",\"-c\",\"a b\"]", "sh -c 'a b'" },
		{ "[\"it's\",\"\"]", "'it'\\''s' ''" },
		{ "[\"--x=1,2\",\"$HOME\",\"a*\"]", "--x=1,2 '$HOME' 'a*'" },
		{ "[1]", "'?'" },
		{ "[]", "-" },
		{ "null", "-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_cjson_ cJSON *args = parse(row[i].args);
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		runaway_cli_add_command(&b, args);
		assert_string_equal(b.data, row[i].want);
	}
}

static void test_exits(void **state)
{
	static const struct {
		const char *exit, *want;
	} row[] = {
		{ "{\"signal\":9,\"code\":0}", "SIGKILL" },
		{ "{\"signal\":0,\"code\":3}", "exit 3" },
		{ "{\"signal\":99,\"code\":0}", "signal 99" },
		{ "{\"signal\":null,\"code\":null}", "-" },
		{ "null", "-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_cjson_ cJSON *e = parse(row[i].exit);
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		runaway_cli_add_exit(&b, e);
		assert_string_equal(b.data, row[i].want);
	}
}

typedef void (*add_fn)(struct strbuf *b, const cJSON *item);

static void two_decimals(struct strbuf *b, const cJSON *item)
{
	runaway_cli_add_number(b, item, 2);
}

static void test_figures(void **state)
{
	static const struct {
		add_fn add;
		const char *item, *want;
	} row[] = {
		{ two_decimals, "1.126", "1.13" },
		{ two_decimals, "null", "-" },
		{ two_decimals, "\"1\"", "-" },
		{ runaway_cli_add_seconds, "45.9", "45 s" },
		{ runaway_cli_add_seconds, "-1", "-" },
		{ runaway_cli_add_seconds, "1e300", "-" },
		{ runaway_cli_add_seconds, "null", "-" },
		{ runaway_cli_add_bytes, "512", "512 B" },
		{ runaway_cli_add_bytes, "-5", "-" },
		{ runaway_cli_add_bytes, "1e300", "-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		_cleanup_cjson_ cJSON *item = parse(row[i].item);
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		row[i].add(&b, item);
		assert_string_equal(b.data, row[i].want);
	}
}

static void test_ages(void **state)
{
	const struct cli c = { .now_ns = UINT64_C(1700000060) * NSEC_PER_SEC };
	_cleanup_cjson_ cJSON *at = parse("\"2023-11-14T22:13:20.000Z\"");
	_cleanup_cjson_ cJSON *ahead = parse("\"2023-11-14T23:13:20.000Z\"");
	_cleanup_cjson_ cJSON *bad = parse("\"yesterday\"");
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)state;
	runaway_cli_add_age(&b, &c, at);
	strbuf_addc(&b, '|');
	runaway_cli_add_since(&b, &c, at);
	strbuf_addc(&b, '|');
	runaway_cli_add_age(&b, &c, ahead);
	strbuf_addc(&b, '|');
	runaway_cli_add_since(&b, &c, ahead);
	strbuf_addc(&b, '|');
	runaway_cli_add_age(&b, &c, bad);
	runaway_cli_add_since(&b, &c, NULL);
	assert_string_equal(b.data, "1 min|1 min ago, 2023-11-14T22:13:20.000Z|0 s|"
				    "2023-11-14T23:13:20.000Z|--");
}

static void test_sparks(void **state)
{
	_cleanup_cjson_ cJSON *some =
		parse("[{\"v\":0},{\"v\":1},{\"v\":2},{\"v\":null},{\"v\":4}]");
	_cleanup_cjson_ cJSON *flat = parse("[{\"v\":0},{\"v\":0}]");
	_cleanup_cjson_ cJSON *none = parse("[]");
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)state;
	runaway_cli_add_spark(&b, some, "v", 10, false);
	assert_string_equal(b.data, "_.- #");
	strbuf_reset(&b);
	/* Fewer columns than points: a peak is never lost. */
	runaway_cli_add_spark(&b, some, "v", 2, false);
	assert_string_equal(b.data, ".#");
	strbuf_reset(&b);
	runaway_cli_add_spark(&b, flat, "v", 10, true);
	assert_string_equal(b.data, "\u2581\u2581");
	strbuf_reset(&b);
	runaway_cli_add_spark(&b, none, "v", 10, true);
	runaway_cli_add_spark(&b, NULL, "v", 10, true);
	runaway_cli_add_spark(&b, some, "v", 0, true);
	assert_int_equal(b.len, 0);
}

static char *in_memory(void (*write)(FILE *f))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	write(f);
	fclose(f);
	return text;
}

static void paint_both(FILE *f)
{
	struct cli c = { .out = f };

	runaway_cli_paint(&c, CLI_RED, "a\033[0m\n");
	runaway_cli_text(&c, NULL);
	c.color = true;
	runaway_cli_paint(&c, CLI_RED, "b\033[0m");
	runaway_cli_text(&c, "c");
}

static void test_paint_escapes(void **state)
{
	_cleanup_free_ char *text = in_memory(paint_both);

	(void)state;
	assert_string_equal(text, "a\\x1b[0m\\x0a-\033[31mb\\x1b[0m\033[0mc");
}

static void write_document(FILE *f)
{
	_cleanup_cjson_ cJSON *doc =
		parse("{\"n\":[1,-2,0.5,9007199254740993,1e300],\"s\":\"\\u001b\\u009b\\u202e\","
		      "\"k\\n\":[true,false,null,{},[]]}");

	runaway_cli_write_document(f, doc);
}

static void test_documents(void **state)
{
	_cleanup_free_ char *text = in_memory(write_document);
	_cleanup_cjson_ cJSON *again = parse(text);

	(void)state;
	assert_non_null(again);
	assert_non_null(strstr(text, "\\u001b\\u009b"));
	assert_non_null(strstr(text, "-2"));
	assert_non_null(strstr(text, "0.5"));
	for (const char *s = text; *s; s++)
		assert_true(*s == '\n' || (unsigned char)*s >= 0x20);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_evidence(void **state)
{
	_cleanup_cjson_ cJSON *ev = parse(
		"[{\"metric\":\"cpu_cores\",\"value\":1.125,\"limit\":0.5,\"unit\":\"cores\"},"
		"{\"metric\":\"age_s\",\"value\":null,\"limit\":120,\"unit\":\"s\"}]");
	_cleanup_cjson_ cJSON *pid = parse("{\"kind\":\"orphan_tree\",\"root_pid\":7}");
	_cleanup_cjson_ cJSON *cg =
		parse("{\"kind\":\"cgroup\",\"root_pid\":null,\"cgroup\":\"/a\"}");
	_cleanup_cjson_ cJSON *host = parse("{\"kind\":\"host\"}");
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)state;
	runaway_cli_add_evidence(&b, ev);
	assert_string_equal(b.data,
			    "cpu_cores 1.125 (limit 0.5 cores), age_s unknown (limit 120 s)");
	strbuf_reset(&b);
	runaway_cli_add_subject(&b, pid);
	strbuf_addc(&b, ' ');
	runaway_cli_add_subject(&b, cg);
	strbuf_addc(&b, ' ');
	runaway_cli_add_subject(&b, host);
	assert_string_equal(b.data, "pid 7 /a host");
}

static void test_statuses(void **state)
{
	(void)state;
	assert_int_equal(runaway_cli_status_of("failed"), 1);
	assert_int_equal(runaway_cli_status_of("usage"), 2);
	assert_int_equal(runaway_cli_status_of("denied"), 3);
	assert_int_equal(runaway_cli_status_of("gate_refused"), 4);
	assert_int_equal(runaway_cli_status_of("not_found"), 5);
	assert_int_equal(runaway_cli_status_of("something new"), 1);
	assert_int_equal(runaway_cli_status_of(NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),	      cmocka_unit_test(test_commands_are_quoted),
		cmocka_unit_test(test_exits),	      cmocka_unit_test(test_figures),
		cmocka_unit_test(test_ages),	      cmocka_unit_test(test_sparks),
		cmocka_unit_test(test_paint_escapes), cmocka_unit_test(test_documents),
		cmocka_unit_test(test_evidence),      cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
