/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_HTTP_AUTH_H
#define RUNAWAY_OUT_HTTP_AUTH_H

/* Who may read: client certificates and basic authentication. Private to this room. */

#include <microhttpd.h>

#include "out/web_config.h"

struct http_auth;

/* The configuration must outlive it. NULL: no memory. */
struct http_auth *http_auth_new(const struct runaway_web_config *c);
void http_auth_free(struct http_auth *a);

/*
 * 0: may pass. Else the status to answer with: 401 (no or wrong user or
 * password), 403 (no certificate that the CA vouches for), 503 (too many wrong
 * ones just now: checking a password takes long, and the sensor waits meanwhile).
 */
unsigned int http_auth_refusal(struct http_auth *a, struct MHD_Connection *c);

#endif
