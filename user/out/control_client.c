/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * One connection: bytes in, lines answered in order, bytes out. Every buffer is
 * bounded: `in` by the longest line, `out` by CONTROL_QUEUE_HIGH and one answer.
 */

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "out/control_private.h"

/* Bytes taken from one client before the next one has its turn. */
#define READ_TURN ((size_t)256 * 1024)
/* A buffer that grew beyond this is given back when it is empty. */
#define KEEP_BYTES ((size_t)64 * 1024)

static void empty(struct strbuf *b)
{
	if (b->cap > KEEP_BYTES)
		strbuf_free(b);
	else
		strbuf_reset(b);
}

/* Takes the first n bytes off. */
static void consume(struct strbuf *b, size_t n)
{
	if (n >= b->len) {
		empty(b);
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	strbuf_truncate(b, b->len - n);
}

size_t runaway_control_client_queued(const struct control_client *c)
{
	return c->out.len - c->sent;
}

static void refuse_long_line(struct control_client *c)
{
	runaway_control_error_line("usage", "the line is longer than 1 MiB", &c->out);
	c->skipping = true;
	c->scanned = 0;
	empty(&c->in);
}

/* What came in goes to `in`, but for the rest of a line that was refused. */
static void take(struct control_client *c, const char *data, size_t len)
{
	if (c->skipping) {
		const char *end = memchr(data, '\n', len);

		if (!end)
			return;
		c->skipping = false;
		len -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	strbuf_add(&c->in, data, len);
	if (c->in.error)
		c->broken = true;
}

/* Is there a whole line? Its length without the newline. */
static bool find_line(struct control_client *c, size_t from, size_t *ret_len)
{
	size_t at = MAX(from, c->scanned);
	const char *end = at < c->in.len ? memchr(c->in.data + at, '\n', c->in.len - at) : NULL;

	if (!end) {
		c->scanned = c->in.len;
		return false;
	}
	*ret_len = (size_t)(end - c->in.data) - from;
	return true;
}

/* Nobody is left to read the answer. Who only stopped sending still waits for it. */
static bool hung_up(const struct control_client *c)
{
	struct pollfd p = { .fd = c->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

void runaway_control_client_read(struct control_client *c, uint64_t now_ns)
{
	char buf[16 * 1024];

	if (c->waiting) {
		c->active_ns = now_ns;
		c->broken = c->broken || hung_up(c);
		return;
	}
	for (size_t total = 0; total < READ_TURN && !c->broken && !c->eof;) {
		ssize_t n;

		/* Enough for a whole line (or more than one may have): served first. */
		if (c->in.len > RUNAWAY_CONTROL_LINE_MAX)
			return;
		n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				c->broken = true;
			return;
		}
		if (n == 0) {
			c->eof = true;
			return;
		}
		c->active_ns = now_ns;
		total += (size_t)n;
		take(c, buf, (size_t)n);
	}
}

static void answer(struct control_client *c, struct control_env *env, const char *line, size_t len)
{
	if (len && line[len - 1] == '\r')
		len--;
	if (len > RUNAWAY_CONTROL_LINE_MAX)
		runaway_control_error_line("usage", "the line is longer than 1 MiB", &c->out);
	else if (len)
		runaway_control_answer(env, c, line, len);
}

/* The last line may lack its newline: a truncated one is no JSON and refused as such. */
static void serve_tail(struct control_client *c, struct control_env *env)
{
	if (!c->eof || !c->in.len)
		return;
	answer(c, env, c->in.data, c->in.len);
	c->scanned = 0;
	empty(&c->in);
}

void runaway_control_client_serve(struct control_client *c, struct control_env *env,
				  uint64_t until_ns)
{
	size_t done = 0, len;

	for (int turn = 0; turn < CONTROL_TURN && !c->broken; turn++) {
		if (runaway_control_client_queued(c) > CONTROL_QUEUE_HIGH)
			break; /* EPOLLOUT brings us back */
		if (c->waiting || (turn && runaway_mono_ns() >= until_ns))
			break;
		if (!find_line(c, done, &len))
			break;
		answer(c, env, c->in.data + done, len);
		done += len + 1;
		c->broken = c->out.error;
	}
	if (done) {
		consume(&c->in, done);
		c->scanned = c->scanned > done ? c->scanned - done : 0;
	}
	if (c->scanned == c->in.len && !c->waiting) {
		if (c->in.len > RUNAWAY_CONTROL_LINE_MAX)
			refuse_long_line(c);
		else
			serve_tail(c, env);
	}
	c->broken = c->broken || c->out.error;
}

bool runaway_control_client_pending(const struct control_client *c)
{
	return !c->broken && !c->waiting && c->scanned < c->in.len &&
	       runaway_control_client_queued(c) <= CONTROL_QUEUE_HIGH;
}

void runaway_control_client_write(struct control_client *c, uint64_t now_ns)
{
	while (c->sent < c->out.len && !c->broken) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				c->broken = true;
			break;
		}
		c->sent += (size_t)n;
		c->active_ns = now_ns;
	}
	if (c->sent == c->out.len) {
		empty(&c->out);
		c->sent = 0;
	} else if (c->sent > CONTROL_QUEUE_HIGH && c->sent > c->out.len / 2) {
		consume(&c->out, c->sent);
		c->sent = 0;
	}
}

bool runaway_control_client_over(const struct control_client *c)
{
	return c->broken ||
	       (c->eof && !c->waiting && !c->in.len && !runaway_control_client_queued(c));
}

uint32_t runaway_control_client_wants(const struct control_client *c)
{
	size_t queued = runaway_control_client_queued(c);
	uint32_t events = queued ? EPOLLOUT : 0;

	if (!c->eof && !c->waiting && queued <= CONTROL_QUEUE_HIGH &&
	    c->in.len <= RUNAWAY_CONTROL_LINE_MAX)
		events |= EPOLLIN;
	return events;
}

void runaway_control_client_free(struct control_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	strbuf_free(&c->in);
	strbuf_free(&c->out);
	cJSON_Delete(c->waiting_id);
	free(c);
}
