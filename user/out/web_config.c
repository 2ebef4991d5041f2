/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/web_config.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/fs.h"
#include "base/macros.h"

#define FILE_MAX_BYTES (256 * 1024)
#define USERS_MAX      64
#define COST_MAX       12 /* bcrypt: a quarter of a second, in which the daemon does nothing else */

struct reading {
	const char *path;
	yaml_document_t doc;
	struct runaway_web_config *c;
	bool verify; /* client_auth_type was given */
	char *why;
};

struct member {
	const char *key;
	int (*read)(struct reading *r, const char *path, yaml_node_t *value);
};

static _printf_(4, 5) int refuse(struct reading *r, const yaml_node_t *at, const char *path,
				 const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	free(r->why);
	r->why = NULL;
	if (n < 0 || asprintf(&r->why, "%s:%zu: %s%s%s", r->path, at->start_mark.line + 1, path,
			      *path ? ": " : "", text) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static int text_of(struct reading *r, const char *path, yaml_node_t *n, const char **ret)
{
	const char *text = (const char *)n->data.scalar.value;

	if (n->type != YAML_SCALAR_NODE || !n->data.scalar.length)
		return refuse(r, n, path, "expected a text");
	if (strlen(text) != n->data.scalar.length)
		return refuse(r, n, path, "a NUL byte in it");
	*ret = text;
	return 0;
}

static int read_members(struct reading *r, const char *path, yaml_node_t *map,
			const struct member *members)
{
	_cleanup_free_ char *at = NULL;
	const struct member *m;
	const char *key;
	unsigned int seen = 0;
	int err;

	if (map->type != YAML_MAPPING_NODE)
		return refuse(r, map, path, "expected keys and values");
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *name = yaml_document_get_node(&r->doc, p->key);

		err = text_of(r, path, name, &key);
		if (err)
			return err;
		for (m = members; m->key && strcmp(m->key, key) != 0; m++)
			;
		free(at);
		at = NULL;
		if (asprintf(&at, "%s%s%s", path, *path ? "." : "", key) < 0)
			return -ENOMEM;
		if (!m->key)
			return refuse(r, name, at, "not known here");
		if (seen & 1u << (m - members))
			return refuse(r, name, at, "given twice");
		seen |= 1u << (m - members);
		err = m->read(r, at, yaml_document_get_node(&r->doc, p->value));
		if (err)
			return err;
	}
	return 0;
}

/* The content of the PEM file that a value names. */
static int read_pem(struct reading *r, const char *path, yaml_node_t *value, char **ret)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	_cleanup_free_ char *file = NULL;
	const char *name, *slash = strrchr(r->path, '/');
	int err = text_of(r, path, value, &name);

	if (err)
		return err;
	if (*name == '/' || !slash)
		file = strdup(name);
	else if (asprintf(&file, "%.*s/%s", (int)(slash - r->path), r->path, name) < 0)
		file = NULL;
	if (!file)
		return -ENOMEM;
	err = runaway_read_file(AT_FDCWD, file, FILE_MAX_BYTES, &b);
	if (err < 0)
		return refuse(r, value, path, "cannot read %s: %s", file, strerror(-err));
	if (!b.len || !strstr(b.data, "-----BEGIN "))
		return refuse(r, value, path, "%s is not in PEM form", file);
	*ret = strbuf_take(&b);
	return *ret ? 0 : -ENOMEM;
}

static int read_cert(struct reading *r, const char *path, yaml_node_t *value)
{
	return read_pem(r, path, value, &r->c->cert);
}

static int read_key(struct reading *r, const char *path, yaml_node_t *value)
{
	return read_pem(r, path, value, &r->c->key);
}

static int read_client_ca(struct reading *r, const char *path, yaml_node_t *value)
{
	return read_pem(r, path, value, &r->c->client_ca);
}

/* Only all or nothing: the kinds in between let a client in that proved nothing. */
static int read_auth_type(struct reading *r, const char *path, yaml_node_t *value)
{
	const char *text = "";
	int err = text_of(r, path, value, &text);

	if (err)
		return err;
	if (strcmp(text, "RequireAndVerifyClientCert") != 0)
		return refuse(r, value, path,
			      "only RequireAndVerifyClientCert, or leave it out for none");
	r->verify = true;
	return 0;
}

static int read_min_version(struct reading *r, const char *path, yaml_node_t *value)
{
	const char *text = "";
	int err = text_of(r, path, value, &text);

	if (err)
		return err;
	if (strcmp(text, "TLS13") == 0)
		r->c->priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
	else if (strcmp(text, "TLS12") != 0)
		return refuse(r, value, path, "TLS12 or TLS13");
	return 0;
}

static int read_tls(struct reading *r, const char *path, yaml_node_t *value)
{
	static const struct member members[] = {
		{ "cert_file", read_cert },	      { "key_file", read_key },
		{ "client_ca_file", read_client_ca }, { "client_auth_type", read_auth_type },
		{ "min_version", read_min_version },  { NULL, NULL },
	};
	int err = read_members(r, path, value, members);

	if (err)
		return err;
	if (!r->c->cert || !r->c->key)
		return refuse(r, value, path, "needs cert_file and key_file");
	if (r->verify != (r->c->client_ca != NULL))
		return refuse(r, value, path,
			      "client_auth_type and client_ca_file need each "
			      "other");
	return 0;
}

static bool usable_hash(const char *hash, unsigned int *ret_cost)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *result;
	bool ok = false;

	if (!data)
		return false;
	if (hash[0] == '$' && hash[1] == '2' && strlen(hash) == 60 &&
	    sscanf(hash + 4, "%2u$", ret_cost) == 1) {
		/* A known one is not needed: only whether the form is right, as cheaply as can be.
		 */
		char setting[30];

		snprintf(setting, sizeof(setting), "$2b$04$%.22s", hash + 7);
		result = crypt_r("", setting, data);
		ok = result && result[0] != '*';
	}
	free(data);
	return ok;
}

static int read_user(struct reading *r, const char *path, yaml_node_t *name, yaml_node_t *value)
{
	struct runaway_web_user *u;
	const char *user, *hash;
	unsigned int cost = 0;
	int err = text_of(r, path, name, &user);

	if (!err)
		err = text_of(r, path, value, &hash);
	if (err)
		return err;
	if (strchr(user, ':'))
		return refuse(r, name, path, "a user's name has no colon");
	for (size_t i = 0; i < r->c->n_users; i++)
		if (strcmp(r->c->users[i].name, user) == 0)
			return refuse(r, name, path, "a user given twice");
	if (!usable_hash(hash, &cost))
		return refuse(r, value, path,
			      "expected a bcrypt hash ($2y$…), as htpasswd -nB "
			      "prints it");
	if (cost > COST_MAX)
		return refuse(r, value, path,
			      "cost %u is more than %d: each check would hold up "
			      "the sensor",
			      cost, COST_MAX);
	u = &r->c->users[r->c->n_users++];
	u->name = strdup(user);
	u->hash = strdup(hash);
	return u->name && u->hash ? 0 : -ENOMEM;
}

static int read_users(struct reading *r, const char *path, yaml_node_t *value)
{
	size_t n;
	int err;

	if (value->type != YAML_MAPPING_NODE)
		return refuse(r, value, path, "expected names and bcrypt hashes");
	n = (size_t)(value->data.mapping.pairs.top - value->data.mapping.pairs.start);
	if (n == 0 || n > USERS_MAX)
		return refuse(r, value, path, "1 to %d users", USERS_MAX);
	r->c->users = calloc(n, sizeof(*r->c->users));
	if (!r->c->users)
		return -ENOMEM;
	for (yaml_node_pair_t *p = value->data.mapping.pairs.start;
	     p < value->data.mapping.pairs.top; p++) {
		err = read_user(r, path, yaml_document_get_node(&r->doc, p->key),
				yaml_document_get_node(&r->doc, p->value));
		if (err)
			return err;
	}
	return 0;
}

static int read_root(struct reading *r)
{
	static const struct member members[] = {
		{ "tls_server_config", read_tls },
		{ "basic_auth_users", read_users },
		{ NULL, NULL },
	};
	yaml_node_t *root = yaml_document_get_root_node(&r->doc);

	if (!root) /* an empty file: plain HTTP, as with the exporters */
		return 0;
	return read_members(r, "", root, members);
}

static int parse(struct reading *r, const struct strbuf *text)
{
	yaml_parser_t parser;
	int err = -ENOMEM;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text->data ?: ""), text->len);
	if (yaml_parser_load(&parser, &r->doc)) {
		err = read_root(r);
		yaml_document_delete(&r->doc);
	} else if (asprintf(&r->why, "%s:%zu: %s", r->path, parser.problem_mark.line + 1,
			    parser.problem ? parser.problem : "not YAML") >= 0) {
		err = -EINVAL;
	}
	yaml_parser_delete(&parser);
	return err;
}

int runaway_web_config_read(const char *path, struct runaway_web_config **ret, char **ret_why)
{
	_cleanup_strbuf_ struct strbuf text = { 0 };
	struct reading r = { .path = path };
	int err = runaway_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text);

	if (err < 0) {
		if (asprintf(ret_why, "%s: %s", path, strerror(-err)) < 0)
			*ret_why = NULL;
		return err;
	}
	r.c = calloc(1, sizeof(*r.c));
	if (!r.c) {
		*ret_why = NULL;
		return -ENOMEM;
	}
	r.c->priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
	err = parse(&r, &text);
	if (err) {
		runaway_web_config_free(r.c);
		*ret_why = r.why;
		return err;
	}
	*ret = r.c;
	return 0;
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void runaway_web_config_free(struct runaway_web_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_users; i++) {
		free(c->users[i].name);
		wipe(c->users[i].hash);
	}
	free(c->users);
	free(c->cert);
	free(c->client_ca);
	wipe(c->key);
	free(c);
}
