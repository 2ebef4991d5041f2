/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The first look at 3 a.m.: does it work, does it lose anything, what is open. */

#include <string.h>

#include "cli/format.h"

static void print_health(struct cli *c, const cJSON *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *item, *components = runaway_cli_get(s, "components");
	bool up = runaway_json_true(s, "up", false);

	runaway_cli_label(c, "state");
	runaway_cli_paint(c, up ? CLI_GREEN : CLI_RED, up ? "up" : "NOT WORKING");
	cJSON_ArrayForEach (item, components) {
		/* The gate is no fault when it is off; it has a line of its own. */
		if (cJSON_IsTrue(item) || strcmp(item->string, "gate") == 0)
			continue;
		fputs(", ", c->out);
		runaway_cli_paint(c, CLI_RED, item->string);
		runaway_cli_paint(c, CLI_RED, " is down");
	}
	strbuf_adds(&b, " for ");
	runaway_cli_add_seconds(&b, runaway_cli_get(s, "uptime_s"));
	strbuf_addf(&b, " on %s (%s), since ", runaway_json_str(s, "host_label", "-"),
		    runaway_json_str(s, "env", "-"));
	strbuf_adds(&b, runaway_json_str(s, "started_at", "-"));
	runaway_cli_text(c, b.data);
	fputc('\n', c->out);
}

/* What is hidden from it comes before every figure: they are only of the rest. */
static void print_gaps(struct cli *c, const cJSON *s)
{
	const cJSON *gap;

	cJSON_ArrayForEach (gap, runaway_cli_get(s, "gaps")) {
		runaway_cli_field(c, "NOT WHOLE", runaway_cli_string(gap, "what"));
		runaway_cli_label(c, "");
		fputs("to mend: ", c->out);
		runaway_cli_text(c, runaway_cli_string(gap, "mend"));
		fputc('\n', c->out);
	}
}

static void print_version(struct cli *c, const cJSON *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *f = runaway_cli_get(s, "features");

	strbuf_addf(&b, "%s (%s)", runaway_json_str(s, "version", "-"),
		    runaway_json_str(s, "commit", "-"));
	if (f)
		strbuf_addf(&b, ", kernel %s, scan %s, reparenting %s, cgroups %s",
			    runaway_json_str(f, "release", "-"), runaway_json_str(f, "scan", "-"),
			    runaway_json_str(f, "reparent_hook", "-"),
			    runaway_json_str(f, "cgroup_mode", "-"));
	runaway_cli_field(c, "version", b.data);
}

static void print_findings(struct cli *c, const cJSON *s)
{
	const cJSON *lane, *lanes = runaway_cli_get(s, "lanes");
	double open = 0;
	char buf[64];

	cJSON_ArrayForEach (lane, lanes)
		open += runaway_json_num(lane, "open_findings", 0);
	runaway_cli_label(c, "findings");
	snprintf(buf, sizeof(buf), "%.0f open", open);
	runaway_cli_paint(c, open > 0 ? CLI_RED : CLI_GREEN, buf);
	fputs(open > 0 ? " (runawayctl finding list)\n" : "\n", c->out);
	cJSON_ArrayForEach (lane, lanes) {
		bool enabled = runaway_json_true(lane, "enabled", true);

		snprintf(buf, sizeof(buf), "%3.0f", runaway_json_num(lane, "open_findings", 0));
		runaway_cli_label(c, "");
		fprintf(c->out, "%s  ", buf);
		runaway_cli_text(c, runaway_cli_string(lane, "lane_id"));
		fputs(enabled ? "\n" : " (switched off)\n", c->out);
	}
}

static void print_population(struct cli *c, const cJSON *s)
{
	runaway_cli_label(c, "watching");
	fprintf(c->out, "%.0f processes, %.0f orphans, each %.0f ms",
		runaway_json_num(s, "processes", 0), runaway_json_num(s, "orphans", 0),
		runaway_json_num(s, "interval_ms", 0));
	if (runaway_cli_get(s, "scan"))
		fprintf(c->out, ", last scan took %.1f ms",
			runaway_json_num(runaway_cli_get(s, "scan"), "duration_ms", 0));
	fputc('\n', c->out);
}

/* Counters of `counters` that are losses; all others are traffic. */
static const char *const losses[] = {
	"events_lost",	       "samples_lost",
	"records_dropped",     "program_misses",
	"sequence_gaps",       "malformed",
	"sensor_malformed",    "processes_full",
	"cgroups_full",	       "kernel_processes_full",
	"kernel_threads_full", "kernel_cgroups_full",
	"map_errors",	       "lineage_cut",
};

static void print_losses(struct cli *c, const cJSON *s)
{
	const cJSON *counters = runaway_cli_get(s, "counters");
	bool any = false;
	char buf[96];

	runaway_cli_label(c, "losses");
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		double v = runaway_json_num(counters, losses[i], 0);

		if (!(v > 0))
			continue;
		snprintf(buf, sizeof(buf), "%s%s %.0f", any ? ", " : "LOST: ", losses[i], v);
		runaway_cli_paint(c, CLI_RED, buf);
		any = true;
	}
	if (!counters)
		fputs("not known", c->out);
	else if (!any)
		runaway_cli_paint(c, CLI_GREEN, "none");
	fputs(any ? " (runawayctl doctor says what to do)\n" : "\n", c->out);
}

static void print_store(struct cli *c, const cJSON *s)
{
	const cJSON *store = runaway_cli_get(s, "store");
	bool degraded = runaway_json_true(store, "degraded", false);
	bool chain_ok = runaway_json_true(store, "chain_ok", true);

	runaway_cli_label(c, "store");
	if (degraded)
		runaway_cli_paint(c, CLI_RED, "THE DISK REFUSES");
	else
		fputs("written", c->out);
	fprintf(c->out, ", %.0f events, chain ", runaway_json_num(store, "events", 0));
	runaway_cli_paint(c, chain_ok ? CLI_GREEN : CLI_RED, chain_ok ? "intact" : "BROKEN");
	if (runaway_json_num(store, "pending_lines", 0) > 0)
		fprintf(c->out, ", %.0f lines wait for the disk",
			runaway_json_num(store, "pending_lines", 0));
	fputs(", ", c->out);
	runaway_cli_text(c, runaway_cli_string(s, "state_dir"));
	fputc('\n', c->out);
}

/* Only where there is something to tell: pins, or what an earlier daemon left. */
static void print_continuity(struct cli *c, const cJSON *s)
{
	const cJSON *k = runaway_cli_get(s, "continuity"), *journal;
	const char *pins = runaway_json_str(k, "pins", "none");
	const char *why = runaway_cli_string(k, "why_replaced");
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	bool whole = runaway_json_true(k, "whole", false);

	if (!k)
		return;
	journal = runaway_cli_get(k, "journal");
	runaway_cli_label(c, "continuity");
	strbuf_addf(&b, "pins %s", pins);
	if (why)
		strbuf_addf(&b, " (%s)", why);
	if (runaway_json_true(k, "recalled", false)) {
		strbuf_addf(&b, ", %.0f processes recalled, ",
			    runaway_json_num(k, "recalled_processes", 0));
		runaway_cli_add_seconds(&b, runaway_cli_get(k, "down_s"));
		strbuf_adds(&b, whole ? " without a daemon, the kernel watched"
				      : " without a daemon, nobody watched");
	}
	runaway_cli_text(c, b.data);
	if (!journal || runaway_json_true(journal, "failing", false))
		runaway_cli_paint(c, CLI_RED, ", THE JOURNAL CANNOT BE WRITTEN");
	fputc('\n', c->out);
}

static void print_privileges(struct cli *c, const cJSON *s)
{
	bool dropped = runaway_json_true(s, "privileges_dropped", false);

	runaway_cli_label(c, "privileges");
	fprintf(c->out, "uid %.0f, CapEff ", runaway_json_num(s, "uid", -1));
	runaway_cli_text(c, runaway_cli_string(s, "cap_effective"));
	runaway_cli_paint(c, dropped ? CLI_GREEN : CLI_YELLOW, dropped ? " (dropped)" : " (HELD)");
	fputc('\n', c->out);
}

static void print_rest(struct cli *c, const cJSON *s)
{
	const cJSON *gate = runaway_cli_get(s, "gate");
	bool reload_ok = runaway_json_true(runaway_cli_get(s, "config"), "last_reload_ok", true);
	const char *config = runaway_cli_string(s, "config.path");

	runaway_cli_label(c, "gate");
	runaway_cli_text(c, runaway_cli_gate_state(gate));
	if (runaway_json_true(gate, "alive", false)) {
		fputs(", ", c->out);
		runaway_cli_text(c, runaway_cli_string(gate, "tier"));
		fputs(" (", c->out);
		runaway_cli_text(c, runaway_cli_string(gate, "tier_name"));
		fputc(')', c->out);
	}
	if (runaway_cli_string(gate, "why")) {
		fputs(": ", c->out);
		runaway_cli_text(c, runaway_cli_string(gate, "why"));
	}
	fputc('\n', c->out);
	runaway_cli_label(c, "config");
	runaway_cli_text(c, config ? config : "built-in defaults");
	if (!reload_ok)
		runaway_cli_paint(c, CLI_RED, ", THE LAST RELOAD FAILED");
	fputc('\n', c->out);
	runaway_cli_field(c, "metrics", runaway_cli_string(s, "listen_address"));
}

static int print_status(struct cli *c, const cJSON *s)
{
	print_health(c, s);
	print_gaps(c, s);
	print_findings(c, s);
	print_losses(c, s);
	print_population(c, s);
	print_store(c, s);
	print_continuity(c, s);
	print_privileges(c, s);
	print_rest(c, s);
	print_version(c, s);
	return CLI_OK;
}

static const struct cli_verb verbs[] = {
	{ .name = "",
	  .summary = "is it up, does it lose anything, what is open",
	  .method = "status",
	  .print = print_status },
	{ 0 },
};

const struct cli_noun runaway_cli_status = { "status", "the daemon at a glance", verbs };
