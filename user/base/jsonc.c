/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/jsonc.h"

#include <string.h>

#include "base/json.h"
#include "base/json_lex.h"

/* Behind the string that opens at i; an open string ends with the text. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++)
		if (text[i] == '\\')
			i++;
	return MIN(i + 1, len);
}

static size_t blank_line_comment(char *text, size_t len, size_t i)
{
	for (; i < len && text[i] != '\n'; i++)
		text[i] = ' ';
	return i;
}

/* Behind the comment, or 0 if it does not end. Line feeds stay. */
static size_t blank_block_comment(char *text, size_t len, size_t i)
{
	const char *close = memmem(text + i + 2, len - i - 2, "*/", 2);
	size_t stop;

	if (!close)
		return 0;
	stop = (size_t)(close - text) + 2;
	for (; i < stop; i++)
		if (text[i] != '\n')
			text[i] = ' ';
	return stop;
}

int runaway_jsonc_strip(char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (text[i] == '"') {
			i = skip_string(text, len, i);
		} else if (text[i] == '/' && i + 1 < len && text[i + 1] == '/') {
			i = blank_line_comment(text, len, i);
		} else if (text[i] == '/' && i + 1 < len && text[i + 1] == '*') {
			i = blank_block_comment(text, len, i);
			if (!i)
				return -EBADMSG;
		} else {
			i++;
		}
	}
	return 0;
}

unsigned int runaway_jsonc_line_at(const char *text, size_t len, size_t offset)
{
	unsigned int line = 1;

	len = MIN(len, offset);
	for (size_t i = 0; i < len; i++)
		line += text[i] == '\n';
	return line;
}

static bool opens(enum json_token t)
{
	return t == JSON_TOKEN_OBJECT_BEGIN || t == JSON_TOKEN_ARRAY_BEGIN;
}

static bool closes(enum json_token t)
{
	return t == JSON_TOKEN_OBJECT_END || t == JSON_TOKEN_ARRAY_END;
}

static bool stops(enum json_token t)
{
	return t == JSON_TOKEN_END || t == JSON_TOKEN_BAD;
}

/* Goes on to the end of the value whose first token was t. */
static bool skip_value(struct json_lexer *l, enum json_token t)
{
	unsigned int depth = opens(t);

	while (depth && !stops(t = json_lex_next(l))) {
		if (opens(t))
			depth++;
		else if (closes(t))
			depth--;
	}
	return !stops(t);
}

/* "[12]" at *path: the index, with *path moved behind it; -1 if it is something else. */
static long path_index(const char **path)
{
	const char *s = *path;
	long v = 0;

	if (*s++ != '[' || *s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10L, &v) ||
		    __builtin_add_overflow(v, (long)(*s - '0'), &v))
			return -1;
	if (*s != ']')
		return -1;
	*path = s + 1;
	return v;
}

static size_t value_offset(struct json_lexer *l, const char *path, bool root);

/* The value is an array, its '[' read. Offset behind the bracket of the text or SIZE_MAX. */
static size_t element_offset(struct json_lexer *l, const char *path)
{
	long index = path_index(&path);

	if (index < 0)
		return SIZE_MAX;
	while (index--) {
		enum json_token t = json_lex_next(l);

		if (stops(t) || closes(t) || !skip_value(l, t) ||
		    json_lex_next(l) != JSON_TOKEN_COMMA)
			return SIZE_MAX;
	}
	return value_offset(l, path, false);
}

/* What is left of path behind `key`, NULL when path does not begin with it. */
static const char *behind_key(const char *path, const struct strbuf *key)
{
	if (strncmp(path, key->data ? key->data : "", key->len) != 0)
		return NULL;
	path += key->len;
	return *path == '\0' || *path == '.' || *path == '[' ? path : NULL;
}

/*
 * The value is an object, its '{' read. A key may hold dots and brackets
 * itself, so that each key that fits is tried.
 */
static size_t member_offset(struct json_lexer *l, const char *path)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;

	for (;;) {
		struct json_lexer at;
		const char *rest;
		size_t offset;

		if (json_lex_next(l) != JSON_TOKEN_STRING)
			return SIZE_MAX;
		strbuf_reset(&key);
		json_lex_unescape(&key, l->text + l->start, l->pos - l->start);
		if (json_lex_next(l) != JSON_TOKEN_COLON || key.error)
			return SIZE_MAX;
		rest = behind_key(path, &key);
		at = *l;
		offset = rest ? value_offset(&at, rest, false) : SIZE_MAX;
		if (offset != SIZE_MAX)
			return offset;
		if (!skip_value(l, json_lex_next(l)) || json_lex_next(l) != JSON_TOKEN_COMMA)
			return SIZE_MAX;
	}
}

/*
 * Offset of what `path` names in the value that comes next, or SIZE_MAX. Each
 * step goes one level down into text that parsed: RUNAWAY_JSON_DEPTH at most.
 */
static size_t value_offset(struct json_lexer *l, const char *path, bool root)
{
	enum json_token t = json_lex_next(l);

	if (stops(t) || closes(t))
		return SIZE_MAX;
	if (!*path)
		return l->start;
	if (t == JSON_TOKEN_ARRAY_BEGIN)
		return element_offset(l, path);
	if (t != JSON_TOKEN_OBJECT_BEGIN)
		return SIZE_MAX;
	if (!root && *path++ != '.')
		return SIZE_MAX;
	return member_offset(l, path);
}

unsigned int runaway_jsonc_line_of(const char *text, size_t len, const char *path)
{
	struct json_lexer l = { .text = text, .len = len };
	size_t offset = value_offset(&l, path, true);

	return offset == SIZE_MAX ? 0 : runaway_jsonc_line_at(text, len, offset);
}
