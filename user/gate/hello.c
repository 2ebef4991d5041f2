/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration that the daemon sends first: all of it or none. */
#include <string.h>

#include "gate/key.h"
#include "gate/state.h"

void runaway_gate_config_free(struct runaway_gate_config *c)
{
	runaway_glob_list_free(&c->protect);
}

static bool read_bool(const cJSON *message, const char *key, bool *ret)
{
	const cJSON *v = runaway_json_get(message, key);

	*ret = cJSON_IsTrue(v);
	return cJSON_IsBool(v);
}

static bool read_text(const cJSON *message, const char *key, char *ret, size_t size)
{
	const char *text = runaway_json_str(message, key, NULL);

	if (!text || strlen(text) >= size)
		return false;
	memcpy(ret, text, strlen(text) + 1);
	return true;
}

static bool read_number(const cJSON *message, const char *key, double low, double high, double *ret)
{
	const cJSON *v = runaway_json_get(message, key);

	if (!cJSON_IsNumber(v) || !(v->valuedouble >= low && v->valuedouble <= high) ||
	    v->valuedouble != (double)(int64_t)v->valuedouble)
		return false;
	*ret = v->valuedouble;
	return true;
}

static bool read_u32(const cJSON *message, const char *key, uint32_t low, uint32_t high,
		     uint32_t *ret)
{
	double v;

	if (!read_number(message, key, low, high, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool read_switches(const cJSON *m, struct runaway_gate_config *c)
{
	return read_bool(m, "require_signature", &c->require_signature) &&
	       read_bool(m, "two_person", &c->two_person) &&
	       read_bool(m, "require_kernel_guard", &c->require_kernel_guard) &&
	       read_bool(m, "require_clock_sync", &c->require_clock_sync);
}

/* The upper bounds are days and hours in which nobody remembers what was approved. */
static bool read_limits(const cJSON *m, struct runaway_gate_config *c)
{
	return read_u32(m, "budget_per_hour", 1, 100, &c->budget_per_hour) &&
	       read_u32(m, "settle_s", 0, 3600, &c->settle_s) &&
	       read_u32(m, "approval_max_age_s", 60, 7 * 86400, &c->approval_max_age_s) &&
	       read_u32(m, "plan_max_age_s", 60, 86400, &c->plan_max_age_s) &&
	       read_u32(m, "window_max_s", 60, 7 * 86400, &c->window_max_s) &&
	       read_u32(m, "clock_tolerance_ms", 10, 60000, &c->clock_tolerance_ms);
}

static bool read_cgroups(const cJSON *m, struct runaway_gate_config *c)
{
	double ssid;

	if (!read_number(m, "cgroup_ssid", -1, 63, &ssid))
		return false;
	c->cgroup_ssid = (int32_t)ssid;
	return read_text(m, "cgroup_controller", c->cgroup_controller,
			 sizeof(c->cgroup_controller)) &&
	       read_text(m, "guard_cgroup", c->guard_cgroup, sizeof(c->guard_cgroup));
}

static bool read_key(const cJSON *item, struct runaway_gate_config *c)
{
	size_t n = c->key_count;

	if (n == RUNAWAY_KEYS_MAX ||
	    !read_text(item, "owner", c->key[n].owner, sizeof(c->key[n].owner)) ||
	    !read_text(item, "public", c->key[n].public_hex, sizeof(c->key[n].public_hex)) ||
	    c->key[n].owner[0] == '\0' || !runaway_key_public_ok(c->key[n].public_hex))
		return false;
	runaway_key_id(c->key[n].public_hex, c->key[n].id);
	c->key_count++;
	return true;
}

static bool read_keys(const cJSON *m, struct runaway_gate_config *c)
{
	const cJSON *keys = runaway_json_get(m, "keys"), *item;

	if (!cJSON_IsArray(keys))
		return false;
	for (item = keys->child; item; item = item->next) {
		if (!read_key(item, c))
			return false;
	}
	return true;
}

static int read_protected(const cJSON *m, struct runaway_gate_config *c)
{
	const cJSON *list = runaway_json_get(m, "protected"), *item;

	if (!cJSON_IsArray(list))
		return -EINVAL;
	for (item = list->child; item; item = item->next) {
		const char *pattern = cJSON_GetStringValue(item);
		int err = pattern ? runaway_glob_list_add(&c->protect, pattern) : -EINVAL;

		if (err < 0)
			return err;
	}
	return 0;
}

static const char *what_is_wrong(const cJSON *m, struct runaway_gate_config *c)
{
	if (!read_text(m, "host_label", c->host_label, sizeof(c->host_label)) ||
	    c->host_label[0] == '\0')
		return "host_label";
	if (!read_switches(m, c))
		return "require_signature, two_person, require_kernel_guard, require_clock_sync";
	if (!read_limits(m, c))
		return "budget_per_hour, settle_s, approval_max_age_s, plan_max_age_s, "
		       "window_max_s, clock_tolerance_ms";
	if (!read_cgroups(m, c))
		return "cgroup_ssid, cgroup_controller, guard_cgroup";
	if (!read_keys(m, c))
		return "keys";
	if (c->require_signature && c->key_count == 0)
		return "require_signature without keys";
	return NULL;
}

int runaway_gate_config_read(const cJSON *message, struct runaway_gate_config *ret,
			     const char **ret_why)
{
	struct runaway_gate_config c = { 0 };
	const char *wrong = what_is_wrong(message, &c);
	int err = wrong ? -EINVAL : read_protected(message, &c);

	if (err < 0) {
		*ret_why = wrong ? wrong : "protected";
		runaway_gate_config_free(&c);
		return err;
	}
	*ret = c;
	return 0;
}
