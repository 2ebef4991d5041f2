/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that err, dawdle, or come in a crowd: each costs little and harms no other. */
#include "out/http_fixture.h"

static size_t replies_in(const struct strbuf *b)
{
	size_t n = 0;

	for (const char *at = b->data; at && (at = strstr(at, "HTTP/1.1 ")); at++)
		n++;
	return n;
}

/* What follows a request with a body is not read as another request. */
static void test_bodies_are_not_read(void **state _unused_)
{
	static const char *const requests[] = {
		"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n"
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"DELETE / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxx"
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
	};
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		ask(&s, requests[i], strlen(requests[i]), &b);
		if (b.len && (replies_in(&b) != 1 || status_of(&b) < 400))
			fail_msg("%zu: %s", i, b.data);
	}
	server_close(&s);
}

static void test_garbage(void **state _unused_)
{
	static const struct {
		const char *text;
		size_t len;
	} table[] = {
#define BYTES(s) { s, sizeof(s) - 1 }
		BYTES("\r\n\r\n\r\n"),
		BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
		BYTES("GET\r\n\r\n"),
		BYTES("GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
		BYTES("GET / HTTP/1.1\r\n\r\n"),
		BYTES("GET / HTTP/1.1\r\nHost x\r\n\r\n"),
		BYTES("GET /\0metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
		BYTES("GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
		BYTES("GET /\x1b[31m\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
		BYTES("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
		BYTES("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"),
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 1);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int fd = client(&s);

		strbuf_reset(&b);
		client_send(fd, table[i].text, table[i].len);
		shutdown(fd, SHUT_WR);
		client_read(&s, fd, &b, NULL);
		close(fd);
		/* MHD may hang up without a word; it never serves nonsense as something else. */
		if (b.len && status_of(&b) == 200 && !strstr(b.data, "<!DOCTYPE html>"))
			fail_msg("%zu: %s", i, b.data);
	}
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 200);
	server_close(&s);
}

/* A head that does not fit is refused with 4xx or a hang-up, at a bounded cost. */
static void test_too_long(void **state _unused_)
{
	enum { LEN = 64 * 1024 };
	static char text[LEN + 64];
	struct server s;

	server_open(&s, 16, 10);
	for (int what = 0; what < 3; what++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		int fd = client(&s), n = 0;
		size_t sent = 0;

		memset(text, 'a', sizeof(text));
		if (what == 0)
			n = sprintf(text, "GET /");
		else if (what == 1)
			n = sprintf(text, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
		text[n] = 'a';
		while (sent < LEN) {
			ssize_t r = send(fd, text + sent, LEN - sent, MSG_NOSIGNAL);

			if (r < 0 && errno != EAGAIN)
				break;
			sent += r > 0 ? (size_t)r : 0;
			server_turn(&s, 1);
		}
		client_read(&s, fd, &b, NULL);
		close(fd);
		if (b.len)
			assert_in_range(status_of(&b), 400, 499);
	}
	server_close(&s);
}

static bool two_replies(const struct strbuf *b)
{
	return replies_in(b) >= 2 && strcmp(b->data + b->len - 3, "ok\n") == 0;
}

static void test_pipelining_and_reuse(void **state _unused_)
{
	static const char one[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;
	int fd;

	server_open(&s, 16, 10);
	fd = client(&s);
	for (int round = 0; round < 3; round++) {
		strbuf_reset(&b);
		client_send(fd, one, strlen(one));
		client_send(fd, one, strlen(one));
		assert_false(client_read(&s, fd, &b, two_replies));
		assert_int_equal(replies_in(&b), 2);
	}
	close(fd);
	server_close(&s);
}

static bool one_reply(const struct strbuf *b)
{
	return b->len > 3 && strcmp(b->data + b->len - 3, "ok\n") == 0;
}

/* A request in single bytes is served when complete; others are served meanwhile. */
static void test_slow_client(void **state _unused_)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, other = STRBUF_INIT;
	struct server s;
	int fd;

	server_open(&s, 16, 10);
	fd = client(&s);
	for (size_t i = 0; i < strlen(request); i++) {
		client_send(fd, request + i, 1);
		server_turn(&s, 1);
		if (i == 10) {
			get(&s, "GET", "/healthz", "", &other);
			assert_int_equal(status_of(&other), 200);
		}
	}
	assert_false(client_read(&s, fd, &b, one_reply));
	close(fd);
	server_close(&s);
}

/* A client that never ends its request is cut, however busily it sends. */
static void test_dripping_client_is_cut(void **state _unused_)
{
	uint64_t start_ns, until_ns, next_ns = 0;
	struct server s;
	bool cut = false;
	int fd;

	server_open(&s, 16, 1);
	fd = client(&s);
	start_ns = runaway_mono_ns();
	until_ns = start_ns + 2 * DEADLINE_NS;
	client_send(fd, "GET / HTTP/1.1\r\nX: ", 19);
	while (!cut && runaway_mono_ns() < until_ns) {
		uint64_t now_ns = runaway_mono_ns();
		char c;

		/* Well within the timeout of one second. */
		if (now_ns >= next_ns) {
			next_ns = now_ns + 100 * NSEC_PER_MSEC;
			cut = send(fd, "a", 1, MSG_NOSIGNAL) < 0;
		}
		cut = cut || recv(fd, &c, 1, 0) == 0;
		server_turn(&s, 50);
	}
	assert_true(cut);
	/* Not before its time either. */
	assert_true(runaway_mono_ns() - start_ns >= 2 * NSEC_PER_SEC);
	close(fd);
	server_close(&s);
}

/* More connections than allowed: the surplus is closed, those who came first are served. */
static void test_many_connections(void **state _unused_)
{
	enum { COUNT = 40, LIMIT = 8 };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int fd[COUNT], open = 0;
	struct server s;

	server_open(&s, LIMIT, 10);
	for (int i = 0; i < COUNT; i++) {
		fd[i] = client(&s);
		server_turn(&s, 1);
	}
	for (int i = 0; i < 20; i++)
		server_turn(&s, 1);
	for (int i = 0; i < COUNT; i++) {
		char c;

		if (recv(fd[i], &c, 1, 0) < 0 && errno == EAGAIN)
			open++;
	}
	assert_in_range(open, 1, LIMIT);
	client_send(fd[0], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 35);
	assert_false(client_read(&s, fd[0], &b, one_reply));
	for (int i = 0; i < COUNT; i++)
		close(fd[i]);
	for (int i = 0; i < 20; i++)
		server_turn(&s, 1);
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 200);
	server_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies_are_not_read),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_pipelining_and_reuse),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_dripping_client_is_cut),
		cmocka_unit_test(test_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
