/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_JSON_H
#define RUNAWAY_BASE_JSON_H

/*
 * Writing: a streaming writer onto a strbuf, commas and escapes are its own
 * business, so a hostile string can never break a document. 64-bit values go
 * out as strings where the interface says so (a JSON number holds 53 bits).
 *
 * Reading: cJSON behind a strict check of grammar and depth.
 */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Objects and arrays inside each other. Deeper is refused by the reader; the writer sets
 * out->error to -E2BIG. */
#define RUNAWAY_JSON_DEPTH 32

struct json_writer {
	struct strbuf *out;
	unsigned int depth;
	bool first[RUNAWAY_JSON_DEPTH]; /* nothing written yet at this depth */
	bool after_key;
	bool pretty; /* two spaces an indent, one line a value */
};

void json_init(struct json_writer *w, struct strbuf *out, bool pretty);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_null(struct json_writer *w);
void json_bool(struct json_writer *w, bool v);
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
/* Shortest form that reads back the same; null for NaN and infinities. */
void json_double(struct json_writer *w, double v);
/* At most `decimals` digits behind the point, trailing zeros cut. */
void json_fixed(struct json_writer *w, double v, int decimals);
void json_string(struct json_writer *w, const char *s); /* NULL writes null */
void json_string_n(struct json_writer *w, const char *s, size_t len);
void json_stringf(struct json_writer *w, const char *fmt, ...) _printf_(2, 3);
void json_u64_string(struct json_writer *w, uint64_t v); /* "123" */
/* Appends a value that already is valid JSON. */
void json_raw(struct json_writer *w, const char *json, size_t len);

/* Key and a value that was read; NULL writes null. */
void json_kv_cjson(struct json_writer *w, const char *key, const cJSON *item);

/* Key and value in one call. */
void json_kv_string(struct json_writer *w, const char *key, const char *v);
void json_kv_int(struct json_writer *w, const char *key, int64_t v);
void json_kv_uint(struct json_writer *w, const char *key, uint64_t v);
void json_kv_bool(struct json_writer *w, const char *key, bool v);
void json_kv_fixed(struct json_writer *w, const char *key, double v, int decimals);
void json_kv_u64_string(struct json_writer *w, const char *key, uint64_t v);
void json_kv_null(struct json_writer *w, const char *key);
/* RFC 3339 UTC with milliseconds from CLOCK_REALTIME ns; null for 0. */
void json_kv_time(struct json_writer *w, const char *key, uint64_t realtime_ns);

/*
 * Parses len bytes. Returns 0 and a tree to cJSON_Delete(), -E2BIG when deeper
 * than RUNAWAY_JSON_DEPTH, -EBADMSG when it is no JSON (also for bytes behind
 * the value, NULs (\u0000 too), invalid UTF-8 and numbers that are longer than
 * 63 characters or too large for a double), -ENOMEM. *ret_offset (may be NULL)
 * gets the byte at which parsing stopped, on failure too.
 */
int runaway_json_parse(const char *text, size_t len, cJSON **ret, size_t *ret_offset);

/* Member lookups on an object; a missing key or another type gives the default. */
const cJSON *runaway_json_get(const cJSON *obj, const char *key); /* NULL: none */
const char *runaway_json_str(const cJSON *obj, const char *key, const char *def);
double runaway_json_num(const cJSON *obj, const char *key, double def);
bool runaway_json_true(const cJSON *obj, const char *key, bool def);
/* A decimal string, or a whole number from 0 to 2^53. */
uint64_t runaway_json_u64(const cJSON *obj, const char *key, uint64_t def);

static inline void runaway_cjson_deletep(cJSON **p)
{
	cJSON_Delete(*p);
}
#define _cleanup_cjson_ _cleanup_(runaway_cjson_deletep)

#endif
