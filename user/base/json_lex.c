/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json_lex.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"

/* cJSON 1.7 copies a number into 64 bytes; no number that means something is longer. */
#define NUMBER_MAX_BYTES 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at pos, or NUL (which no token contains) at the end. */
static char peek(const struct json_lexer *l)
{
	return l->pos < l->len ? l->text[l->pos] : '\0';
}

/* Four hex digits; -1 if they are not there. */
static int hex4(const char *s, size_t len)
{
	int v = 0;

	if (len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_value(s[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/*
 * Code point of the \uNNNN (or surrogate pair) at s; *ret_n bytes. -1 for half a
 * pair and for NUL, which would cut the string short wherever C reads it.
 */
static int u_escape(const char *s, size_t len, size_t *ret_n)
{
	int high = len > 2 ? hex4(s + 2, len - 2) : -1, low;

	if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff))
		return -1;
	if (high < 0xd800 || high > 0xdbff) {
		*ret_n = 6;
		return high;
	}
	if (len < 12 || s[6] != '\\' || s[7] != 'u')
		return -1;
	low = hex4(s + 8, len - 8);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*ret_n = 12;
	return 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
}

/* Bytes of the escape at s, 0 if it is none. */
static size_t escape_len(const char *s, size_t len)
{
	size_t n;

	if (len < 2 || !s[1])
		return 0;
	if (s[1] == 'u')
		return u_escape(s, len, &n) < 0 ? 0 : n;
	return strchr("\"\\/bfnrt", s[1]) ? 2 : 0;
}

static enum json_token lex_string(struct json_lexer *l)
{
	for (l->pos++; l->pos < l->len;) {
		const char *s = l->text + l->pos;
		size_t n;

		if (*s == '"') {
			l->pos++;
			return JSON_TOKEN_STRING;
		}
		if ((unsigned char)*s < 0x20)
			return JSON_TOKEN_BAD;
		n = *s == '\\' ? escape_len(s, l->len - l->pos)
			       : runaway_utf8_len(s, l->len - l->pos);
		if (!n)
			return JSON_TOKEN_BAD;
		l->pos += n;
	}
	return JSON_TOKEN_BAD;
}

/* At least one digit. */
static bool skip_digits(struct json_lexer *l)
{
	size_t from = l->pos;

	while (is_digit(peek(l)))
		l->pos++;
	return l->pos > from;
}

static bool skip_number(struct json_lexer *l)
{
	if (peek(l) == '-')
		l->pos++;
	if (peek(l) == '0')
		l->pos++; /* and no digit behind it */
	else if (!skip_digits(l))
		return false;
	if (peek(l) == '.') {
		l->pos++;
		if (!skip_digits(l))
			return false;
	}
	if (peek(l) == 'e' || peek(l) == 'E') {
		l->pos++;
		if (peek(l) == '-' || peek(l) == '+')
			l->pos++;
		return skip_digits(l);
	}
	return true;
}

static enum json_token lex_number(struct json_lexer *l)
{
	char copy[NUMBER_MAX_BYTES + 1] = "";
	size_t n;

	if (!skip_number(l))
		return JSON_TOKEN_BAD;
	n = l->pos - l->start;
	if (n <= NUMBER_MAX_BYTES) {
		memcpy(copy, l->text + l->start, n);
		if (isfinite(strtod(copy, NULL)))
			return JSON_TOKEN_NUMBER;
	}
	l->pos = l->start;
	return JSON_TOKEN_BAD;
}

static enum json_token lex_word(struct json_lexer *l)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if (l->len - l->pos >= n && memcmp(l->text + l->pos, words[i], n) == 0) {
			l->pos += n;
			return JSON_TOKEN_WORD;
		}
	}
	return JSON_TOKEN_BAD;
}

static enum json_token punctuation(char c)
{
	switch (c) {
	case '{':
		return JSON_TOKEN_OBJECT_BEGIN;
	case '}':
		return JSON_TOKEN_OBJECT_END;
	case '[':
		return JSON_TOKEN_ARRAY_BEGIN;
	case ']':
		return JSON_TOKEN_ARRAY_END;
	case ':':
		return JSON_TOKEN_COLON;
	case ',':
		return JSON_TOKEN_COMMA;
	default:
		return JSON_TOKEN_BAD;
	}
}

enum json_token json_lex_next(struct json_lexer *l)
{
	enum json_token token;
	char c;

	while ((c = peek(l)) == ' ' || c == '\t' || c == '\n' || c == '\r')
		l->pos++;
	l->start = l->pos;
	if (l->pos >= l->len)
		return JSON_TOKEN_END;
	if (c == '"')
		return lex_string(l);
	if (c == '-' || is_digit(c))
		return lex_number(l);
	token = punctuation(c);
	if (token == JSON_TOKEN_BAD)
		return lex_word(l);
	l->pos++;
	return token;
}

static void add_utf8(struct strbuf *b, int cp)
{
	char s[4];
	size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n - 1; i > 0; i--, cp >>= 6)
		s[i] = (char)(0x80 | (cp & 0x3f));
	s[0] = (char)(lead[n] | cp);
	strbuf_add(b, s, n);
}

void json_lex_unescape(struct strbuf *b, const char *token, size_t len)
{
	static const char meaning[128] = {
		['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
	};
	const char *s = token + 1, *end = token + len - 1;

	while (s < end) {
		const char *backslash = memchr(s, '\\', (size_t)(end - s));
		size_t n = 2;

		strbuf_add(b, s, (size_t)((backslash ? backslash : end) - s));
		if (!backslash)
			return;
		if (backslash[1] == 'u')
			add_utf8(b, u_escape(backslash, (size_t)(end - backslash), &n));
		else
			strbuf_addc(b, meaning[(unsigned char)backslash[1] & 0x7f]);
		s = backslash + n;
	}
}
