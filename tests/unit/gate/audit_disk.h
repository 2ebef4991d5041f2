/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_AUDIT_DISK_H
#define RUNAWAY_TESTS_GATE_AUDIT_DISK_H

/* An audit in a folder of its own, on a disk that can be made to fail. */

#include "gate/gate_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "gate/audit.h"

static char dir[64], path[96];
static int folder = -1;
static struct runaway_audit a;
static struct runaway_history h;

/* ---- a disk that fails ---- */

static int fail_write, fail_fsync; /* errno of the next one; 0: works */
static size_t short_write;	   /* bytes that it takes before it fails */

ssize_t __real_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __wrap_fsync(int fd);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (fd != a.fd || !fail_write)
		return __real_write(fd, data, len);
	if (short_write) {
		len = MIN(len, short_write);
		short_write = 0;
		return __real_write(fd, data, len);
	}
	errno = fail_write;
	return -1;
}

int __wrap_fsync(int fd)
{
	if (!fail_fsync)
		return __real_fsync(fd);
	errno = fail_fsync;
	return -1;
}

/* ---- a user of its own ---- */

static uid_t other_euid; /* 0: who the test is */

uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);

uid_t __wrap_geteuid(void)
{
	return other_euid ? other_euid : __real_geteuid();
}

/* ---- a folder for each test ---- */

static int open_it(void)
{
	runaway_history_free(&h);
	return runaway_audit_open(folder, TEST_BOOT, &a, &h);
}

static _unused_
int reopen(void)
{
	runaway_audit_close(&a);
	return open_it();
}

static int fresh(_unused_ void **state)
{
	fail_write = fail_fsync = 0;
	short_write = 0;
	snprintf(dir, sizeof(dir), "/tmp/rw-audit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/" RUNAWAY_AUDIT_FILE, dir);
	folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return runaway_digest_init() < 0 ? -1 : open_it();
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static int done(_unused_ void **state)
{
	runaway_audit_close(&a);
	runaway_history_free(&h);
	close(folder);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- records ---- */

static _unused_
int put(const char *type)
{
	struct runaway_record r;

	runaway_audit_begin(&a, type, &r);
	return runaway_audit_commit(&a, &r);
}

static _unused_
int put_intent(const char *nonce)
{
	struct runaway_record r;

	runaway_audit_begin(&a, "intent", &r);
	json_kv_string(&r.w, "incident_id", TEST_INCIDENT);
	json_kv_string(&r.w, "lane_id", "lane");
	json_kv_bool(&r.w, "drill", true);
	json_kv_string(&r.w, "plan_sha256", TEST_SHA);
	json_kv_string(&r.w, "nonce", nonce);
	json_kv_uint(&r.w, "pid", 4912);
	json_kv_u64_string(&r.w, "start_ns", 77);
	return runaway_audit_commit(&a, &r);
}

static _unused_
int put_result(uint64_t intent)
{
	struct runaway_record r;

	runaway_audit_begin(&a, "result", &r);
	json_kv_u64_string(&r.w, "intent", intent);
	return runaway_audit_commit(&a, &r);
}

static _unused_
void read_file(struct strbuf *b)
{
	assert_int_equal(runaway_read_file(AT_FDCWD, path, 1 << 20, b), 0);
}

static _unused_
void write_file(const struct strbuf *b)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(__real_write(fd, b->data, b->len), b->len);
}

#endif
