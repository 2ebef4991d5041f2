/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The section `gate`: who approves, within which bounds, and what is looked at afterwards. */

#include <string.h>

#include "daemon/config_read.h"

#define KEYS_MAX      32
#define HEALTH_MAX    16
#define PROTECTED_MAX 256

/* The numbers' reasons: docs/configuration.md. */
void config_gate_defaults(struct gate_config *ret)
{
	*ret = (struct gate_config){
		.two_person = true,
		.plan_max_age_s = 900,
		.window_max_s = 4 * 3600,
		.approval_max_age_s = 24 * 3600,
		.grace_s = 10,
		.budget_per_hour = 4,
		.settle_s = 60,
		.clock_tolerance_ms = 2000,
	};
}

static void free_key(struct gate_key *k)
{
	free(k->owner);
	free(k->public_hex);
	*k = (struct gate_key){ 0 };
}

static void free_health(struct health_check *h)
{
	free(h->name);
	free(h->address);
	free(h->path);
	*h = (struct health_check){ 0 };
}

void config_gate_free(struct gate_config *g)
{
	for (size_t i = 0; i < g->key_count; i++)
		free_key(&g->key[i]);
	free(g->key);
	for (size_t i = 0; i < g->health_count; i++)
		free_health(&g->health[i]);
	free(g->health);
	config_string_list_free(&g->protected_);
	*g = (struct gate_config){ 0 };
}

/* ---- rules of single values ---- */

static bool valid_public_key(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

/* Read-only and of this host: a check that leaves the host is somebody else's monitoring. */
static bool valid_loopback(const char *s)
{
	return config_valid_address(s) && strcmp(s + strlen(s) - 2, ":0") != 0 &&
	       (strncmp(s, "127.", 4) == 0 || strncmp(s, "[::1]:", 6) == 0);
}

/* A request line is made of it: nothing that could end the line. */
static bool valid_url_path(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

static const struct string_rule owner = { .max = 64, .allowed = "a name of 1 to 64 bytes" };
static const struct string_rule public_key = {
	.max = 64,
	.valid = valid_public_key,
	.allowed = "64 lower-case hex digits, as `runawayctl gate keygen` prints them",
};
static const struct string_rule health_name = { .max = 64, .allowed = "a name of 1 to 64 bytes" };
static const struct string_rule loopback = {
	.max = 64,
	.valid = valid_loopback,
	.allowed = "\"127.0.0.1:PORT\" or \"[::1]:PORT\": loopback only",
};
static const struct string_rule url_path = {
	.max = 1024,
	.null_ok = true,
	.valid = valid_url_path,
	.allowed = "a path that begins with '/', printable ASCII without spaces, or null",
};
static const struct string_rule glob = { .max = 512, .allowed = "a glob of 1 to 512 bytes" };

/* ---- lists ---- */

/* An object's member that must be there. */
static int wanted(struct reader *r, const cJSON *obj, const char *path,
		  const struct string_rule *rule, char **ret)
{
	int err = config_string(r, obj, path, rule, ret);

	if (!err && !*ret)
		err = config_refuse(r, path, "is missing; %s", rule->allowed);
	return err;
}

static int read_key(struct reader *r, const cJSON *json, const char *path, struct gate_key *ret)
{
	static const char *const keys[] = { "owner", "public", NULL };
	_cleanup_(free_key) struct gate_key k = { 0 };
	_cleanup_free_ char *at_owner = NULL, *at_public = NULL;
	int err;

	if (!cJSON_IsObject(json))
		return config_refuse(r, path, "wrong type; {\"owner\": …, \"public\": …}");
	if (asprintf(&at_owner, "%s.owner", path) < 0)
		return -ENOMEM;
	if (asprintf(&at_public, "%s.public", path) < 0)
		return -ENOMEM;
	err = config_known_keys(r, json, path, keys);
	if (!err)
		err = wanted(r, json, at_owner, &owner, &k.owner);
	if (!err)
		err = wanted(r, json, at_public, &public_key, &k.public_hex);
	if (err)
		return err;
	*ret = k;
	k = (struct gate_key){ 0 };
	return 0;
}

static int read_health(struct reader *r, const cJSON *json, const char *path,
		       struct health_check *ret)
{
	static const char *const keys[] = { "name", "address", "http_path", NULL };
	_cleanup_(free_health) struct health_check h = { 0 };
	_cleanup_free_ char *at_name = NULL, *at_address = NULL, *at_path = NULL;
	int err;

	if (!cJSON_IsObject(json))
		return config_refuse(r, path, "wrong type; {\"name\": …, \"address\": …}");
	if (asprintf(&at_name, "%s.name", path) < 0)
		return -ENOMEM;
	if (asprintf(&at_address, "%s.address", path) < 0)
		return -ENOMEM;
	if (asprintf(&at_path, "%s.http_path", path) < 0)
		return -ENOMEM;
	err = config_known_keys(r, json, path, keys);
	if (!err)
		err = wanted(r, json, at_name, &health_name, &h.name);
	if (!err)
		err = wanted(r, json, at_address, &loopback, &h.address);
	if (!err)
		err = config_string(r, json, at_path, &url_path, &h.path);
	if (err)
		return err;
	*ret = h;
	h = (struct health_check){ 0 };
	return 0;
}

static int read_keys(struct reader *r, const cJSON *gate, struct gate_config *g)
{
	const cJSON *list, *item;
	int err = config_array(r, gate, "gate.keys", KEYS_MAX, "a list of keys", &list);

	if (err || !list)
		return err;
	g->key = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*g->key));
	if (!g->key)
		return -ENOMEM;
	cJSON_ArrayForEach (item, list) {
		char path[64];

		snprintf(path, sizeof(path), "gate.keys[%zu]", g->key_count);
		err = read_key(r, item, path, &g->key[g->key_count]);
		if (err)
			return err;
		g->key_count++;
	}
	return 0;
}

static int read_health_checks(struct reader *r, const cJSON *gate, struct gate_config *g)
{
	const cJSON *list, *item;
	int err =
		config_array(r, gate, "gate.health_checks", HEALTH_MAX, "a list of checks", &list);

	if (err || !list)
		return err;
	g->health = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*g->health));
	if (!g->health)
		return -ENOMEM;
	cJSON_ArrayForEach (item, list) {
		char path[64];

		snprintf(path, sizeof(path), "gate.health_checks[%zu]", g->health_count);
		err = read_health(r, item, path, &g->health[g->health_count]);
		if (err)
			return err;
		g->health_count++;
	}
	return 0;
}

/* ---- the section ---- */

static int read_switches(struct reader *r, const cJSON *gate, struct gate_config *g)
{
	const cJSON *signature = runaway_json_get(gate, "require_signature");
	int err = config_bool(r, gate, "gate.enabled", &g->enabled);

	if (!err)
		err = config_bool(r, gate, "gate.two_person", &g->two_person);
	g->require_signature = g->key_count > 0;
	if (!err)
		err = config_bool(r, gate, "gate.require_signature", &g->require_signature);
	if (!err && signature && g->require_signature && !g->key_count)
		err = config_refuse(r, "gate.require_signature",
				    "no key is configured; gate.keys, or false");
	if (!err)
		err = config_bool(r, gate, "gate.require_kernel_guard", &g->require_kernel_guard);
	if (!err)
		err = config_bool(r, gate, "gate.require_clock_sync", &g->require_clock_sync);
	return err;
}

static int read_numbers(struct reader *r, const cJSON *gate, struct gate_config *g)
{
	const struct {
		const char *path;
		uint32_t min, max;
		const char *unit;
		uint32_t *ret;
	} number[] = {
		{ "gate.plan_max_age_s", 60, 86400, "seconds", &g->plan_max_age_s },
		{ "gate.window_max_s", 60, 604800, "seconds", &g->window_max_s },
		{ "gate.approval_max_age_s", 60, 604800, "seconds", &g->approval_max_age_s },
		{ "gate.grace_s", 1, 600, "seconds", &g->grace_s },
		{ "gate.budget_per_hour", 1, 100, "signals", &g->budget_per_hour },
		{ "gate.settle_s", 0, 3600, "seconds", &g->settle_s },
		{ "gate.clock_tolerance_ms", 10, 60000, "milliseconds", &g->clock_tolerance_ms },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(number) && !err; i++)
		err = config_uint(r, gate, number[i].path, number[i].min, number[i].max,
				  number[i].unit, number[i].ret);
	return err;
}

int config_read_gate(struct reader *r, const cJSON *root, struct gate_config *ret)
{
	static const char *const keys[] = { "enabled",
					    "two_person",
					    "require_signature",
					    "require_kernel_guard",
					    "require_clock_sync",
					    "keys",
					    "protected",
					    "health_checks",
					    "plan_max_age_s",
					    "window_max_s",
					    "approval_max_age_s",
					    "grace_s",
					    "budget_per_hour",
					    "settle_s",
					    "clock_tolerance_ms",
					    NULL };
	const cJSON *gate;
	int err = config_section(r, root, "gate", keys, &gate);

	if (err || !gate)
		return err;
	err = read_keys(r, gate, ret);
	if (!err)
		err = read_switches(r, gate, ret);
	if (!err)
		err = config_strings(r, gate, "gate.protected", PROTECTED_MAX, &glob,
				     &ret->protected_);
	if (!err)
		err = read_health_checks(r, gate, ret);
	if (!err)
		err = read_numbers(r, gate, ret);
	return err;
}
