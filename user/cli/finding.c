/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli/evidence.h"
#include "cli/format.h"
#include "cli/table.h"

static void add_value(struct strbuf *b, const cJSON *item)
{
	if (cJSON_IsNumber(item))
		strbuf_addf(b, "%.4g", item->valuedouble);
	else
		strbuf_adds(b, "unknown");
}

void runaway_cli_add_evidence(struct strbuf *b, const cJSON *evidence)
{
	const cJSON *e;
	bool first = true;

	cJSON_ArrayForEach (e, evidence) {
		strbuf_addf(b, "%s%s ", first ? "" : ", ", runaway_json_str(e, "metric", "-"));
		add_value(b, runaway_cli_get(e, "value"));
		strbuf_adds(b, " (limit ");
		add_value(b, runaway_cli_get(e, "limit"));
		strbuf_addf(b, " %s)", runaway_json_str(e, "unit", ""));
		first = false;
	}
}

void runaway_cli_add_subject(struct strbuf *b, const cJSON *subject)
{
	const char *kind = runaway_json_str(subject, "kind", "-");

	if (runaway_cli_get(subject, "root_pid")) {
		strbuf_adds(b, "pid ");
		runaway_cli_add_number(b, runaway_cli_get(subject, "root_pid"), 0);
	} else if (strcmp(kind, "cgroup") == 0) {
		strbuf_adds(b, runaway_json_str(subject, "cgroup", "-"));
	} else {
		strbuf_adds(b, kind);
	}
}

static void add_finding(struct table *t, const struct cli *c, const cJSON *f)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_table_add(t, runaway_cli_string(f, "severity"));
	runaway_table_add(t, runaway_cli_string(f, "lane_id"));
	runaway_cli_add_age(&b, c, runaway_cli_get(f, "since"));
	runaway_table_take(t, &b);
	runaway_cli_add_subject(&b, runaway_cli_get(f, "subject"));
	runaway_table_take(t, &b);
	runaway_table_add(t, runaway_cli_string(f, "subject.comm"));
	runaway_table_add(t, runaway_cli_string(f, "subject.origin_comm"));
	runaway_cli_add_number(&b, runaway_cli_get(f, "cpu_cores"), 2);
	runaway_table_take(t, &b);
	runaway_table_add(t, runaway_cli_string(f, "incident_id"));
	runaway_cli_add_evidence(&b, runaway_cli_get(f, "evidence"));
	runaway_table_take(t, &b);
}

static int print_findings(struct cli *c, const cJSON *list)
{
	static const struct table_column columns[] = {
		{ "SEV", false, false },     { "LANE", false, true },
		{ "FOR", true, false },	     { "SUBJECT", false, true },
		{ "COMM", false, true },     { "ORIGIN", false, true },
		{ "CPU", true, false },	     { "INCIDENT", false, false },
		{ "EVIDENCE", false, true },
	};
	_cleanup_table_ struct table t = { 0 };
	const cJSON *f;

	if (!cJSON_GetArraySize(list)) {
		fputs("no open findings\n", c->out);
		return CLI_OK;
	}
	runaway_table_init(&t, columns, ARRAY_SIZE(columns));
	cJSON_ArrayForEach (f, list)
		add_finding(&t, c, f);
	runaway_table_print(&t, c->out, c->width, c->color, c->utf8);
	return CLI_OK;
}

static const struct cli_verb verbs[] = {
	{ .name = "list",
	  .summary = "what meets a lane's rule now, with the numbers",
	  .method = "finding.list",
	  .print = print_findings },
	{ 0 },
};

const struct cli_noun runaway_cli_finding = { "finding", "what is wrong now", verbs };
