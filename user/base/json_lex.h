/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_JSON_LEX_H
#define RUNAWAY_BASE_JSON_LEX_H

/*
 * Tokens of RFC 8259, strictly: cJSON takes control characters, NULs, invalid
 * UTF-8, "01" and 1e999. Private to `base`: the reader checks with it before
 * cJSON sees a byte, and the configuration's line numbers are found with it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

enum json_token {
	JSON_TOKEN_END,
	JSON_TOKEN_BAD, /* pos is the offending byte */
	JSON_TOKEN_OBJECT_BEGIN,
	JSON_TOKEN_OBJECT_END,
	JSON_TOKEN_ARRAY_BEGIN,
	JSON_TOKEN_ARRAY_END,
	JSON_TOKEN_COLON,
	JSON_TOKEN_COMMA,
	JSON_TOKEN_STRING,
	JSON_TOKEN_NUMBER,
	JSON_TOKEN_WORD, /* true, false, null */
};

struct json_lexer {
	const char *text; /* borrowed */
	size_t len;
	size_t start; /* of the last token */
	size_t pos;   /* behind it */
};

enum json_token json_lex_next(struct json_lexer *l);

/*
 * Appends the content of the string token from start to pos (quotes included)
 * with its escapes resolved, as UTF-8.
 */
void json_lex_unescape(struct strbuf *b, const char *token, size_t len);

#endif
