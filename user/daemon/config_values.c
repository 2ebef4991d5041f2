/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of the configuration, and the one form in which they are refused. */

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/jsonc.h"
#include "daemon/config_read.h"
#include "lanes/suggest.h"

/* A key of the file is any string: it reaches the message escaped, like the file's name. */
static int refuse_v(struct reader *r, unsigned int line, const char *path, const char *fmt,
		    va_list ap)
{
	struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *what = NULL;

	if (vasprintf(&what, fmt, ap) < 0) {
		what = NULL;
		return -ENOMEM;
	}
	runaway_escape_text(&b, r->name, strlen(r->name));
	if (line)
		strbuf_addf(&b, ":%u", line);
	strbuf_adds(&b, ": ");
	if (*path) {
		runaway_escape_text(&b, path, strlen(path));
		strbuf_adds(&b, ": ");
	}
	runaway_escape_text(&b, what, strlen(what));
	free(r->error);
	r->error = strbuf_take(&b);
	return r->error ? -EINVAL : -ENOMEM;
}

int config_refuse_at(struct reader *r, unsigned int line, const char *path, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = refuse_v(r, line, path, fmt, ap);
	va_end(ap);
	return err;
}

/* Line of the path, or of what encloses it when the path itself cannot be found. */
static unsigned int line_of(const struct reader *r, const char *path)
{
	_cleanup_free_ char *p = strdup(path);
	unsigned int line;

	while (p && *p) {
		char *dot = strrchr(p, '.'), *bracket = strrchr(p, '[');
		char *cut = dot > bracket ? dot : bracket;

		line = runaway_jsonc_line_of(r->text, r->len, p);
		if (line)
			return line;
		if (!cut)
			break;
		*cut = '\0';
	}
	return 1;
}

int config_refuse(struct reader *r, const char *path, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = refuse_v(r, line_of(r, path), path, fmt, ap);
	va_end(ap);
	return err;
}

int config_known_keys(struct reader *r, const cJSON *obj, const char *path,
		      const char *const *known)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, obj) {
		_cleanup_(strbuf_free) struct strbuf at = STRBUF_INIT, all = STRBUF_INIT;
		const char *near;
		size_t i = 0;

		while (known[i] && strcmp(known[i], item->string))
			i++;
		if (known[i])
			continue;
		strbuf_addf(&at, "%s%s%s", path, *path ? "." : "", item->string);
		for (i = 0; known[i]; i++)
			strbuf_addf(&all, "%s%s", i ? ", " : "", known[i]);
		if (at.error || all.error)
			return -ENOMEM;
		near = runaway_suggest(item->string, known);
		if (near)
			return config_refuse(r, at.data, "unknown key; did you mean \"%s\"?", near);
		return config_refuse(r, at.data, "unknown key; known are %s", all.data);
	}
	return 0;
}

int config_section(struct reader *r, const cJSON *root, const char *key, const char *const *known,
		   const cJSON **ret)
{
	const cJSON *item = runaway_json_get(root, key);
	int err = 0;

	if (item && !cJSON_IsObject(item))
		err = config_refuse(r, key, "wrong type; an object is wanted");
	if (item && !err)
		err = config_known_keys(r, item, key, known);
	if (!err)
		*ret = item;
	return err;
}

/* The member that the last part of the path names. */
static const cJSON *member(const cJSON *obj, const char *path)
{
	const char *dot = strrchr(path, '.');

	return runaway_json_get(obj, dot ? dot + 1 : path);
}

static bool no_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int check_string(struct reader *r, const cJSON *json, const char *path,
			const struct string_rule *rule)
{
	const char *s = json->valuestring;

	if (!cJSON_IsString(json))
		return config_refuse(r, path, "wrong type; %s", rule->allowed);
	if (!*s && !rule->empty_ok)
		return config_refuse(r, path, "is empty; %s", rule->allowed);
	if (strlen(s) > rule->max)
		return config_refuse(r, path, "too long; %s", rule->allowed);
	if (!no_control(s))
		return config_refuse(r, path, "holds a control character; %s", rule->allowed);
	if (*s && rule->valid && !rule->valid(s))
		return config_refuse(r, path, "not usable; %s", rule->allowed);
	return 0;
}

int config_string(struct reader *r, const cJSON *obj, const char *path,
		  const struct string_rule *rule, char **ret)
{
	const cJSON *json = member(obj, path);
	char *copy = NULL;
	int err;

	if (!json)
		return 0;
	if (!(rule->null_ok && cJSON_IsNull(json))) {
		err = check_string(r, json, path, rule);
		if (err)
			return err;
		copy = strdup(json->valuestring);
		if (!copy)
			return -ENOMEM;
	}
	free(*ret);
	*ret = copy;
	return 0;
}

int config_uint(struct reader *r, const cJSON *obj, const char *path, uint32_t min, uint32_t max,
		const char *unit, uint32_t *ret)
{
	const cJSON *json = member(obj, path);
	double v;

	if (!json)
		return 0;
	v = json->valuedouble;
	if (!cJSON_IsNumber(json))
		return config_refuse(r, path, "wrong type; %s from %u to %u", unit, min, max);
	if (!(v >= min && v <= max))
		return config_refuse(r, path, "out of range; %s from %u to %u", unit, min, max);
	if (v != trunc(v))
		return config_refuse(r, path, "not a whole number; %s from %u to %u", unit, min,
				     max);
	*ret = (uint32_t)v;
	return 0;
}

int config_bool(struct reader *r, const cJSON *obj, const char *path, bool *ret)
{
	const cJSON *json = member(obj, path);

	if (!json)
		return 0;
	if (!cJSON_IsBool(json))
		return config_refuse(r, path, "wrong type; true or false");
	*ret = cJSON_IsTrue(json);
	return 0;
}

int config_array(struct reader *r, const cJSON *obj, const char *path, size_t max_count,
		 const char *allowed, const cJSON **ret)
{
	const cJSON *json = member(obj, path);

	if (json && !cJSON_IsArray(json))
		return config_refuse(r, path, "wrong type; %s", allowed);
	if (json && (size_t)cJSON_GetArraySize(json) > max_count)
		return config_refuse(r, path, "too many; at most %zu", max_count);
	*ret = json;
	return 0;
}

void config_string_list_free(struct string_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct string_list){ 0 };
}

int config_strings(struct reader *r, const cJSON *obj, const char *path, size_t max_count,
		   const struct string_rule *rule, struct string_list *ret)
{
	_cleanup_(config_string_list_free) struct string_list list = { 0 };
	const cJSON *json, *item;
	int err = config_array(r, obj, path, max_count, "a list of strings", &json);

	if (err || !json)
		return err;
	list.item = calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof(*list.item));
	if (!list.item)
		return -ENOMEM;
	cJSON_ArrayForEach (item, json) {
		_cleanup_free_ char *at = NULL;

		if (asprintf(&at, "%s[%zu]", path, list.count) < 0)
			return -ENOMEM;
		err = check_string(r, item, at, rule);
		if (err)
			return err;
		list.item[list.count] = strdup(item->valuestring);
		if (!list.item[list.count])
			return -ENOMEM;
		list.count++;
	}
	config_string_list_free(ret);
	*ret = list;
	list = (struct string_list){ 0 };
	return 0;
}
