/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at services: real sockets of this very process, the loop played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "daemon/daemon.h"

struct answer {
	struct health_result result[4];
	size_t count;
	unsigned int calls;
};

static void on_done(void *ctx, const struct health_result *results, size_t count)
{
	struct answer *a = ctx;

	a->calls++;
	a->count = count;
	for (size_t n = 0; n < count; n++)
		a->result[n] = results[n];
}

static int listen_on(char address[static 32])
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(address, 32, "127.0.0.1:%u", ntohs(sa.sin_port));
	return fd;
}

/* Answers who connects; NULL: takes the connection and says nothing. */
static void serve(int fd, const char *reply, int *held)
{
	char request[512];
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (c < 0)
		return;
	if (!reply) {
		*held = c;
		return;
	}
	assert_true(recv(c, request, sizeof(request), 0) > 0);
	assert_memory_equal(request, "GET ", 4);
	assert_int_equal(send(c, reply, strlen(reply), MSG_NOSIGNAL), strlen(reply));
	close(c);
}

static struct answer ask(const char *reply, bool http, bool closed)
{
	char address[32], name[] = "web", path[] = "/ok";
	struct health_check check = { .name = name,
				      .address = address,
				      .path = http ? path : NULL };
	const struct gate_config g = { .health = &check, .health_count = 1 };
	const uint64_t until_ns = runaway_mono_ns() + 20 * NSEC_PER_SEC;
	struct answer a = { 0 };
	struct health *h;
	int fd = listen_on(address), held = -1;

	if (closed)
		close(TAKE_FD(fd));
	assert_int_equal(health_open(&h), 0);
	assert_int_equal(health_ask(h, &g, on_done, &a), 0);
	assert_int_equal(a.calls, 0);
	while (!a.calls) {
		struct pollfd p = { .fd = health_fd(h), .events = POLLIN };

		poll(&p, 1, 10);
		health_run(h);
		if (fd >= 0 && http && held < 0)
			serve(fd, reply, &held);
		assert_true(runaway_mono_ns() < until_ns);
	}
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.count, 1);
	assert_string_equal(a.result[0].name, "web");
	health_close(h);
	runaway_closep(&fd);
	runaway_closep(&held);
	return a;
}

static void test_verdicts(void **state)
{
	(void)state;
	assert_true(ask("HTTP/1.0 200 OK\r\n\r\n", true, false).result[0].ok);
	assert_true(ask("HTTP/1.1 204 No Content\r\n\r\n", true, false).result[0].ok);
	assert_false(ask("HTTP/1.0 503 No\r\n\r\n", true, false).result[0].ok);
	assert_false(ask("HTTP/1.0 302 Away\r\n\r\n", true, false).result[0].ok);
	assert_false(ask("SSH-2.0-x\r\n", true, false).result[0].ok);
	assert_true(ask(NULL, false, false).result[0].ok);
	assert_false(ask(NULL, false, true).result[0].ok);
}

/* Who takes the connection and says nothing does not hold anybody up. */
static void test_silence_is_an_answer(void **state)
{
	const uint64_t began_ns = runaway_mono_ns();
	struct answer a = ask(NULL, true, false);

	(void)state;
	assert_false(a.result[0].ok);
	assert_true(runaway_mono_ns() - began_ns >= 1900 * NSEC_PER_MSEC);
}

static void test_nothing_to_ask(void **state)
{
	const struct gate_config g = { 0 };
	struct answer a = { 0 };
	struct health *h;

	(void)state;
	assert_int_equal(health_open(&h), 0);
	assert_int_equal(health_ask(h, &g, on_done, &a), 0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.count, 0);
	health_close(h);
}

/* Whoever waits is told when it is over, so that nothing of theirs is lost. */
static void test_closing_answers(void **state)
{
	char address[32], name[] = "web", path[] = "/";
	struct health_check check = { .name = name, .address = address, .path = path };
	const struct gate_config g = { .health = &check, .health_count = 1 };
	struct answer a = { 0 };
	struct health *h;
	int fd = listen_on(address);

	(void)state;
	assert_int_equal(health_open(&h), 0);
	assert_int_equal(health_ask(h, &g, on_done, &a), 0);
	health_close(h);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.count, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_silence_is_an_answer),
		cmocka_unit_test(test_nothing_to_ask),
		cmocka_unit_test(test_closing_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
