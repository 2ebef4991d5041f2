/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lane in the configuration's own form; what is written here parses to the same lane. */

#include <math.h>

#include "lanes/lane.h"
#include "lanes/tables.h"

static void write_lists(struct json_writer *w, const struct lane_match *m)
{
	for (size_t i = 0; i < MATCH_KEYS; i++) {
		const struct glob_list *l = list_get(m, &runaway_match_keys[i]);

		if (!l->count)
			continue;
		json_key(w, runaway_match_keys[i].name);
		json_array_begin(w);
		for (size_t j = 0; j < l->count; j++)
			json_string(w, l->pattern[j]);
		json_array_end(w);
	}
	if (!m->daemonised_any)
		return;
	json_key(w, "daemonised_any");
	json_array_begin(w);
	for (size_t i = 0; runaway_daemonised_words[i]; i++)
		if (m->daemonised_any & (1u << i))
			json_string(w, runaway_daemonised_words[i]);
	json_array_end(w);
}

static bool match_empty(const struct lane_match *m)
{
	for (size_t i = 0; i < MATCH_KEYS; i++)
		if (list_get(m, &runaway_match_keys[i])->count)
			return false;
	return !m->daemonised_any;
}

static void write_match(struct json_writer *w, const struct lane *l)
{
	if (match_empty(&l->match) && match_empty(&l->not))
		return;
	json_key(w, "match");
	json_object_begin(w);
	write_lists(w, &l->match);
	if (!match_empty(&l->not)) {
		json_key(w, "not");
		json_object_begin(w);
		write_lists(w, &l->not);
		json_object_end(w);
	}
	json_object_end(w);
}

static void write_number(struct json_writer *w, const char *key, double v)
{
	if (isnan(v))
		return;
	json_key(w, key);
	json_double(w, v);
}

static void write_limits(struct json_writer *w, const struct lane *l)
{
	json_key(w, "trigger");
	json_object_begin(w);
	for (size_t i = 0; i < LIMIT_KEYS; i++)
		write_number(w, runaway_limit_keys[i].name,
			     limit_get(&l->trigger, &runaway_limit_keys[i]));
	write_number(w, "for_s", l->trigger.for_s);
	json_object_end(w);

	json_key(w, "clear");
	json_object_begin(w);
	for (size_t i = 0; i < LIMIT_KEYS; i++)
		if (runaway_limit_keys[i].clear_name)
			write_number(w, runaway_limit_keys[i].clear_name,
				     clear_get(&l->clear, &runaway_limit_keys[i]));
	write_number(w, "for_s", l->clear.for_s);
	json_object_end(w);
}

void runaway_lane_write(struct json_writer *w, const struct lane *l)
{
	json_object_begin(w);
	json_kv_string(w, "lane_id", l->lane_id);
	json_kv_string(w, "alertname", l->alertname);
	json_kv_string(w, "classification", runaway_classification_name(l->classification));
	json_kv_string(w, "action_policy", runaway_policy_name(l->action_policy));
	json_kv_string(w, "severity", runaway_severity_name(l->severity));
	json_kv_string(w, "subject", runaway_subject_kind_name(l->subject));
	json_kv_bool(w, "enabled", l->enabled);
	json_kv_bool(w, "fallback", l->fallback);
	write_match(w, l);
	write_limits(w, l);
	json_object_end(w);
}
