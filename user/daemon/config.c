/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: defaults, the keys of the document, loading. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/escape.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "daemon/config_read.h"
#include "model/model.h"

#define GLOBS_MAX 256

static void free_roles(struct role_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->rule[i].user);
		free(l->rule[i].group);
	}
	free(l->rule);
	*l = (struct role_list){ 0 };
}

void config_free(struct config *c)
{
	if (!c)
		return;
	free(c->host_label);
	free(c->env);
	free(c->web.listen_address);
	free(c->web.config_file);
	free(c->textfile.path);
	config_string_list_free(&c->redact);
	config_string_list_free(&c->ci_markers);
	config_string_list_free(&c->by_design);
	runaway_lane_set_free(&c->lanes);
	free_roles(&c->roles.owner);
	free_roles(&c->roles.operator_);
	free_roles(&c->roles.viewer);
	config_gate_free(&c->gate);
	free(c->store.backend);
	memset(c, 0, sizeof(*c));
}

/* The numbers' reasons: docs/configuration.md. */
int config_defaults(struct config *ret)
{
	_cleanup_(config_free) struct config c = {
		.sample_interval_ms = 1000,
		.web = { .max_connections = 64, .timeout_s = 10 },
		.textfile = { .interval_s = 15 },
		.limits = { .processes = 65536, .cgroups = 8192, .metric_series = 200 },
	};
	struct utsname host;
	int err;

	config_gate_defaults(&c.gate);
	if (uname(&host) || !*host.nodename)
		strcpy(host.nodename, "localhost");
	c.host_label = strdup(host.nodename);
	c.env = strdup("production");
	c.web.listen_address = strdup("127.0.0.1:10917");
	c.store.backend = strdup("jsonl");
	if (!c.host_label || !c.env || !c.web.listen_address || !c.store.backend)
		return -ENOMEM;
	err = runaway_lane_set_builtin(&c.lanes);
	if (err)
		return err;
	*ret = c;
	memset(&c, 0, sizeof(c));
	return 0;
}

/* ---- rules of single values ---- */

bool config_valid_address(const char *s)
{
	const char *colon = strrchr(s, ':');
	unsigned char addr[sizeof(struct in6_addr)];
	char host[INET6_ADDRSTRLEN];
	size_t n;
	bool v6;

	if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1] ||
	    strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
		return false;
	n = (size_t)(colon - s);
	v6 = n > 2 && s[0] == '[' && s[n - 1] == ']';
	if (v6) {
		s++;
		n -= 2;
	}
	if (!n || n >= sizeof(host))
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, host, addr) == 1;
}

static bool valid_marker(const char *s)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char rest[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return strchr(first, *s) && strspn(s, rest) == strlen(s);
}

static const struct string_rule label = { .max = 128, .allowed = "a string of 1 to 128 bytes" };
static const struct string_rule path_or_null = {
	.max = 4095,
	.null_ok = true,
	.allowed = "a path of 1 to 4095 bytes, or null",
};
static const struct string_rule address = {
	.max = 64,
	.empty_ok = true,
	.valid = config_valid_address,
	.allowed = "\"ADDRESS:PORT\" as in \"127.0.0.1:10917\" or \"[::1]:10917\", or \"\" for "
		   "no HTTP",
};
static const struct string_rule glob = { .max = 512, .allowed = "a glob of 1 to 512 bytes" };
/* The name and its '=' fit a slot of the kernel's allow-list. */
static const struct string_rule marker = {
	.max = RW_MARKER_NAME - 1,
	.valid = valid_marker,
	.allowed = "the name of an environment variable, at most 31 bytes",
};

/* ---- sections ---- */

static int read_web(struct reader *r, const cJSON *root, struct config *c)
{
	static const char *const keys[] = { "listen_address", "config_file", "max_connections",
					    "timeout_s", NULL };
	const cJSON *web;
	int err = config_section(r, root, "web", keys, &web);

	if (err || !web)
		return err;
	err = config_string(r, web, "web.listen_address", &address, &c->web.listen_address);
	if (!err)
		err = config_string(r, web, "web.config_file", &path_or_null, &c->web.config_file);
	if (!err)
		err = config_uint(r, web, "web.max_connections", 1, 1024, "connections",
				  &c->web.max_connections);
	if (!err)
		err = config_uint(r, web, "web.timeout_s", 1, 300, "seconds", &c->web.timeout_s);
	return err;
}

static int read_textfile(struct reader *r, const cJSON *root, struct config *c)
{
	static const char *const keys[] = { "path", "interval_s", NULL };
	const cJSON *textfile;
	int err = config_section(r, root, "textfile", keys, &textfile);

	if (err || !textfile)
		return err;
	err = config_string(r, textfile, "textfile.path", &path_or_null, &c->textfile.path);
	if (!err)
		err = config_uint(r, textfile, "textfile.interval_s", 1, 3600, "seconds",
				  &c->textfile.interval_s);
	return err;
}

static int read_limits(struct reader *r, const cJSON *root, struct config *c)
{
	static const char *const keys[] = { "processes", "cgroups", "metric_series", NULL };
	const cJSON *limits;
	int err = config_section(r, root, "limits", keys, &limits);

	if (err || !limits)
		return err;
	err = config_uint(r, limits, "limits.processes", 64, 4194304, "processes",
			  &c->limits.processes);
	if (!err)
		err = config_uint(r, limits, "limits.cgroups", 16, 1048576, "cgroups",
				  &c->limits.cgroups);
	if (!err)
		err = config_uint(r, limits, "limits.metric_series", 1, 100000, "series",
				  &c->limits.metric_series);
	return err;
}

/* The allow-list has a fixed number of slots, and the built-in names have theirs. */
static int read_markers(struct reader *r, const cJSON *root, struct config *c)
{
	const char *const *builtin = runaway_ci_marker_names();
	size_t used = 0;

	while (builtin[used])
		used++;
	return config_strings(r, root, "ci_markers",
			      RW_MARKER_NAMES - MIN(used, (size_t)RW_MARKER_NAMES), &marker,
			      &c->ci_markers);
}

static int read_store(struct reader *r, const cJSON *root, struct config *c)
{
	static const char *const keys[] = { "backend", NULL };
	static const struct string_rule backend = { .max = 16, .allowed = "\"jsonl\"" };
	const cJSON *store;
	int err = config_section(r, root, "store", keys, &store);

	if (err || !store)
		return err;
	err = config_string(r, store, "store.backend", &backend, &c->store.backend);
	if (!err && strcmp(c->store.backend, "jsonl"))
		err = config_refuse(r, "store.backend", "not in this build; \"jsonl\"");
	return err;
}

/* Keys of the interface whose parts this build does not have: said, not ignored. */
static int read_absent(struct reader *r, const cJSON *root, const char *key)
{
	const cJSON *item = runaway_json_get(root, key);

	if (!item)
		return 0;
	if (!cJSON_IsObject(item) && !cJSON_IsArray(item))
		return config_refuse(r, key, "wrong type; {} or []");
	if (cJSON_GetArraySize(item))
		return config_refuse(r, key, "this build has no %s yet; {} or []", key);
	return 0;
}

static const char *const top_keys[] = {
	"host_label", "env",	    "sample_interval_ms", "web",   "textfile", "limits",
	"redact",     "ci_markers", "by_design",	  "lanes", "gate",     "roles",
	"store",      "workers",    "rule_packs",	  NULL
};

int config_read_all(struct reader *r, const cJSON *root, struct config *c)
{
	int err;

	if (!cJSON_IsObject(root))
		return config_refuse(r, "", "wrong type; a JSON object is wanted");
	err = config_known_keys(r, root, "", top_keys);
	if (!err)
		err = config_string(r, root, "host_label", &label, &c->host_label);
	if (!err)
		err = config_string(r, root, "env", &label, &c->env);
	if (!err)
		err = config_uint(r, root, "sample_interval_ms", 100, 60000, "milliseconds",
				  &c->sample_interval_ms);
	if (!err)
		err = read_web(r, root, c);
	if (!err)
		err = read_textfile(r, root, c);
	if (!err)
		err = read_limits(r, root, c);
	if (!err)
		err = config_strings(r, root, "redact", GLOBS_MAX, &glob, &c->redact);
	if (!err)
		err = read_markers(r, root, c);
	if (!err)
		err = config_strings(r, root, "by_design", GLOBS_MAX, &glob, &c->by_design);
	if (!err)
		err = config_read_lanes(r, root, &c->lanes);
	if (!err)
		err = config_read_gate(r, root, &c->gate);
	if (!err)
		err = config_read_roles(r, root, c);
	if (!err)
		err = read_store(r, root, c);
	if (!err)
		err = read_absent(r, root, "workers");
	return err ? err : read_absent(r, root, "rule_packs");
}

int config_parse(const char *name, char *text, size_t len, struct config *ret, char **ret_error)
{
	_cleanup_(config_free) struct config c = { 0 };
	_cleanup_cjson_ cJSON *root = NULL;
	struct reader r = { .name = name };
	int err = config_defaults(&c);

	if (!err)
		err = config_document(&r, text, len, &root);
	if (!err)
		err = config_read_all(&r, root, &c);
	if (err) {
		if (!r.error && asprintf(&r.error, "%s: %s", name, runaway_strerror(err)) < 0)
			r.error = NULL;
		*ret_error = r.error;
		return err;
	}
	*ret = c;
	memset(&c, 0, sizeof(c));
	return 0;
}

int config_load(const char *path, struct config *ret, char **ret_error)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, name = STRBUF_INIT;
	char nothing[1] = "";
	int err = runaway_read_file(AT_FDCWD, path, RUNAWAY_CONFIG_MAX_BYTES, &text);

	if (!err || err > 0)
		return config_parse(path, text.data ? text.data : nothing, text.len, ret,
				    ret_error);
	runaway_escape_text(&name, path, strlen(path));
	if (err == -EFBIG)
		strbuf_addf(&name, ": is too large; at most %d bytes", RUNAWAY_CONFIG_MAX_BYTES);
	else
		strbuf_addf(&name, ": cannot be read: %s", runaway_strerror(err));
	*ret_error = strbuf_take(&name);
	return err;
}
