/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_HTTP_ROUTES_H
#define RUNAWAY_OUT_HTTP_ROUTES_H

/* What each path answers; knows nothing of sockets. Private to this room. */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/strbuf.h"
#include "out/view.h"

struct http_request {
	const char *method; /* "GET", "HEAD", or what the client made up */
	const char *path;   /* decoded, without the query */
	bool has_body;
	/* Value of a header or of a query argument; NULL: not there. */
	const char *(*header)(const struct http_request *r, const char *name);
	const char *(*argument)(const struct http_request *r, const char *name);
	void *ctx;
};

struct http_reply {
	unsigned int status;
	const char *content_type; /* static */
	bool close;		  /* end the connection after it */
	bool page;		  /* HTML: with a Content-Security-Policy */
	struct strbuf body;
};

/* Fills *ret; never fails: what goes wrong is a 5xx reply. Free body with strbuf_free(). */
void runaway_http_answer(const struct runaway_view *v, const struct http_request *r,
			 struct http_reply *ret);

/* Fills *ret for somebody who may not read: 401, 403 or 503. */
void runaway_http_refuse(unsigned int status, struct http_reply *ret);

/* The page for people (page.c). */
void runaway_page_write(const struct runaway_view *v, struct strbuf *out);

/*
 * Reads "127.0.0.1:10917", "[::1]:0", ":10917" (all addresses), "localhost:0".
 * Other names are not resolved. 0 or -EINVAL, *ret untouched then.
 */
int runaway_http_parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len);
/* The other way; buf of at least 64 bytes. Returns buf. */
const char *runaway_http_format_address(const struct sockaddr_storage *a, char *buf, size_t size);

#endif
