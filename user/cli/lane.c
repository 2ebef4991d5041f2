/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <string.h>

#include "cli/evidence.h"
#include "cli/format.h"
#include "cli/table.h"

static const struct cli_option show_options[] = {
	{ "--builtin", NULL, CLI_FLAG, NULL, 0, 0, "the built-in lanes, not those in force" },
	{ 0 },
};

static const struct cli_option test_options[] = {
	{ "--replay", NULL, CLI_STRING, "RECORDING", 1, PATH_MAX,
	  "replay a recording through FILE (a whole configuration) with runawayd" },
	{ 0 },
};

static int show_params(struct cli *c, struct json_writer *w)
{
	if (c->arg_count)
		json_kv_string(w, "lane_id", c->arg[0]);
	if (runaway_cli_option(c, "--builtin").set)
		json_kv_bool(w, "builtin", true);
	return CLI_OK;
}

static int print_list(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "LANE", false, true },     { "SEV", false, false },	{ "SUBJECT", false, false },
		{ "FINDINGS", true, false }, { "STATE", false, false }, { "FROM", false, false },
		{ "ALERT", false, true },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *l;

	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (l, list) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		runaway_table_add(&t, runaway_cli_string(l, "lane_id"));
		runaway_table_add(&t, runaway_cli_string(l, "severity"));
		runaway_table_add(&t, runaway_cli_string(l, "subject"));
		runaway_cli_add_number(&b, runaway_cli_get(l, "findings"), 0);
		runaway_table_take(&t, &b);
		runaway_table_add(&t, runaway_json_true(l, "enabled", true) ? "on" : "off");
		runaway_table_add(&t,
				  runaway_json_true(l, "builtin", false) ? "built-in" : "config");
		runaway_table_add(&t, runaway_cli_string(l, "alertname"));
	}
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}

static int print_test(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "LANE", false, true },     { "SUBJECT", false, true },  { "COMM", false, true },
		{ "CROSSED", false, false }, { "EVIDENCE", false, true },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *row;

	if (!cJSON_GetArraySize(list)) {
		fputs("nothing that runs now is matched\n", c->out);
		return CLI_OK;
	}
	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (row, list) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		runaway_table_add(&t, runaway_cli_string(row, "lane_id"));
		runaway_cli_add_subject(&b, runaway_cli_get(row, "subject"));
		runaway_table_take(&t, &b);
		runaway_table_add(&t, runaway_cli_string(row, "subject.comm"));
		runaway_table_add(&t, runaway_json_true(row, "crossed", false) ? "yes" : "no");
		runaway_cli_add_evidence(&b, runaway_cli_get(row, "evidence"));
		runaway_table_take(&t, &b);
	}
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}

/* The one that was asked for, of all. */
static int only(struct cli *c, cJSON *lanes)
{
	for (int n = cJSON_GetArraySize(lanes) - 1; c->arg_count && n >= 0; n--) {
		const char *id = runaway_json_str(cJSON_GetArrayItem(lanes, n), "lane_id", "");

		if (strcmp(id, c->arg[0]) != 0)
			cJSON_DeleteItemFromArray(lanes, n);
	}
	if (!cJSON_GetArraySize(lanes))
		return runaway_cli_fail(c, "not_found", "no lane has the id \"%s\"", c->arg[0]);
	return runaway_cli_show(c, lanes);
}

/* Those built in are the program's: they are shown before there is a daemon, too. */
static int show_alone(struct cli *c)
{
	char *argv[] = { (char *)"runawayd", (char *)"--builtin-lanes", NULL };
	_cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
	_cleanup_cjson_ cJSON *lanes = NULL;
	int r = runaway_cli_program(c, argv, &said);

	if (r != CLI_OK)
		return r;
	if (!said.len || runaway_json_parse(said.data, said.len, &lanes, NULL) < 0)
		return runaway_cli_fail(c, "failed", "the lanes of runawayd are not understood");
	return only(c, lanes);
}

static int run_show(struct cli *c)
{
	return runaway_cli_call_or(c, runaway_cli_option(c, "--builtin").set ? show_alone : NULL);
}

static int run_test(struct cli *c)
{
	struct cli_value replay = runaway_cli_option(c, "--replay");

	return replay.set ? runaway_cli_lane_replay(c, replay.string, c->arg[0])
			  : runaway_cli_call(c);
}

static const struct cli_verb verbs[] = {
	{ .name = "list",
	  .summary = "lanes in force and their open findings",
	  .method = "lane.list",
	  .print = print_list },
	{ .name = "show",
	  .args = "[LANE_ID]",
	  .summary = "lanes in the configuration's own form (JSON)",
	  .method = "lane.show",
	  .args_max = 1,
	  .option = show_options,
	  .params = show_params,
	  .run = run_show },
	{ .name = "test",
	  .args = "FILE",
	  .summary = "rules tried on what runs now; nothing is opened",
	  .method = "lane.test",
	  .args_min = 1,
	  .args_max = 1,
	  .option = test_options,
	  .params = runaway_cli_file_params,
	  .print = print_test,
	  .run = run_test },
	{ 0 },
};

const struct cli_noun runaway_cli_lane = { "lane", "rules", verbs };
