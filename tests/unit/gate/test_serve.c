/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection to the daemon, from the first frame to the end. */
#include "gate/acting.h"

#include <sys/socket.h>

static int serve_bytes(const char *data, size_t len, struct strbuf *answers)
{
	int fd[2], r;
	char buf[4096];
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(send(fd[0], data, len, 0), len);
	assert_int_equal(shutdown(fd[0], SHUT_WR), 0);
	use_signalfd();
	runaway_gate_self_test(g);
	r = runaway_gate_serve(g, fd[1]);
	close(fd[1]);
	while ((n = recv(fd[0], buf, sizeof(buf), 0)) > 0)
		strbuf_add(answers, buf, (size_t)n);
	close(fd[0]);
	return r;
}

static size_t count_frames(const struct strbuf *b)
{
	size_t n = 0, at = 0, len, used;
	const char *text;

	for (; runaway_gate_frame_next(b->data + at, b->len - at, &text, &len, &used) == 1; n++)
		at += used;
	assert_int_equal(at, b->len);
	return n;
}

static void serves_until_the_end(_unused_ void **state)
{
	static const char status[] = "{\"type\":\"status\",\"id\":\"1\"}";
	_cleanup_strbuf_ struct strbuf in = STRBUF_INIT, out = STRBUF_INIT;

	for (int i = 0; i < 10; i++)
		assert_int_equal(runaway_gate_frame_add(&in, status, strlen(status)), 0);
	assert_int_equal(serve_bytes(in.data, in.len, &out), 0);
	assert_int_equal(count_frames(&out), 10);
	/* The one before it: the next comes in an hour. */
	assert_int_equal(records_of("self_test"), 1);
}

static void frames_that_cannot_be_read_end_it(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	assert_int_equal(serve_bytes("\0\0\0\2{}\xff\xff\xff\xff", 10, &out), -EBADMSG);
	assert_int_equal(count_frames(&out), 1);
	close(g->signals);
	strbuf_reset(&out);
	/* Half a frame, and the peer is gone. */
	assert_int_equal(serve_bytes("\0\0\0\20{", 5, &out), 0);
	assert_int_equal(out.len, 0);
}

static void a_peer_that_does_not_listen(_unused_ void **state)
{
	static const char status[] = "\0\0\0\32{\"type\":\"status\",\"id\":\"1\"}";
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(send(fd[0], status, sizeof(status) - 1, 0), sizeof(status) - 1);
	close(fd[0]);
	use_signalfd();
	assert_int_equal(runaway_gate_serve(g, fd[1]), -EBADMSG);
	close(fd[1]);
}

static void sigterm_ends_it(_unused_ void **state)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	use_signalfd();
	(void)raise(SIGUSR2);
	(void)raise(SIGTERM);
	assert_int_equal(runaway_gate_serve(g, fd[1]), 0);
	assert_true(g->stop);
	assert_true(g->audit.disarm_seq > 0);
	close(fd[0]);
	close(fd[1]);
}

/* Whoever asks without an end does not keep it from being tried. */
static void the_self_test_waits_for_nobody(_unused_ void **state)
{
	static const char status[] = "\0\0\0\32{\"type\":\"status\",\"id\":\"1\"}";
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(send(fd[0], status, sizeof(status) - 1, 0), sizeof(status) - 1);
	assert_int_equal(shutdown(fd[0], SHUT_WR), 0);
	use_signalfd();
	g->self_test_boot_ns = runaway_boot_ns() - 3601 * NSEC_PER_SEC;
	assert_int_equal(runaway_gate_serve(g, fd[1]), 0);
	assert_int_equal(records_of("self_test"), 1);
	close(fd[0]);
	close(fd[1]);
}

/* Nobody asked it for anything: the next approval shall not be the one that finds out. */
static void an_actuator_that_ends_is_noticed(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	siginfo_t info;

	kill(g->actuator.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)g->actuator.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(serve_bytes("", 0, &out), 0);
	assert_int_equal(g->actuator.fd, -1);
	assert_int_equal(runaway_gate_closed(g), RUNAWAY_REASON_ACTUATOR_GONE);
}

static void greets(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	assert_int_equal(runaway_gate_record_start(g), 0);
	assert_int_equal(runaway_gate_greet(g, "first", &out), 0);
	assert_non_null(strstr(out.data + 4, "{\"type\":\"hello\",\"id\":\"first\",\"ok\":true,"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(serves_until_the_end),
		TEST(frames_that_cannot_be_read_end_it),
		TEST(a_peer_that_does_not_listen),
		TEST(sigterm_ends_it),
		TEST(the_self_test_waits_for_nobody),
		TEST(an_actuator_that_ends_is_noticed),
		TEST(greets),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
