/* SPDX-License-Identifier: GPL-2.0-or-later */

/* One incident as a story: what, who started it, at what cost, what happened, what next. */

#include <string.h>

#include "cli/evidence.h"
#include "cli/format.h"
#include "cli/incident.h"
#include "cli/proc.h"

#define SPARK_COLUMNS 60
#define LABEL_COLUMNS 12

static void print_head(struct cli *c, const cJSON *i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *path = runaway_cli_string(i, "resolution_path");

	runaway_cli_paint(c, CLI_BOLD, runaway_cli_string(i, "title"));
	fputc('\n', c->out);
	strbuf_addf(&b, "%s  %s  %s", runaway_json_str(i, "incident_id", "-"),
		    runaway_json_str(i, "severity", "-"), runaway_json_str(i, "lane_id", "-"));
	runaway_cli_line(c, "incident", &b);
	strbuf_adds(&b, runaway_json_str(i, "status", "-"));
	if (path)
		strbuf_addf(&b, " (%s)", path);
	if (runaway_cli_string(i, "resolved_at")) {
		strbuf_adds(&b, ", ");
		runaway_cli_add_since(&b, c, runaway_cli_get(i, "resolved_at"));
	}
	runaway_cli_line(c, "status", &b);
	runaway_cli_add_since(&b, c, runaway_cli_get(i, "opened_at"));
	runaway_cli_line(c, "opened", &b);
	if (runaway_cli_string(i, "recurrence_of")) {
		strbuf_adds(&b, runaway_cli_string(i, "recurrence_of"));
		runaway_cli_line(c, "again after", &b);
	}
}

static void print_subject(struct cli *c, const cJSON *doc)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *s = runaway_cli_get(doc, "incident.subject");

	if (runaway_cli_string(s, "comm"))
		strbuf_addf(&b, "%s, ", runaway_cli_string(s, "comm"));
	runaway_cli_add_subject(&b, s);
	if (runaway_cli_string(s, "cgroup"))
		strbuf_addf(&b, ", cgroup %s", runaway_cli_string(s, "cgroup"));
	runaway_cli_line(c, "subject", &b);
	if (!runaway_cli_get(doc, "finding.evidence"))
		return;
	runaway_cli_add_evidence(&b, runaway_cli_get(doc, "finding.evidence"));
	runaway_cli_line(c, "evidence", &b);
}

static void print_origin(struct cli *c, const cJSON *doc)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *lineage = runaway_cli_get(doc, "lineage");
	const cJSON *o = cJSON_GetArrayItem(lineage, 0);

	if (!runaway_cli_get(doc, "incident.subject.root_pid"))
		return;
	if (!o) {
		strbuf_adds(&b, "unknown: it was gone before anybody looked");
		runaway_cli_line(c, "started by", &b);
		return;
	}
	strbuf_addf(&b, "%s (pid ", runaway_json_str(o, "comm", "-"));
	runaway_cli_add_number(&b, runaway_cli_get(o, "pid"), 0);
	strbuf_addc(&b, ')');
	if (!runaway_json_true(o, "alive", true)) {
		strbuf_adds(&b, ", dead: ");
		runaway_cli_add_exit(&b, runaway_cli_get(o, "exit"));
	}
	runaway_cli_line(c, "started by", &b);
	runaway_cli_add_command(&b, runaway_cli_get(o, "args"));
	runaway_cli_line(c, "  command", &b);
	runaway_cli_paint(c, CLI_DIM, "lineage");
	fputc('\n', c->out);
	runaway_cli_print_lineage(c, lineage);
}

static void print_timeline(struct cli *c, const cJSON *doc)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *points = runaway_cli_get(doc, "samples");
	const cJSON *last = cJSON_GetArrayItem(points, cJSON_GetArraySize(points) - 1);
	unsigned int room = c->width > LABEL_COLUMNS ? c->width - LABEL_COLUMNS : SPARK_COLUMNS;

	if (!last)
		return;
	runaway_cli_add_spark(&b, points, "cpu_cores", MIN(room, SPARK_COLUMNS), c->utf8);
	runaway_cli_line(c, "CPU", &b);
	strbuf_adds(&b, "from ");
	strbuf_adds(&b, runaway_json_str(cJSON_GetArrayItem(points, 0), "at", "-"));
	strbuf_adds(&b, " to ");
	strbuf_adds(&b, runaway_json_str(last, "at", "-"));
	strbuf_adds(&b, ": ");
	runaway_cli_add_number(&b, runaway_cli_get(last, "cpu_seconds"), 1);
	strbuf_adds(&b, " CPU seconds, at the end ");
	runaway_cli_add_number(&b, runaway_cli_get(last, "cpu_cores"), 2);
	strbuf_adds(&b, " cores in ");
	runaway_cli_add_number(&b, runaway_cli_get(last, "processes"), 0);
	strbuf_adds(&b, " processes");
	runaway_cli_line(c, "", &b);
}

static void print_history(struct cli *c, const cJSON *doc)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *e, *events = runaway_cli_get(doc, "events");
	const char *label = "history";

	cJSON_ArrayForEach (e, events) {
		const char *from = runaway_cli_string(e, "old"), *to = runaway_cli_string(e, "new");

		strbuf_addf(&b, "%s  %s", runaway_json_str(e, "at", "-"),
			    runaway_json_str(e, "type", "-"));
		if (to)
			strbuf_addf(&b, "  %s%s%s", from ? from : "", from ? " -> " : "", to);
		strbuf_addf(&b, "  by %s", runaway_json_str(e, "actor", "-"));
		if (runaway_cli_string(e, "reason"))
			strbuf_addf(&b, ": %s", runaway_cli_string(e, "reason"));
		runaway_cli_line(c, label, &b);
		label = "";
	}
}

/*
 * What the packet advises is for who reads it first; from the plan on the state says more, and the
 * packet may be older than the end of its subject. NULL: the packet's word.
 */
static const char *next_of_state(const cJSON *incident)
{
	static const struct {
		const char *status, *remediation, *next;
	} steps[] = {
		{ "dry_run_ready", NULL,
		  "An owner reads the plan and approves: `incident approve`." },
		{ "approved", NULL,
		  "`incident apply` while the window is open; `--explain` shows each condition." },
		{ "acting", NULL, "The gate acts: the post-check follows." },
		{ "post_check", "failed",
		  "A person has to look: nothing more is ever signalled by itself. Then `incident "
		  "post-check`, a new `incident dry-run`, or `incident resolve`." },
		{ "post_check", NULL,
		  "The post-check follows by itself, or now: `incident post-check`." },
		{ "resolved", NULL, "resolved: nothing to do" },
	};
	const char *status = runaway_json_str(incident, "status", "");
	const char *remediation = runaway_json_str(incident, "remediation", "");

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (strcmp(steps[i].status, status) == 0 &&
		    (!steps[i].remediation || strcmp(steps[i].remediation, remediation) == 0))
			return steps[i].next;
	return NULL;
}

/* A text, or a list of texts. */
static void print_next(struct cli *c, const cJSON *doc)
{
	const char *own = next_of_state(runaway_cli_get(doc, "incident"));
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *step, *next = runaway_cli_get(doc, "packet.next_step");
	const char *label = "next";

	if (own || cJSON_IsString(next)) {
		strbuf_adds(&b, own ? own : next->valuestring);
		runaway_cli_line(c, label, &b);
		return;
	}
	cJSON_ArrayForEach (step, next) {
		strbuf_adds(&b, cJSON_IsString(step) ? step->valuestring : "-");
		runaway_cli_line(c, label, &b);
		label = "";
	}
}

int runaway_cli_print_incident(struct cli *c, const cJSON *doc)
{
	print_head(c, runaway_cli_get(doc, "incident"));
	print_subject(c, doc);
	print_origin(c, doc);
	print_timeline(c, doc);
	print_history(c, doc);
	print_next(c, doc);
	return CLI_OK;
}
