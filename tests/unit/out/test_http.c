/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server driven by hand: the test is the loop, raw sockets are the clients. */
#include "out/exposition.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define DEADLINE_NS (5 * NSEC_PER_SEC)

struct server {
	struct world world;
	struct runaway_http *http;
	in_port_t port;
};

static void server_open(struct server *s, unsigned int connections, unsigned int timeout_s)
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

static void server_close(struct server *s)
{
	runaway_http_close(s->http);
	world_free(&s->world);
}

/* As the daemon's loop does it: waits at most max_ms. */
static void server_turn(struct server *s, int max_ms)
{
	struct pollfd p = { .fd = runaway_http_fd(s->http), .events = POLLIN };
	int timeout = runaway_http_timeout_ms(s->http);

	if (timeout < 0 || timeout > max_ms)
		timeout = max_ms;
	poll(&p, 1, timeout);
	runaway_http_run(s->http);
}

static int client(const struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = s->port };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void client_send(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* Reads until the server closes, or `enough` says so. True: closed. */
static bool client_read(struct server *s, int fd, struct strbuf *b,
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
static void ask(struct server *s, const char *request, size_t len, struct strbuf *ret)
{
	int fd = client(s);

	client_send(fd, request, len);
	client_read(s, fd, ret, NULL);
	close(fd);
}

static void get(struct server *s, const char *method, const char *path, const char *headers,
		struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf r = STRBUF_INIT;

	strbuf_addf(&r, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path,
		    headers);
	strbuf_reset(ret);
	ask(s, r.data, r.len, ret);
	assert_non_null(ret->data);
}

static int status_of(const struct strbuf *reply)
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

static void assert_header(const struct strbuf *reply, const char *line)
{
	const char *hit = strcasestr(reply->data, line);

	if (!hit || hit >= body_of(reply) || strncmp(hit + strlen(line), "\r\n", 2) != 0)
		fail_msg("no header %s in %s", line, reply->data);
}

static void assert_json_error(const struct strbuf *reply, const char *code)
{
	const char *body = body_of(reply);
	cJSON *json;
	const cJSON *error;

	assert_int_equal(runaway_json_parse(body, strlen(body), &json, NULL), 0);
	error = cJSON_GetObjectItemCaseSensitive(json, "error");
	assert_string_equal(runaway_json_str(error, "code", ""), code);
	assert_true(strlen(runaway_json_str(error, "message", "")) > 0);
	cJSON_Delete(json);
}

static void test_paths(void **state _unused_)
{
	static const struct {
		const char *path;
		int status;
		const char *type;
	} table[] = {
		{ "/", 200, "text/html; charset=utf-8" },
		{ "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8" },
		{ "/metrics?x=y", 200, "text/plain; version=0.0.4; charset=utf-8" },
		{ "/healthz", 200, "text/plain; charset=utf-8" },
		{ "/-/healthy", 200, "text/plain; charset=utf-8" },
		{ "/readyz", 200, "text/plain; charset=utf-8" },
		{ "/-/ready", 200, "text/plain; charset=utf-8" },
		{ "/api/v1/status", 200, "application/json; charset=utf-8" },
		{ "/api/v1/orphans", 200, "application/json; charset=utf-8" },
		{ "/api/v1/findings", 200, "application/json; charset=utf-8" },
		{ "/api/v1/incidents", 200, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?status=open&limit=1&lane=x", 200,
		  "application/json; charset=utf-8" },
		{ "/api/v1/incidents?status=bogus", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=0", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=10001", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=-1", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=99999999999999999999", 400,
		  "application/json; charset=utf-8" },
		{ "/api/v1/incidents?limit=", 400, "application/json; charset=utf-8" },
		{ "/api/v1/incidents/", 404, "application/json; charset=utf-8" },
		{ "/api/v1/incidents/inc_none", 404, "application/json; charset=utf-8" },
		{ "/api/v1/incidents/..%2f..%2fevents.jsonl", 404,
		  "application/json; charset=utf-8" },
		{ "/api/v1/readiness", 404, "application/json; charset=utf-8" },
		{ "/nothing", 404, "application/json; charset=utf-8" },
		{ "/metrics/", 404, "application/json; charset=utf-8" },
		{ "//", 404, "application/json; charset=utf-8" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char type[128];

		get(&s, "GET", table[i].path, "", &b);
		if (status_of(&b) != table[i].status)
			fail_msg("%s: %d", table[i].path, status_of(&b));
		snprintf(type, sizeof(type), "Content-Type: %s", table[i].type);
		assert_header(&b, type);
		assert_header(&b, "Cache-Control: no-store");
		assert_header(&b, "X-Content-Type-Options: nosniff");
		if (table[i].status == 404)
			assert_json_error(&b, "not_found");
		else if (table[i].status == 400)
			assert_json_error(&b, "usage");
		else if (!strncmp(table[i].path, "/api", 4)) {
			cJSON *json;

			assert_int_equal(
				runaway_json_parse(body_of(&b), strlen(body_of(&b)), &json, NULL),
				0);
			cJSON_Delete(json);
		}
	}
	server_close(&s);
}

static void test_head_is_get_without_body(void **state _unused_)
{
	static const char *const paths[] = { "/api/v1/incidents", "/healthz", "/", "/nothing" };
	_cleanup_strbuf_ struct strbuf whole = STRBUF_INIT, head = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char *date, *other;

		get(&s, "GET", paths[i], "", &whole);
		get(&s, "HEAD", paths[i], "", &head);
		assert_string_equal(body_of(&head), "");
		strbuf_truncate(&whole, (size_t)(body_of(&whole) - whole.data));
		/* The date may be a second later. */
		date = strstr(whole.data, "Date: ");
		other = strstr(head.data, "Date: ");
		assert_true(date && other);
		memset(date, ' ', 35);
		memset(other, ' ', 35);
		assert_string_equal(whole.data, head.data);
	}
	server_close(&s);
}

static void test_other_methods(void **state _unused_)
{
	static const char *const methods[] = { "POST",	"PUT",	   "DELETE", "PATCH", "OPTIONS",
					       "TRACE", "CONNECT", "get",    "GETS",  "BREW" };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		get(&s, methods[i], "/metrics", "", &b);
		if (status_of(&b) != 405)
			fail_msg("%s: %s", methods[i], b.data);
		assert_header(&b, "Allow: GET, HEAD");
		assert_json_error(&b, "method_not_allowed");
	}
	server_close(&s);
}

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

static void test_negotiation(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, body = STRBUF_INIT;
	struct server s;
	struct expo e;

	server_open(&s, 16, 10);
	get(&s, "GET", "/metrics",
	    "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n", &b);
	assert_header(&b, "Content-Type: application/openmetrics-text; version=1.0.0; "
			  "charset=utf-8");
	assert_header(&b, "Vary: Accept");
	strbuf_adds(&body, body_of(&b));
	expo_parse(&body, true, &e);
	expo_free(&e);
	get(&s, "GET", "/metrics", "Accept: */*\r\n", &b);
	strbuf_reset(&body);
	strbuf_adds(&body, body_of(&b));
	expo_parse(&body, false, &e);
	expo_free(&e);
	server_close(&s);
}

static void test_health_and_readiness(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct server s;

	server_open(&s, 16, 10);
	s.world.runtime.store_ok = false;
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 200);
	get(&s, "GET", "/readyz", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "store"));
	s.world.runtime.store_ok = true;
	s.world.sensor.stats.scan_last_ns -= 4 * NSEC_PER_SEC;
	get(&s, "GET", "/healthz", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "three intervals"));
	s.world.sensor.stats.scan_last_ns = 0;
	get(&s, "GET", "/-/ready", "", &b);
	assert_int_equal(status_of(&b), 503);
	assert_non_null(strstr(body_of(&b), "no scan"));
	server_close(&s);
}

static void test_incident_and_page(void **state _unused_)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const struct runaway_finding *f;
	char path[128];
	struct server s;
	cJSON *json;

	server_open(&s, 16, 10);
	world_scan_begin(&s.world);
	world_orphan(&s.world, 100, "<script>x", "\"'&\n\x1b[1m", "x", 2);
	world_tick(&s.world);
	world_burn(&s.world, 100, 1, 3);
	f = runaway_engine_findings(s.world.engine);
	assert_non_null(f);
	snprintf(path, sizeof(path), "/api/v1/incidents/%s", f->incident_id);
	get(&s, "GET", path, "", &b);
	assert_int_equal(status_of(&b), 200);
	assert_int_equal(runaway_json_parse(body_of(&b), strlen(body_of(&b)), &json, NULL), 0);
	assert_string_equal(runaway_json_str(json, "schema_version", ""),
			    "runaway_incident_readback_v1");
	cJSON_Delete(json);
	get(&s, "GET", "/", "", &b);
	assert_non_null(strstr(body_of(&b), path));
	assert_non_null(strstr(body_of(&b), "&lt;script&gt;x"));
	assert_null(strstr(body_of(&b), "<script"));
	assert_null(strchr(body_of(&b), '\x1b'));
	assert_non_null(strcasestr(b.data, "Content-Security-Policy: default-src 'none'"));
	server_close(&s);
}

static void test_open_refuses(void **state _unused_)
{
	struct runaway_http_config c = { .max_connections = 4, .timeout_s = 1 };
	struct runaway_http *http = NULL;
	struct server s;

	server_open(&s, 16, 10);
	c.listen_address = "nonsense";
	assert_int_equal(runaway_http_open(&c, &s.world.view, &http), -EINVAL);
	c.listen_address = runaway_http_address(s.http);
	assert_int_equal(runaway_http_open(&c, &s.world.view, &http), -EADDRINUSE);
	c.listen_address = "192.0.2.1:80";
	assert_int_equal(runaway_http_open(&c, &s.world.view, &http), -EADDRNOTAVAIL);
	assert_null(http);
	server_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_head_is_get_without_body),
		cmocka_unit_test(test_other_methods),
		cmocka_unit_test(test_bodies_are_not_read),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_pipelining_and_reuse),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_dripping_client_is_cut),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_health_and_readiness),
		cmocka_unit_test(test_incident_and_page),
		cmocka_unit_test(test_open_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
