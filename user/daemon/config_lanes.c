/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "lanes" and "roles" of the configuration. */

#include <string.h>

#include "daemon/config_read.h"

#define LANES_MAX 256 /* each is tried on each subject at each tick */
#define ROLES_MAX 256

/* Puts the lane's own path behind lanes[i]. */
static int refuse_lane(struct reader *r, const char *prefix, const char *path, const char *why)
{
	_cleanup_free_ char *at = NULL;
	const char *between = *prefix && *path ? "." : "";

	if (asprintf(&at, "%s%s%s", prefix, between, path) < 0)
		return -ENOMEM;
	return config_refuse(r, at, "%s", why);
}

/* `own` holds the lanes that the file itself named so far. */
static int read_lane(struct reader *r, const cJSON *json, const char *prefix, struct lane_set *own)
{
	_cleanup_free_ char *path = NULL, *why = NULL;
	struct lane lane = { 0 };
	int err = runaway_lane_parse(json, &lane, &path, &why);

	if (err == -EINVAL)
		return refuse_lane(r, prefix, path, why);
	if (err)
		return err;
	if (runaway_lane_set_find(own, lane.lane_id)) {
		runaway_lane_free(&lane);
		return refuse_lane(r, prefix, "lane_id",
				   "names a lane that stands above already; once is wanted");
	}
	return runaway_lane_set_put(own, &lane);
}

static int read_list(struct reader *r, const cJSON *list, const char *key, struct lane_set *own)
{
	const cJSON *item;
	size_t i = 0;

	cJSON_ArrayForEach (item, list) {
		_cleanup_free_ char *at = NULL;
		int err;

		if (asprintf(&at, "%s[%zu]", key, i++) < 0)
			return -ENOMEM;
		err = read_lane(r, item, at, own);
		if (err)
			return err;
	}
	return 0;
}

int config_read_lanes(struct reader *r, const cJSON *root, struct lane_set *ret)
{
	_cleanup_(runaway_lane_set_free) struct lane_set own = { 0 };
	const cJSON *list;
	int err = config_array(r, root, "lanes", LANES_MAX, "a list of lanes", &list);

	if (!err)
		err = read_list(r, list, "lanes", &own);
	for (size_t i = 0; !err && i < own.count; i++)
		err = runaway_lane_set_put(ret, &own.lane[i]);
	/* What was put is zeroed and costs nothing to free. */
	return err;
}

static int parse_lanes(struct reader *r, char *text, size_t len, struct lane_set *own)
{
	_cleanup_(config_free) struct config whole = { 0 };
	_cleanup_cjson_ cJSON *root = NULL;
	int err = config_document(r, text, len, &root);

	if (err)
		return err;
	if (cJSON_IsArray(root))
		return read_list(r, root, "", own);
	if (!cJSON_IsObject(root) || !runaway_json_get(root, "lanes"))
		return read_lane(r, root, "", own);
	/* A configuration: tried as a whole, so that what is tried is what a reload would take. */
	err = config_defaults(&whole);
	if (!err)
		err = config_read_all(r, root, &whole);
	return err ? err : config_read_lanes(r, root, own);
}

int config_parse_lanes(const char *name, char *text, size_t len, struct lane_set *ret,
		       char **ret_error)
{
	_cleanup_(runaway_lane_set_free) struct lane_set own = { 0 };
	struct reader r = { .name = name };
	int err = parse_lanes(&r, text, len, &own);

	if (err) {
		*ret_error = r.error;
		return err;
	}
	*ret = own;
	own = (struct lane_set){ 0 };
	return 0;
}

static const struct string_rule account = {
	.max = 64,
	.allowed = "a name of 1 to 64 bytes",
};

static void free_rule(struct role_rule *rule)
{
	free(rule->user);
	free(rule->group);
	*rule = (struct role_rule){ 0 };
}

static int read_rule(struct reader *r, const cJSON *json, const char *path, struct role_rule *ret)
{
	static const char *const keys[] = { "user", "group", NULL };
	_cleanup_(free_rule) struct role_rule rule = { 0 };
	_cleanup_free_ char *user = NULL, *group = NULL;
	int err;

	if (!cJSON_IsObject(json))
		return config_refuse(r, path, "wrong type; {\"user\": …} or {\"group\": …}");
	if (asprintf(&user, "%s.user", path) < 0) {
		user = NULL;
		return -ENOMEM;
	}
	if (asprintf(&group, "%s.group", path) < 0) {
		group = NULL;
		return -ENOMEM;
	}
	err = config_known_keys(r, json, path, keys);
	if (!err)
		err = config_string(r, json, user, &account, &rule.user);
	if (!err)
		err = config_string(r, json, group, &account, &rule.group);
	if (!err && !rule.user == !rule.group)
		err = config_refuse(r, path, "names %s; {\"user\": …} or {\"group\": …}",
				    rule.user ? "both" : "nobody");
	if (err)
		return err;
	*ret = rule;
	rule = (struct role_rule){ 0 };
	return 0;
}

static int read_role(struct reader *r, const cJSON *roles, const char *path, struct role_list *ret)
{
	const cJSON *list, *item;
	int err = config_array(r, roles, path, ROLES_MAX, "a list of users and groups", &list);

	if (err || !list)
		return err;
	ret->rule = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*ret->rule));
	if (!ret->rule)
		return -ENOMEM;
	cJSON_ArrayForEach (item, list) {
		_cleanup_free_ char *at = NULL;

		if (asprintf(&at, "%s[%zu]", path, ret->count) < 0)
			return -ENOMEM;
		err = read_rule(r, item, at, &ret->rule[ret->count]);
		if (err)
			return err;
		ret->count++;
	}
	return 0;
}

int config_read_roles(struct reader *r, const cJSON *root, struct config *c)
{
	static const char *const keys[] = { "owner", "operator", "viewer", NULL };
	const cJSON *roles;
	int err = config_section(r, root, "roles", keys, &roles);

	if (err || !roles)
		return err;
	err = read_role(r, roles, "roles.owner", &c->roles.owner);
	if (!err)
		err = read_role(r, roles, "roles.operator", &c->roles.operator_);
	if (!err)
		err = read_role(r, roles, "roles.viewer", &c->roles.viewer);
	return err;
}
