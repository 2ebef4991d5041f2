/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/http_auth.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"

/*
 * bcrypt is slow on purpose, and this daemon has one thread. What was right once
 * is known again by a keyed hash; what was wrong costs its address a second and
 * everybody unknown a quarter of one, so that guessing takes little of the CPU.
 */
#define WRONG_PAUSE_NS	   (1 * NSEC_PER_SEC)
#define WRONG_ALL_PAUSE_NS (250 * NSEC_PER_MSEC)
#define ADDRESSES	   64
#define PASSWORD_MAX	   72 /* bcrypt looks at no more */

struct http_auth {
	const struct runaway_web_config *config;
	unsigned char key[crypto_generichash_KEYBYTES];
	/* Of each user: the password that was right. */
	struct {
		bool set;
		unsigned char hash[crypto_generichash_BYTES];
	} *known;
	uint64_t next_ns;		/* the next unknown password of anybody */
	uint64_t address_ns[ADDRESSES]; /* and of this address */
	struct crypt_data crypt;
};

struct http_auth *http_auth_new(const struct runaway_web_config *c)
{
	struct http_auth *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->config = c;
	a->known = calloc(MAX(c->n_users, (size_t)1), sizeof(*a->known));
	if (!a->known) {
		free(a);
		return NULL;
	}
	crypto_generichash_keygen(a->key);
	return a;
}

void http_auth_free(struct http_auth *a)
{
	if (!a)
		return;
	free(a->known);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

static uint64_t *slot_of(struct http_auth *a, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	unsigned char hash[crypto_generichash_BYTES_MIN];
	const void *address = "";
	size_t len = 0;

	if (i && i->client_addr->sa_family == AF_INET) {
		address = &((const struct sockaddr_in *)i->client_addr)->sin_addr;
		len = sizeof(struct in_addr);
	} else if (i && i->client_addr->sa_family == AF_INET6) {
		/* A host has 2^64 addresses of its own: its network counts. */
		address = &((const struct sockaddr_in6 *)i->client_addr)->sin6_addr;
		len = 8;
	}
	crypto_generichash(hash, sizeof(hash), address, len, a->key, sizeof(a->key));
	return &a->address_ns[hash[0] % ADDRESSES];
}

static bool matches(struct http_auth *a, const char *hash, const char *password)
{
	const char *result = crypt_r(password, hash, &a->crypt);

	return result && strlen(result) == strlen(hash) &&
	       sodium_memcmp(result, hash, strlen(hash)) == 0;
}

static unsigned int judge(struct http_auth *a, struct MHD_Connection *c, const char *name,
			  const char *password)
{
	/* Somebody unknown costs what somebody known costs: names cannot be guessed by time. */
	const struct runaway_web_config *config = a->config;
	unsigned char hash[crypto_generichash_BYTES];
	uint64_t now_ns, *slot;
	size_t n = 0;
	bool right;

	while (n < config->n_users && strcmp(config->users[n].name, name) != 0)
		n++;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)password, strlen(password),
			   a->key, sizeof(a->key));
	if (n < config->n_users && a->known[n].set &&
	    sodium_memcmp(hash, a->known[n].hash, sizeof(hash)) == 0)
		return 0;
	slot = slot_of(a, c);
	now_ns = runaway_mono_ns();
	if (now_ns < a->next_ns || now_ns < *slot)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	right = matches(a, config->users[n % config->n_users].hash, password);
	if (n == config->n_users || !right) {
		now_ns = runaway_mono_ns();
		a->next_ns = now_ns + WRONG_ALL_PAUSE_NS;
		*slot = now_ns + WRONG_PAUSE_NS;
		return MHD_HTTP_UNAUTHORIZED;
	}
	memcpy(a->known[n].hash, hash, sizeof(hash));
	a->known[n].set = true;
	return 0;
}

static unsigned int password_refusal(struct http_auth *a, struct MHD_Connection *c)
{
	char *password = NULL, *name = MHD_basic_auth_get_username_password(c, &password);
	unsigned int status = MHD_HTTP_UNAUTHORIZED;

	if (name && password && strlen(password) <= PASSWORD_MAX)
		status = judge(a, c, name, password);
	if (password)
		sodium_memzero(password, strlen(password));
	MHD_free(password);
	MHD_free(name);
	return status;
}

static bool certificate_verified(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int status;

	return i && i->tls_session &&
	       gnutls_certificate_verify_peers2(i->tls_session, &status) == 0 && status == 0;
}

unsigned int http_auth_refusal(struct http_auth *a, struct MHD_Connection *c)
{
	if (a->config->client_ca && !certificate_verified(c))
		return MHD_HTTP_FORBIDDEN;
	return a->config->n_users ? password_refusal(a, c) : 0;
}
