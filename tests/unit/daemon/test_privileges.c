/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folders that are given away and rights that are dropped. As root each test does
 * it for real, in a process of its own; as anybody else there is nothing to give.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "base/macros.h"
#include "daemon/privileges.h"

#define ACL	"system.posix_acl_access"
#define ACL_LEN (4 + 5 * 8) /* version, five entries */

static const struct run_user somebody = { .uid = 64999, .gid = 64998 };

struct place {
	char dir[32];
	char sub[64];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	snprintf(p->dir, sizeof(p->dir), "/tmp/rw-rights-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(chmod(p->dir, 0755), 0);
	snprintf(p->sub, sizeof(p->sub), "%s/sub", p->dir);
	*state = p;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	struct place *p = *state;

	nftw(p->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static void make_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

/* Exit code of fn in a process of its own. */
static int in_child(int (*fn)(const struct place *p), const struct place *p)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(p));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool become_somebody(void)
{
	return setgroups(0, NULL) == 0 && setgid(somebody.gid) == 0 && setuid(somebody.uid) == 0;
}

/* ---- who ---- */

static void test_user(void **state)
{
	struct run_user u = { 1, 1 };

	(void)state;
	assert_int_equal(privileges_user("nobody", &u), 0);
	if (geteuid() != 0) {
		/* Who is not root stays who he is. */
		assert_int_equal(u.uid, geteuid());
		assert_int_equal(u.gid, getegid());
		return;
	}
	assert_int_equal(u.uid, 65534);
	assert_int_equal(privileges_user(NULL, &u), 0);
	assert_int_not_equal(u.uid, 0);
	u = (struct run_user){ 1, 1 };
	assert_int_equal(privileges_user("no-such-user", &u), -ENOENT);
	assert_int_equal(u.uid, 1);
}

/* ---- capabilities ---- */

static void test_effective(void **state)
{
	uint64_t caps = privileges_effective();

	(void)state;
	assert_true(caps != UINT64_MAX);
	if (geteuid() != 0)
		assert_int_equal(caps, 0);
	else
		assert_true(caps != 0);
}

static int drops(const struct place *p)
{
	bool was_root = geteuid() == 0;
	struct run_user user = somebody;
	gid_t groups[4];

	(void)p;
	if (!was_root)
		user = (struct run_user){ geteuid(), getegid() };
	if (privileges_drop(&user) != 0)
		return 1;
	if (privileges_effective() != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (geteuid() != user.uid || getuid() != user.uid || getegid() != user.gid)
		return 3;
	/* For good: there is no way back. */
	if (was_root && (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 ||
			 getgroups(ARRAY_SIZE(groups), groups) != 0))
		return 4;
	if (was_root && prctl(PR_CAPBSET_READ, 0, 0, 0, 0) != 0)
		return 5;
	return 0;
}

static void test_drop(void **state)
{
	assert_int_equal(in_child(drops, *state), 0);
}

/* ---- folders of our own ---- */

static void test_own_folder_makes_it(void **state)
{
	struct place *p = *state;
	char deep[96];
	struct stat st;

	snprintf(deep, sizeof(deep), "%s/a/b", p->sub);
	assert_int_equal(privileges_own_folder(deep, 0750, &somebody), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0007, 0);
	/* Folders above are not given away. */
	assert_int_equal(stat(p->sub, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(privileges_own_folder(deep, 0750, &somebody), 0);
}

static void test_own_folder_gives_what_is_in_it(void **state)
{
	struct place *p = *state;
	char file[96], below[128];
	struct stat st;

	if (geteuid() != 0)
		return;
	assert_int_equal(mkdir(p->sub, 0700), 0);
	snprintf(below, sizeof(below), "%s/incidents", p->sub);
	assert_int_equal(mkdir(below, 0700), 0);
	snprintf(file, sizeof(file), "%s/incidents/log", p->sub);
	make_file(file);
	assert_int_equal(privileges_own_folder(p->sub, 0750, &somebody), 0);
	assert_int_equal(stat(p->sub, &st), 0);
	assert_int_equal(st.st_uid, somebody.uid);
	assert_int_equal(st.st_gid, somebody.gid);
	assert_int_equal(stat(below, &st), 0);
	assert_int_equal(st.st_uid, somebody.uid);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, somebody.uid);
}

static void test_own_folder_follows_no_links(void **state)
{
	struct place *p = *state;
	char secret[96], folder[96], link[96];
	struct stat st;

	if (geteuid() != 0)
		return;
	snprintf(secret, sizeof(secret), "%s/secret", p->dir);
	make_file(secret);
	snprintf(folder, sizeof(folder), "%s/private", p->dir);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(p->sub, 0700), 0);
	/* Planted by the user whose folder it is, before root starts the daemon again. */
	snprintf(link, sizeof(link), "%s/log", p->sub);
	assert_int_equal(symlink(secret, link), 0);
	snprintf(link, sizeof(link), "%s/incidents", p->sub);
	assert_int_equal(symlink(folder, link), 0);
	assert_int_equal(privileges_own_folder(p->sub, 0750, &somebody), 0);
	assert_int_equal(stat(secret, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(stat(p->sub, &st), 0);
	assert_int_equal(st.st_uid, somebody.uid);
}

static void test_own_folder_that_cannot_be(void **state)
{
	struct place *p = *state;
	char below[96];

	make_file(p->sub);
	snprintf(below, sizeof(below), "%s/x", p->sub);
	assert_true(privileges_own_folder(below, 0750, &somebody) < 0);
}

/* ---- folders of others ---- */

static int writes(const struct place *p)
{
	char from[96], to[96];

	if (!become_somebody())
		return 1;
	snprintf(from, sizeof(from), "%s/.new", p->dir);
	snprintf(to, sizeof(to), "%s/metrics.prom", p->dir);
	if (close(open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)) < 0)
		return 2;
	return rename(from, to) < 0 ? 3 : 0;
}

static void test_allow_writing(void **state)
{
	struct place *p = *state;
	unsigned char acl[256];
	struct stat before, after;

	assert_int_equal(stat(p->dir, &before), 0);
	if (geteuid() != 0) {
		assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
		assert_true(getxattr(p->dir, ACL, acl, sizeof(acl)) < 0);
		return;
	}
	assert_int_not_equal(in_child(writes, p), 0);
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
	assert_int_equal(getxattr(p->dir, ACL, acl, sizeof(acl)), ACL_LEN);
	assert_int_equal(in_child(writes, p), 0);
	/* It stays its owner's, and nobody else got anything. */
	assert_int_equal(stat(p->dir, &after), 0);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_equal(after.st_mode & S_IRWXO, before.st_mode & S_IRWXO);
}

/* The second start finds what the first one made. */
static void test_allow_writing_again(void **state)
{
	struct place *p = *state;

	if (geteuid() != 0)
		return;
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
	assert_int_equal(in_child(writes, p), 0);
}

/* Somebody else's list is somebody else's decision. */
static void test_a_list_that_is_there_stays(void **state)
{
	static const struct run_user other = { .uid = 64997, .gid = 64996 };
	unsigned char before[256], after[256];
	struct place *p = *state;
	ssize_t n;

	if (geteuid() != 0)
		return;
	assert_int_equal(privileges_allow_writing(p->dir, &other), 0);
	n = getxattr(p->dir, ACL, before, sizeof(before));
	assert_int_equal(n, ACL_LEN);
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), -EEXIST);
	assert_int_equal(getxattr(p->dir, ACL, after, sizeof(after)), n);
	assert_memory_equal(before, after, (size_t)n);
	assert_int_not_equal(in_child(writes, p), 0);
}

static void test_allowed_already(void **state)
{
	struct place *p = *state;
	unsigned char acl[256];

	assert_int_equal(chmod(p->dir, 01777), 0);
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
	assert_true(getxattr(p->dir, ACL, acl, sizeof(acl)) < 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chmod(p->dir, 0755), 0);
	assert_int_equal(chown(p->dir, somebody.uid, 0), 0);
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
	assert_int_equal(chown(p->dir, 0, somebody.gid), 0);
	assert_int_equal(chmod(p->dir, 0775), 0);
	assert_int_equal(privileges_allow_writing(p->dir, &somebody), 0);
	assert_true(getxattr(p->dir, ACL, acl, sizeof(acl)) < 0);
}

static void test_no_such_folder(void **state)
{
	struct place *p = *state;

	assert_int_equal(privileges_allow_writing(p->sub, &somebody), -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_user),
		T(test_effective),
		T(test_drop),
		T(test_own_folder_makes_it),
		T(test_own_folder_gives_what_is_in_it),
		T(test_own_folder_follows_no_links),
		T(test_own_folder_that_cannot_be),
		T(test_allow_writing),
		T(test_allow_writing_again),
		T(test_a_list_that_is_there_stays),
		T(test_allowed_already),
		T(test_no_such_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
