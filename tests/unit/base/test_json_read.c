/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/json.h"

static int parse(const char *text, size_t len, size_t *ret_offset)
{
	/* Of the exact size and without a NUL: a read behind the end does not go unseen. */
	_cleanup_free_ char *exact = malloc(len ? len : 1);
	cJSON *doc = NULL;
	int r;

	memcpy(exact, text, len);
	r = runaway_json_parse(exact, len, &doc, ret_offset);
	assert_true((r == 0) == (doc != NULL));
	cJSON_Delete(doc);
	return r;
}

static void accepts(_unused_ void **state)
{
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n[ 1 , 2 ] \n",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"-0.5e-10",
		"1E+2",
		"123456789012345678901234567890",
		"\"\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\\ud83d\\ude00\"",
		"\"\\uFFFF\\uD7FF\\uE000\"",
		"\"\x7f\"",
		"{\"a\":{\"b\":[{\"c\":[]}]},\"\":[[],{}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t offset = 0;

		assert_int_equal(parse(good[i], strlen(good[i]), &offset), 0);
		assert_int_equal(offset, strlen(good[i]));
	}
}

#define BAD(literal, where) { literal, sizeof(literal) - 1, where }

static void refuses_and_says_where(_unused_ void **state)
{
	static const struct {
		const char *text;
		size_t len, offset;
	} bad[] = {
		BAD("", 0),
		BAD("  ", 2),
		BAD("{", 1),
		BAD("[", 1),
		BAD("]", 0),
		BAD("}", 0),
		BAD(",", 0),
		BAD(":", 0),
		BAD("[1,]", 3),
		BAD("[,1]", 1),
		BAD("[1 2]", 3),
		BAD("[1:2]", 2),
		BAD("[}", 1),
		BAD("[1}", 2),
		BAD("{]", 1),
		BAD("{\"a\"}", 4),
		BAD("{\"a\":}", 5),
		BAD("{\"a\":1,}", 7),
		BAD("{\"a\" 1}", 5),
		BAD("{\"a\":1 \"b\":2}", 7),
		BAD("{\"a\"::1}", 5),
		BAD("{1:2}", 1),
		BAD("{a:1}", 1),
		BAD("{} {}", 3),
		BAD("1 2", 2),
		BAD("nullx", 4),
		BAD("nul", 0),
		BAD("True", 0),
		BAD("01", 1),
		BAD("+1", 0),
		BAD("-", 1),
		BAD(".5", 0),
		BAD("1.", 2),
		BAD("1e", 2),
		BAD("1e+", 3),
		BAD("0x10", 1),
		BAD("NaN", 0),
		BAD("-Infinity", 1),
		BAD("1e999", 0),
		BAD("-1e999", 0),
		BAD("\"", 1),
		BAD("\"abc", 4),
		BAD("'a'", 0),
		BAD("\"a\nb\"", 2),
		BAD("\"\x1f\"", 1),
		BAD("\"\\x41\"", 1),
		BAD("\"\\", 1),
		BAD("\"\\u12\"", 1),
		BAD("\"\\u12g4\"", 1),
		BAD("\"\\ud83d\"", 1),
		BAD("\"\\ud83d\\u0041\"", 1),
		BAD("\"\\ude00\"", 1),
		BAD("\"ab\\u0000\"", 3),
		BAD("\"a\0b\"", 2),
		BAD("{}\0", 2),
		BAD("[1\0]", 2),
		BAD("\"\xff\"", 1),
		BAD("\"\xc0\x80\"", 1),
		BAD("\"\xed\xa0\x80\"", 1),
		BAD("\"\xe2\x82\"", 1),
		BAD("\xef\xbb\xbf{}", 0),
		BAD("[1,\v2]", 3),
		BAD("[1,\xc2\xa0 2]", 3),
		BAD("/* c */ 1", 0),
		BAD("1234567890123456789012345678901234567890123456789012345678901234", 0),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t offset = SIZE_MAX;

		assert_int_equal(parse(bad[i].text, bad[i].len, &offset), -EBADMSG);
		assert_int_equal(offset, bad[i].offset);
		assert_int_equal(parse(bad[i].text, bad[i].len, NULL), -EBADMSG);
	}
}

static void failure_leaves_the_result_alone(_unused_ void **state)
{
	cJSON *doc = (cJSON *)state;

	assert_int_equal(runaway_json_parse("[", 1, &doc, NULL), -EBADMSG);
	assert_ptr_equal(doc, state);
}

static void hostile_nesting_costs_nothing(_unused_ void **state)
{
	size_t len = 4 << 20, offset;
	char *deep = test_malloc(len);

	memset(deep, '[', len);
	assert_int_equal(parse(deep, len, &offset), -E2BIG);
	assert_int_equal(offset, RUNAWAY_JSON_DEPTH);

	/* Brackets in a string do not count. */
	deep[0] = deep[len - 1] = '"';
	assert_int_equal(parse(deep, len, NULL), 0);
	test_free(deep);
}

/* What was cut off somewhere or has a byte changed is refused or whole, never half. */
static void damaged_documents_do_no_harm(_unused_ void **state)
{
	static const char text[] =
		"{\"a\":[1,-2.5e3,\"\\ud83d\\ude00 \xc3\xa9\"],\"b\":{\"c\":null,"
		"\"d\":true},\"e\":\"\\\"\\\\\"}";
	uint64_t seed = 8;

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(parse(text, n, NULL), -EBADMSG);
	for (int i = 0; i < 50000; i++) {
		char copy[sizeof(text)];
		int r;

		memcpy(copy, text, sizeof(text));
		copy[test_random(&seed) % (sizeof(text) - 1)] = (char)test_random(&seed);
		r = parse(copy, sizeof(text) - 1, NULL);
		assert_true(r == 0 || r == -EBADMSG);
	}
}

static void random_bytes_do_no_harm(_unused_ void **state)
{
	static const char alphabet[] = "{}[]:,\"\\u0ed8tfn1-.eE \n\xc3\xa9";
	uint64_t seed = 21;
	char s[64];

	for (int i = 0; i < 50000; i++) {
		size_t len = test_random(&seed) % sizeof(s);
		int r;

		for (size_t k = 0; k < len; k++)
			s[k] = alphabet[test_random(&seed) % (sizeof(alphabet) - 1)];
		r = parse(s, len, NULL);
		assert_true(r == 0 || r == -EBADMSG || r == -E2BIG);
	}
}

static void member_lookups(_unused_ void **state)
{
	static const char text[] =
		"{\"s\":\"x\",\"n\":2.5,\"t\":true,\"f\":false,\"z\":null,\"S\":\"y\"}";
	_cleanup_cjson_ cJSON *doc = NULL;

	assert_int_equal(runaway_json_parse(text, strlen(text), &doc, NULL), 0);
	assert_string_equal(runaway_json_str(doc, "s", "d"), "x");
	assert_string_equal(runaway_json_str(doc, "S", "d"), "y");
	assert_string_equal(runaway_json_str(doc, "n", "d"), "d");
	assert_string_equal(runaway_json_str(doc, "none", "d"), "d");
	assert_null(runaway_json_str(doc, "z", NULL));
	assert_true(runaway_json_num(doc, "n", 1) == 2.5);
	assert_true(runaway_json_num(doc, "s", 1) == 1);
	assert_true(runaway_json_num(doc, "N", 1) == 1);
	assert_true(runaway_json_true(doc, "t", false));
	assert_false(runaway_json_true(doc, "f", true));
	assert_true(runaway_json_true(doc, "n", true));
	assert_false(runaway_json_true(doc, "z", false));
	/* No object at all is no reason to fall. */
	assert_string_equal(runaway_json_str(NULL, "s", "d"), "d");
	assert_int_equal(runaway_json_u64(NULL, "s", 7), 7);
	assert_string_equal(runaway_json_str(doc->child, "s", "d"), "d");
}

static void u64_lookups(_unused_ void **state)
{
	static const struct {
		const char *text;
		uint64_t want; /* 42: the default */
	} cases[] = {
		{ "{\"v\":\"18446744073709551615\"}", UINT64_MAX },
		{ "{\"v\":\"18446744073709551616\"}", 42 },
		{ "{\"v\":\"99999999999999999999999\"}", 42 },
		{ "{\"v\":\"0\"}", 0 },
		{ "{\"v\":\"007\"}", 7 },
		{ "{\"v\":\"\"}", 42 },
		{ "{\"v\":\"-1\"}", 42 },
		{ "{\"v\":\"+1\"}", 42 },
		{ "{\"v\":\" 1\"}", 42 },
		{ "{\"v\":\"1 \"}", 42 },
		{ "{\"v\":\"0x1\"}", 42 },
		{ "{\"v\":12}", 12 },
		{ "{\"v\":-0}", 0 },
		{ "{\"v\":9007199254740992}", UINT64_C(9007199254740992) },
		{ "{\"v\":9007199254740994}", 42 },
		{ "{\"v\":1e300}", 42 },
		{ "{\"v\":1.5}", 42 },
		{ "{\"v\":-1}", 42 },
		{ "{\"v\":true}", 42 },
		{ "{\"v\":null}", 42 },
		{ "{\"w\":1}", 42 },
		{ "[1]", 42 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_cjson_ cJSON *doc = NULL;

		assert_int_equal(
			runaway_json_parse(cases[i].text, strlen(cases[i].text), &doc, NULL), 0);
		assert_int_equal(runaway_json_u64(doc, "v", 42), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses_and_says_where),
		cmocka_unit_test(failure_leaves_the_result_alone),
		cmocka_unit_test(hostile_nesting_costs_nothing),
		cmocka_unit_test(damaged_documents_do_no_harm),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(member_lookups),
		cmocka_unit_test(u64_lookups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
