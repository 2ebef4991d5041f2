/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/table.h"

static const struct table_column columns[] = {
	{ "PID", true, false },
	{ "NAME", false, true },
	{ "LAST", false, false },
};

static char *printed(const struct table *t, unsigned int width, bool utf8)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	runaway_table_print(t, f, width, false, utf8);
	fclose(f);
	return text;
}

static void fill(struct table *t, const char *const *cell, size_t count)
{
	runaway_table_init(t, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++)
		runaway_table_add(t, cell[i]);
	assert_false(t->error);
}

static void test_columns_line_up(void **state)
{
	static const char *const cell[] = { "1", "init", "a", "102825", "chromium", NULL };
	_cleanup_table_ struct table t = { 0 };
	_cleanup_free_ char *text = NULL;

	(void)state;
	fill(&t, cell, ARRAY_SIZE(cell));
	text = printed(&t, 0, true);
	assert_string_equal(text, "   PID  NAME      LAST\n"
				  "     1  init      a\n"
				  "102825  chromium  -\n");
}

static void test_empty_table_has_its_head(void **state)
{
	_cleanup_table_ struct table t = { 0 };
	_cleanup_free_ char *text = NULL;

	(void)state;
	fill(&t, NULL, 0);
	text = printed(&t, 0, true);
	assert_string_equal(text, "PID  NAME  LAST\n");
}

static void test_hostile_cells_are_one_line(void **state)
{
	static const char *const cell[] = { "1",
					    "a\nb\033[31m\r\t\x07",
					    "\xff\xc3",
					    "2",
					    "\xe2\x80\xae"
					    "rtl",
					    "\x9b"
					    "31m" };
	_cleanup_table_ struct table t = { 0 };
	_cleanup_free_ char *text = NULL;
	unsigned int lines = 0;

	(void)state;
	fill(&t, cell, ARRAY_SIZE(cell));
	text = printed(&t, 0, true);
	for (const char *s = text; *s; s++) {
		lines += *s == '\n';
		assert_true(*s == '\n' || ((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f));
	}
	assert_int_equal(lines, 3);
	assert_non_null(strstr(text, "\\x1b[31m"));
	assert_non_null(strstr(text, "\\xff\\xc3"));
}

static void test_widths(void **state)
{
	static const struct {
		const char *text;
		unsigned int width;
	} row[] = {
		{ "", 0 },	     { "abc", 3 },	    { "\u00e9", 1 },
		{ "e\u0301", 1 },    { "\u7f51\u7edc", 4 }, { "\uff21", 2 },
		{ "\U0001f600", 2 }, { "\uac00", 2 },	    { "a\u200bb", 2 },
		{ "\u2588", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(runaway_table_width(row[i].text), row[i].width);
}

static void test_fit_never_splits_a_character(void **state)
{
	static const char text[] = "a\u7f51\u7edcb";

	(void)state;
	assert_int_equal(runaway_table_fit(text, 0), 0);
	assert_int_equal(runaway_table_fit(text, 1), 1);
	assert_int_equal(runaway_table_fit(text, 2), 1);
	assert_int_equal(runaway_table_fit(text, 3), 4);
	assert_int_equal(runaway_table_fit(text, 5), 7);
	assert_int_equal(runaway_table_fit(text, 99), sizeof(text) - 1);
}

static void test_wide_cells_line_up(void **state)
{
	static const char *const cell[] = { "1", "\u7f51\u7edc", "x", "2", "abcd", "y" };
	_cleanup_table_ struct table t = { 0 };
	_cleanup_free_ char *text = NULL;

	(void)state;
	fill(&t, cell, ARRAY_SIZE(cell));
	text = printed(&t, 0, true);
	assert_string_equal(text, "PID  NAME  LAST\n"
				  "  1  \u7f51\u7edc  x\n"
				  "  2  abcd  y\n");
}

static void test_narrow_terminal_cuts_what_may_be_cut(void **state)
{
	static const char *const cell[] = { "1234567", "abcdefghijklmnopqrstuvwxyz", "keep" };
	static const char *const wide[] = { "1", "\u7f51\u7edc\u7f51\u7edc\u7f51\u7edc", "k" };
	_cleanup_table_ struct table t = { 0 }, w = { 0 };
	_cleanup_free_ char *text = NULL, *ascii = NULL, *narrow = NULL, *halved = NULL;

	(void)state;
	fill(&t, cell, ARRAY_SIZE(cell));
	text = printed(&t, 25, true);
	assert_string_equal(text, "    PID  NAME        LAST\n"
				  "1234567  abcdefghi\u2026  keep\n");
	ascii = printed(&t, 25, false);
	assert_non_null(strstr(ascii, "abcdefghi~  keep"));
	/* Below its least width a column says nothing: rather a long line than that. */
	narrow = printed(&t, 3, false);
	assert_non_null(strstr(narrow, "1234567  abcdefg~  keep"));
	/* A wide character that would be halved is left out, and the columns still line up. */
	fill(&w, wide, ARRAY_SIZE(wide));
	halved = printed(&w, 19, false);
	assert_non_null(strstr(halved, "  1  \u7f51\u7edc\u7f51~   k\n"));
}

static void test_take_empties_the_buffer(void **state)
{
	_cleanup_table_ struct table t = { 0 };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;

	(void)state;
	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	strbuf_add(&b, "a\0b", 3);
	runaway_table_take(&t, &b);
	assert_int_equal(b.len, 0);
	runaway_table_take(&t, &b);
	runaway_table_add(&t, "");
	text = printed(&t, 0, true);
	assert_non_null(strstr(text, "a\\x00b  -     -\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_line_up),
		cmocka_unit_test(test_empty_table_has_its_head),
		cmocka_unit_test(test_hostile_cells_are_one_line),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_fit_never_splits_a_character),
		cmocka_unit_test(test_wide_cells_line_up),
		cmocka_unit_test(test_narrow_terminal_cuts_what_may_be_cut),
		cmocka_unit_test(test_take_empties_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
