/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_INCIDENT_DISK_H
#define RUNAWAY_INCIDENT_DISK_H

/*
 * The store's only way to the disk. Tests put their own table here and let the
 * k-th operation fail; everybody else uses incident_disk_libc. The calls that
 * stand for system calls return -1 and errno as those do, the others a negative
 * errno.
 */

#include <stddef.h>
#include <sys/types.h>

struct disk_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *data, size_t len);
	int (*fsync)(int fd);
	int (*ftruncate)(int fd, off_t len);
	/* From base/fs.h. */
	int (*mkdir_p)(const char *path, mode_t mode);
	int (*fsync_parent)(const char *path);
	int (*replace)(const char *path, const void *data, size_t len, mode_t mode);
};

extern const struct disk_ops incident_disk_libc;

/* Writes all of it, going on after EINTR and short writes. 0 or a negative errno. */
int incident_disk_write_all(const struct disk_ops *ops, int fd, const void *data, size_t len);

#endif
