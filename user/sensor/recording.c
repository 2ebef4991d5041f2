// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recordings: a magic, then records one behind the other, each as long as its
 * header says. The first is RW_META. Byte order is the host's; the magic and the
 * first record's type tell a foreign one.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "sensor/records.h"

#define RECORD_MAX   (64 * 1024)
#define BUFFER_BYTES (256 * 1024)

struct runaway_recorder {
	int fd;
	int error; /* first one; nothing is written after it */
	size_t used;
	char buf[BUFFER_BYTES];
};

int runaway_recorder_open(const char *path, struct runaway_recorder **ret)
{
	struct runaway_recorder *r = calloc(1, sizeof(*r));
	size_t magic = strlen(RW_RECORDING_MAGIC);

	if (!r)
		return -ENOMEM;
	/* Arguments and paths of everybody on the host are in it. */
	r->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->fd < 0) {
		int e = -errno;

		free(r);
		return e;
	}
	memcpy(r->buf, RW_RECORDING_MAGIC, magic);
	r->used = magic;
	*ret = r;
	return 0;
}

int runaway_recorder_flush(struct runaway_recorder *r)
{
	if (!r->error && r->used)
		r->error = runaway_write_all(r->fd, r->buf, r->used);
	r->used = 0;
	return r->error;
}

void runaway_recorder_add(struct runaway_recorder *r, const struct rw_hdr *rec, size_t len)
{
	if (len > RECORD_MAX || r->error)
		return;
	if (r->used + len > sizeof(r->buf))
		runaway_recorder_flush(r);
	memcpy(r->buf + r->used, rec, len);
	r->used += len;
}

int runaway_recorder_close(struct runaway_recorder *r)
{
	int e;

	if (!r)
		return 0;
	e = runaway_recorder_flush(r);
	if (close(r->fd) < 0 && !e)
		e = -errno;
	free(r);
	return e;
}

/* Reads exactly len bytes: 1, 0 at the end before the first byte, -ENODATA in the middle, -errno.
 */
static int read_exact(FILE *f, void *buf, size_t len)
{
	size_t n = fread(buf, 1, len, f);

	if (n == len)
		return 1;
	if (ferror(f))
		return -EIO;
	return n == 0 ? 0 : -ENODATA;
}

static int next_record(FILE *f, char *buf, size_t *ret_len)
{
	struct rw_hdr h;
	int r;

	r = read_exact(f, &h, sizeof(h));
	if (r <= 0)
		return r;
	if (h.len < sizeof(h) || h.len > RECORD_MAX)
		return -EBADMSG;
	memcpy(buf, &h, sizeof(h));
	*ret_len = h.len;
	if (h.len == sizeof(h))
		return 1;
	r = read_exact(f, buf + sizeof(h), h.len - sizeof(h));
	return r == 0 ? -ENODATA : r;
}

int sensor_records_read(FILE *f, uint64_t limit, runaway_sink_fn sink, void *ctx,
			uint64_t *ret_offset)
{
	_cleanup_free_ char *buf = aligned_alloc(16, RECORD_MAX);
	char magic[sizeof(RW_RECORDING_MAGIC) - 1];
	uint64_t at = sizeof(magic);
	bool first = true;
	size_t len = 0;
	int r;

	if (!buf)
		return -ENOMEM;
	if (read_exact(f, magic, sizeof(magic)) != 1 ||
	    memcmp(magic, RW_RECORDING_MAGIC, sizeof(magic)) != 0)
		return -EBADMSG;
	for (;; at += len) {
		if (ret_offset)
			*ret_offset = at;
		if (at >= limit)
			return 0;
		r = next_record(f, buf, &len);
		if (r <= 0)
			return r;
		if (first && ((struct rw_hdr *)buf)->type != RW_META)
			return -EBADMSG;
		first = false;
		sink(ctx, (struct rw_hdr *)buf, len);
	}
}

int runaway_recording_play(const char *path, runaway_sink_fn sink, void *ctx, uint64_t *ret_offset)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");

	return f ? sensor_records_read(f, UINT64_MAX, sink, ctx, ret_offset) : -errno;
}
