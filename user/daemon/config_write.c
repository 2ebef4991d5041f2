/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration in force, in the form in which it is read. */

#include "daemon/config.h"

static void write_strings(struct json_writer *w, const char *key, const struct string_list *l)
{
	json_key(w, key);
	json_array_begin(w);
	for (size_t i = 0; i < l->count; i++)
		json_string(w, l->item[i]);
	json_array_end(w);
}

static void write_role(struct json_writer *w, const char *key, const struct role_list *l)
{
	json_key(w, key);
	json_array_begin(w);
	for (size_t i = 0; i < l->count; i++) {
		json_object_begin(w);
		if (l->rule[i].user)
			json_kv_string(w, "user", l->rule[i].user);
		else
			json_kv_string(w, "group", l->rule[i].group);
		json_object_end(w);
	}
	json_array_end(w);
}

static void begin_section(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_object_begin(w);
}

static void write_sections(struct json_writer *w, const struct config *c)
{
	begin_section(w, "web");
	json_kv_string(w, "listen_address", c->web.listen_address);
	json_kv_string(w, "config_file", c->web.config_file);
	json_kv_uint(w, "max_connections", c->web.max_connections);
	json_kv_uint(w, "timeout_s", c->web.timeout_s);
	json_object_end(w);

	begin_section(w, "textfile");
	json_kv_string(w, "path", c->textfile.path);
	json_kv_uint(w, "interval_s", c->textfile.interval_s);
	json_object_end(w);

	begin_section(w, "limits");
	json_kv_uint(w, "processes", c->limits.processes);
	json_kv_uint(w, "cgroups", c->limits.cgroups);
	json_kv_uint(w, "metric_series", c->limits.metric_series);
	json_object_end(w);
}

static void write_keys(struct json_writer *w, const struct gate_config *g)
{
	json_key(w, "keys");
	json_array_begin(w);
	for (size_t i = 0; i < g->key_count; i++) {
		json_object_begin(w);
		json_kv_string(w, "owner", g->key[i].owner);
		json_kv_string(w, "public", g->key[i].public_hex);
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_health(struct json_writer *w, const struct gate_config *g)
{
	json_key(w, "health_checks");
	json_array_begin(w);
	for (size_t i = 0; i < g->health_count; i++) {
		json_object_begin(w);
		json_kv_string(w, "name", g->health[i].name);
		json_kv_string(w, "address", g->health[i].address);
		json_kv_string(w, "http_path", g->health[i].path);
		json_object_end(w);
	}
	json_array_end(w);
}

void config_gate_write(struct json_writer *w, const struct gate_config *g)
{
	json_object_begin(w);
	json_kv_bool(w, "enabled", g->enabled);
	json_kv_bool(w, "two_person", g->two_person);
	json_kv_bool(w, "require_signature", g->require_signature);
	json_kv_bool(w, "require_kernel_guard", g->require_kernel_guard);
	json_kv_bool(w, "require_clock_sync", g->require_clock_sync);
	write_keys(w, g);
	write_strings(w, "protected", &g->protected_);
	write_health(w, g);
	json_kv_uint(w, "plan_max_age_s", g->plan_max_age_s);
	json_kv_uint(w, "window_max_s", g->window_max_s);
	json_kv_uint(w, "approval_max_age_s", g->approval_max_age_s);
	json_kv_uint(w, "grace_s", g->grace_s);
	json_kv_uint(w, "budget_per_hour", g->budget_per_hour);
	json_kv_uint(w, "settle_s", g->settle_s);
	json_kv_uint(w, "clock_tolerance_ms", g->clock_tolerance_ms);
	json_object_end(w);
}

static void write_rest(struct json_writer *w, const struct config *c)
{
	json_key(w, "gate");
	config_gate_write(w, &c->gate);

	begin_section(w, "roles");
	write_role(w, "owner", &c->roles.owner);
	write_role(w, "operator", &c->roles.operator_);
	write_role(w, "viewer", &c->roles.viewer);
	json_object_end(w);

	begin_section(w, "store");
	json_kv_string(w, "backend", c->store.backend);
	json_object_end(w);

	/* Nothing else is accepted by this build. */
	begin_section(w, "workers");
	json_object_end(w);
	json_key(w, "rule_packs");
	json_array_begin(w);
	json_array_end(w);
}

void config_write(struct json_writer *w, const struct config *c)
{
	json_object_begin(w);
	json_kv_string(w, "host_label", c->host_label);
	json_kv_string(w, "env", c->env);
	json_kv_uint(w, "sample_interval_ms", c->sample_interval_ms);
	write_sections(w, c);
	write_strings(w, "redact", &c->redact);
	write_strings(w, "ci_markers", &c->ci_markers);
	write_strings(w, "by_design", &c->by_design);
	json_key(w, "lanes");
	json_array_begin(w);
	for (size_t i = 0; i < c->lanes.count; i++)
		runaway_lane_write(w, &c->lanes.lane[i]);
	json_array_end(w);
	write_rest(w, c);
	json_object_end(w);
}
