/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"
#include "cli/proc.h"
#include "cli/table.h"

#define TOP_MAX 1000

static const struct cli_option top_options[] = {
	{ "--once", NULL, CLI_FLAG, NULL, 0, 0, "one table, not a live one" },
	{ "--limit", NULL, CLI_UINT, "N", 1, TOP_MAX, "how many (default: 20)" },
	{ 0 },
};

static int show_params(struct cli *c, struct json_writer *w)
{
	json_kv_string(w, "path", c->arg[0]);
	return CLI_OK;
}

static void add_number(struct table *t, const cJSON *obj, const char *path, int decimals)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_cli_add_number(&b, runaway_cli_get(obj, path), decimals);
	runaway_table_take(t, &b);
}

/* The most telling name: a unit, a container, a pod. */
static void add_name(struct table *t, const cJSON *cg)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *id = runaway_cli_string(cg, "container_id");

	if (runaway_cli_string(cg, "unit"))
		strbuf_adds(&b, runaway_cli_string(cg, "unit"));
	else if (id)
		strbuf_addf(&b, "%s:%.12s", runaway_json_str(cg, "runtime", "container"), id);
	else if (runaway_cli_string(cg, "pod_uid"))
		strbuf_addf(&b, "pod:%s", runaway_cli_string(cg, "pod_uid"));
	runaway_table_take(t, &b);
}

static int print_top(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "CPU", true, false },
		{ "CPU-S", true, false },
		{ "NAME", false, true },
		{ "PATH", false, true },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *cg;

	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (cg, list) {
		add_number(&t, cg, "cpu_cores", 2);
		add_number(&t, cg, "cpu_seconds", 1);
		add_name(&t, cg);
		runaway_table_add(&t, runaway_cli_string(cg, "path"));
	}
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}

static void print_members(struct cli *c, const cJSON *cg)
{
	static const struct table_column columns[] = {
		{ "PID", true, false },	 { "CPU", true, false },     { "CPU-S", true, false },
		{ "COMM", false, true }, { "ORPHAN", false, false },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *p, *members = runaway_cli_get(cg, "processes");
	double count = runaway_json_num(cg, "process_count", 0);

	fprintf(c->out, "\n%.0f processes of its own", count);
	if (count > cJSON_GetArraySize(members))
		fprintf(c->out, ", the busiest %d", cJSON_GetArraySize(members));
	fputc('\n', c->out);
	if (!cJSON_GetArraySize(members))
		return;
	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (p, members) {
		add_number(&t, p, "pid", 0);
		add_number(&t, p, "cpu_cores", 2);
		add_number(&t, p, "cpu_seconds", 1);
		runaway_table_add(&t, runaway_cli_string(p, "comm"));
		runaway_table_add(&t, runaway_json_true(p, "orphan", false) ? "yes" : "no");
	}
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
}

static int print_cgroup(struct cli *c, const cJSON *cg)
{
	static const struct {
		const char *label, *key;
	} row[] = {
		{ "path", "path" },
		{ "id", "id" },
		{ "unit", "unit" },
		{ "pod", "pod_uid" },
		{ "container", "container_id" },
		{ "removed", "removed_at" },
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		if (runaway_cli_string(cg, row[i].key))
			runaway_cli_field(c, row[i].label, runaway_cli_string(cg, row[i].key));
	runaway_cli_add_number(&b, runaway_cli_get(cg, "cpu_cores"), 2);
	strbuf_adds(&b, " cores, ");
	runaway_cli_add_number(&b, runaway_cli_get(cg, "cpu_seconds"), 1);
	strbuf_adds(&b, " CPU seconds with descendants, ");
	runaway_cli_add_number(&b, runaway_cli_get(cg, "own_cpu_seconds"), 1);
	strbuf_adds(&b, " its own");
	runaway_cli_field(c, "CPU", b.data);
	print_members(c, cg);
	return CLI_OK;
}

static const struct cli_verb verbs[] = {
	{ .name = "top",
	  .summary = "the busiest cgroups, live",
	  .method = "cgroup.top",
	  .option = top_options,
	  .params = runaway_cli_limit_params,
	  .print = print_top,
	  .run = runaway_cli_live },
	{ .name = "show",
	  .args = "PATH",
	  .summary = "one cgroup and its processes",
	  .method = "cgroup.show",
	  .args_min = 1,
	  .args_max = 1,
	  .params = show_params,
	  .print = print_cgroup },
	{ 0 },
};

const struct cli_noun runaway_cli_cgroup = { "cgroup", "control groups", verbs };
