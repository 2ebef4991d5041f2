/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli/format.h"
#include "cli/proc.h"
#include "cli/table.h"

#define TOP_MAX 1000

static const struct cli_option top_options[] = {
	{ "--once", NULL, CLI_FLAG, NULL, 0, 0, "one table, not a live one" },
	{ "--limit", NULL, CLI_UINT, "N", 1, TOP_MAX, "how many (default: 20)" },
	{ 0 },
};

int runaway_cli_limit_params(struct cli *c, struct json_writer *w)
{
	struct cli_value limit = runaway_cli_option(c, "--limit");

	if (limit.set)
		json_kv_uint(w, "limit", limit.number);
	return CLI_OK;
}

static void add_pid(struct table *t, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_cli_add_number(&b, runaway_cli_get(p, "pid"), 0);
	runaway_table_take(t, &b);
}

static void add_cell_number(struct table *t, const cJSON *p, const char *path, int decimals)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_cli_add_number(&b, runaway_cli_get(p, path), decimals);
	runaway_table_take(t, &b);
}

static void add_cell_seconds(struct table *t, const cJSON *p, const char *path)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_cli_add_seconds(&b, runaway_cli_get(p, path));
	runaway_table_take(t, &b);
}

static void add_cell_lanes(struct table *t, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *lane, *lanes = runaway_cli_get(p, "lanes");

	cJSON_ArrayForEach (lane, lanes) {
		if (b.len)
			strbuf_addc(&b, ',');
		strbuf_adds(&b, cJSON_IsString(lane) ? lane->valuestring : "?");
	}
	runaway_table_take(t, &b);
}

static const char *by_design(const cJSON *p)
{
	const cJSON *flag = runaway_cli_get(p, "by_design");

	if (!flag)
		return NULL;
	return cJSON_IsTrue(flag) ? "yes" : "no";
}

static void add_orphan(struct table *t, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *origin = runaway_cli_string(p, "origin.comm");

	add_pid(t, p);
	add_cell_seconds(t, p, "orphan_age_s");
	add_cell_number(t, p, "tree.cpu_cores", 2);
	add_cell_number(t, p, "tree.processes", 0);
	runaway_table_add(t, runaway_cli_string(p, "comm"));
	runaway_table_add(t, origin ? origin : "unknown");
	runaway_cli_add_exit(&b, runaway_cli_get(p, "origin.exit"));
	runaway_table_take(t, &b);
	add_cell_lanes(t, p);
	runaway_table_add(t, by_design(p));
}

static int print_orphans(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "PID", true, false },	  { "AGE", true, false },  { "CPU", true, false },
		{ "TREE", true, false },  { "COMM", false, true }, { "ORIGIN", false, true },
		{ "EXIT", false, false }, { "LANE", false, true }, { "BY-DESIGN", false, false },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *p;

	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (p, list)
		add_orphan(&t, p);
	if (!t.cells && !t.error)
		fputs("no orphans\n", c->out);
	else
		runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}

static void add_top_row(struct table *t, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	add_pid(t, p);
	add_cell_number(t, p, "cpu_cores", 2);
	add_cell_number(t, p, "cpu_seconds", 1);
	runaway_cli_add_bytes(&b, runaway_cli_get(p, "rss_bytes"));
	runaway_table_take(t, &b);
	add_cell_number(t, p, "threads", 0);
	add_cell_seconds(t, p, "orphan_age_s");
	runaway_table_add(t, runaway_cli_string(p, "comm"));
	runaway_table_add(t, runaway_cli_string(p, "origin.comm"));
	runaway_table_add(t, runaway_cli_string(p, "cgroup.path"));
}

static int print_top(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "PID", true, false },	 { "CPU", true, false },    { "CPU-S", true, false },
		{ "RSS", true, false },	 { "THR", true, false },    { "ORPHANED", true, false },
		{ "COMM", false, true }, { "ORIGIN", false, true }, { "CGROUP", false, true },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *p;

	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (p, list)
		add_top_row(&t, p);
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}

static const struct cli_verb verbs[] = {
	{ .name = "orphans",
	  .summary = "processes whose origin is dead, with their trees' CPU",
	  .method = "proc.orphans",
	  .print = print_orphans },
	{ .name = "show",
	  .args = "PID",
	  .summary = "one process: who started it, where it runs, what it costs",
	  .method = "proc.show",
	  .args_min = 1,
	  .args_max = 1,
	  .params = runaway_cli_pid_params,
	  .print = runaway_cli_print_proc },
	{ .name = "tree",
	  .args = "PID",
	  .summary = "lineage up through dead ancestors, descendants down",
	  .method = "proc.tree",
	  .args_min = 1,
	  .args_max = 1,
	  .params = runaway_cli_pid_params,
	  .print = runaway_cli_print_tree },
	{ .name = "top",
	  .summary = "the busiest processes, live",
	  .method = "proc.top",
	  .option = top_options,
	  .params = runaway_cli_limit_params,
	  .print = print_top,
	  .run = runaway_cli_live },
	{ 0 },
};

const struct cli_noun runaway_cli_proc = { "proc", "processes and orphans", verbs };
