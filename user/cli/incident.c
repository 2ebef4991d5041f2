/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of incidents. */
#include "cli/format.h"
#include "cli/incident.h"
#include "cli/table.h"

const struct cli_option runaway_cli_incident_list_options[] = {
	{ "--status", NULL, CLI_STRING, "STATUS", 1, 32, "open, triaged, resolved, closed …" },
	{ "--lane", NULL, CLI_STRING, "LANE_ID", 1, 64, "only those of one lane" },
	{ "--limit", NULL, CLI_UINT, "N", 1, 100000, "at most N, the newest" },
	{ 0 },
};

int runaway_cli_incident_list_params(struct cli *c, struct json_writer *w)
{
	struct cli_value status = runaway_cli_option(c, "--status");
	struct cli_value lane = runaway_cli_option(c, "--lane");
	struct cli_value limit = runaway_cli_option(c, "--limit");

	if (status.set)
		json_kv_string(w, "status", status.string);
	if (lane.set)
		json_kv_string(w, "lane", lane.string);
	if (limit.set)
		json_kv_uint(w, "limit", limit.number);
	return CLI_OK;
}

static void add_incident(struct table *t, const struct cli *c, const cJSON *i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *path = runaway_cli_string(i, "resolution_path");

	runaway_table_add(t, runaway_cli_string(i, "incident_id"));
	runaway_table_add(t, runaway_cli_string(i, "severity"));
	strbuf_adds(&b, runaway_json_str(i, "status", "-"));
	if (path)
		strbuf_addf(&b, " (%s)", path);
	runaway_table_take(t, &b);
	runaway_cli_add_age(&b, c, runaway_cli_get(i, "opened_at"));
	runaway_table_take(t, &b);
	runaway_table_add(t, runaway_cli_string(i, "title"));
}

int runaway_cli_print_incidents(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "INCIDENT", false, false }, { "SEV", false, false },	{ "STATUS", false, false },
		{ "AGE", true, false },	      { "TITLE", false, true },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *i;

	if (!cJSON_GetArraySize(list)) {
		fputs("no incidents\n", c->out);
		return CLI_OK;
	}
	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (i, list)
		add_incident(&t, c, i);
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}
