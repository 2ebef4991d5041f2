/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "incident/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"

static int libc_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

const struct disk_ops incident_disk_libc = {
	.open = libc_open,
	.write = write,
	.fsync = fsync,
	.ftruncate = ftruncate,
	.mkdir_p = runaway_mkdir_p,
	.fsync_parent = runaway_fsync_parent,
	.replace = runaway_write_file_atomic,
};

int incident_disk_write_all(const struct disk_ops *ops, int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = ops->write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		/* A file that takes nothing and reports nothing would spin us for ever. */
		if (n == 0)
			return -ENOSPC;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
