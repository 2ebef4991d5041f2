/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli/cli.h"

static void print_option(FILE *f, const struct cli_option *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s%s%s", o->alias ? o->alias : "", o->alias ? ", " : "",
		 o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	fprintf(f, "  %-26s %s\n", left, o->help);
}

static void print_options(FILE *f, const char *title, const struct cli_option *o)
{
	if (!o || !o->name)
		return;
	fprintf(f, "\n%s:\n", title);
	for (; o->name; o++)
		print_option(f, o);
}

static void print_verb(FILE *f, const struct cli_noun *n, const struct cli_verb *v)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s%s%s", n->name, *v->name ? " " : "", v->name,
		 v->args ? " " : "", v->args ? v->args : "");
	fprintf(f, "  %-26s %s\n", left, v->summary);
}

void runaway_cli_usage(const struct cli *c, FILE *f)
{
	fprintf(f, "usage: runawayctl [OPTIONS] NOUN VERB [ARGS]\n");
	if (c->noun)
		fprintf(f, "\n%s: %s\n", c->noun->name, c->noun->summary);
	fputc('\n', f);
	for (const struct cli_noun *const *n = runaway_cli_nouns; *n; n++) {
		if (c->noun && c->noun != *n)
			continue;
		for (const struct cli_verb *v = (*n)->verb; v->name; v++)
			if (!c->verb || c->verb == v)
				print_verb(f, *n, v);
	}
	if (!c->noun)
		fprintf(f, "  %-26s %s\n", "help [NOUN [VERB]]", "this text, or that of a noun");
	if (c->verb)
		print_options(f, "Options of this verb", c->verb->option);
	print_options(f, "Options", runaway_cli_global_options);
	if (!c->noun)
		fputs("\nExit status: 0 done, 1 failed, 2 usage, 3 not permitted, 4 the gate "
		      "refused, 5 not found.\n",
		      f);
}

int runaway_cli_help(struct cli *c)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct json_writer w;
	size_t size;
	FILE *f;

	if (!c->json) {
		runaway_cli_usage(c, c->out);
		return CLI_OK;
	}
	f = open_memstream(&text, &size);
	if (f)
		runaway_cli_usage(c, f);
	if (!f || fclose(f) != 0)
		return runaway_cli_fail(c, "failed", "out of memory");
	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "help", text);
	json_object_end(&w);
	fprintf(c->out, "%s\n", b.data);
	return CLI_OK;
}

int runaway_cli_version(struct cli *c)
{
	if (c->json)
		fprintf(c->out, "{\"version\":\"%s\",\"commit\":\"%s\"}\n", RUNAWAY_VERSION,
			RUNAWAY_COMMIT);
	else
		fprintf(c->out, "runawayctl %s (%s)\n", RUNAWAY_VERSION, RUNAWAY_COMMIT);
	return CLI_OK;
}
