/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/json.h"

#include <float.h>
#include <math.h>

static void assert_written(struct strbuf *b, const char *want)
{
	assert_int_equal(b->error, 0);
	assert_string_equal(b->data, want);
	strbuf_reset(b);
}

/* A document with everything in it, twice: small and pretty. */
static void write_sample(struct strbuf *b, bool pretty)
{
	struct json_writer w;

	json_init(&w, b, pretty);
	json_object_begin(&w);
	json_kv_string(&w, "comm", "a\"b");
	json_key(&w, "list");
	json_array_begin(&w);
	json_int(&w, -1);
	json_object_begin(&w);
	json_object_end(&w);
	json_array_begin(&w);
	json_array_end(&w);
	json_object_begin(&w);
	json_kv_bool(&w, "t", true);
	json_kv_bool(&w, "f", false);
	json_object_end(&w);
	json_array_end(&w);
	json_kv_null(&w, "nothing");
	json_object_end(&w);
	assert_int_equal(w.depth, 0);
}

static void compact_document(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	write_sample(&b, false);
	assert_written(&b, "{\"comm\":\"a\\\"b\",\"list\":[-1,{},[],{\"t\":true,\"f\":false}],"
			   "\"nothing\":null}");
}

static void pretty_document(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	write_sample(&b, true);
	assert_written(&b, "{\n"
			   "  \"comm\": \"a\\\"b\",\n"
			   "  \"list\": [\n"
			   "    -1,\n"
			   "    {},\n"
			   "    [],\n"
			   "    {\n"
			   "      \"t\": true,\n"
			   "      \"f\": false\n"
			   "    }\n"
			   "  ],\n"
			   "  \"nothing\": null\n"
			   "}");
}

static void scalars_stand_alone(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_string(&w, NULL);
	assert_written(&b, "null");
	json_string_n(&w, "a\0b", 3);
	assert_written(&b, "\"a\\ufffdb\"");
	json_string_n(&w, NULL, 0);
	assert_written(&b, "\"\"");
	json_stringf(&w, "%d \"%s\"", 7, "\n");
	assert_written(&b, "\"7 \\\"\\n\\\"\"");
	json_stringf(&w, "%s", "");
	assert_written(&b, "\"\"");
	json_raw(&w, "[1, 2]", 6);
	assert_written(&b, "[1, 2]");
}

static void integers_to_the_limits(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_int(&w, 0);
	assert_written(&b, "0");
	json_int(&w, INT64_MAX);
	assert_written(&b, "9223372036854775807");
	json_int(&w, INT64_MIN);
	assert_written(&b, "-9223372036854775808");
	json_uint(&w, UINT64_MAX);
	assert_written(&b, "18446744073709551615");
	json_uint(&w, 10);
	assert_written(&b, "10");
	json_u64_string(&w, UINT64_MAX);
	assert_written(&b, "\"18446744073709551615\"");
	json_u64_string(&w, 0);
	assert_written(&b, "\"0\"");
}

static void doubles_are_short(_unused_ void **state)
{
	static const struct {
		double v;
		const char *want;
	} cases[] = {
		{ 0.0, "0" },
		{ 0.1, "0.1" },
		{ -2.5, "-2.5" },
		{ 100.0, "100" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ NAN, "null" },
		{ INFINITY, "null" },
		{ -INFINITY, "null" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_double(&w, cases[i].v);
		assert_written(&b, cases[i].want);
	}
}

static void doubles_read_back_the_same(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	uint64_t seed = 5;
	struct json_writer w;

	json_init(&w, &b, false);
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = test_random(&seed);
		_cleanup_cjson_ cJSON *doc = NULL;
		double v;

		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		strbuf_reset(&b);
		json_double(&w, v);
		assert_int_equal(runaway_json_parse(b.data, b.len, &doc, NULL), 0);
		assert_true(cJSON_IsNumber(doc) && doc->valuedouble == v);
	}
}

static void fixed_cuts_zeros(_unused_ void **state)
{
	static const struct {
		double v;
		int decimals;
		const char *want;
	} cases[] = {
		{ 1.5, 3, "1.5" },
		{ 2.0, 3, "2" },
		{ 100, 2, "100" },
		{ 100, 0, "100" },
		{ 1.2346, 3, "1.235" },
		{ -0.0001, 2, "0" },
		{ -0.0, 0, "0" },
		{ 0.05, 1, "0.1" },
		{ -1.25, 2, "-1.25" },
		{ 99.999, 1, "100" },
		{ NAN, 1, "null" },
		{ -INFINITY, 1, "null" },
		{ 1234567.5, 1, "1234567.5" },
		{ 3.7, -4, "4" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_fixed(&w, cases[i].v, cases[i].decimals);
		assert_written(&b, cases[i].want);
	}
	/* The longest one there is. */
	json_fixed(&w, -DBL_MAX, 1000);
	assert_int_equal(b.error, 0);
	assert_int_equal(b.len, 1 + 309);
}

static void key_and_value_calls(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_int(&w, "i", -3);
	json_kv_uint(&w, "u", 3);
	json_kv_fixed(&w, "x", 0.5, 2);
	json_kv_u64_string(&w, "id", 1);
	json_kv_string(&w, "s", NULL);
	json_kv_time(&w, "at", UINT64_C(1795313835123000000));
	json_kv_time(&w, "never", 0);
	json_kv_bool(&w, "a\"b", true);
	json_object_end(&w);
	assert_written(&b, "{\"i\":-3,\"u\":3,\"x\":0.5,\"id\":\"1\",\"s\":null,"
			   "\"at\":\"2026-11-22T02:17:15.123Z\",\"never\":null,\"a\\\"b\":true}");
}

static void raw_values_get_their_commas(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_array_begin(&w);
	json_raw(&w, "{}", 2);
	json_raw(&w, "\"[\"", 3);
	json_object_begin(&w);
	json_key(&w, "k");
	json_raw(&w, "[1]", 3);
	json_kv_null(&w, "l");
	json_object_end(&w);
	json_array_end(&w);
	assert_written(&b, "[{},\"[\",{\"k\":[1],\"l\":null}]");
}

static void nest(struct json_writer *w, int depth)
{
	for (int i = 0; i < depth; i++) {
		json_object_begin(w);
		json_key(w, "k");
	}
	json_null(w);
	for (int i = 0; i < depth; i++)
		json_object_end(w);
}

/* What the writer lets through the reader takes, and the other way round. */
static void nesting_has_one_limit(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *doc = NULL;
	struct json_writer w;

	json_init(&w, &b, true);
	nest(&w, RUNAWAY_JSON_DEPTH);
	assert_int_equal(b.error, 0);
	assert_int_equal(runaway_json_parse(b.data, b.len, &doc, NULL), 0);

	strbuf_reset(&b);
	json_init(&w, &b, true);
	nest(&w, RUNAWAY_JSON_DEPTH + 1);
	assert_int_equal(b.error, -E2BIG);
	assert_int_equal(w.depth, 0);

	/* Far deeper, nothing worse happens; an older error is not overwritten. */
	strbuf_reset(&b);
	b.error = -ENOMEM;
	json_init(&w, &b, false);
	nest(&w, 1000);
	assert_int_equal(b.error, -ENOMEM);
}

/* A hostile string, as key and as value, is one string in a document that parses. */
static void random_strings_never_break_a_document(_unused_ void **state)
{
	uint64_t seed = 0xfeed;
	char s[300];

	for (int i = 0; i < 20000; i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		_cleanup_cjson_ cJSON *doc = NULL;
		size_t len = test_random_bytes(&seed, s, sizeof(s) - 1);
		const cJSON *item;
		struct json_writer w;

		s[len] = '\0';
		json_init(&w, &b, false);
		json_object_begin(&w);
		json_kv_string(&w, s, s);
		json_key(&w, "n");
		json_array_begin(&w);
		json_string_n(&w, s, len);
		json_stringf(&w, "<%s>", s);
		json_array_end(&w);
		json_object_end(&w);

		assert_int_equal(b.error, 0);
		assert_true(test_is_clean(b.data, b.len));
		assert_int_equal(runaway_json_parse(b.data, b.len, &doc, NULL), 0);
		assert_int_equal(cJSON_GetArraySize(doc), 2);
		item = doc->child;
		assert_string_equal(item->string, item->valuestring);
		assert_int_equal(cJSON_GetArraySize(item->next), 2);
		if (strlen(s) == len)
			assert_string_equal(item->next->child->valuestring, item->valuestring);
	}
}

static void valid_text_reads_back_the_same(_unused_ void **state)
{
	static const char *const texts[] = {
		"plain",
		"\x01\x1f\x7f\b\f\n\r\t\"\\/",
		"caf\xc3\xa9",
		"\xc2\x80\xc2\x9f",
		"\xe2\x80\xa8\xe2\x80\xae",
		"\xf0\x9f\x98\x80",
		"\xef\xbf\xbf",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		_cleanup_cjson_ cJSON *doc = NULL;
		struct json_writer w;

		json_init(&w, &b, false);
		json_string(&w, texts[i]);
		assert_int_equal(runaway_json_parse(b.data, b.len, &doc, NULL), 0);
		assert_string_equal(doc->valuestring, texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact_document),
		cmocka_unit_test(pretty_document),
		cmocka_unit_test(scalars_stand_alone),
		cmocka_unit_test(integers_to_the_limits),
		cmocka_unit_test(doubles_are_short),
		cmocka_unit_test(doubles_read_back_the_same),
		cmocka_unit_test(fixed_cuts_zeros),
		cmocka_unit_test(key_and_value_calls),
		cmocka_unit_test(raw_values_get_their_commas),
		cmocka_unit_test(nesting_has_one_limit),
		cmocka_unit_test(random_strings_never_break_a_document),
		cmocka_unit_test(valid_text_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
