/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may do what, with the users and groups that every Debian has. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <grp.h>
#include <pwd.h>

#include "daemon/daemon.h"

#define STRANGER 4000000000u /* no entry in the user database */

struct people {
	uid_t nobody, daemon;
	gid_t nogroup, adm;
};

static struct people who;

static int look_up(void **state)
{
	const struct passwd *pw;
	const struct group *gr;

	(void)state;
	pw = getpwnam("nobody");
	assert_non_null(pw);
	who.nobody = pw->pw_uid;
	who.nogroup = pw->pw_gid;
	pw = getpwnam("daemon");
	assert_non_null(pw);
	who.daemon = pw->pw_uid;
	gr = getgrnam("adm");
	assert_non_null(gr);
	who.adm = gr->gr_gid;
	return 0;
}

/* Rules as the configuration has them, in arrays of the test. */
#define LIST(...)                                                                                  \
	{ .rule = (struct role_rule[]){ __VA_ARGS__ },                                             \
	  .count = sizeof((struct role_rule[]){ __VA_ARGS__ }) / sizeof(struct role_rule) }

static void test_without_rules(void **state)
{
	const struct config c = { 0 };

	(void)state;
	/* Approving is a second person's word: nobody has it by being root. */
	assert_int_equal(daemon_role(&c, 0, 0), ROLE_OPERATOR);
	assert_int_equal(daemon_role(&c, who.nobody, who.nogroup), ROLE_VIEWER);
	assert_int_equal(daemon_role(&c, STRANGER, STRANGER), ROLE_VIEWER);
	/* Root's group is not root. */
	assert_int_equal(daemon_role(&c, who.nobody, 0), ROLE_VIEWER);
}

static void test_by_user(void **state)
{
	const struct config c = {
		.roles = {
			.owner = LIST({ .user = "nobody" }),
			.operator_ = LIST({ .user = "games" }, { .user = "daemon" }),
		},
	};

	(void)state;
	assert_int_equal(daemon_role(&c, who.nobody, who.nogroup), ROLE_OWNER);
	assert_int_equal(daemon_role(&c, who.daemon, who.nogroup), ROLE_OPERATOR);
	assert_int_equal(daemon_role(&c, 0, 0), ROLE_OPERATOR);
	assert_int_equal(daemon_role(&c, STRANGER, STRANGER), ROLE_VIEWER);
}

static void test_by_primary_group(void **state)
{
	const struct config c = { .roles.owner = LIST({ .group = "adm" }) };

	(void)state;
	assert_int_equal(daemon_role(&c, who.nobody, who.adm), ROLE_OWNER);
	/* The peer's group is the kernel's word, whether its user is known or not. */
	assert_int_equal(daemon_role(&c, STRANGER, who.adm), ROLE_OWNER);
	assert_int_equal(daemon_role(&c, who.nobody, who.nogroup), ROLE_VIEWER);
}

static void test_root_can_be_named_owner(void **state)
{
	const struct config c = { .roles.owner = LIST({ .user = "root" }) };
	const struct config by_group = { .roles.owner = LIST({ .group = "root" }) };

	(void)state;
	assert_int_equal(daemon_role(&c, 0, 0), ROLE_OWNER);
	assert_int_equal(daemon_role(&by_group, 0, 0), ROLE_OWNER);
	assert_int_equal(daemon_role(&by_group, who.nobody, 0), ROLE_OWNER);
}

static void test_named_viewers_close_the_door(void **state)
{
	const struct config c = {
		.roles = {
			.operator_ = LIST({ .group = "adm" }),
			.viewer = LIST({ .user = "daemon" }),
		},
	};

	(void)state;
	assert_int_equal(daemon_role(&c, who.daemon, who.nogroup), ROLE_VIEWER);
	assert_int_equal(daemon_role(&c, who.nobody, who.nogroup), ROLE_NONE);
	assert_int_equal(daemon_role(&c, STRANGER, STRANGER), ROLE_NONE);
	assert_int_equal(daemon_role(&c, who.nobody, who.adm), ROLE_OPERATOR);
	assert_int_equal(daemon_role(&c, 0, 0), ROLE_OPERATOR);
}

static void test_names_that_do_not_exist(void **state)
{
	const struct config c = {
		.roles = {
			.owner = LIST({ .user = "no-such-user" }, { .group = "no-such-group" },
				      { .user = "" }, { .group = "" }),
			.viewer = LIST({ .user = "no-such-user" }),
		},
	};

	(void)state;
	assert_int_equal(daemon_role(&c, who.nobody, who.nogroup), ROLE_NONE);
	assert_int_equal(daemon_role(&c, STRANGER, STRANGER), ROLE_NONE);
	assert_int_equal(daemon_role(&c, 0, 0), ROLE_OPERATOR);
}

static void test_the_highest_counts(void **state)
{
	const struct config c = {
		.roles = {
			.owner = LIST({ .user = "nobody" }),
			.operator_ = LIST({ .user = "nobody" }),
			.viewer = LIST({ .user = "nobody" }),
		},
	};

	(void)state;
	assert_int_equal(daemon_role(&c, who.nobody, who.nogroup), ROLE_OWNER);
}

/* A group whose members stand in the group database, if this host has one. */
static void test_by_supplementary_group(void **state)
{
	char group[64] = "";
	const struct passwd *pw;
	struct group *gr;
	uid_t uid = 0;

	(void)state;
	setgrent();
	while (!uid && (gr = getgrent())) {
		if (!gr->gr_mem[0])
			continue;
		pw = getpwnam(gr->gr_mem[0]);
		if (!pw || pw->pw_uid == 0 || pw->pw_gid == gr->gr_gid)
			continue;
		uid = pw->pw_uid;
		snprintf(group, sizeof(group), "%s", gr->gr_name);
	}
	endgrent();
	if (!uid)
		return;
	const struct config c = { .roles.operator_ = LIST({ .group = group }) };

	assert_int_equal(daemon_role(&c, uid, who.nogroup), ROLE_OPERATOR);
	assert_int_equal(daemon_role(&c, STRANGER, who.nogroup), ROLE_VIEWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_rules),
		cmocka_unit_test(test_by_user),
		cmocka_unit_test(test_by_primary_group),
		cmocka_unit_test(test_root_can_be_named_owner),
		cmocka_unit_test(test_named_viewers_close_the_door),
		cmocka_unit_test(test_names_that_do_not_exist),
		cmocka_unit_test(test_the_highest_counts),
		cmocka_unit_test(test_by_supplementary_group),
	};

	return cmocka_run_group_tests(tests, look_up, NULL);
}
