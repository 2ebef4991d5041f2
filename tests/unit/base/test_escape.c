/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/escape.h"

static void (*const sinks[])(struct strbuf *b, const char *s, size_t len) = {
	runaway_escape_text,
	runaway_escape_json,
	runaway_escape_label,
};

/* The string is the literal without its NUL; NULs inside count. */
#define assert_escapes(fn, literal, want) check_escape(fn, literal, sizeof(literal) - 1, want)

static void check_escape(void (*fn)(struct strbuf *, const char *, size_t), const char *s,
			 size_t len, const char *want)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	fn(&b, s, len);
	assert_int_equal(b.error, 0);
	assert_string_equal(b.data ? b.data : "", want);
	assert_int_equal(b.len, strlen(want));
}

static void utf8_lengths(_unused_ void **state)
{
	static const struct {
		const char *s;
		size_t len, want;
	} cases[] = {
		{ "", 0, 0 },
		{ "a", 1, 1 },
		{ "\0", 1, 1 },
		{ "\x7f", 1, 1 },
		{ "\x80", 1, 0 },
		{ "\xbf", 1, 0 },
		{ "\xc0\x80", 2, 0 }, /* overlong NUL */
		{ "\xc1\xbf", 2, 0 },
		{ "\xc2\x80", 2, 2 },
		{ "\xc2", 1, 0 },
		{ "\xc2\x80", 1, 0 }, /* the rest lies behind the end */
		{ "\xc2\x7f", 2, 0 },
		{ "\xdf\xbf", 2, 2 },
		{ "\xe0\x9f\xbf", 3, 0 }, /* overlong */
		{ "\xe0\xa0\x80", 3, 3 },
		{ "\xe2\x82", 2, 0 },
		{ "\xe2\x82\xac", 3, 3 },
		{ "\xe2\x28\xa1", 3, 0 },
		{ "\xe2\x82\x28", 3, 0 },
		{ "\xed\x9f\xbf", 3, 3 },
		{ "\xed\xa0\x80", 3, 0 }, /* surrogate */
		{ "\xed\xbf\xbf", 3, 0 },
		{ "\xee\x80\x80", 3, 3 },
		{ "\xef\xbf\xbf", 3, 3 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 }, /* overlong */
		{ "\xf0\x90\x80\x80", 4, 4 },
		{ "\xf0\x9f\x98\x80", 3, 0 },
		{ "\xf4\x8f\xbf\xbf", 4, 4 },
		{ "\xf4\x90\x80\x80", 4, 0 }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xff", 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(runaway_utf8_len(cases[i].s, cases[i].len), cases[i].want);
}

static void text_keeps_what_can_be_shown(_unused_ void **state)
{
	assert_escapes(runaway_escape_text, "", "");
	assert_escapes(runaway_escape_text, "chrome --type=renderer \"x\" 'y'",
		       "chrome --type=renderer \"x\" 'y'");
	assert_escapes(runaway_escape_text, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		       "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void text_is_one_line_and_moves_no_cursor(_unused_ void **state)
{
	assert_escapes(runaway_escape_text, "a\nb\r\tc", "a\\x0ab\\x0d\\x09c");
	assert_escapes(runaway_escape_text, "\x1b[31mred", "\\x1b[31mred");
	assert_escapes(runaway_escape_text, "a\\x41", "a\\x5cx41");
	assert_escapes(runaway_escape_text, "a\0b\x7f", "a\\x00b\\x7f");
	/* CSI and NEL as single code points */
	assert_escapes(runaway_escape_text,
		       "\xc2\x9b"
		       "2J\xc2\x85",
		       "\\xc2\\x9b2J\\xc2\\x85");
	assert_escapes(runaway_escape_text, "\xc2\xa0", "\xc2\xa0");
	assert_escapes(runaway_escape_text, "\xe2\x80\xa8\xe2\x80\xa9",
		       "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
}

static void text_is_not_turned_round(_unused_ void **state)
{
	/* U+061C, U+200E, U+200F, U+202A..E, U+2066..9, and their neighbours */
	assert_escapes(runaway_escape_text, "\xd8\x9c", "\\xd8\\x9c");
	assert_escapes(runaway_escape_text, "\xd8\x9b\xd8\x9d", "\xd8\x9b\xd8\x9d");
	assert_escapes(runaway_escape_text, "\xe2\x80\x8e\xe2\x80\x8f",
		       "\\xe2\\x80\\x8e\\xe2\\x80\\x8f");
	assert_escapes(runaway_escape_text, "\xe2\x80\x8d\xe2\x80\x90", "\xe2\x80\x8d\xe2\x80\x90");
	assert_escapes(runaway_escape_text, "\xe2\x80\xaa\xe2\x80\xae",
		       "\\xe2\\x80\\xaa\\xe2\\x80\\xae");
	assert_escapes(runaway_escape_text, "\xe2\x80\xaf", "\xe2\x80\xaf");
	assert_escapes(runaway_escape_text, "\xe2\x81\xa6\xe2\x81\xa9",
		       "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
	assert_escapes(runaway_escape_text, "\xe2\x81\xa5\xe2\x81\xaa", "\xe2\x81\xa5\xe2\x81\xaa");
}

static void text_shows_invalid_bytes(_unused_ void **state)
{
	assert_escapes(runaway_escape_text, "a\xff\xfe", "a\\xff\\xfe");
	assert_escapes(runaway_escape_text, "\xe2\x82", "\\xe2\\x82");
	/* A lead byte swallows nothing that is valid behind it. */
	assert_escapes(runaway_escape_text, "\xe2\xc3\xa9", "\\xe2\xc3\xa9");
	assert_escapes(runaway_escape_text, "\xf0\x9f\nx", "\\xf0\\x9f\\x0ax");
}

static void json_escapes(_unused_ void **state)
{
	assert_escapes(runaway_escape_json, "a\"b\\c/d", "a\\\"b\\\\c/d");
	assert_escapes(runaway_escape_json, "\b\f\n\r\t", "\\b\\f\\n\\r\\t");
	assert_escapes(runaway_escape_json, "\x01\x1b\x1f\x7f", "\\u0001\\u001b\\u001f\\u007f");
	assert_escapes(runaway_escape_json, "\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0");
	assert_escapes(runaway_escape_json, "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029");
	assert_escapes(runaway_escape_json, "\xe2\x80\xae\xd8\x9c", "\\u202e\\u061c");
	assert_escapes(runaway_escape_json, "\xff\xe2\x82z", "\\ufffd\\ufffd\\ufffdz");
	assert_escapes(runaway_escape_json, "a\0b", "a\\ufffdb");
	assert_escapes(runaway_escape_json, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
}

static void label_escapes(_unused_ void **state)
{
	assert_escapes(runaway_escape_label, "a\"b\\c\nd", "a\\\"b\\\\c\\nd");
	assert_escapes(runaway_escape_label, "\r\x1b\x7f", "\\\\x0d\\\\x1b\\\\x7f");
	assert_escapes(runaway_escape_label, "\xc2\x9b", "\\\\xc2\\\\x9b");
	assert_escapes(runaway_escape_label,
		       "\xff"
		       "a",
		       "\xef\xbf\xbd"
		       "a");
	assert_escapes(runaway_escape_label, "caf\xc3\xa9", "caf\xc3\xa9");
}

/* Every byte, alone and between letters, comes out clean from every sink. */
static void every_byte_comes_out_clean(_unused_ void **state)
{
	for (size_t f = 0; f < ARRAY_SIZE(sinks); f++) {
		for (int c = 0; c < 256; c++) {
			_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
			char s[3] = { 'a', (char)c, 'z' };

			sinks[f](&b, s, sizeof(s));
			assert_true(b.len >= 3);
			assert_true(test_is_clean(b.data, b.len));
			assert_int_equal(b.data[0], 'a');
			assert_int_equal(b.data[b.len - 1], 'z');
		}
	}
}

static void random_bytes_come_out_clean(_unused_ void **state)
{
	uint64_t seed = 0x5eed;
	char s[200];

	for (int i = 0; i < 30000; i++) {
		size_t len = test_random_bytes(&seed, s, sizeof(s));
		/* A copy of the exact size: a read behind the end does not go unseen. */
		_cleanup_free_ char *exact = malloc(len ? len : 1);

		memcpy(exact, s, len);
		for (size_t f = 0; f < ARRAY_SIZE(sinks); f++) {
			_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

			sinks[f](&b, exact, len);
			assert_int_equal(b.error, 0);
			assert_true(test_is_clean(b.data ? b.data : "", b.len));
		}
	}
}

static int hex_of(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* What a terminal shows says exactly which bytes it was: nothing is lost, nothing ambiguous. */
static void text_can_be_read_back(_unused_ void **state)
{
	uint64_t seed = 77;
	char s[200], back[200];

	for (int i = 0; i < 10000; i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		size_t len = test_random_bytes(&seed, s, sizeof(s)), n = 0;

		runaway_escape_text(&b, s, len);
		for (size_t k = 0; k < b.len; k++) {
			assert_true(n < sizeof(back));
			if (b.data[k] == '\\') {
				assert_int_equal(b.data[k + 1], 'x');
				back[n++] =
					(char)(hex_of(b.data[k + 2]) << 4 | hex_of(b.data[k + 3]));
				k += 3;
			} else {
				back[n++] = b.data[k];
			}
		}
		assert_int_equal(n, len);
		assert_memory_equal(back, s, len);
	}
}

static void check_clean(const char *s, size_t len, size_t size, const char *want, bool whole)
{
	char out[64], again[64];

	assert_true(size <= sizeof(out));
	assert_int_equal(runaway_utf8_clean(out, size, s, len), whole);
	assert_string_equal(out, want);
	assert_true(runaway_utf8_clean(again, sizeof(again), out, strlen(out)));
	assert_string_equal(again, out);
}

static void cleaned(_unused_ void **state)
{
	check_clean("", 0, 1, "", true);
	check_clean("abc", 3, 4, "abc", true);
	check_clean("abc", 3, 3, "ab", false);
	check_clean("a\xe2\x82\xac", 4, 5, "a\xe2\x82\xac", true);
	/* Never half a character. */
	check_clean("a\xe2\x82\xac", 4, 4, "a", false);
	check_clean("a\xff"
		    "b",
		    3, 6,
		    "a\xef\xbf\xbd"
		    "b",
		    true);
	check_clean("a\xff"
		    "b",
		    3, 5, "a\xef\xbf\xbd", false);
	check_clean("a\xff"
		    "b",
		    3, 4, "a", false);
	check_clean("\xe2\x82", 2, 64, "\xef\xbf\xbd\xef\xbf\xbd", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_lengths),
		cmocka_unit_test(text_keeps_what_can_be_shown),
		cmocka_unit_test(text_is_one_line_and_moves_no_cursor),
		cmocka_unit_test(text_is_not_turned_round),
		cmocka_unit_test(text_shows_invalid_bytes),
		cmocka_unit_test(json_escapes),
		cmocka_unit_test(label_escapes),
		cmocka_unit_test(every_byte_comes_out_clean),
		cmocka_unit_test(random_bytes_come_out_clean),
		cmocka_unit_test(text_can_be_read_back),
		cmocka_unit_test(cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
