/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One lane from JSON. Nothing is guessed: a key that is not known, a value out
 * of range or a combination that means nothing is refused with its path.
 */

#include <string.h>

#include "lanes/builtin.h"
#include "lanes/parse.h"
#include "lanes/tables.h"

#define LANE_ID_MAX   63 /* a label value and a part of keys */
#define ALERTNAME_MAX 127

/* Copies a name that consists of allowed characters only. */
static int take_name(struct refusal *e, const cJSON *json, const char *key, const char *first,
		     const char *rest, size_t max, const char *allowed, char **ret)
{
	const char *s;
	char *copy;

	if (!cJSON_IsString(json))
		return runaway_parse_refuse(e, key, "wrong type; %s", allowed);
	s = json->valuestring;
	if (!*s || !strchr(first, *s) || strlen(s) > max || strspn(s, rest) != strlen(s))
		return runaway_parse_refuse(e, key, "not a usable name; %s", allowed);
	copy = strdup(s);
	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static int take_lane_id(struct refusal *e, const cJSON *json, struct lane *l)
{
	if (!json)
		return runaway_parse_refuse(e, "", "\"lane_id\" is missing; every lane has one");
	return take_name(e, json, "lane_id", LOWER, LOWER DIGIT "_", LANE_ID_MAX,
			 "1 to 63 of a-z, 0-9 and _, a letter first", &l->lane_id);
}

static int take_alertname(struct refusal *e, const cJSON *json, struct lane *l)
{
	if (json)
		return take_name(e, json, "alertname", LOWER UPPER "_", LOWER UPPER DIGIT "_",
				 ALERTNAME_MAX, "1 to 127 of A-Z, a-z, 0-9 and _, no digit first",
				 &l->alertname);
	l->alertname = strdup(l->classification == RUNAWAY_CLASS_CAPACITY
				      ? "HostCiRunnerLoadSaturation"
				      : "HostOrphanHighCpu");
	return l->alertname ? 0 : -ENOMEM;
}

/* A signal needs a process that burns: nothing else can be a target. */
static int check_policy(struct refusal *e, const struct lane *l)
{
	if (l->action_policy != RUNAWAY_POLICY_GATED_SIGTERM)
		return 0;
	if (l->subject != RUNAWAY_SUBJECT_ORPHAN_TREE && l->subject != RUNAWAY_SUBJECT_PROCESS)
		return runaway_parse_refuse(e, "action_policy", "not for subject %s; only \"%s\"",
					    runaway_subject_kind_name(l->subject),
					    runaway_policy_name(RUNAWAY_POLICY_TRIAGE_ONLY));
	if (l->classification != RUNAWAY_CLASS_RUNAWAY_PROCESS)
		return runaway_parse_refuse(e, "action_policy",
					    "not for classification %s; only \"%s\"",
					    runaway_classification_name(l->classification),
					    runaway_policy_name(RUNAWAY_POLICY_TRIAGE_ONLY));
	return 0;
}

static int take_words(struct refusal *e, const cJSON *json, struct lane *l)
{
	unsigned int subject = RUNAWAY_SUBJECT_ORPHAN_TREE, policy = RUNAWAY_POLICY_TRIAGE_ONLY;
	unsigned int severity = RUNAWAY_P3, class;
	int r;

	r = runaway_parse_word(e, runaway_json_get(json, "subject"), "subject",
			       runaway_subject_kind_words, &subject);
	class = subject == RUNAWAY_SUBJECT_ORPHAN_TREE || subject == RUNAWAY_SUBJECT_PROCESS
			? RUNAWAY_CLASS_RUNAWAY_PROCESS
			: RUNAWAY_CLASS_CAPACITY;
	if (!r)
		r = runaway_parse_word(e, runaway_json_get(json, "classification"),
				       "classification", runaway_classification_words, &class);
	if (!r)
		r = runaway_parse_word(e, runaway_json_get(json, "action_policy"), "action_policy",
				       runaway_policy_words, &policy);
	if (!r)
		r = runaway_parse_word(e, runaway_json_get(json, "severity"), "severity",
				       runaway_severity_words, &severity);
	l->subject = subject;
	l->classification = class;
	l->action_policy = policy;
	l->severity = severity;
	return r;
}

static int take_lane(struct refusal *e, const cJSON *json, struct lane *l)
{
	int r = take_words(e, json, l);

	if (!r)
		r = take_alertname(e, runaway_json_get(json, "alertname"), l);
	if (!r)
		r = runaway_parse_bool(e, runaway_json_get(json, "enabled"), "enabled",
				       &l->enabled);
	if (!r)
		r = runaway_parse_bool(e, runaway_json_get(json, "fallback"), "fallback",
				       &l->fallback);
	if (!r)
		r = runaway_parse_match(e, runaway_json_get(json, "match"), l);
	if (!r)
		r = runaway_parse_limits(e, json, l);
	if (!r)
		r = check_policy(e, l);
	return r;
}

/* {"lane_id": …, "enabled": …} and nothing else: the built-in lane, switched. */
static int take_switch(struct refusal *e, const cJSON *json, struct lane *l)
{
	const cJSON *enabled = runaway_json_get(json, "enabled");
	struct lane builtin = { 0 };
	bool on = true;
	int r;

	if (!enabled || cJSON_GetArraySize(json) != 2)
		return -ENOENT;
	r = runaway_parse_bool(e, enabled, "enabled", &on);
	if (!r)
		r = runaway_lane_builtin(l->lane_id, &builtin);
	if (r)
		return r;
	builtin.enabled = on;
	runaway_lane_free(l);
	*l = builtin;
	return 0;
}

static const char *const lane_keys[] = { "lane_id",  "alertname", "classification", "action_policy",
					 "severity", "subject",	  "enabled",	    "fallback",
					 "match",    "trigger",	  "clear",	    NULL };

int runaway_lane_parse(const cJSON *json, struct lane *ret, char **ret_path, char **ret_why)
{
	_cleanup_(runaway_lane_free) struct lane l = { .enabled = true };
	struct refusal e = { ret_path, ret_why };
	int r;

	r = runaway_parse_object(&e, json, "");
	if (!r)
		r = runaway_parse_keys(&e, json, "", lane_keys);
	if (!r)
		r = take_lane_id(&e, runaway_json_get(json, "lane_id"), &l);
	if (r)
		return r;
	r = take_switch(&e, json, &l);
	if (r == -ENOENT)
		r = take_lane(&e, json, &l);
	if (r)
		return r;
	*ret = l;
	l = (struct lane){ 0 };
	return 0;
}
