/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits of a lane: `trigger` and `clear`. */

#include <math.h>
#include <stdio.h>

#include "lanes/parse.h"
#include "lanes/tables.h"

#define FOR_S_MAX     86400.0
#define DEFAULT_FOR_S 60.0

static int take_for(struct refusal *e, const cJSON *json, const char *path, double *ret)
{
	return runaway_parse_number(e, runaway_json_get(json, "for_s"), path, 0, FOR_S_MAX,
				    "seconds from 0 to 86400", ret);
}

static int take_trigger(struct refusal *e, const cJSON *json, struct lane *l)
{
	const char *known[LIMIT_KEYS + 2] = { 0 };
	bool any = false;
	int r;

	if (!json)
		return runaway_parse_refuse(e, "", "\"trigger\" is missing; it names the limits");
	for (size_t i = 0; i < LIMIT_KEYS; i++)
		known[i] = runaway_limit_keys[i].name;
	known[LIMIT_KEYS] = "for_s";
	r = runaway_parse_object(e, json, "trigger");
	if (!r)
		r = runaway_parse_keys(e, json, "trigger.", known);
	if (!r)
		r = take_for(e, json, "trigger.for_s", &l->trigger.for_s);
	for (size_t i = 0; !r && i < LIMIT_KEYS; i++) {
		const struct limit_key *k = &runaway_limit_keys[i];
		const cJSON *item = runaway_json_get(json, k->name);
		char path[64];

		if (!item)
			continue;
		snprintf(path, sizeof(path), "trigger.%s", k->name);
		if (!(k->kinds & (1u << l->subject)))
			return runaway_parse_refuse(
				e, path, "not a number of subject %s; %s",
				runaway_subject_kind_name(l->subject),
				k->kinds & KIND(HOST)
					? "only host has it"
					: "only orphan_tree, process and cgroup have it");
		r = runaway_parse_number(e, item, path, k->min, k->max, k->allowed,
					 limit_of(&l->trigger, k));
		any = true;
	}
	if (!r && !any)
		return runaway_parse_refuse(e, "trigger",
					    "no limit; at least one key beside for_s");
	return r;
}

static int take_clear(struct refusal *e, const cJSON *json, struct lane *l)
{
	static const char *const known[] = { "cpu_cores_max", "load5_per_core_max", "for_s", NULL };
	int r;

	if (!json)
		return 0;
	r = runaway_parse_object(e, json, "clear");
	if (!r)
		r = runaway_parse_keys(e, json, "clear.", known);
	if (!r)
		r = take_for(e, json, "clear.for_s", &l->clear.for_s);
	for (size_t i = 0; !r && i < LIMIT_KEYS; i++) {
		const struct limit_key *k = &runaway_limit_keys[i];
		const cJSON *item = k->clear_name ? runaway_json_get(json, k->clear_name) : NULL;
		char path[64];

		if (!item)
			continue;
		snprintf(path, sizeof(path), "clear.%s", k->clear_name);
		if (isnan(limit_get(&l->trigger, k)))
			return runaway_parse_refuse(
				e, path, "clears nothing; it goes with trigger.%s", k->name);
		r = runaway_parse_number(e, item, path, 0, k->max, k->allowed,
					 clear_of(&l->clear, k));
		if (!r && clear_get(&l->clear, k) > limit_get(&l->trigger, k))
			return runaway_parse_refuse(e, path, "above trigger.%s; at most the same",
						    k->name);
	}
	return r;
}

int runaway_parse_limits(struct refusal *e, const cJSON *lane, struct lane *l)
{
	int r;

	for (size_t i = 0; i < LIMIT_KEYS; i++) {
		*limit_of(&l->trigger, &runaway_limit_keys[i]) = NAN;
		if (runaway_limit_keys[i].clear_name)
			*clear_of(&l->clear, &runaway_limit_keys[i]) = NAN;
	}
	l->trigger.for_s = l->clear.for_s = DEFAULT_FOR_S;

	r = take_trigger(e, runaway_json_get(lane, "trigger"), l);
	return r ? r : take_clear(e, runaway_json_get(lane, "clear"), l);
}
