/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

/* What most files of /proc need: one read, then one that says the end. */
#define READ_CHUNK_BYTES 4096

static int read_all(int fd, size_t max, struct strbuf *b)
{
	for (;;) {
		ssize_t n;
		int r;

		/* The size of a file of /proc is 0: only a read says where it ends. */
		r = strbuf_reserve(b, READ_CHUNK_BYTES);
		if (r < 0)
			return r;
		n = read(fd, b->data + b->len, b->cap - b->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (b->len > max)
			return -EFBIG;
	}
}

int runaway_read_file(int dirfd, const char *path, size_t max, struct strbuf *b)
{
	_cleanup_close_ int fd = -1;
	int r;

	strbuf_reset(b);
	/* O_NONBLOCK: a FIFO put in the place of a file must not stop the daemon. */
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = read_all(fd, max, b);
	if (r < 0)
		strbuf_reset(b);
	return r;
}

int runaway_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int runaway_write_all_at(int fd, const void *data, size_t len, off_t at)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Opens the folder that holds path. *ret_name points into path. */
static int open_parent(const char *path, const char **ret_name)
{
	_cleanup_free_ char *folder = NULL;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int fd;

	if (!slash)
		folder = strdup(".");
	else
		folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_name = name;
	return fd;
}

static int fsync_folder(int fd)
{
	/* EINVAL: a file system without the operation; there is nothing more to be done. */
	if (fsync(fd) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

int runaway_fsync_parent(const char *path)
{
	const char *name = "";
	_cleanup_close_ int fd = open_parent(path, &name);

	return fd < 0 ? fd : fsync_folder(fd);
}

static int create_temporary(int folder_fd, const char *name, mode_t mode)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(folder_fd, name, flags, mode);

	/*
	 * A daemon in a container has the same pid after each restart: what it
	 * left behind when it was killed must not stop it for ever.
	 */
	if (fd < 0 && errno == EEXIST && unlinkat(folder_fd, name, 0) == 0)
		fd = openat(folder_fd, name, flags, mode);
	return fd < 0 ? -errno : fd;
}

static int fill_temporary(int folder_fd, const char *name, const void *data, size_t len,
			  mode_t mode)
{
	_cleanup_close_ int fd = create_temporary(folder_fd, name, mode);
	int r;

	if (fd < 0)
		return fd;
	/* The umask is for files without a wanted mode. */
	r = fchmod(fd, mode) < 0 ? -errno : 0;
	if (r == 0)
		r = runaway_write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && close(TAKE_FD(fd)) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder_fd, name, 0);
	return r;
}

int runaway_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
	_cleanup_free_ char *temporary = NULL;
	const char *name = "";
	_cleanup_close_ int folder_fd = open_parent(path, &name);
	int r;

	if (folder_fd < 0)
		return folder_fd;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	if (asprintf(&temporary, ".%s.tmp.%d", name, (int)getpid()) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	r = fill_temporary(folder_fd, temporary, data, len, mode);
	if (r < 0)
		return r;
	if (renameat(folder_fd, temporary, folder_fd, name) < 0) {
		r = -errno;
		unlinkat(folder_fd, temporary, 0);
		return r;
	}
	return fsync_folder(folder_fd);
}

static int make_folder(const char *path, mode_t mode)
{
	struct stat st;
	int r;

	if (mkdir(path, mode) == 0)
		return 0;
	/* Not only EEXIST: a read-only or automounted parent may say something else. */
	r = -errno;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return r == -EEXIST ? -ENOTDIR : r;
}

int runaway_mkdir_p(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = strdup(path);
	char *p;
	int r;

	if (!copy)
		return -ENOMEM;
	for (p = copy; *p; p++) {
		if (*p != '/' || p == copy || p[-1] == '/')
			continue;
		*p = '\0';
		r = make_folder(copy, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return make_folder(copy, mode);
}

char *runaway_path_join(const char *a, const char *b)
{
	size_t len = strlen(a);
	char *s = NULL;

	while (len && a[len - 1] == '/' && *b == '/')
		b++;
	if (asprintf(&s, "%s%s%s", a, !len || a[len - 1] == '/' || *b == '/' ? "" : "/", b) < 0)
		return NULL;
	return s;
}
