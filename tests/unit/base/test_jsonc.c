/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/jsonc.h"

#include "base/json.h"

static void assert_stripped(const char *text, const char *want)
{
	_cleanup_free_ char *copy = strdup(text);

	assert_int_equal(runaway_jsonc_strip(copy, strlen(copy)), 0);
	assert_string_equal(copy, want);
}

static void comments_become_spaces(_unused_ void **state)
{
	assert_stripped("", "");
	assert_stripped("{}", "{}");
	assert_stripped("1 // one\n2", "1       \n2");
	assert_stripped("1 // one", "1       ");
	assert_stripped("//", "  ");
	assert_stripped("//\n//", "  \n  ");
	assert_stripped("a/**/b", "a    b");
	assert_stripped("a/* x\n * y */b", "a    \n       b");
	assert_stripped("a/***/b", "a     b");
	assert_stripped("/* // */ 1 // /* x\n2", "         1        \n2");
	assert_stripped("// \xff\n1", "    \n1");
	assert_stripped("a // x\r\nb", "a      \nb");
}

static void strings_are_left_alone(_unused_ void **state)
{
	assert_stripped("\"http://x/*y*/\"//c", "\"http://x/*y*/\"   ");
	assert_stripped("\"a\\\"//b\" // c", "\"a\\\"//b\"     ");
	assert_stripped("\"a\\\\\"// c", "\"a\\\\\"    ");
	/* Strings that do not end are the parser's business. */
	assert_stripped("\"a // b", "\"a // b");
	assert_stripped("\"a\\", "\"a\\");
	assert_stripped("\"", "\"");
	assert_stripped("/", "/");
	assert_stripped("1 / 2", "1 / 2");
}

static void open_block_comments_are_refused(_unused_ void **state)
{
	static const char *const bad[] = { "/*", "/*/", "1 /* x", "/* x * /", "/**/ /* \n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *copy = strdup(bad[i]);

		assert_int_equal(runaway_jsonc_strip(copy, strlen(copy)), -EBADMSG);
	}
}

/* Length and line feeds stay, no comment stays, and it is the same when done again. */
static void random_text_keeps_its_lines(_unused_ void **state)
{
	static const char alphabet[] = "//**\"\\\na ";
	uint64_t seed = 4;

	for (int i = 0; i < 50000; i++) {
		size_t len = test_random(&seed) % 40;
		_cleanup_free_ char *s = malloc(len + 1), *again = NULL, *before = NULL;

		for (size_t k = 0; k < len; k++)
			s[k] = alphabet[test_random(&seed) % (sizeof(alphabet) - 1)];
		s[len] = '\0';
		before = strdup(s);
		if (runaway_jsonc_strip(s, len) < 0)
			continue;
		assert_int_equal(strlen(s), len);
		assert_int_equal(runaway_jsonc_line_at(s, len, len),
				 runaway_jsonc_line_at(before, len, len));
		again = strdup(s);
		assert_int_equal(runaway_jsonc_strip(again, len), 0);
		assert_string_equal(again, s);
	}
}

static void lines_of_offsets(_unused_ void **state)
{
	static const char text[] = "a\nb\n\nc";

	assert_int_equal(runaway_jsonc_line_at(text, 6, 0), 1);
	assert_int_equal(runaway_jsonc_line_at(text, 6, 1), 1);
	assert_int_equal(runaway_jsonc_line_at(text, 6, 2), 2);
	assert_int_equal(runaway_jsonc_line_at(text, 6, 4), 3);
	assert_int_equal(runaway_jsonc_line_at(text, 6, 5), 4);
	assert_int_equal(runaway_jsonc_line_at(text, 6, 1000), 4);
	assert_int_equal(runaway_jsonc_line_at("", 0, 0), 1);
}

static const char config[] = "// the head\n"					       /* 1 */
			     "{\n"						       /* 2 */
			     "  \"env\": \"ci\", // \"lanes\": 1\n"		       /* 3 */
			     "  /* \"lanes\": [\n"				       /* 4 */
			     "   */\n"						       /* 5 */
			     "  \"quote\\\"d \\\\ \\u00e9\": {\n"		       /* 6 */
			     "    \"x\":\n"					       /* 7 */
			     "      1 },\n"					       /* 8 */
			     "  \"text\": \"lanes: [{ \\\" }\",\n"		       /* 9 */
			     "  \"lanes\": [\n"					       /* 10 */
			     "    { \"id\": \"a\", \"trigger\": { \"for_s\": 1 } },\n" /* 11 */
			     "    {\n"						       /* 12 */
			     "      \"id\": \"b\",\n"				       /* 13 */
			     "      \"trigger\": {\n"				       /* 14 */
			     "        \"rule\": [ [ 1, 2 ],\n"			       /* 15 */
			     "          [ 3,\n"					       /* 16 */
			     "            4 ] ],\n"				       /* 17 */
			     "        \"for_s\": 300\n"				       /* 18 */
			     "      }\n"					       /* 19 */
			     "    }\n"						       /* 20 */
			     "  ],\n"						       /* 21 */
			     "  \"dot.ted[0]\": {\n"				       /* 22 */
			     "    \"y\": null },\n"				       /* 23 */
			     "  \"dot\": { \"ted[1]\":\n"			       /* 24 */
			     "    true },\n"					       /* 25 */
			     "  \"\": {\n"					       /* 26 */
			     "    \"z\": [] },\n"				       /* 27 */
			     "  \"lanes2\": 5\n"				       /* 28 */
			     "}\n";

static void check_line(const char *path, unsigned int want)
{
	char text[sizeof(config)];
	_cleanup_cjson_ cJSON *doc = NULL;

	memcpy(text, config, sizeof(text));
	assert_int_equal(runaway_jsonc_strip(text, sizeof(text) - 1), 0);
	assert_int_equal(runaway_json_parse(text, sizeof(text) - 1, &doc, NULL), 0);
	assert_int_equal(runaway_jsonc_line_of(text, sizeof(text) - 1, path), want);
}

static void lines_of_paths(_unused_ void **state)
{
	check_line("", 2);
	check_line("env", 3);
	check_line("quote\"d \\ \xc3\xa9", 6);
	check_line("quote\"d \\ \xc3\xa9.x", 8);
	check_line("text", 9);
	check_line("lanes", 10);
	check_line("lanes[0]", 11);
	check_line("lanes[0].trigger.for_s", 11);
	check_line("lanes[1]", 12);
	check_line("lanes[1].id", 13);
	check_line("lanes[1].trigger", 14);
	check_line("lanes[1].trigger.rule", 15);
	check_line("lanes[1].trigger.rule[0][1]", 15);
	check_line("lanes[1].trigger.rule[1]", 16);
	check_line("lanes[1].trigger.rule[1][0]", 16);
	check_line("lanes[1].trigger.rule[1][1]", 17);
	check_line("lanes[1].trigger.for_s", 18);
	check_line("lanes2", 28);
}

static void keys_may_look_like_paths(_unused_ void **state)
{
	check_line("dot.ted[0]", 22);
	check_line("dot.ted[0].y", 23);
	check_line("dot.ted[1]", 25);
	check_line(".z", 27);
}

static void paths_that_are_not_there(_unused_ void **state)
{
	static const char *const missing[] = {
		"lane",
		"lanes[2]",
		"lanes[-1]",
		"lanes[",
		"lanes[]",
		"lanes[0",
		"lanes[x]",
		"lanes.id",
		"lanes[0]id",
		"lanes[0].nope",
		"env.x",
		"env[0]",
		"Env",
		"[0]",
		"lanes[99999999999999999999999]",
		"dot.ted[2]",
		"lanes[0].",
		"lanes[1].trigger.rule[1][2]",
		".",
		"x",
		"lanes[0]..id",
	};

	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		check_line(missing[i], 0);
}

static void an_array_may_be_the_root(_unused_ void **state)
{
	static const char text[] = "[\n1,\n{ \"a\":\n2 }]";

	assert_int_equal(runaway_jsonc_line_of(text, strlen(text), "[0]"), 2);
	assert_int_equal(runaway_jsonc_line_of(text, strlen(text), "[1].a"), 4);
	assert_int_equal(runaway_jsonc_line_of("[]", 2, "[0]"), 0);
	assert_int_equal(runaway_jsonc_line_of("", 0, ""), 0);
	assert_int_equal(runaway_jsonc_line_of("7", 1, ""), 1);
}

/* It is asked about text that parsed, and stays harmless about text that did not. */
static void broken_text_does_no_harm(_unused_ void **state)
{
	static const char alphabet[] = "{}[]:,\"a1 \n";
	uint64_t seed = 31;
	char s[40];

	for (int i = 0; i < 50000; i++) {
		size_t len = test_random(&seed) % sizeof(s);
		_cleanup_free_ char *exact = malloc(len ? len : 1), *key = NULL;
		unsigned int line;

		for (size_t k = 0; k < len; k++)
			s[k] = alphabet[test_random(&seed) % (sizeof(alphabet) - 1)];
		memcpy(exact, s, len);
		assert_in_range(runaway_jsonc_line_of(exact, len, "a[1].a"), 0, len + 1);
		assert_true(runaway_jsonc_find_duplicate(exact, len, &line, &key) >= 0);
	}
	for (size_t n = 0; n < sizeof(config); n++)
		assert_in_range(runaway_jsonc_line_of(config, n, "lanes2"), 0, 28);
}

static void check_duplicate(const char *text, unsigned int want_line, const char *want_key)
{
	_cleanup_free_ char *key = NULL;
	unsigned int line = 0;

	assert_int_equal(runaway_jsonc_find_duplicate(text, strlen(text), &line, &key), 1);
	assert_int_equal(line, want_line);
	assert_string_equal(key, want_key);
}

static void duplicates_are_found(_unused_ void **state)
{
	check_duplicate("{\"a\":1,\n\"a\":2}", 2, "a");
	check_duplicate("{\"a\":1,\n\"b\":2,\n\"\\u0061\":3}", 3, "a");
	check_duplicate("{\"\":1,\"\":2}", 1, "");
	check_duplicate("{\"x\":{\"a\":{}},\n\"y\":[{\"b\":1,\n\"c\":[],\n\"b\":2}]}", 4, "b");
	check_duplicate("{\"a\":{\"a\":{\"a\":1}},\"b\":\"a\",\n\"a\":2}", 2, "a");
	/* The repetition that comes first in the text, whatever the names. */
	check_duplicate("{\"z\":1,\"a\":1,\n\"z\":1,\n\"a\":1}", 2, "z");
	check_duplicate("{\"o\":1,\"in\":{\"a\":1,\n\"a\":2},\n\"o\":1}", 2, "a");
	check_duplicate("{\"a\":1,\n\"a\":2,\n\"a\":3}", 2, "a");
}

static void what_is_no_duplicate(_unused_ void **state)
{
	static const char *const good[] = {
		"",
		"1",
		"\"a\"",
		"{}",
		"[\"a\",\"a\"]",
		"{\"a\":\"a\",\"b\":\"a\"}",
		"{\"a\":1,\"A\":2}",
		"{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
		"[{\"a\":1},{\"a\":1}]",
		"{\"ab\":1,\"a\":1,\"b\":1}",
		"{\"a\":[\"b\",{\"b\":1},\"b\"],\"b\":0}",
		"{\"a\":1,]",
		"}}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		unsigned int line = 9;
		char *key = NULL;

		assert_int_equal(
			runaway_jsonc_find_duplicate(good[i], strlen(good[i]), &line, &key), 0);
		assert_null(key);
		assert_int_equal(line, 9);
	}
}

/* Comparing each key with each would take minutes. */
static void many_keys_take_no_time(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *key = NULL;
	unsigned int line;

	strbuf_addc(&b, '{');
	for (int i = 0; i < 200000; i++)
		strbuf_addf(&b, "\"key%d\":1,\n", i);
	strbuf_adds(&b, "\"key77\":1}");
	assert_int_equal(runaway_jsonc_find_duplicate(b.data, b.len, &line, &key), 1);
	assert_int_equal(line, 200001);
	assert_string_equal(key, "key77");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments_become_spaces),
		cmocka_unit_test(strings_are_left_alone),
		cmocka_unit_test(open_block_comments_are_refused),
		cmocka_unit_test(random_text_keeps_its_lines),
		cmocka_unit_test(lines_of_offsets),
		cmocka_unit_test(lines_of_paths),
		cmocka_unit_test(keys_may_look_like_paths),
		cmocka_unit_test(paths_that_are_not_there),
		cmocka_unit_test(an_array_may_be_the_root),
		cmocka_unit_test(broken_text_does_no_harm),
		cmocka_unit_test(duplicates_are_found),
		cmocka_unit_test(what_is_no_duplicate),
		cmocka_unit_test(many_keys_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
