/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_WEB_CONFIG_H
#define RUNAWAY_OUT_WEB_CONFIG_H

/*
 * The web configuration file of the Prometheus exporters (exporter-toolkit,
 * docs/web-configuration.md there): TLS, client certificates, basic
 * authentication. YAML, since people have these files already. A key of theirs
 * that is not known here is refused: believed to be on when it is not would be
 * worse.
 */

#include <stddef.h>

struct runaway_web_user {
	char *name;
	char *hash; /* bcrypt, as `htpasswd -nB` prints it */
};

struct runaway_web_config {
	char *cert, *key;	/* PEM; NULL: plain HTTP */
	char *client_ca;	/* PEM; NULL: clients need no certificate */
	const char *priorities; /* for gnutls; static */
	struct runaway_web_user *users;
	size_t n_users; /* 0: no authentication */
};

/*
 * Reads the file and the certificates that it names (relative to its own
 * folder). 0; -EINVAL or another negative errno with a message in *ret_why
 * ("FILE:LINE: KEY: what is wrong"), to be freed.
 */
int runaway_web_config_read(const char *path, struct runaway_web_config **ret, char **ret_why);
void runaway_web_config_free(struct runaway_web_config *c);

#endif
