/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists of `match`. */

#include <string.h>

#include "lanes/parse.h"
#include "lanes/tables.h"

#define PATTERNS_MAX 256 /* in one list: each costs a match for every subject and tick */
#define PATTERN_MAX  512 /* bytes; no path that is matched is longer */

/* What fnmatch() would silently take literally, and was hardly meant so. */
static const char *glob_fault(const char *p)
{
	for (; *p; p++) {
		if (*p == '\\') {
			if (!*++p)
				return "ends with a lone backslash";
			continue;
		}
		if (*p == '[') {
			const char *end = p + 1;

			end += *end == '!' || *end == '^';
			end = *end ? strchr(end + 1, ']') : NULL;
			if (!end)
				return "has a '[' without its ']'";
			p = end;
		}
	}
	return NULL;
}

static int take_pattern(struct refusal *e, const cJSON *json, const char *path,
			struct glob_list *list)
{
	const char *fault;

	if (!cJSON_IsString(json))
		return runaway_parse_refuse(e, path, "wrong type; a glob in a string");
	if (!*json->valuestring)
		return runaway_parse_refuse(e, path,
					    "is empty and matches nothing; a glob of 1 to %d bytes",
					    PATTERN_MAX);
	if (strlen(json->valuestring) > PATTERN_MAX)
		return runaway_parse_refuse(e, path, "too long; a glob of 1 to %d bytes",
					    PATTERN_MAX);
	fault = glob_fault(json->valuestring);
	if (fault)
		return runaway_parse_refuse(
			e, path, "%s; put a backslash before a character to mean itself", fault);
	return runaway_glob_list_add(list, json->valuestring);
}

static int take_patterns(struct refusal *e, const cJSON *json, const char *path,
			 struct glob_list *list)
{
	const cJSON *item;
	size_t i = 0;
	int r;

	if (!json)
		return 0;
	if (!cJSON_IsArray(json))
		return runaway_parse_refuse(e, path, "wrong type; a list of globs");
	if (cJSON_GetArraySize(json) > PATTERNS_MAX)
		return runaway_parse_refuse(e, path, "too many; at most %d globs", PATTERNS_MAX);
	cJSON_ArrayForEach (item, json) {
		_cleanup_free_ char *at = NULL;

		if (asprintf(&at, "%s[%zu]", path, i++) < 0)
			return -ENOMEM;
		r = take_pattern(e, item, at, list);
		if (r)
			return r;
	}
	return 0;
}

static int take_daemonised(struct refusal *e, const cJSON *json, const char *path,
			   const struct lane *l, uint8_t *ret)
{
	const cJSON *item;
	uint8_t bits = 0;
	size_t i = 0;

	if (!json)
		return 0;
	if (l->subject != RUNAWAY_SUBJECT_ORPHAN_TREE)
		return runaway_parse_refuse(e, path,
					    "not for this subject; only orphan_tree has it");
	if (!cJSON_IsArray(json))
		return runaway_parse_refuse(e, path,
					    "wrong type; a list of \"no\", \"unknown\", \"yes\"");
	cJSON_ArrayForEach (item, json) {
		_cleanup_free_ char *at = NULL;
		unsigned int word = 0;
		int r;

		if (asprintf(&at, "%s[%zu]", path, i++) < 0)
			return -ENOMEM;
		r = runaway_parse_word(e, item, at, runaway_daemonised_words, &word);
		if (r)
			return r;
		bits |= 1u << word;
	}
	*ret = bits;
	return 0;
}

/* The lists of `match`, or those of `match.not`. */
static int take_lists(struct refusal *e, const cJSON *json, const char *prefix,
		      const struct lane *l, struct lane_match *m)
{
	_cleanup_free_ char *path = NULL;

	for (size_t i = 0; i < MATCH_KEYS; i++) {
		const struct match_key *k = &runaway_match_keys[i];
		const cJSON *item = runaway_json_get(json, k->name);
		_cleanup_free_ char *at = NULL;
		int r;

		if (!item)
			continue;
		if (asprintf(&at, "%s%s", prefix, k->name) < 0)
			return -ENOMEM;
		if (l->subject == RUNAWAY_SUBJECT_CGROUP && strcmp(k->name, "cgroup_any"))
			return runaway_parse_refuse(
				e, at, "not for this subject; a cgroup has only cgroup_any");
		r = take_patterns(e, item, at, list_of(m, k));
		if (r)
			return r;
	}
	if (asprintf(&path, "%sdaemonised_any", prefix) < 0)
		return -ENOMEM;
	return take_daemonised(e, runaway_json_get(json, "daemonised_any"), path, l,
			       &m->daemonised_any);
}

int runaway_parse_match(struct refusal *e, const cJSON *json, struct lane *l)
{
	static const char *const keys[] = { "exe_any",	  "comm_any",	"args_any",
					    "origin_any", "cgroup_any", "daemonised_any",
					    "not",	  NULL };
	static const char *const not_keys[] = { "exe_any",    "comm_any",   "args_any",
						"origin_any", "cgroup_any", "daemonised_any",
						NULL };
	const cJSON *excluded = runaway_json_get(json, "not");
	int r;

	if (!json)
		return 0;
	r = runaway_parse_object(e, json, "match");
	if (!r)
		r = runaway_parse_keys(e, json, "match.", keys);
	if (!r)
		r = take_lists(e, json, "match.", l, &l->match);
	if (r || !excluded)
		return r;
	r = runaway_parse_object(e, excluded, "match.not");
	if (!r)
		r = runaway_parse_keys(e, excluded, "match.not.", not_keys);
	if (!r)
		r = take_lists(e, excluded, "match.not.", l, &l->not);
	return r;
}
