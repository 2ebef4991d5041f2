/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/fs.h"
#include "base/lines.h"

#include <stdio.h>

struct seen {
	size_t lines, long_ones, torn;
	uint64_t bytes;
	char last[64];
	int answer;
};

static int note(void *ctx, const struct runaway_line *line)
{
	struct seen *s = ctx;

	s->lines++;
	s->long_ones += line->too_long;
	s->torn += !line->complete;
	assert_true(line->number == s->lines);
	assert_true(line->offset == s->bytes);
	s->bytes += line->bytes + line->complete;
	snprintf(s->last, sizeof(s->last), "%.*s", (int)MIN(line->len, (size_t)60), line->text);
	return s->answer;
}

static int each(const char *text, size_t len, struct seen *s)
{
	FILE *f = tmpfile();
	int err;

	assert_non_null(f);
	assert_int_equal(runaway_write_all(fileno(f), text, len), 0);
	assert_int_equal(fseek(f, 0, SEEK_SET), 0);
	err = runaway_lines_each(fileno(f), note, s);
	fclose(f);
	return err;
}

static void whole_and_torn_lines(_unused_ void **state)
{
	struct seen s = { 0 };

	assert_int_equal(each("one\n\nthree\nfo", 13, &s), 0);
	assert_int_equal(s.lines, 4);
	assert_int_equal(s.torn, 1);
	assert_int_equal(s.bytes, 13);
	assert_string_equal(s.last, "fo");
	s = (struct seen){ 0 };
	assert_int_equal(each("", 0, &s), 0);
	assert_int_equal(s.lines, 0);
}

/* A line without end costs no memory, and the lines behind it are read. */
static void long_lines_are_skipped(_unused_ void **state)
{
	size_t len = 3 * RUNAWAY_LINE_MAX;
	char *big = test_malloc(len);
	struct seen s = { 0 };

	memset(big, 'x', len);
	memcpy(big, "a\n", 2);
	memcpy(big + len - 3, "\nb\n", 3);
	assert_int_equal(each(big, len, &s), 0);
	assert_int_equal(s.lines, 3);
	assert_int_equal(s.long_ones, 1);
	assert_string_equal(s.last, "b");
	assert_int_equal(s.bytes, len);
	memset(big, 'x', len);
	s = (struct seen){ 0 };
	assert_int_equal(each(big, len, &s), 0);
	assert_int_equal(s.lines, 1);
	assert_int_equal(s.torn, 1);
	test_free(big);
}

static void the_reader_may_stop(_unused_ void **state)
{
	struct seen s = { .answer = -EBADMSG };

	assert_int_equal(each("one\ntwo\n", 8, &s), -EBADMSG);
	assert_int_equal(s.lines, 1);
	assert_int_equal(runaway_lines_each(-1, note, &s), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_torn_lines),
		cmocka_unit_test(long_lines_are_skipped),
		cmocka_unit_test(the_reader_may_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
