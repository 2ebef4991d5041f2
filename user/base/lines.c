/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

struct reader {
	int fd;
	char *buf; /* RUNAWAY_LINE_MAX + 1 bytes: a longest line and its newline */
	size_t len;
	struct runaway_line line;
	runaway_line_fn fn;
	void *ctx;
};

static ssize_t read_more(struct reader *r, size_t at)
{
	ssize_t n;

	do
		n = read(r->fd, r->buf + at, RUNAWAY_LINE_MAX + 1 - at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int give(struct reader *r, const char *text, size_t len, uint64_t bytes, bool complete)
{
	int err;

	r->line.text = text;
	r->line.len = len;
	r->line.bytes = bytes;
	r->line.complete = complete;
	r->line.number++;
	err = r->fn(r->ctx, &r->line);
	r->line.offset += bytes + complete;
	return err;
}

/* Hands out every whole line of the buffer and moves the rest to its front. */
static int give_whole_lines(struct reader *r)
{
	size_t at = 0;
	char *nl;

	while ((nl = memchr(r->buf + at, '\n', r->len - at))) {
		size_t len = (size_t)(nl - (r->buf + at));
		int err = give(r, r->buf + at, len, len, true);

		if (err < 0)
			return err;
		at += len + 1;
	}
	memmove(r->buf, r->buf + at, r->len - at);
	r->len -= at;
	return 0;
}

/* The buffer is full and holds no newline: reads on to the line's end without keeping it. */
static int skip_long_line(struct reader *r)
{
	uint64_t bytes = r->len;
	char *nl = NULL;
	ssize_t n;
	int err;

	while (!nl && (n = read_more(r, 0)) != 0) {
		if (n < 0)
			return (int)n;
		r->len = (size_t)n;
		nl = memchr(r->buf, '\n', r->len);
		bytes += nl ? (uint64_t)(nl - r->buf) : r->len;
	}
	r->line.too_long = true;
	err = give(r, r->buf, 0, bytes, nl != NULL);
	r->line.too_long = false;
	if (err < 0)
		return err;
	if (!nl) {
		r->len = 0;
		return 0;
	}
	r->len -= (size_t)(nl + 1 - r->buf);
	memmove(r->buf, nl + 1, r->len);
	return give_whole_lines(r);
}

int runaway_lines_each(int fd, runaway_line_fn fn, void *ctx)
{
	_cleanup_free_ char *buf = malloc(RUNAWAY_LINE_MAX + 1);
	struct reader r = { .fd = fd, .buf = buf, .fn = fn, .ctx = ctx };
	ssize_t n;
	int err;

	if (!buf)
		return -ENOMEM;
	while ((n = read_more(&r, r.len)) != 0) {
		if (n < 0)
			return (int)n;
		r.len += (size_t)n;
		err = give_whole_lines(&r);
		if (err == 0 && r.len > RUNAWAY_LINE_MAX)
			err = skip_long_line(&r);
		if (err < 0)
			return err;
	}
	return r.len > 0 ? give(&r, r.buf, r.len, r.len, false) : 0;
}
