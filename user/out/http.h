/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_HTTP_H
#define RUNAWAY_OUT_HTTP_H

/*
 * libmicrohttpd behind one thin wrapper, driven by the daemon's epoll loop: no
 * thread of its own. GET and HEAD only; anything else is 405 with Allow. Bodies
 * are never read. Limits on connections (all, and per address), time and size
 * of a request.
 */

#include <stdint.h>

#include "out/view.h"
#include "out/web_config.h"

struct runaway_http_config {
	const char *listen_address; /* "127.0.0.1:10917", "[::1]:0"; port 0 picks one */
	unsigned int max_connections;
	unsigned int timeout_s;
	const struct runaway_web_config *web; /* must outlive it; NULL: plain and open to all */
};

struct runaway_http;

/*
 * Binds and listens. 0, -EINVAL (address), -EADDRINUSE, -EKEYREJECTED (TLS does not start
 * with this certificate and key), other negative errno.
 */
int runaway_http_open(const struct runaway_http_config *c, const struct runaway_view *v,
		      struct runaway_http **ret);
void runaway_http_close(struct runaway_http *h);
/* Poll it for input; then call run. */
int runaway_http_fd(const struct runaway_http *h);
void runaway_http_run(struct runaway_http *h);
/* Milliseconds until run must be called anyway, -1: none. */
int runaway_http_timeout_ms(const struct runaway_http *h);
/* "127.0.0.1:10917", with the port that was really bound. */
const char *runaway_http_address(const struct runaway_http *h);

#endif
