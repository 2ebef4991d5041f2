/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A family drawn: ancestors down to the process, then its descendants. */

#include <string.h>

#include "base/escape.h"
#include "cli/format.h"
#include "cli/proc.h"
#include "cli/table.h"

#define WIDTH_UNKNOWN 120 /* a command line is cut in a tree; `proc show` has the whole of it */

struct branch {
	const char *tee, *last, *down, *dead, *more;
};

static const struct branch drawn = { "\u251c\u2500 ", "\u2514\u2500 ", "\u2502  ", " \u2020",
				     "\u2026" };
static const struct branch plain = { "|- ", "`- ", "|  ", "", "~" };

static const struct branch *branches(const struct cli *c)
{
	return c->utf8 ? &drawn : &plain;
}

/* "chromium 102825  1.12 cores  /usr/lib/chromium --headless …", without its newline. */
static void print_node(struct cli *c, const cJSON *p, size_t indent, bool bold)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, command = STRBUF_INIT, shown = STRBUF_INIT;
	unsigned int width = c->width ? c->width : WIDTH_UNKNOWN;
	unsigned int room = width > indent ? width - (unsigned int)indent : 0;
	double cores = runaway_json_num(p, "cpu_cores", 0);
	unsigned int used;

	strbuf_addf(&b, "%s ", runaway_json_str(p, "comm", "-"));
	runaway_cli_add_number(&b, runaway_cli_get(p, "pid"), 0);
	if (cores >= 0.005)
		strbuf_addf(&b, "  %.2f cores", cores);
	runaway_cli_paint(c, bold ? CLI_BOLD : CLI_PLAIN, b.data);
	used = runaway_table_width(b.data) + 2;
	if (!runaway_cli_get(p, "args") || used >= room)
		return;
	runaway_cli_add_command(&command, runaway_cli_get(p, "args"));
	runaway_escape_text(&shown, command.data, command.len);
	if (runaway_table_width(shown.data) > room - used) {
		strbuf_truncate(&shown, runaway_table_fit(shown.data, room - used - 1));
		strbuf_adds(&shown, branches(c)->more);
	}
	fputs("  ", c->out);
	runaway_cli_paint_escaped(c, CLI_DIM, &shown);
}

static void print_death(struct cli *c, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (runaway_json_true(p, "alive", true))
		return;
	strbuf_addf(&b, "%s dead", branches(c)->dead);
	if (runaway_cli_get(p, "exit")) {
		strbuf_adds(&b, " (");
		runaway_cli_add_exit(&b, runaway_cli_get(p, "exit"));
		strbuf_addc(&b, ')');
	}
	runaway_cli_paint(c, CLI_RED, b.data);
}

static void indent_by(struct cli *c, unsigned int depth)
{
	for (unsigned int i = 1; i < depth; i++)
		fputs("   ", c->out);
	if (depth)
		fputs(branches(c)->last, c->out);
}

unsigned int runaway_cli_print_lineage(struct cli *c, const cJSON *lineage)
{
	int count = cJSON_GetArraySize(lineage);
	unsigned int depth = 0;

	for (int i = count - 1; i >= 0; i--, depth++) {
		const cJSON *p = cJSON_GetArrayItem(lineage, i);

		indent_by(c, depth);
		/* The mark of the dead stands behind the command: room is kept for it. */
		print_node(c, p, depth * 3 + 20, false);
		print_death(c, p);
		fputc('\n', c->out);
	}
	return depth;
}

/* As deep as the document, whose depth the parser bounds. */
static void print_children(struct cli *c, const cJSON *p, struct strbuf *prefix)
{
	const cJSON *child, *children = runaway_cli_get(p, "children");
	double omitted = runaway_json_num(p, "children_omitted", 0);
	size_t len = prefix->len;

	cJSON_ArrayForEach (child, children) {
		bool last = !child->next && !(omitted > 0);

		fprintf(c->out, "%s%s", len ? prefix->data : "",
			last ? branches(c)->last : branches(c)->tee);
		print_node(c, child, runaway_table_width(len ? prefix->data : "") + 3, false);
		fputc('\n', c->out);
		strbuf_adds(prefix, last ? "   " : branches(c)->down);
		print_children(c, child, prefix);
		strbuf_truncate(prefix, len);
	}
	if (omitted > 0)
		fprintf(c->out, "%s%s%.0f more\n", len ? prefix->data : "", branches(c)->last,
			omitted);
}

int runaway_cli_print_tree(struct cli *c, const cJSON *tree)
{
	_cleanup_strbuf_ struct strbuf prefix = STRBUF_INIT;
	const cJSON *p = runaway_cli_get(tree, "process");
	unsigned int depth;

	if (runaway_json_true(p, "orphan", false) && !runaway_cli_get(p, "origin.pid"))
		fputs("(origin unknown: it was gone before anybody looked)\n", c->out);
	depth = runaway_cli_print_lineage(c, runaway_cli_get(tree, "lineage"));
	indent_by(c, depth);
	print_node(c, p, depth * 3, true);
	fputc('\n', c->out);
	for (unsigned int i = 0; i < depth; i++)
		strbuf_adds(&prefix, "   ");
	print_children(c, tree, &prefix);
	return CLI_OK;
}
