/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"

/* DBL_MAX has 309 digits before the point. */
#define FIXED_DECIMALS_MAX 17
#define NUMBER_TEXT_BYTES  (1 + 309 + 1 + FIXED_DECIMALS_MAX + 1)

void json_init(struct json_writer *w, struct strbuf *out, bool pretty)
{
	*w = (struct json_writer){ .out = out, .pretty = pretty };
}

static void new_line(struct json_writer *w)
{
	static const char spaces[2 * RUNAWAY_JSON_DEPTH + 1] =
		"                                                                ";

	strbuf_addc(w->out, '\n');
	strbuf_add(w->out, spaces, 2 * MIN(w->depth, (unsigned int)RUNAWAY_JSON_DEPTH));
}

/* What stands before a value or a key: nothing behind a key, else a comma and a line. */
static void before_item(struct json_writer *w)
{
	bool *first;

	if (w->after_key || !w->depth || w->depth > RUNAWAY_JSON_DEPTH) {
		w->after_key = false;
		return;
	}
	first = &w->first[w->depth - 1];
	if (!*first)
		strbuf_addc(w->out, ',');
	*first = false;
	if (w->pretty)
		new_line(w);
}

static void begin(struct json_writer *w, char bracket)
{
	before_item(w);
	/* What no reader of ours would take is not written: the document is refused whole. */
	if (w->depth >= RUNAWAY_JSON_DEPTH)
		w->out->error = w->out->error ? w->out->error : -E2BIG;
	else
		w->first[w->depth] = true;
	w->depth++;
	strbuf_addc(w->out, bracket);
}

static void end(struct json_writer *w, char bracket)
{
	bool empty;

	assert(w->depth && !w->after_key);
	w->depth--;
	empty = w->depth < RUNAWAY_JSON_DEPTH && w->first[w->depth];
	if (w->pretty && !empty)
		new_line(w);
	strbuf_addc(w->out, bracket);
}

void json_object_begin(struct json_writer *w)
{
	begin(w, '{');
}

void json_object_end(struct json_writer *w)
{
	end(w, '}');
}

void json_array_begin(struct json_writer *w)
{
	begin(w, '[');
}

void json_array_end(struct json_writer *w)
{
	end(w, ']');
}

static void quoted(struct json_writer *w, const char *s, size_t len)
{
	strbuf_addc(w->out, '"');
	runaway_escape_json(w->out, s, len);
	strbuf_addc(w->out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
	before_item(w);
	quoted(w, key, strlen(key));
	strbuf_add(w->out, ": ", w->pretty ? 2 : 1);
	w->after_key = true;
}

void json_raw(struct json_writer *w, const char *json, size_t len)
{
	before_item(w);
	strbuf_add(w->out, json, len);
}

void json_null(struct json_writer *w)
{
	json_raw(w, "null", 4);
}

void json_bool(struct json_writer *w, bool v)
{
	json_raw(w, v ? "true" : "false", v ? 4 : 5);
}

/* Writes the digits so that they end at `end`; returns where they begin. */
static char *put_u64(char *end, uint64_t v)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return end;
}

void json_uint(struct json_writer *w, uint64_t v)
{
	char buf[20], *stop = buf + sizeof(buf), *p = put_u64(stop, v);

	json_raw(w, p, (size_t)(stop - p));
}

void json_int(struct json_writer *w, int64_t v)
{
	char buf[21], *stop = buf + sizeof(buf);
	char *p = put_u64(stop, v < 0 ? -(uint64_t)v : (uint64_t)v);

	if (v < 0)
		*--p = '-';
	json_raw(w, p, (size_t)(stop - p));
}

void json_u64_string(struct json_writer *w, uint64_t v)
{
	char buf[22], *stop = buf + sizeof(buf), *p;

	stop[-1] = '"';
	p = put_u64(stop - 1, v);
	*--p = '"';
	json_raw(w, p, (size_t)(stop - p));
}

void json_double(struct json_writer *w, double v)
{
	char buf[32];
	int n = 0;

	if (!isfinite(v)) {
		json_null(w);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtod(buf, NULL) == v)
			break;
	}
	json_raw(w, buf, (size_t)n);
}

void json_fixed(struct json_writer *w, double v, int decimals)
{
	char buf[NUMBER_TEXT_BYTES];
	int n;

	if (!isfinite(v)) {
		json_null(w);
		return;
	}
	decimals = MAX(0, MIN(decimals, FIXED_DECIMALS_MAX));
	n = snprintf(buf, sizeof(buf), "%.*f", decimals, v);
	if (decimals) {
		while (buf[n - 1] == '0')
			n--;
		if (buf[n - 1] == '.')
			n--;
	}
	/* A small negative number cut to nothing is not "-0". */
	if (n == 2 && buf[0] == '-' && buf[1] == '0')
		json_raw(w, "0", 1);
	else
		json_raw(w, buf, (size_t)n);
}

void json_string_n(struct json_writer *w, const char *s, size_t len)
{
	before_item(w);
	quoted(w, s, len);
}

void json_string(struct json_writer *w, const char *s)
{
	if (s)
		json_string_n(w, s, strlen(s));
	else
		json_null(w);
}

void json_stringf(struct json_writer *w, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	if (b.error && !w->out->error)
		w->out->error = b.error;
	json_string_n(w, b.data, b.len);
}

void json_kv_cjson(struct json_writer *w, const char *key, const cJSON *item)
{
	_cleanup_free_ char *text = item ? cJSON_PrintUnformatted(item) : NULL;

	if (item && !text)
		w->out->error = -ENOMEM;
	json_key(w, key);
	if (text)
		json_raw(w, text, strlen(text));
	else
		json_null(w);
}

void json_kv_string(struct json_writer *w, const char *key, const char *v)
{
	json_key(w, key);
	json_string(w, v);
}

void json_kv_int(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_int(w, v);
}

void json_kv_uint(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_uint(w, v);
}

void json_kv_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

void json_kv_fixed(struct json_writer *w, const char *key, double v, int decimals)
{
	json_key(w, key);
	json_fixed(w, v, decimals);
}

void json_kv_u64_string(struct json_writer *w, const char *key, uint64_t v)
{
	json_key(w, key);
	json_u64_string(w, v);
}

void json_kv_null(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_null(w);
}

void json_kv_time(struct json_writer *w, const char *key, uint64_t realtime_ns)
{
	char buf[RUNAWAY_RFC3339_LEN];

	json_key(w, key);
	json_string(w, realtime_ns ? runaway_rfc3339(realtime_ns, buf) : NULL);
}
