/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The command line: options may stand anywhere, "--" ends them, positions are noun, verb, args. */

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

enum { OPT_SOCKET, OPT_OUTPUT, OPT_JSON, OPT_NO_COLOR, OPT_HELP, OPT_VERSION };

const struct cli_option runaway_cli_global_options[] = {
	[OPT_SOCKET] = { "--socket", NULL, CLI_STRING, "PATH", 1, 4096,
			 "control socket (default: $RUNAWAYD_SOCKET, " RUNAWAY_CLI_SOCKET ")" },
	[OPT_OUTPUT] = { "--output", "-o", CLI_STRING, "table|json", 1, 16, "form of the output" },
	[OPT_JSON] = { "--json", "-j", CLI_FLAG, NULL, 0, 0, "the same as -o json" },
	[OPT_NO_COLOR] = { "--no-color", NULL, CLI_FLAG, NULL, 0, 0,
			   "no colours (also: NO_COLOR in the environment)" },
	[OPT_HELP] = { "--help", "-h", CLI_FLAG, NULL, 0, 0, "help of the noun or verb" },
	[OPT_VERSION] = { "--version", "-V", CLI_FLAG, NULL, 0, 0, "version and commit" },
	{ 0 },
};

struct parser {
	struct cli *c;
	int argc, at;
	char **argv;
};

/* Matches "--name", "--name=value" and the alias; *ret_value is behind '=' or NULL. */
static bool option_is(const struct cli_option *o, const char *arg, const char **ret_value)
{
	size_t len = strlen(o->name);

	*ret_value = NULL;
	if (o->alias && strncmp(arg, o->alias, strlen(o->alias)) == 0) {
		/* "-o json" and "-ojson" */
		if (o->type != CLI_FLAG && arg[strlen(o->alias)])
			*ret_value = arg + strlen(o->alias);
		return *ret_value || !arg[strlen(o->alias)];
	}
	if (strncmp(arg, o->name, len) != 0)
		return false;
	if (arg[len] == '=')
		*ret_value = arg + len + 1;
	return arg[len] == '\0' || arg[len] == '=';
}

static const struct cli_option *find_option(const struct cli_option *table, const char *arg,
					    const char **ret_value)
{
	for (const struct cli_option *o = table; o && o->name; o++)
		if (option_is(o, arg, ret_value))
			return o;
	return NULL;
}

static bool parse_number(const char *s, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0';
}

static int wrong_length(struct cli *c, const struct cli_option *o, size_t len)
{
	if (o->min == o->max)
		return runaway_cli_fail(c, "usage", "%s: %s has %" PRIu64 " bytes, this has %zu",
					o->name, o->arg, o->min, len);
	return runaway_cli_fail(c, "usage", "%s takes %" PRIu64 " to %" PRIu64 " bytes", o->name,
				o->min, o->max);
}

/* The value of an option: behind '=' or the next argument; checked. */
static int take_value(struct parser *p, const struct cli_option *o, const char *inlined,
		      struct cli_value *ret)
{
	struct cli_value v = { .set = true, .string = inlined };

	if (o->type == CLI_FLAG) {
		if (inlined)
			return runaway_cli_fail(p->c, "usage", "%s takes no value", o->name);
		*ret = v;
		return CLI_OK;
	}
	if (!v.string && p->at + 1 < p->argc)
		v.string = p->argv[++p->at];
	if (!v.string)
		return runaway_cli_fail(p->c, "usage", "%s needs %s", o->name, o->arg);
	if (o->type == CLI_UINT &&
	    (!parse_number(v.string, &v.number) || v.number < o->min || v.number > o->max))
		return runaway_cli_fail(p->c, "usage",
					"%s: \"%s\" is no number from %" PRIu64 " to %" PRIu64,
					o->name, v.string, o->min, o->max);
	if (o->type == CLI_STRING && (strlen(v.string) < o->min || strlen(v.string) > o->max))
		return wrong_length(p->c, o, strlen(v.string));
	*ret = v;
	return CLI_OK;
}

static int set_output(struct cli *c, const char *form)
{
	if (strcmp(form, "json") != 0 && strcmp(form, "table") != 0)
		return runaway_cli_fail(c, "usage", "-o takes table or json, not \"%s\"", form);
	c->json = strcmp(form, "json") == 0;
	return CLI_OK;
}

static int set_global(struct cli *c, const struct cli_option *o, const struct cli_value *v)
{
	switch (o - runaway_cli_global_options) {
	case OPT_SOCKET:
		c->socket = v->string;
		break;
	case OPT_OUTPUT:
		return set_output(c, v->string);
	case OPT_JSON:
		c->json = true;
		break;
	case OPT_NO_COLOR:
		c->no_color = true;
		break;
	case OPT_HELP:
		c->help = true;
		break;
	case OPT_VERSION:
		c->version = true;
		break;
	}
	return CLI_OK;
}

static int no_option(struct cli *c, const char *arg)
{
	if (!c->verb)
		return runaway_cli_fail(
			c, "usage", "unknown option %s (options of a verb stand behind it)", arg);
	return runaway_cli_fail(c, "usage",
				"unknown option %s: runawayctl help %s%s%s says which there are",
				arg, c->noun->name, *c->verb->name ? " " : "", c->verb->name);
}

static int parse_option(struct parser *p)
{
	const char *arg = p->argv[p->at], *inlined = NULL;
	const struct cli_option *table = p->c->verb ? p->c->verb->option : NULL;
	const struct cli_option *o = find_option(runaway_cli_global_options, arg, &inlined);
	struct cli_value v;
	int r;

	if (o) {
		r = take_value(p, o, inlined, &v);
		return r == CLI_OK ? set_global(p->c, o, &v) : r;
	}
	o = find_option(table, arg, &inlined);
	if (!o)
		return no_option(p->c, arg);
	r = take_value(p, o, inlined, &v);
	if (r == CLI_OK)
		p->c->value[o - table] = v;
	return r;
}

static void join_names(const struct cli_noun *n, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (const struct cli_verb *v = n->verb; v->name && at < size; v++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "", v->name);
}

static int no_verb(struct cli *c, const char *name)
{
	char names[512];

	join_names(c->noun, names, sizeof(names));
	if (!name)
		return runaway_cli_fail(c, "usage", "%s needs a verb: %s", c->noun->name, names);
	return runaway_cli_fail(c, "usage", "%s has no verb \"%s\": %s", c->noun->name, name,
				names);
}

static int no_noun(struct cli *c, const char *name)
{
	char names[512];
	size_t at = 0;

	for (const struct cli_noun *const *n = runaway_cli_nouns; *n && at < sizeof(names); n++)
		at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", at ? ", " : "",
				       (*n)->name);
	return runaway_cli_fail(c, "usage", "unknown noun \"%s\": %s, help", name, names);
}

static int set_noun(struct cli *c, const char *name)
{
	if (!c->help && strcmp(name, "help") == 0) {
		c->help = true;
		return CLI_OK;
	}
	c->noun = runaway_cli_find_noun(name);
	if (!c->noun)
		return no_noun(c, name);
	c->verb = runaway_cli_find_verb(c->noun, "");
	return CLI_OK;
}

/* "help" is a word of ours where a noun, a verb or a first argument may stand; behind "--" it is
 * not. */
static bool asks_for_help(const struct cli *c, const char *arg)
{
	return c->noun && !c->arg_count && strcmp(arg, "help") == 0;
}

static int parse_position(struct cli *c, const char *arg)
{
	if (!c->noun)
		return set_noun(c, arg);
	if (!c->verb) {
		c->verb = runaway_cli_find_verb(c->noun, arg);
		return c->verb ? CLI_OK : no_verb(c, arg);
	}
	if (c->arg_count >= c->verb->args_max)
		return runaway_cli_fail(c, "usage", "%s%s%s: one argument too many: \"%s\"",
					c->noun->name, *c->verb->name ? " " : "", c->verb->name,
					arg);
	c->arg[c->arg_count++] = arg;
	return CLI_OK;
}

/* So that an error on the way is told in the form that was asked for, wherever that stands. */
static void find_form(struct cli *c, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const struct cli_option *o = runaway_cli_global_options;
		const char *value, *next = i + 1 < argc ? argv[i + 1] : "";

		if (option_is(&o[OPT_JSON], argv[i], &value) && !value)
			c->json = true;
		if (option_is(&o[OPT_OUTPUT], argv[i], &value) &&
		    strcmp(value ? value : next, "json") == 0)
			c->json = true;
	}
}

static int check_complete(struct cli *c)
{
	if (c->help || c->version)
		return CLI_OK;
	if (!c->noun)
		return runaway_cli_fail(c, "usage",
					"nothing to do: runawayctl help says what there is");
	if (!c->verb)
		return no_verb(c, NULL);
	if (c->arg_count < c->verb->args_min)
		return runaway_cli_fail(c, "usage", "%s %s needs %s", c->noun->name, c->verb->name,
					c->verb->args);
	return CLI_OK;
}

int runaway_cli_parse(struct cli *c, int argc, char **argv)
{
	struct parser p = { .c = c, .argc = argc, .argv = argv };
	bool options = true;

	find_form(c, argc, argv);
	for (p.at = 1; p.at < argc; p.at++) {
		const char *arg = argv[p.at];
		int r;

		if (options && strcmp(arg, "--") == 0) {
			options = false;
			continue;
		}
		if (options && asks_for_help(c, arg)) {
			c->help = true;
			continue;
		}
		r = options && arg[0] == '-' && arg[1] ? parse_option(&p) : parse_position(c, arg);
		if (r != CLI_OK)
			return r;
	}
	return check_complete(c);
}

struct cli_value runaway_cli_option(const struct cli *c, const char *name)
{
	const struct cli_option *table = c->verb ? c->verb->option : NULL;

	for (size_t i = 0; table && table[i].name; i++)
		if (strcmp(table[i].name, name) == 0)
			return c->value[i];
	return (struct cli_value){ 0 };
}
