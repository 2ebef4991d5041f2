/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values and refusals, shared by the parser's files. */

#include <stdarg.h>
#include <string.h>

#include "base/strbuf.h"
#include "lanes/parse.h"
#include "lanes/suggest.h"

int runaway_parse_refuse(struct refusal *e, const char *path, const char *fmt, ...)
{
	_cleanup_free_ char *p = strdup(path);
	char *why;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&why, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	if (!p) {
		free(why);
		return -ENOMEM;
	}
	*e->ret_path = TAKE_PTR(p);
	*e->ret_why = why;
	return -EINVAL;
}

/* "a, b, c" of a NULL-terminated list, for messages. NULL: no memory. */
static char *join(const char *const *words)
{
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; words[i]; i++)
		strbuf_addf(&b, "%s%s", i ? ", " : "", words[i]);
	return strbuf_take(&b);
}

/* `prefix` is "" or ends with '.'. */
int runaway_parse_keys(struct refusal *e, const cJSON *obj, const char *prefix,
		       const char *const *known)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, obj) {
		_cleanup_free_ char *path = NULL, *all = NULL;
		const char *near;
		size_t i = 0;

		while (known[i] && strcmp(known[i], item->string))
			i++;
		if (known[i])
			continue;
		near = runaway_suggest(item->string, known);
		all = join(known);
		if (!all || asprintf(&path, "%s%s", prefix, item->string) < 0)
			return -ENOMEM;
		if (near)
			return runaway_parse_refuse(e, path, "unknown key; did you mean \"%s\"?",
						    near);
		return runaway_parse_refuse(e, path, "unknown key; known are %s", all);
	}
	return 0;
}

int runaway_parse_object(struct refusal *e, const cJSON *json, const char *path)
{
	return cJSON_IsObject(json)
		       ? 0
		       : runaway_parse_refuse(e, path, "wrong type; an object is wanted");
}

/* Index of the word in *ret; a key that is not given leaves it alone. */
int runaway_parse_word(struct refusal *e, const cJSON *json, const char *path,
		       const char *const *words, unsigned int *ret)
{
	_cleanup_free_ char *all = NULL;

	if (!json)
		return 0;
	for (unsigned int i = 0; cJSON_IsString(json) && words[i]; i++)
		if (!strcmp(words[i], json->valuestring)) {
			*ret = i;
			return 0;
		}
	all = join(words);
	if (!all)
		return -ENOMEM;
	return runaway_parse_refuse(e, path, "%s; one of %s",
				    cJSON_IsString(json) ? "not a known word" : "wrong type", all);
}

int runaway_parse_bool(struct refusal *e, const cJSON *json, const char *path, bool *ret)
{
	if (!json)
		return 0;
	if (!cJSON_IsBool(json))
		return runaway_parse_refuse(e, path, "wrong type; true or false");
	*ret = cJSON_IsTrue(json);
	return 0;
}

int runaway_parse_number(struct refusal *e, const cJSON *json, const char *path, double min,
			 double max, const char *allowed, double *ret)
{
	if (!json)
		return 0;
	if (!cJSON_IsNumber(json))
		return runaway_parse_refuse(e, path, "wrong type; %s", allowed);
	if (!(json->valuedouble >= min && json->valuedouble <= max))
		return runaway_parse_refuse(e, path, "out of range; %s", allowed);
	*ret = json->valuedouble;
	return 0;
}
