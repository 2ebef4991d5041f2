/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"

static void print_count(struct cli *c, const char *before, double count, const char *what)
{
	fprintf(c->out, "%s%.0f %s%s", before, count, what, count == 1 ? "" : "s");
}

static int print_verify(struct cli *c, const cJSON *v)
{
	bool ok = runaway_json_true(v, "ok", false);
	const cJSON *problem, *problems = runaway_cli_get(v, "problems");

	runaway_cli_paint(c, ok ? CLI_GREEN : CLI_RED, ok ? "ok" : "NOT INTACT");
	print_count(c, ": ", runaway_json_num(v, "events", 0), "event");
	print_count(c, ", ", runaway_json_num(v, "incidents", 0), "incident");
	fputs(", head ", c->out);
	runaway_cli_text(c, runaway_cli_string(v, "head"));
	fputc('\n', c->out);
	cJSON_ArrayForEach (problem, problems) {
		runaway_cli_text(c, runaway_cli_string(problem, "file"));
		if (runaway_cli_get(problem, "line"))
			fprintf(c->out, ":%.0f", runaway_json_num(problem, "line", 0));
		fputs(": ", c->out);
		runaway_cli_text(c, runaway_cli_string(problem, "why"));
		fputc('\n', c->out);
	}
	return CLI_OK;
}

static int verdict(const cJSON *v)
{
	return runaway_json_true(v, "ok", false) ? CLI_OK : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
	{ .name = "verify",
	  .summary = "check every line and the chain of events",
	  .method = "store.verify",
	  .print = print_verify,
	  .verdict = verdict },
	{ 0 },
};

const struct cli_noun runaway_cli_store = { "store", "the incidents on disk", verbs };
