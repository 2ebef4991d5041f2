/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linked with --wrap: write fsync geteuid */
/* The audit as people read it back: whole records, in order, within bounds. */
#include "gate/audit_disk.h"

static size_t tail(uint64_t after, size_t limit, char **ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *json = NULL;
	struct json_writer w;

	json_init(&w, &b, false);
	assert_int_equal(runaway_audit_tail(&a, after, limit, &w), 0);
	assert_int_equal(runaway_json_parse(b.data, b.len, &json, NULL), 0);
	if (ret)
		*ret = strbuf_take(&b);
	return (size_t)cJSON_GetArraySize(json);
}

static void tail_shows_whole_records(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(tail(0, 10, NULL), 0);
	for (int i = 0; i < 300; i++)
		assert_int_equal(put_intent("x"), 0);
	assert_int_equal(tail(0, 10, &text), 10);
	assert_non_null(strstr(text, "\"seq\":\"10\""));
	assert_int_equal(tail(295, 10, NULL), 5);
	assert_int_equal(tail(300, 10, NULL), 0);
	assert_int_equal(tail(0, 0, NULL), 0);
	assert_in_range(tail(0, 1000, NULL), 50, 299);
	assert_int_equal(__real_write(a.fd, "{\"seq\":\"9", 9), 9);
	assert_int_equal(tail(295, 10, NULL), 5);
	assert_int_equal(__real_write(a.fd, "\n", 1), 1);
	strbuf_adds(&b, "{\"seq\":\"999\" x}");
	runaway_line_seal(&b);
	strbuf_addc(&b, '\n');
	assert_int_equal(__real_write(a.fd, b.data, b.len), b.len);
	assert_int_equal(tail(295, 10, NULL), 5);
	/* Whole, but not sealed: no record. */
	assert_int_equal(__real_write(a.fd, "{\"seq\":\"999\"}\n", 14), 14);
	assert_int_equal(tail(295, 10, NULL), 5);
	/* What is appended after that still goes to the end. */
	assert_int_equal(put("x"), 0);
}

/* The longest record that is shown at all, and one byte more. */
static void tail_has_its_bound(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t len = 48 * 1024; len <= 48 * 1024 + 1; len++) {
		size_t sealed;

		strbuf_reset(&b);
		strbuf_adds(&b, "{\"seq\":\"1\",\"pad\":\"\"}");
		sealed = b.len;
		runaway_line_seal(&b);
		sealed = b.len - sealed;
		strbuf_reset(&b);
		strbuf_adds(&b, "{\"seq\":\"1\",\"pad\":\"");
		while (b.len + 2 + sealed < len)
			strbuf_addc(&b, 'x');
		strbuf_adds(&b, "\"}");
		runaway_line_seal(&b);
		assert_int_equal(b.len, len);
		strbuf_addc(&b, '\n');
		write_file(&b);
		assert_int_equal(tail(0, 10, NULL), len == 48 * 1024);
	}
}

static void tail_of_a_closed_file(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	runaway_audit_close(&a);
	json_init(&w, &b, false);
	assert_int_equal(runaway_audit_tail(&a, 0, 10, &w), -EBADF);
	runaway_audit_close(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tail_shows_whole_records),
		TEST(tail_has_its_bound),
		TEST(tail_of_a_closed_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
