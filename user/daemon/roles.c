// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may ask for what: kernel-verified credentials against the configuration. */

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "daemon/daemon.h"

#define GROUPS_MAX 256

static bool in_group(const struct passwd *pw, gid_t primary, gid_t wanted)
{
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;

	if (primary == wanted)
		return true;
	if (!pw || getgrouplist(pw->pw_name, primary, groups, &n) < 0)
		return false;
	for (int i = 0; i < n; i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool listed(const struct role_list *list, uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);

	for (size_t i = 0; i < list->count; i++) {
		const struct role_rule *rule = &list->rule[i];
		const struct group *gr;

		if (rule->user && pw && strcmp(pw->pw_name, rule->user) == 0)
			return true;
		if (!rule->group)
			continue;
		gr = getgrnam(rule->group);
		if (gr && in_group(pw, gid, gr->gr_gid))
			return true;
	}
	return false;
}

/*
 * root is operator, not owner: approving is a second person's word. Reading is
 * for everybody as long as no viewers are named, as /proc is.
 */
enum runaway_role daemon_role(const struct config *c, uid_t uid, gid_t gid)
{
	if (listed(&c->roles.owner, uid, gid))
		return ROLE_OWNER;
	if (uid == 0 || listed(&c->roles.operator_, uid, gid))
		return ROLE_OPERATOR;
	if (c->roles.viewer.count == 0 || listed(&c->roles.viewer, uid, gid))
		return ROLE_VIEWER;
	return ROLE_NONE;
}

static enum runaway_role role(void *ctx, uid_t uid, gid_t gid, pid_t pid)
{
	struct daemon *d = ctx;

	(void)pid; /* a pid is no identity */
	return daemon_role(&d->config, uid, gid);
}

static int reload(void *ctx, char **ret_error)
{
	return daemon_reload(ctx, ret_error);
}

static int check(void *ctx, const char *name, const char *text, size_t len, char **ret_error)
{
	_cleanup_free_ char *copy = malloc(len + 1);
	struct config c;
	int r;

	(void)ctx;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	r = config_parse(name, copy, len, &c, ret_error);
	if (r == 0)
		config_free(&c);
	return r;
}

static void show(void *ctx, struct json_writer *w)
{
	struct daemon *d = ctx;

	config_write(w, &d->config);
}

static int lanes_from(void *ctx, const char *name, const char *text, size_t len,
		      struct lane_set *ret, char **ret_error)
{
	_cleanup_free_ char *copy = malloc(len + 1);

	(void)ctx;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return config_parse_lanes(name, copy, len, ret, ret_error);
}

const struct runaway_control_ops daemon_control_ops = {
	.role = role,
	.reload = reload,
	.check = check,
	.show = show,
	.lanes_from = lanes_from,
	.call = daemon_call,
	.denied = daemon_denied,
};
