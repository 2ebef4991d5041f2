/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"
#include "cli/proc.h"

static void print_origin(struct cli *c, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *o = runaway_cli_get(p, "origin");
	const cJSON *exit = runaway_cli_get(o, "exit");

	if (!runaway_cli_get(o, "pid")) {
		strbuf_adds(&b, "unknown: it was gone before anybody looked");
		runaway_cli_line(c, "started by", &b);
		return;
	}
	strbuf_addf(&b, "%s (pid ", runaway_json_str(o, "comm", "-"));
	runaway_cli_add_number(&b, runaway_cli_get(o, "pid"), 0);
	strbuf_addc(&b, ')');
	if (exit) {
		strbuf_adds(&b, ", dead by ");
		runaway_cli_add_exit(&b, exit);
		if (runaway_cli_get(exit, "after_fork_s")) {
			strbuf_addc(&b, ' ');
			runaway_cli_add_seconds(&b, runaway_cli_get(exit, "after_fork_s"));
			strbuf_adds(&b, " after the fork");
		}
	}
	runaway_cli_line(c, "started by", &b);
	runaway_cli_add_command(&b, runaway_cli_get(o, "args"));
	runaway_cli_line(c, "  command", &b);
}

static void print_ci(struct cli *c, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *marker, *markers = runaway_cli_get(p, "ci.markers");

	if (!runaway_cli_get(p, "ci"))
		return;
	strbuf_adds(&b, runaway_json_str(runaway_cli_get(p, "ci"), "runner", "-"));
	cJSON_ArrayForEach (marker, markers)
		strbuf_addf(&b, " %s=%s", marker->string,
			    cJSON_IsString(marker) ? marker->valuestring : "-");
	runaway_cli_line(c, "CI job", &b);
}

static void print_cost(struct cli *c, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *tree = runaway_cli_get(p, "tree");

	runaway_cli_add_number(&b, runaway_cli_get(p, "cpu_cores"), 2);
	strbuf_adds(&b, " cores, ");
	runaway_cli_add_number(&b, runaway_cli_get(p, "cpu_seconds"), 1);
	strbuf_adds(&b, " CPU seconds, ");
	runaway_cli_add_bytes(&b, runaway_cli_get(p, "rss_bytes"));
	runaway_cli_line(c, "itself", &b);
	if (!tree)
		return;
	runaway_cli_add_number(&b, runaway_cli_get(tree, "cpu_cores"), 2);
	strbuf_adds(&b, " cores, ");
	runaway_cli_add_number(&b, runaway_cli_get(tree, "cpu_seconds"), 1);
	strbuf_adds(&b, " CPU seconds since orphaned, ");
	runaway_cli_add_bytes(&b, runaway_cli_get(tree, "rss_bytes"));
	strbuf_adds(&b, " in ");
	runaway_cli_add_number(&b, runaway_cli_get(tree, "processes"), 0);
	strbuf_adds(&b, " processes");
	runaway_cli_line(c, "its tree", &b);
}

static void print_orphanhood(struct cli *c, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (!runaway_json_true(p, "orphan", false)) {
		strbuf_adds(&b, "no");
		runaway_cli_line(c, "orphan", &b);
		return;
	}
	strbuf_adds(&b, "for ");
	runaway_cli_add_seconds(&b, runaway_cli_get(p, "orphan_age_s"));
	strbuf_addf(&b, ", reaped by %s (pid ",
		    runaway_json_str(runaway_cli_get(p, "reaper"), "comm", "-"));
	runaway_cli_add_number(&b, runaway_cli_get(p, "reaper.pid"), 0);
	strbuf_addf(&b, "), left behind on purpose: %s",
		    runaway_json_str(p, "daemonised", "unknown"));
	runaway_cli_line(c, "orphan", &b);
}

static void print_place(struct cli *c, const cJSON *p)
{
	static const char *const name[] = { "unit", "container_id", "pod_uid" };
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *cg = runaway_cli_get(p, "cgroup"), *lane;
	const cJSON *lanes = runaway_cli_get(p, "lanes");

	strbuf_adds(&b, runaway_json_str(cg, "path", "-"));
	for (size_t i = 0; i < ARRAY_SIZE(name); i++)
		if (runaway_cli_string(cg, name[i]))
			strbuf_addf(&b, ", %s %s", name[i], runaway_cli_string(cg, name[i]));
	runaway_cli_line(c, "cgroup", &b);
	cJSON_ArrayForEach (lane, lanes) {
		strbuf_adds(&b, cJSON_IsString(lane) ? lane->valuestring : "-");
		runaway_cli_line(c, "lane", &b);
	}
}

int runaway_cli_print_proc(struct cli *c, const cJSON *p)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "%s (pid ", runaway_json_str(p, "comm", "-"));
	runaway_cli_add_number(&b, runaway_cli_get(p, "pid"), 0);
	strbuf_addf(&b, "), %s, uid ", runaway_json_str(p, "state", "-"));
	runaway_cli_add_number(&b, runaway_cli_get(p, "uid"), 0);
	strbuf_adds(&b, ", ");
	runaway_cli_add_number(&b, runaway_cli_get(p, "threads"), 0);
	strbuf_adds(&b, " threads, started ");
	runaway_cli_add_since(&b, c, runaway_cli_get(p, "started_at"));
	runaway_cli_line(c, "process", &b);
	strbuf_adds(&b, runaway_json_str(p, "exe", "-"));
	runaway_cli_line(c, "exe", &b);
	runaway_cli_add_command(&b, runaway_cli_get(p, "args"));
	runaway_cli_line(c, "command", &b);
	print_orphanhood(c, p);
	print_origin(c, p);
	print_ci(c, p);
	print_cost(c, p);
	print_place(c, p);
	return CLI_OK;
}
