/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_BASE_TEST_H
#define RUNAWAY_TEST_BASE_TEST_H

/* What the tests of this room share: cmocka with what it needs, and random bytes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"

/* xorshift64: the same bytes in every run, so that a failure can be had again. */
static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/*
 * Up to `max` bytes that are likely to break something: any byte, pieces of
 * UTF-8 (also cut and forbidden ones), escapes, quotes.
 */
static inline size_t test_random_bytes(uint64_t *state, char *buf, size_t max)
{
	static const char *const piece[] = {
		"\"",		"\\",		"\n",	    "\x1b[2J",	    "\xc2\x85",
		"\xe2\x80\xa8", "\xe2",		"\xe2\x80", "\xf0\x9f\x98", "\xf0\x9f\x98\x80",
		"\xc0\xaf",	"\xed\xa0\x80", "\xff",	    "\xf4\x90\x80", "\xe2\x80\xae",
		"abc",		"\xc3\xa9",	"\x7f",
	};
	size_t want = test_random(state) % (max + 1), len = 0;

	while (len < want) {
		const char *p = piece[test_random(state) % (sizeof(piece) / sizeof(piece[0]))];

		if (test_random(state) % 2 || strlen(p) > want - len)
			buf[len++] = (char)test_random(state);
		else
			while (*p)
				buf[len++] = *p++;
	}
	return len;
}

/* Valid UTF-8 with neither control characters (C0, DEL, C1) nor line separators. */
static inline bool test_is_clean(const char *s, size_t len)
{
	while (len) {
		size_t n = runaway_utf8_len(s, len);
		unsigned char c = (unsigned char)s[0];

		if (!n || c < 0x20 || c == 0x7f)
			return false;
		if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0)
			return false;
		if (n == 3 &&
		    (memcmp(s, "\xe2\x80\xa8", 3) == 0 || memcmp(s, "\xe2\x80\xa9", 3) == 0 ||
		     memcmp(s, "\xe2\x80\xae", 3) == 0))
			return false;
		s += n;
		len -= n;
	}
	return true;
}

#endif
