/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_INCIDENT_FAST_DISK_H
#define TESTS_UNIT_INCIDENT_FAST_DISK_H

/* Thousands of changes in some seconds; durability is the business of other tests. */

#include "incident/harness.h"

static int no_fsync(int fd _unused_)
{
	return 0;
}

static int no_fsync_parent(const char *path _unused_)
{
	return 0;
}

static int plain_replace(const char *path, const void *data, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int err;

	if (fd < 0)
		return -errno;
	err = runaway_write_all(fd, data, len);
	close(fd);
	return err;
}

static int plain_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

static const struct disk_ops fast = {
	.open = plain_open,
	.write = write,
	.fsync = no_fsync,
	.ftruncate = ftruncate,
	.mkdir_p = runaway_mkdir_p,
	.fsync_parent = no_fsync_parent,
	.replace = plain_replace,
};

#endif
