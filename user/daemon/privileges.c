// SPDX-License-Identifier: GPL-2.0-or-later

#include "daemon/privileges.h"

#include <endian.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <pwd.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/fs.h"
#include "base/log.h"

#define NOBODY	  65534
#define ACL_XATTR "system.posix_acl_access"

int privileges_user(const char *name, struct run_user *ret)
{
	const struct passwd *pw;

	if (geteuid() != 0) {
		*ret = (struct run_user){ .uid = geteuid(), .gid = getegid() };
		return 0;
	}
	pw = getpwnam(name ? name : "runawayd");
	if (!pw && name)
		return -ENOENT;
	if (!pw)
		pw = getpwnam("nobody");
	*ret = (struct run_user){
		.uid = pw ? pw->pw_uid : NOBODY,
		.gid = pw ? pw->pw_gid : NOBODY,
	};
	return 0;
}

int privileges_own_folder(const char *path, mode_t mode, const struct run_user *user)
{
	char *roots[] = { (char *)path, NULL };
	FTSENT *e;
	FTS *fts;
	int r;

	r = runaway_mkdir_p(path, mode);
	if (r < 0 || geteuid() != 0)
		return r;
	fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_XDEV, NULL);
	if (!fts)
		return -errno;
	while ((e = fts_read(fts))) {
		bool folder = e->fts_info == FTS_D, file = e->fts_info == FTS_F;

		if ((!folder && !file) || (e->fts_statp->st_uid == user->uid))
			continue;
		/* A second name for somebody else's file is not ours to give away. */
		if (file && e->fts_statp->st_nlink > 1)
			continue;
		if (fchownat(AT_FDCWD, e->fts_accpath, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) <
		    0)
			r = -errno;
	}
	fts_close(fts);
	return r;
}

void privileges_files_as(const struct run_user *user)
{
	(void)setfsgid(user ? user->gid : getegid());
	(void)setfsuid(user ? user->uid : geteuid());
}

static bool may_write(const struct stat *st, const struct run_user *user)
{
	const mode_t wx = S_IWOTH | S_IXOTH;

	if (st->st_uid == user->uid)
		return (st->st_mode >> 6 & wx) == wx;
	if (st->st_gid == user->gid)
		return (st->st_mode >> 3 & wx) == wx;
	return (st->st_mode & wx) == wx;
}

/* Does an access control list that is there already let the user in? */
static bool listed_already(const char *folder, const struct run_user *user)
{
	const struct posix_acl_xattr_entry *e;
	char buf[sizeof(struct posix_acl_xattr_header) + 64 * sizeof(*e)];
	ssize_t n = getxattr(folder, ACL_XATTR, buf, sizeof(buf));
	uint16_t perm = 0, mask = ACL_READ | ACL_WRITE | ACL_EXECUTE;
	size_t off;

	for (off = sizeof(struct posix_acl_xattr_header); n > 0 && off + sizeof(*e) <= (size_t)n;
	     off += sizeof(*e)) {
		e = (const void *)(buf + off);
		if (le16toh(e->e_tag) == ACL_USER && le32toh(e->e_id) == user->uid)
			perm = le16toh(e->e_perm);
		else if (le16toh(e->e_tag) == ACL_MASK)
			mask = le16toh(e->e_perm);
	}
	return (perm & mask & (ACL_WRITE | ACL_EXECUTE)) == (ACL_WRITE | ACL_EXECUTE);
}

int privileges_allow_writing(const char *folder, const struct run_user *user)
{
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entry[5];
	} acl = { .head = { .a_version = htole32(POSIX_ACL_XATTR_VERSION) } };
	const uint32_t all = ACL_READ | ACL_WRITE | ACL_EXECUTE;
	struct stat st;

	if (stat(folder, &st) < 0)
		return -errno;
	if (may_write(&st, user) || geteuid() != 0)
		return 0;
	/* A list that is there already is somebody's decision: not ours to rewrite. */
	if (getxattr(folder, ACL_XATTR, NULL, 0) > 0)
		return listed_already(folder, user) ? 0 : -EEXIST;
	const struct {
		uint16_t tag, perm;
		uint32_t id;
	} want[5] = {
		{ ACL_USER_OBJ, st.st_mode >> 6 & all, ACL_UNDEFINED_ID },
		{ ACL_USER, all, user->uid },
		{ ACL_GROUP_OBJ, st.st_mode >> 3 & all, ACL_UNDEFINED_ID },
		{ ACL_MASK, all, ACL_UNDEFINED_ID },
		{ ACL_OTHER, st.st_mode & all, ACL_UNDEFINED_ID },
	};
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		acl.entry[i] = (struct posix_acl_xattr_entry){
			.e_tag = htole16(want[i].tag),
			.e_perm = htole16(want[i].perm),
			.e_id = htole32(want[i].id),
		};
	if (setxattr(folder, ACL_XATTR, &acl, sizeof(acl), 0) < 0)
		return -errno;
	return 0;
}

static int drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
			return -errno;
	return 0;
}

static int clear_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int privileges_drop(const struct run_user *user)
{
	int r;

	r = drop_bounding_set();
	if (r < 0)
		return r;
	if (geteuid() == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
		    setresuid(user->uid, user->uid, user->uid) < 0)
			return -errno;
	}
	r = clear_capabilities();
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Believed only when it was looked at. */
	return privileges_effective() == 0 ? 0 : -EPERM;
}

uint64_t privileges_effective(void)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *p;

	if (runaway_read_file(AT_FDCWD, "/proc/self/status", 64 * 1024, &b) < 0 || !b.data)
		return UINT64_MAX;
	p = strstr(b.data, "\nCapEff:");
	return p ? strtoull(p + strlen("\nCapEff:"), NULL, 16) : UINT64_MAX;
}
