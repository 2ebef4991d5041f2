/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection, one request at a time. */
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "gate/state.h"
#include "gate/wire.h"

#define SELF_TEST_EVERY_NS (3600 * NSEC_PER_SEC)

struct connection {
	int fd;
	struct strbuf in, out;
};

/* A daemon that does not read for so long is gone for all that it matters (SO_SNDTIMEO). */
static int send_answers(struct connection *c)
{
	size_t sent = 0;

	while (sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + sent, c->out.len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	strbuf_reset(&c->out);
	return 0;
}

/* Answers what has come whole, keeps the rest. -EMSGSIZE: nothing behind it can be read. */
static int answer_all(struct runaway_gate *g, struct connection *c)
{
	const char *text;
	size_t len, used, done = 0;
	int r = 0, err = 0;

	while (err == 0 && !g->stop &&
	       (r = runaway_gate_frame_next(c->in.data + done, c->in.len - done, &text, &len,
					    &used)) > 0) {
		runaway_gate_answer(g, text, len, &c->out);
		done += used;
		err = send_answers(c);
	}
	memmove(c->in.data, c->in.data + done, c->in.len - done);
	strbuf_truncate(&c->in, c->in.len - done);
	return err < 0 ? err : MIN(r, 0);
}

/* 1 to go on, 0 at the end of the connection. The buffer holds one frame and no more. */
static int read_some(struct connection *c)
{
	size_t room = RUNAWAY_GATE_FRAME_HEAD + RUNAWAY_GATE_FRAME_MAX - c->in.len;
	ssize_t n;

	if (strbuf_reserve(&c->in, room) < 0)
		return -ENOMEM;
	n = recv(c->fd, c->in.data + c->in.len, room, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	c->in.len += (size_t)n;
	c->in.data[c->in.len] = '\0';
	return n > 0;
}

static int until_self_test_ms(const struct runaway_gate *g)
{
	uint64_t passed = runaway_boot_ns() - g->self_test_boot_ns;

	return passed >= SELF_TEST_EVERY_NS
		       ? 0
		       : (int)((SELF_TEST_EVERY_NS - passed) / NSEC_PER_MSEC) + 1;
}

static int turn(struct runaway_gate *g, struct connection *c)
{
	struct pollfd p[] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = g->signals, .events = POLLIN },
		{ .fd = runaway_guard_witness_fd(g->guard), .events = POLLIN },
		{ .fd = g->actuator.fd }, /* its end is told unasked */
	};
	int n = poll(p, ARRAY_SIZE(p), until_self_test_ms(g)), r = 1;

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	/* By the clock, and not when nobody asks for anything: that may be never. */
	if (until_self_test_ms(g) == 0)
		runaway_gate_self_test(g);
	runaway_gate_take_signals(g);
	if (p[2].revents)
		runaway_gate_reconcile(g);
	(void)runaway_actuator_alive(&g->actuator);
	if (p[0].revents)
		r = read_some(c);
	if (r == 1)
		r = answer_all(g, c) < 0 ? -EBADMSG : 1;
	return r;
}

int runaway_gate_serve(struct runaway_gate *g, int sock)
{
	struct connection c = { .fd = sock };
	int r = 1;

	if (strbuf_reserve(&c.in, RUNAWAY_GATE_FRAME_HEAD + RUNAWAY_GATE_FRAME_MAX) < 0)
		return -ENOMEM;
	while (r == 1 && !g->stop)
		r = turn(g, &c);
	strbuf_free(&c.in);
	strbuf_free(&c.out);
	return MIN(r, 0);
}
