/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What one step over a byte string found. */
enum piece {
	PIECE_ASCII,   /* one byte below 0x80 */
	PIECE_VALID,   /* a UTF-8 sequence that is safe to show */
	PIECE_UNSAFE,  /* a UTF-8 sequence that moves a cursor, ends a line or turns text round */
	PIECE_INVALID, /* one byte that is no UTF-8 */
};

/* Length of the sequence that a lead byte opens, 0 for a byte that opens none. */
static const uint8_t lead_len[256] = {
	[0x00 ... 0x7f] = 1,
	[0xc2 ... 0xdf] = 2,
	[0xe0 ... 0xef] = 3,
	[0xf0 ... 0xf4] = 4,
};

/* Bytes that a sink cannot carry as they are: controls and DEL for all of them. */
#define CONTROLS [0x00 ... 0x1f] = true, [0x7f] = true
static const bool special_text[128] = { CONTROLS, ['\\'] = true };
static const bool special_quoted[128] = { CONTROLS, ['\\'] = true, ['"'] = true };

static const char hex_digit[] = "0123456789abcdef";

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Overlong forms, surrogates and code points above U+10FFFF show in the second byte. */
static bool second_byte_ok(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

size_t runaway_utf8_len(const char *s, size_t len)
{
	size_t n, i;

	if (!len)
		return 0;
	n = lead_len[(unsigned char)s[0]];
	if (n > len)
		return 0;
	for (i = 1; i < n; i++)
		if (!is_continuation(s[i]))
			return 0;
	if (n > 1 && !second_byte_ok((unsigned char)s[0], (unsigned char)s[1]))
		return 0;
	return n;
}

/* Code point of a valid sequence of two or three bytes; larger ones are never unsafe. */
static unsigned int decode(const char *s, size_t n)
{
	unsigned int b0 = (unsigned char)s[0], b1 = (unsigned char)s[1];

	if (n == 2)
		return (b0 & 0x1f) << 6 | (b1 & 0x3f);
	return (b0 & 0x0f) << 12 | (b1 & 0x3f) << 6 | ((unsigned char)s[2] & 0x3f);
}

/* C1, line and paragraph separator, and the controls of UAX #9. */
static bool is_unsafe(unsigned int cp)
{
	return (cp >= 0x80 && cp <= 0x9f) || cp == 0x61c || cp == 0x200e || cp == 0x200f ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

static enum piece next_piece(const char *s, size_t len, size_t *ret_n)
{
	size_t n;

	if (!((unsigned char)s[0] & 0x80)) {
		*ret_n = 1;
		return PIECE_ASCII;
	}
	n = runaway_utf8_len(s, len);
	*ret_n = n ? n : 1;
	if (!n)
		return PIECE_INVALID;
	return n < 4 && is_unsafe(decode(s, n)) ? PIECE_UNSAFE : PIECE_VALID;
}

/*
 * Steps over what goes out as it is, so that it is copied in one piece; returns
 * its length and what stopped it (*ret_n bytes; 0 at the end).
 */
static size_t plain_run(const char *s, size_t len, const bool special[128], enum piece *ret_piece,
			size_t *ret_n)
{
	size_t i = 0, n;

	while (i < len) {
		enum piece p = next_piece(s + i, len - i, &n);

		if (p == PIECE_UNSAFE || p == PIECE_INVALID ||
		    (p == PIECE_ASCII && special[(unsigned char)s[i]])) {
			*ret_piece = p;
			*ret_n = n;
			return i;
		}
		i += n;
	}
	*ret_n = 0;
	return i;
}

static void escape(struct strbuf *b, const char *s, size_t len, const bool special[128],
		   void (*emit)(struct strbuf *b, enum piece piece, const char *s, size_t n))
{
	while (len) {
		enum piece piece = PIECE_VALID;
		size_t n, run = plain_run(s, len, special, &piece, &n);

		strbuf_add(b, s, run);
		if (n)
			emit(b, piece, s + run, n);
		s += run + n;
		len -= run + n;
	}
}

/* prefix, then the two digits, for each byte. */
static void add_hex_bytes(struct strbuf *b, const char *prefix, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char digits[2] = { hex_digit[c >> 4], hex_digit[c & 15] };

		strbuf_adds(b, prefix);
		strbuf_add(b, digits, sizeof(digits));
	}
}

static void emit_text(struct strbuf *b, _unused_ enum piece piece, const char *s, size_t n)
{
	add_hex_bytes(b, "\\x", s, n);
}

static void add_u_escape(struct strbuf *b, unsigned int cp)
{
	char out[6] = { '\\',
			'u',
			hex_digit[cp >> 12 & 15],
			hex_digit[cp >> 8 & 15],
			hex_digit[cp >> 4 & 15],
			hex_digit[cp & 15] };

	strbuf_add(b, out, sizeof(out));
}

static void emit_json(struct strbuf *b, enum piece piece, const char *s, size_t n)
{
	static const char short_form[128] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};
	unsigned char c = (unsigned char)s[0];

	if (piece == PIECE_INVALID || c == '\0') {
		add_u_escape(b, 0xfffd);
	} else if (piece == PIECE_UNSAFE) {
		add_u_escape(b, decode(s, n));
	} else if (short_form[c]) {
		char out[2] = { '\\', short_form[c] };

		strbuf_add(b, out, sizeof(out));
	} else {
		add_u_escape(b, c);
	}
}

static void emit_label(struct strbuf *b, enum piece piece, const char *s, size_t n)
{
	if (piece == PIECE_INVALID)
		strbuf_adds(b, "\xef\xbf\xbd");
	else if (s[0] == '\n')
		strbuf_adds(b, "\\n");
	else if (s[0] == '"')
		strbuf_adds(b, "\\\"");
	else if (s[0] == '\\')
		strbuf_adds(b, "\\\\");
	else
		add_hex_bytes(b, "\\\\x", s, n);
}

void runaway_escape_text(struct strbuf *b, const char *s, size_t len)
{
	escape(b, s, len, special_text, emit_text);
}

void runaway_escape_json(struct strbuf *b, const char *s, size_t len)
{
	escape(b, s, len, special_quoted, emit_json);
}

void runaway_escape_label(struct strbuf *b, const char *s, size_t len)
{
	escape(b, s, len, special_quoted, emit_label);
}

bool runaway_utf8_clean(char *to, size_t size, const char *s, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t n, out, at = 0, i = 0;

	for (; i < len; i += MAX(n, (size_t)1), at += out) {
		n = runaway_utf8_len(s + i, len - i);
		out = n ? n : sizeof(replacement) - 1;
		if (at + out >= size)
			break;
		memcpy(to + at, n ? s + i : replacement, out);
	}
	to[at] = '\0';
	return i == len;
}
