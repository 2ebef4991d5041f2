/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_FS_H
#define RUNAWAY_BASE_FS_H

/* Files. All return 0 or a size on success, a negative errno on failure. */

#include <stddef.h>
#include <sys/types.h>

#include "base/strbuf.h"

/* Reads a whole file into b (reset first). -EFBIG when larger than max bytes. */
int runaway_read_file(int dirfd, const char *path, size_t max, struct strbuf *b);

/*
 * Replaces path: temporary file beside it, fsync, rename, fsync of the folder.
 * A reader sees the old or the new content, never a mixture. The temporary name
 * is `.<name>.tmp.<pid>`, so no collector picks it up. A symbolic link at path
 * is replaced, not followed. The mode is the given one whatever the umask.
 */
int runaway_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode);

/* mkdir -p; existing folders are fine. */
int runaway_mkdir_p(const char *path, mode_t mode);

/* fsync of the folder that holds path. */
int runaway_fsync_parent(const char *path);

/* Writes all of it, going on after EINTR and short writes. */
int runaway_write_all(int fd, const void *data, size_t len);
/* The same at a place of the file; its offset stays where it is. */
int runaway_write_all_at(int fd, const void *data, size_t len, off_t at);

/* malloc'ed "a/b" with one slash between; b alone when a is empty. NULL on -ENOMEM. */
char *runaway_path_join(const char *a, const char *b);

#endif
