/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_OUT_HTTP_FIXTURE_H
#define RUNAWAY_TEST_OUT_HTTP_FIXTURE_H

/* The server driven by hand: the test is the loop, raw sockets are the clients. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "out/harness.h"

#define DEADLINE_NS (5 * NSEC_PER_SEC)

struct server {
	struct world world;
	struct runaway_http *http;
	in_port_t port;
};

static inline void server_open(struct server *s, unsigned int connections, unsigned int timeout_s)
{
	const struct runaway_http_config c = {
		.listen_address = "127.0.0.1:0",
		.max_connections = connections,
		.timeout_s = timeout_s,
	};
	const char *colon;

	world_init(&s->world, 1000, 10);
	assert_int_equal(runaway_http_open(&c, &s->world.view, &s->http), 0);
	colon = strrchr(runaway_http_address(s->http), ':');
	s->port = htons((in_port_t)atoi(colon + 1));
	assert_true(s->port != 0);
}

static inline void server_close(struct server *s)
{
	runaway_http_close(s->http);
	world_free(&s->world);
}

/* As the daemon's loop does it: waits at most max_ms. */
static inline void server_turn(struct server *s, int max_ms)
{
	struct pollfd p = { .fd = runaway_http_fd(s->http), .events = POLLIN };
	int timeout = runaway_http_timeout_ms(s->http);

	if (timeout < 0 || timeout > max_ms)
		timeout = max_ms;
	poll(&p, 1, timeout);
	runaway_http_run(s->http);
}

static inline int client(const struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = s->port };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static inline void client_send(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* Reads until the server closes, or `enough` says so. True: closed. */
static inline bool client_read(struct server *s, int fd, struct strbuf *b,
			       bool (*enough)(const struct strbuf *b))
{
	uint64_t until_ns = runaway_mono_ns() + DEADLINE_NS;
	char chunk[4096];

	while (runaway_mono_ns() < until_ns) {
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		if (n > 0)
			strbuf_add(b, chunk, (size_t)n);
		if (enough && b->len && enough(b))
			return false;
		server_turn(s, 5);
	}
	fail_msg("no end of the reply: %s", b->data ? b->data : "(nothing)");
	return false;
}

/* A whole request on a connection of its own; the reply with its head. */
static inline void ask(struct server *s, const char *request, size_t len, struct strbuf *ret)
{
	int fd = client(s);

	client_send(fd, request, len);
	client_read(s, fd, ret, NULL);
	close(fd);
}

static inline void get(struct server *s, const char *method, const char *path, const char *headers,
		       struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf r = STRBUF_INIT;

	strbuf_addf(&r, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path,
		    headers);
	strbuf_reset(ret);
	ask(s, r.data, r.len, ret);
	assert_non_null(ret->data);
}

static inline int status_of(const struct strbuf *reply)
{
	int status = 0;

	sscanf(reply->data, "HTTP/1.%*c %d", &status);
	return status;
}

static const char *body_of(const struct strbuf *reply)
{
	const char *end = strstr(reply->data, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static inline void assert_header(const struct strbuf *reply, const char *line)
{
	const char *hit = strcasestr(reply->data, line);

	if (!hit || hit >= body_of(reply) || strncmp(hit + strlen(line), "\r\n", 2) != 0)
		fail_msg("no header %s in %s", line, reply->data);
}

static inline void assert_json_error(const struct strbuf *reply, const char *code)
{
	const char *body = body_of(reply);
	cJSON *json;
	const cJSON *error;

	assert_int_equal(runaway_json_parse(body, strlen(body), &json, NULL), 0);
	error = runaway_json_get(json, "error");
	assert_string_equal(runaway_json_str(error, "code", ""), code);
	assert_true(strlen(runaway_json_str(error, "message", "")) > 0);
	cJSON_Delete(json);
}

#endif
