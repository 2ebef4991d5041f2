/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/json_lex.h"

/* What may come next. */
enum expect {
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END, /* behind '[' */
	EXPECT_KEY,
	EXPECT_KEY_OR_END, /* behind '{' */
	EXPECT_COLON,
	EXPECT_COMMA_OR_END, /* behind a value inside something */
	EXPECT_NOTHING,	     /* behind the whole value */
};

struct checker {
	struct json_lexer lex;
	enum expect expect;
	unsigned int depth;
	bool in_object[RUNAWAY_JSON_DEPTH];
};

static void value_done(struct checker *c)
{
	c->expect = c->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

static int begin(struct checker *c, bool object)
{
	if (c->expect != EXPECT_VALUE && c->expect != EXPECT_VALUE_OR_END)
		return -EBADMSG;
	if (c->depth == RUNAWAY_JSON_DEPTH)
		return -E2BIG;
	c->in_object[c->depth++] = object;
	c->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
	return 0;
}

static int end(struct checker *c, bool object)
{
	enum expect empty = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;

	if (!c->depth || c->in_object[c->depth - 1] != object ||
	    (c->expect != EXPECT_COMMA_OR_END && c->expect != empty))
		return -EBADMSG;
	c->depth--;
	value_done(c);
	return 0;
}

static int scalar(struct checker *c, bool string)
{
	if (string && (c->expect == EXPECT_KEY || c->expect == EXPECT_KEY_OR_END)) {
		c->expect = EXPECT_COLON;
		return 0;
	}
	if (c->expect != EXPECT_VALUE && c->expect != EXPECT_VALUE_OR_END)
		return -EBADMSG;
	value_done(c);
	return 0;
}

static int separator(struct checker *c, enum expect when, enum expect then)
{
	if (c->expect != when)
		return -EBADMSG;
	c->expect = then;
	return 0;
}

static int check_token(struct checker *c, enum json_token token)
{
	switch (token) {
	case JSON_TOKEN_OBJECT_BEGIN:
	case JSON_TOKEN_ARRAY_BEGIN:
		return begin(c, token == JSON_TOKEN_OBJECT_BEGIN);
	case JSON_TOKEN_OBJECT_END:
	case JSON_TOKEN_ARRAY_END:
		return end(c, token == JSON_TOKEN_OBJECT_END);
	case JSON_TOKEN_COLON:
		return separator(c, EXPECT_COLON, EXPECT_VALUE);
	case JSON_TOKEN_COMMA:
		return separator(c, EXPECT_COMMA_OR_END,
				 c->depth && c->in_object[c->depth - 1] ? EXPECT_KEY
									: EXPECT_VALUE);
	case JSON_TOKEN_STRING:
	case JSON_TOKEN_NUMBER:
	case JSON_TOKEN_WORD:
		return scalar(c, token == JSON_TOKEN_STRING);
	case JSON_TOKEN_END:
	case JSON_TOKEN_BAD:
		break;
	}
	return -EBADMSG;
}

/*
 * Walks over the text without recursion or allocation: hostile nesting costs
 * nothing, and what cJSON would let pass never gets there.
 */
static int check(const char *text, size_t len, size_t *ret_offset)
{
	struct checker c = { .lex = { .text = text, .len = len } };
	int r = 0;

	while (r == 0) {
		enum json_token token = json_lex_next(&c.lex);

		if (token == JSON_TOKEN_END && c.expect == EXPECT_NOTHING) {
			*ret_offset = c.lex.pos;
			break;
		}
		r = check_token(&c, token);
		*ret_offset = token == JSON_TOKEN_BAD ? c.lex.pos : c.lex.start;
	}
	return r;
}

int runaway_json_parse(const char *text, size_t len, cJSON **ret, size_t *ret_offset)
{
	size_t offset = 0;
	cJSON *tree;
	int r = check(text, len, &offset);

	if (ret_offset)
		*ret_offset = offset;
	if (r < 0)
		return r;
	/* The grammar has been seen to: nothing is left that can fail but memory. */
	tree = cJSON_ParseWithLengthOpts(text, len, NULL, false);
	if (!tree)
		return -ENOMEM;
	*ret = tree;
	return 0;
}

const cJSON *runaway_json_get(const cJSON *obj, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(obj, key);
}

const char *runaway_json_str(const cJSON *obj, const char *key, const char *def)
{
	const cJSON *v = runaway_json_get(obj, key);

	return cJSON_IsString(v) ? v->valuestring : def;
}

double runaway_json_num(const cJSON *obj, const char *key, double def)
{
	const cJSON *v = runaway_json_get(obj, key);

	return cJSON_IsNumber(v) ? v->valuedouble : def;
}

bool runaway_json_true(const cJSON *obj, const char *key, bool def)
{
	const cJSON *v = runaway_json_get(obj, key);

	return cJSON_IsBool(v) ? cJSON_IsTrue(v) : def;
}

/* Digits only: no sign, no space, nothing behind them, no overflow. */
static bool parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++)
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	*ret = v;
	return true;
}

uint64_t runaway_json_u64(const cJSON *obj, const char *key, uint64_t def)
{
	const cJSON *v = runaway_json_get(obj, key);
	uint64_t n;

	if (cJSON_IsString(v))
		return parse_u64(v->valuestring, &n) ? n : def;
	/* Above 2^53 a double no longer says which number was meant. */
	if (!cJSON_IsNumber(v) || v->valuedouble < 0 || v->valuedouble > 0x1p53 ||
	    floor(v->valuedouble) != v->valuedouble)
		return def;
	return (uint64_t)v->valuedouble;
}
