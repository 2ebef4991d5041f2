/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/canonical.h"

#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/json.h"
#include "gate/document.h"

static bool is_hex(const char *s, size_t digits)
{
	return strlen(s) == digits && strspn(s, "0123456789abcdef") == digits;
}

static bool hex_ok(const char *s, size_t size)
{
	return s[0] == '\0' || is_hex(s, size - 1);
}

/* ---- writing ---- */

static int write_object(const struct field *fields, const char *base, struct json_writer *w);
static int write_value(const struct field *f, const char *base, struct json_writer *w);

static int write_list(const struct field *f, const char *base, struct json_writer *w)
{
	size_t count = *(const size_t *)(base + f->count_offset);

	if (count > f->max)
		return -EINVAL;
	json_array_begin(w);
	for (size_t i = 0; i < count; i++) {
		int err = write_value(f->fields, base + f->offset + i * f->size, w);

		if (err < 0)
			return err;
	}
	json_array_end(w);
	return 0;
}

/* A path is any bytes, and a name may have been cut in the middle of a character. Read back it has
 * to be the same. */
static void write_text(const char *text, size_t size, struct json_writer *w)
{
	char clean[RUNAWAY_PATH];

	(void)runaway_utf8_clean(clean, size, text, strnlen(text, size - 1));
	json_string(w, clean);
}

static int write_hex(const struct field *f, const char *text, struct json_writer *w)
{
	if (!hex_ok(text, f->size))
		return -EINVAL;
	json_string(w, text);
	return 0;
}

static int write_time(uint64_t realtime_ns, struct json_writer *w)
{
	char text[RUNAWAY_RFC3339_LEN];

	/* A time that was never set is a mistake of the caller, not midnight of 1970. */
	if (realtime_ns < NSEC_PER_MSEC)
		return -EINVAL;
	json_string(w, runaway_rfc3339(realtime_ns, text));
	return 0;
}

static int write_value(const struct field *f, const char *base, struct json_writer *w)
{
	const char *at = base + f->offset;

	switch (f->kind) {
	case FIELD_CONST:
		json_string(w, f->text);
		return 0;
	case FIELD_TEXT:
		write_text(at, f->size, w);
		return 0;
	case FIELD_HEX:
		return write_hex(f, at, w);
	case FIELD_BOOL:
		json_bool(w, *(const bool *)at);
		return 0;
	case FIELD_U32:
		json_uint(w, *(const uint32_t *)at);
		return 0;
	case FIELD_U64:
		json_u64_string(w, *(const uint64_t *)at);
		return 0;
	case FIELD_I64:
		json_stringf(w, "%lld", (long long)*(const int64_t *)at);
		return 0;
	case FIELD_TIME:
		return write_time(*(const uint64_t *)at, w);
	case FIELD_OBJECT:
		return write_object(f->fields, at, w);
	default: /* FIELD_LIST */
		return write_list(f, base, w);
	}
}

static int write_object(const struct field *fields, const char *base, struct json_writer *w)
{
	json_object_begin(w);
	for (const struct field *f = fields; f->kind != FIELD_END; f++) {
		int err;

		json_key(w, f->key);
		err = write_value(f, base, w);
		if (err < 0)
			return err;
	}
	json_object_end(w);
	return 0;
}

int canonical_write(const struct field *fields, const void *doc, struct strbuf *out)
{
	size_t before = out->len;
	struct json_writer w;
	int err;

	json_init(&w, out, false);
	err = write_object(fields, doc, &w);
	if (err == 0)
		err = out->error;
	if (err == 0 && out->len - before > RUNAWAY_DOCUMENT_MAX)
		err = -EMSGSIZE;
	if (err < 0)
		strbuf_truncate(out, before);
	return err;
}

/* ---- reading: values are taken as they come; what is not canonical shows afterwards ---- */

static bool read_object(const struct field *fields, const cJSON *json, char *base);
static bool read_value(const struct field *f, const cJSON *json, char *base);

static bool read_text(const cJSON *json, char *at, size_t size)
{
	const char *text = cJSON_GetStringValue(json);
	size_t len;

	if (!text)
		return false;
	len = strlen(text);
	if (len >= size)
		return false;
	memcpy(at, text, len + 1);
	return true;
}

static bool read_u32(const cJSON *json, uint32_t *ret)
{
	double v = cJSON_IsNumber(json) ? json->valuedouble : -1;

	if (!(v >= 0 && v <= UINT32_MAX))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool read_u64(const cJSON *json, uint64_t *ret)
{
	const char *text = cJSON_GetStringValue(json);

	if (!text)
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

static bool read_i64(const cJSON *json, int64_t *ret)
{
	const char *text = cJSON_GetStringValue(json);

	if (!text)
		return false;
	*ret = strtoll(text, NULL, 10);
	return true;
}

static bool read_bool(const cJSON *json, bool *ret)
{
	*ret = cJSON_IsTrue(json);
	return cJSON_IsBool(json);
}

static bool read_list(const struct field *f, const cJSON *json, char *base)
{
	size_t *count = (size_t *)(base + f->count_offset);
	const cJSON *item;

	if (!cJSON_IsArray(json) || (size_t)cJSON_GetArraySize(json) > f->max)
		return false;
	*count = 0;
	for (item = json->child; item; item = item->next) {
		if (!read_value(f->fields, item, base + f->offset + *count * f->size))
			return false;
		(*count)++;
	}
	return true;
}

static bool read_value(const struct field *f, const cJSON *json, char *base)
{
	char *at = base + f->offset;
	const char *text;

	switch (f->kind) {
	case FIELD_CONST:
		return true;
	case FIELD_TEXT:
	case FIELD_HEX:
		return read_text(json, at, f->size);
	case FIELD_BOOL:
		return read_bool(json, (bool *)at);
	case FIELD_U32:
		return read_u32(json, (uint32_t *)at);
	case FIELD_U64:
		return read_u64(json, (uint64_t *)at);
	case FIELD_I64:
		return read_i64(json, (int64_t *)at);
	case FIELD_TIME:
		text = cJSON_GetStringValue(json);
		return text && runaway_rfc3339_parse(text, (uint64_t *)at) == 0;
	case FIELD_OBJECT:
		return read_object(f->fields, json, at);
	default: /* FIELD_LIST */
		return read_list(f, json, base);
	}
}

static bool read_object(const struct field *fields, const cJSON *json, char *base)
{
	for (const struct field *f = fields; f->kind != FIELD_END; f++)
		if (!read_value(f, runaway_json_get(json, f->key), base))
			return false;
	return true;
}

/* The proof: whatever the reading was lenient about makes other bytes now. */
static int same_text(const struct field *fields, const void *doc, const char *text, size_t len)
{
	_cleanup_strbuf_ struct strbuf again = STRBUF_INIT;
	int err = canonical_write(fields, doc, &again);

	if (err == -ENOMEM)
		return err;
	return err == 0 && again.len == len && memcmp(again.data, text, len) == 0 ? 0 : -EBADMSG;
}

int canonical_read(const struct field *fields, const char *text, size_t len, void *doc, size_t size)
{
	_cleanup_cjson_ cJSON *json = NULL;
	_cleanup_free_ char *copy = NULL;
	int err;

	if (len > RUNAWAY_DOCUMENT_MAX)
		return -EMSGSIZE;
	err = runaway_json_parse(text, len, &json, NULL);
	if (err < 0)
		return err == -ENOMEM ? err : -EBADMSG;
	copy = calloc(1, size);
	if (!copy)
		return -ENOMEM;
	if (!read_object(fields, json, copy))
		return -EBADMSG;
	err = same_text(fields, copy, text, len);
	if (err == 0)
		memcpy(doc, copy, size);
	return err;
}
