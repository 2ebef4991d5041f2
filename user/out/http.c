/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "out/http_auth.h"
#include "out/http_routes.h"

/* A request with its headers, and the headers of a reply, fit in this or are refused. */
#define CONNECTION_MEMORY (32 * 1024)
#define BACKLOG		  64

/*
 * libmicrohttpd's timeout counts from the last byte, so a client that sends one
 * now and then could stay for ever. From the end of one request to the end of
 * the next a connection has this many timeouts.
 */
#define REQUEST_TIMEOUTS 3

struct http_connection {
	struct http_connection *prev, *next;
	struct MHD_Connection *mhd;
	int fd;
	uint64_t since_ns; /* the last request ended, or accepted */
	bool cut;
};

struct runaway_http {
	struct MHD_Daemon *mhd;
	const struct runaway_view *view;
	struct http_auth *auth; /* NULL: open to all */
	int epoll_fd;		/* libmicrohttpd's own */
	uint64_t budget_ns;	/* for one request, see above */
	struct http_connection *connections;
	char address[64];
};

/* First call of a request: nothing read but its head. Second: it is complete. */
static char request_seen;

static const char *get_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->ctx, MHD_HEADER_KIND, name);
}

static const char *get_argument(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->ctx, MHD_GET_ARGUMENT_KIND, name);
}

static bool has_body(struct MHD_Connection *c)
{
	const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");

	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding") ||
	       (length && strcmp(length, "0") != 0);
}

static void add_headers(struct MHD_Response *response, const struct http_reply *reply)
{
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept");
	if (reply->page) {
		MHD_add_response_header(response, "Content-Security-Policy",
					"default-src 'none'; style-src 'unsafe-inline'; "
					"base-uri 'none'; form-action 'none'; "
					"frame-ancestors 'none'");
		MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	}
	if (reply->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
					"Basic realm=\"runawayd\", charset=\"UTF-8\"");
	if (reply->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (reply->close)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static enum MHD_Result send_reply(struct MHD_Connection *c, struct http_reply *reply)
{
	struct MHD_Response *response;
	size_t len = reply->body.len;
	char *body = strbuf_take(&reply->body);
	enum MHD_Result r;

	if (!body)
		return MHD_NO;
	response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(body);
		return MHD_NO;
	}
	add_headers(response, reply);
	r = MHD_queue_response(c, reply->status, response);
	MHD_destroy_response(response);
	return r;
}

/* Called by libmicrohttpd; MHD_NO closes the connection. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version _unused_,
				  const char *data _unused_, size_t *data_size _unused_,
				  void **request_ctx)
{
	struct runaway_http *h = ctx;
	struct http_request r = {
		.method = method,
		.path = url,
		.has_body = has_body(c),
		.header = get_header,
		.argument = get_argument,
		.ctx = c,
	};
	bool plain = !r.has_body && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
	struct http_reply reply;
	enum MHD_Result result;
	unsigned int refusal;

	/* A plain request is answered when complete, so that more may follow it; others at once. */
	if (plain && !*request_ctx) {
		*request_ctx = &request_seen;
		return MHD_YES;
	}
	refusal = h->auth ? http_auth_refusal(h->auth, c) : 0;
	if (refusal)
		runaway_http_refuse(refusal, &reply);
	else
		runaway_http_answer(h->view, &r, &reply);
	result = send_reply(c, &reply);
	strbuf_free(&reply.body);
	return result;
}

static struct http_connection *connection_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

static void on_completed(void *ctx _unused_, struct MHD_Connection *c, void **request_ctx _unused_,
			 enum MHD_RequestTerminationCode why _unused_)
{
	struct http_connection *hc = connection_of(c);

	if (hc)
		hc->since_ns = runaway_mono_ns();
}

static void connection_started(struct runaway_http *h, struct MHD_Connection *c, void **socket_ctx)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_connection *hc = i ? calloc(1, sizeof(*hc)) : NULL;

	/* Without it the connection has only libmicrohttpd's own timeout. */
	if (!hc)
		return;
	hc->mhd = c;
	hc->fd = i->connect_fd;
	hc->since_ns = runaway_mono_ns();
	hc->next = h->connections;
	if (hc->next)
		hc->next->prev = hc;
	h->connections = hc;
	*socket_ctx = hc;
}

static void connection_ended(struct runaway_http *h, void **socket_ctx)
{
	struct http_connection *hc = *socket_ctx;

	if (!hc)
		return;
	if (hc->prev)
		hc->prev->next = hc->next;
	else
		h->connections = hc->next;
	if (hc->next)
		hc->next->prev = hc->prev;
	free(hc);
	*socket_ctx = NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		connection_started(ctx, c, socket_ctx);
	else
		connection_ended(ctx, socket_ctx);
}

/* libmicrohttpd sees the end of the stream and closes. */
static void cut_overdue(struct runaway_http *h)
{
	uint64_t now_ns = runaway_mono_ns();

	for (struct http_connection *c = h->connections; c; c = c->next) {
		if (!c->cut && now_ns - c->since_ns >= h->budget_ns) {
			shutdown(c->fd, SHUT_RDWR);
			c->cut = true;
		}
	}
}

static _printf_(2, 0) void on_log(void *ctx _unused_, const char *fmt, va_list ap)
{
	char text[256];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	/* What clients did wrong is theirs: never louder than debug. */
	if (n > 0) {
		text[strcspn(text, "\n")] = '\0';
		log_debug("http: %s", text);
	}
}

static int make_socket(const char *address, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage a;
	socklen_t len;
	int one = 1, zero = 0;

	if (runaway_http_parse_address(address, &a, &len) < 0)
		return -EINVAL;
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && address[0] == ':') {
		/* A host without IPv6: all addresses are those of IPv4. */
		struct sockaddr_in any = { .sin_family = AF_INET,
					   .sin_port = ((struct sockaddr_in6 *)&a)->sin6_port };

		memcpy(&a, &any, sizeof(any));
		len = sizeof(any);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address[0] == ':' ? &zero : &one,
			   sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int start(struct runaway_http *h, const struct runaway_http_config *c, int fd)
{
	bool tls = c->web && c->web->cert;
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
	unsigned int per_ip = MAX(c->max_connections / 2, 1u);
	const union MHD_DaemonInfo *info;
	struct MHD_OptionItem with_tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, tls ? c->web->cert : NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, tls ? c->web->key : NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, tls ? (void *)c->web->priorities : NULL },
		{ MHD_OPTION_END, 0, NULL }, /* or the CA of the clients */
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	if (tls && c->web->client_ca)
		with_tls[3] =
			(struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_TRUST, 0, c->web->client_ca };
	h->mhd = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, c->max_connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
		c->timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_ARRAY,
		tls ? with_tls : none, MHD_OPTION_END);
	if (!h->mhd)
		return tls ? -EKEYREJECTED : -EIO;
	info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || info->epoll_fd < 0)
		return -EIO;
	h->epoll_fd = info->epoll_fd;
	return 0;
}

int runaway_http_open(const struct runaway_http_config *c, const struct runaway_view *v,
		      struct runaway_http **ret)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	struct runaway_http *h;
	int err;

	err = make_socket(c->listen_address, &fd);
	if (err)
		return err;
	if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return -errno;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->view = v;
	h->epoll_fd = -1;
	if (c->web && (c->web->client_ca || c->web->n_users)) {
		h->auth = http_auth_new(c->web);
		if (!h->auth) {
			free(h);
			return -ENOMEM;
		}
	}
	h->budget_ns = (uint64_t)c->timeout_s * REQUEST_TIMEOUTS * NSEC_PER_SEC;
	runaway_http_format_address(&a, h->address, sizeof(h->address));
	err = start(h, c, fd);
	if (h->mhd)
		TAKE_FD(fd); /* the daemon closes it */
	if (err) {
		runaway_http_close(h);
		return err;
	}
	*ret = h;
	return 0;
}

void runaway_http_close(struct runaway_http *h)
{
	if (!h)
		return;
	if (h->mhd)
		MHD_stop_daemon(h->mhd);
	http_auth_free(h->auth);
	free(h);
}

int runaway_http_fd(const struct runaway_http *h)
{
	return h->epoll_fd;
}

void runaway_http_run(struct runaway_http *h)
{
	cut_overdue(h);
	MHD_run(h->mhd);
}

int runaway_http_timeout_ms(const struct runaway_http *h)
{
	uint64_t now_ns = runaway_mono_ns(), left_ms = UINT64_MAX;
	MHD_UNSIGNED_LONG_LONG mhd_ms;

	if (MHD_get_timeout(h->mhd, &mhd_ms) == MHD_YES)
		left_ms = mhd_ms;
	for (const struct http_connection *c = h->connections; c; c = c->next) {
		uint64_t age_ns = now_ns - c->since_ns;

		if (c->cut)
			continue;
		if (age_ns >= h->budget_ns)
			return 0;
		left_ms = MIN(left_ms, (h->budget_ns - age_ns) / NSEC_PER_MSEC + 1);
	}
	return left_ms == UINT64_MAX ? -1 : (int)MIN(left_ms, (uint64_t)INT32_MAX);
}

const char *runaway_http_address(const struct runaway_http *h)
{
	return h->address;
}
