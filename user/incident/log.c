/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One append-only file. After any failure the descriptor is given up: an fsync
 * that failed once may succeed the next time without having written anything
 * (the kernel reports the error once and marks the pages clean). So the file is
 * opened anew, its acknowledged end is compared, what was never acknowledged is
 * cut off, and the line is written again, which makes its pages dirty again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "incident/internal.h"

const char *const incident_log_names[LOG_COUNT] = {
	[LOG_INCIDENTS] = "incidents.jsonl",
	[LOG_EVENTS] = "events.jsonl",
};

static int pread_all(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Is the last line that we acknowledged still what the file ends with? */
static int check_acknowledged(const struct incident_log *log, int fd)
{
	_cleanup_free_ char *line = NULL;
	char sha[RUNAWAY_SHA256_HEX];
	int err;

	if (log->last_sha[0] == '\0')
		return 0;
	line = malloc(log->last_len + 1);
	if (!line)
		return -ENOMEM;
	err = pread_all(fd, line, log->last_len + 1, log->committed - log->last_len - 1);
	if (err < 0)
		return err;
	runaway_sha256_hex(line, log->last_len, sha);
	if (line[log->last_len] != '\n' || strcmp(sha, log->last_sha) != 0)
		return -EBADMSG;
	return 0;
}

static int copy_range(const struct disk_ops *ops, int from, uint64_t offset, uint64_t end, int to)
{
	char buf[16384];

	while (offset < end) {
		size_t n = (size_t)MIN((uint64_t)sizeof(buf), end - offset);
		int err = pread_all(from, buf, n, offset);

		if (err == 0)
			err = incident_disk_write_all(ops, to, buf, n);
		if (err < 0)
			return err;
		offset += n;
	}
	/* What comes next begins on a line of its own. */
	return incident_disk_write_all(ops, to, "\n", 1);
}

/* Copies the bytes behind the acknowledged part into FILE.corrupt, durably. */
static int set_aside(const struct incident_log *log, const struct disk_ops *ops, int fd,
		     uint64_t size)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	_cleanup_close_ int out = -1;
	int err;

	strbuf_addf(&path, "%s.corrupt", log->path);
	if (path.error)
		return path.error;
	out = ops->open(path.data, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (out < 0)
		return -errno;
	err = copy_range(ops, fd, log->committed, size, out);
	if (err < 0)
		return err;
	if (ops->fsync(out) < 0)
		return -errno;
	return ops->fsync_parent(path.data);
}

static int cut_tail(struct incident_log *log, const struct disk_ops *ops, int fd)
{
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < log->committed)
		return -EBADMSG;
	err = check_acknowledged(log, fd);
	if (err < 0 || (uint64_t)st.st_size == log->committed)
		return err;
	/* The lock says that nobody else writes here: a tail of this run is our own attempt. */
	if (log->foreign_tail)
		err = set_aside(log, ops, fd, (uint64_t)st.st_size);
	if (err < 0)
		return err;
	return ops->ftruncate(fd, (off_t)log->committed) < 0 ? -errno : 0;
}

int incident_log_recover(struct incident_log *log, const struct disk_ops *ops)
{
	_cleanup_close_ int fd = -1;
	int err;

	if (log->fd >= 0)
		close(TAKE_FD(log->fd));
	log->suspect = true;
	fd = ops->open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	err = cut_tail(log, ops, fd);
	if (err < 0)
		return err;
	/* What was found at opening may so far be in the page cache only. */
	if (ops->fsync(fd) < 0)
		return -errno;
	if (!log->folder_synced) {
		err = ops->fsync_parent(log->path);
		if (err < 0)
			return err;
		log->folder_synced = true;
	}
	log->foreign_tail = false;
	log->suspect = false;
	log->fd = TAKE_FD(fd);
	return 0;
}

/* Somebody removed, cut or wrote to the file: seen before a line is lost in it. */
static bool changed_by_others(const struct incident_log *log)
{
	struct stat st;

	return fstat(log->fd, &st) < 0 || st.st_nlink == 0 ||
	       (uint64_t)st.st_size != log->committed;
}

int incident_log_append(struct incident_log *log, const struct disk_ops *ops, const char *text,
			size_t len)
{
	int err = 0;

	if (!log->suspect && log->fd >= 0 && changed_by_others(log)) {
		log->suspect = true;
		log->foreign_tail = true;
	}
	if (log->suspect || log->fd < 0)
		err = incident_log_recover(log, ops);
	if (err < 0)
		return err;
	err = incident_disk_write_all(ops, log->fd, text, len);
	if (err == 0 && ops->fsync(log->fd) < 0)
		err = -errno;
	if (err < 0) {
		log->suspect = true;
		return err;
	}
	log->committed += len;
	log->last_len = len - 1;
	runaway_sha256_hex(text, len - 1, log->last_sha);
	return 0;
}
