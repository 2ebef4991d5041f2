/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The noun incident, and the steps from a triaged one to a resolved one. */
#include <string.h>

#include "base/digest.h"
#include "cli/format.h"
#include "cli/incident.h"
#include "gate/key.h"

#define PLAN                                                                                       \
	{ "--plan", NULL, CLI_STRING, "DIGEST", 64, 64, "SHA-256 of the plan, from the dry-run" }

static const struct cli_option plan_options[] = {
	PLAN,
	{ "--explain", NULL, CLI_FLAG, NULL, 0, 0,
	  "each condition with pass or fail; nothing is done" },
	{ 0 },
};

static const struct cli_option approve_options[] = {
	PLAN,
	{ "--owner", NULL, CLI_STRING, "NAME", 1, 63, "who approves: the owner of the key" },
	{ "--window", NULL, CLI_STRING, "START/END", 3, 64,
	  "when it may be done: now/30m, or two RFC 3339 times" },
	{ "--evidence", NULL, CLI_STRING, "REF", 1, 511,
	  "ticket, packet or chat that it rests on" },
	{ "--key", NULL, CLI_STRING, "FILE", 1, 4095, "sign with this secret key (gate keygen)" },
	{ 0 },
};

static const struct cli_option reason_options[] = {
	{ "--reason", NULL, CLI_STRING, "TEXT", 1, 1023, "why, in words" },
	{ 0 },
};

/* ---- parameters ---- */

static int id_params(struct cli *c, struct json_writer *w)
{
	struct cli_value reason = runaway_cli_option(c, "--reason");

	json_kv_string(w, "id", c->arg[0]);
	if (reason.set)
		json_kv_string(w, "reason", reason.string);
	return CLI_OK;
}

static int needed_reason(struct cli *c, struct json_writer *w)
{
	if (!runaway_cli_option(c, "--reason").set)
		return runaway_cli_fail(c, "usage", "%s needs --reason TEXT", c->verb->name);
	return id_params(c, w);
}

/* A plan that is not named is refused like one that is not there: by the daemon, which says first
 * whether there is such an incident, a gate, and the right to ask. */
static int plan_params(struct cli *c, struct json_writer *w)
{
	struct cli_value plan = runaway_cli_option(c, "--plan");

	json_kv_string(w, "id", c->arg[0]);
	if (plan.set)
		json_kv_string(w, "plan", plan.string);
	return CLI_OK;
}

/* ---- for people ---- */

static int print_status(struct cli *c, const cJSON *i)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *path = runaway_cli_string(i, "resolution_path");

	strbuf_addf(&b, "%s%s%s%s", runaway_json_str(i, "status", "-"), path ? " (" : "",
		    path ? path : "", path ? ")" : "");
	runaway_cli_field(c, "incident", runaway_cli_string(i, "incident_id"));
	runaway_cli_field(c, "status", b.data);
	return CLI_OK;
}

static void print_targets(struct cli *c, const cJSON *plan)
{
	const cJSON *t, *targets = runaway_cli_get(plan, "targets");

	cJSON_ArrayForEach (t, targets) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "pid %.0f, %s, uid %.0f, %s", runaway_json_num(t, "pid", 0),
			    runaway_json_str(t, "comm", "-"), runaway_json_num(t, "uid", 0),
			    runaway_json_str(t, "exe", "-"));
		runaway_cli_field(c, "target", b.data);
		runaway_cli_field(c, "  cgroup", runaway_cli_string(t, "cgroup_path"));
		runaway_cli_field(c, "  because", runaway_cli_string(t, "reason"));
	}
}

static int print_plan(struct cli *c, const cJSON *doc)
{
	const cJSON *plan = runaway_cli_get(doc, "plan");

	runaway_cli_field(c, "plan", runaway_cli_string(doc, "plan_sha256"));
	runaway_cli_field(c, "rule", runaway_cli_string(plan, "rule"));
	runaway_cli_field(c, "signal", runaway_cli_string(plan, "signal"));
	print_targets(c, plan);
	runaway_cli_field(c, "effect", runaway_cli_string(plan, "expected_effect"));
	runaway_cli_field(c, "valid until", runaway_cli_string(plan, "expires_at"));
	fputs("nothing was signalled\n", c->out);
	return CLI_OK;
}

static void print_row(struct cli *c, const cJSON *row, const char *name)
{
	bool pass = runaway_json_true(row, "pass", false);

	runaway_cli_paint(c, pass ? CLI_GREEN : CLI_RED, pass ? "pass" : "FAIL");
	fputs("  ", c->out);
	runaway_cli_text(c, name);
	if (!pass) {
		fputs(": ", c->out);
		runaway_cli_text(c, runaway_cli_string(row, "reason"));
		fputs(": ", c->out);
		runaway_cli_text(c, runaway_cli_string(row, "message"));
	}
	fputc('\n', c->out);
}

static int print_explained(struct cli *c, const cJSON *doc)
{
	const cJSON *row;

	cJSON_ArrayForEach (row, runaway_cli_get(doc, "conditions"))
		print_row(c, row, runaway_json_str(row, "name", "-"));
	cJSON_ArrayForEach (row, runaway_cli_get(doc, "targets")) {
		char name[64];

		snprintf(name, sizeof(name), "target pid %.0f", runaway_json_num(row, "pid", 0));
		print_row(c, row, name);
	}
	fputs("nothing was signalled\n", c->out);
	return CLI_OK;
}

static int print_applied(struct cli *c, const cJSON *doc)
{
	const cJSON *t;

	runaway_cli_field(c, "outcome", runaway_cli_string(doc, "outcome"));
	cJSON_ArrayForEach (t, runaway_cli_get(doc, "targets")) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "pid %.0f: %s", runaway_json_num(t, "pid", 0),
			    runaway_json_str(t, "outcome", "-"));
		runaway_cli_field(c, "target", b.data);
	}
	runaway_cli_field(c, "status", runaway_cli_string(doc, "status"));
	fprintf(c->out, "post-check in %.0f s: runawayctl incident show ",
		runaway_json_num(doc, "post_check_in_s", 0));
	runaway_cli_text(c, runaway_cli_string(doc, "incident_id"));
	fputc('\n', c->out);
	return CLI_OK;
}

static int print_check(struct cli *c, const cJSON *doc)
{
	static const char *const when[] = { "before", "after" };
	bool ok = runaway_json_true(doc, "ok", false);

	runaway_cli_label(c, "post-check");
	runaway_cli_paint(c, ok ? CLI_GREEN : CLI_RED, ok ? "passed" : "FAILED");
	fputs(": ", c->out);
	runaway_cli_text(c, runaway_cli_string(doc, "why"));
	fputc('\n', c->out);
	for (size_t n = 0; n < ARRAY_SIZE(when); n++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		const cJSON *m = runaway_cli_get(doc, when[n]);

		runaway_cli_add_number(&b, runaway_cli_get(m, "cpu_cores"), 2);
		strbuf_adds(&b, " cores in ");
		runaway_cli_add_number(&b, runaway_cli_get(m, "processes"), 0);
		strbuf_adds(&b, " processes");
		runaway_cli_field(c, when[n], b.data);
	}
	runaway_cli_field(c, "alert", runaway_cli_string(doc, "alert_state"));
	return CLI_OK;
}

static int check_verdict(const cJSON *doc)
{
	return runaway_json_true(doc, "ok", false) ? CLI_OK : CLI_FAILED;
}

/* ---- approve, apply ---- */

static int run_approve(struct cli *c)
{
	static const char *const needed[] = { "--plan", "--owner", "--window", "--evidence" };
	struct cli_value key_file = runaway_cli_option(c, "--key");
	_cleanup_key_ struct runaway_key key = { 0 };
	_cleanup_cjson_ cJSON *answer = NULL;
	struct cli_approval a = {
		.incident_id = c->arg[0],
		.plan_sha256 = runaway_cli_option(c, "--plan").string,
		.owner = runaway_cli_option(c, "--owner").string,
		.evidence = runaway_cli_option(c, "--evidence").string,
	};
	const cJSON *result = NULL;
	int r;

	for (size_t n = 0; n < ARRAY_SIZE(needed); n++)
		if (!runaway_cli_option(c, needed[n]).set)
			return runaway_cli_fail(c, "usage",
						"approve needs --plan DIGEST, --owner NAME, "
						"--window START/END and --evidence REF");
	if (runaway_digest_init() < 0)
		return runaway_cli_fail(c, "failed", "libsodium cannot start");
	r = runaway_cli_window(c, runaway_cli_option(c, "--window").string, &a.start_ns, &a.end_ns);
	if (r == CLI_OK && key_file.set) {
		r = runaway_cli_load_key(c, key_file.string, &key);
		a.key = &key;
	}
	if (r == CLI_OK)
		r = runaway_cli_approve(c, "incident.approve", &a, &answer, &result);
	return r == CLI_OK ? runaway_cli_show(c, result) : r;
}

/* With --explain it is another call, and shows something else. */
static int run_apply(struct cli *c)
{
	static const struct cli_verb explain = {
		.name = "apply",
		.method = "incident.explain",
		.option = plan_options,
		.params = plan_params,
		.print = print_explained,
	};

	if (runaway_cli_option(c, "--explain").set)
		c->verb = &explain;
	return runaway_cli_call(c);
}

#define ONE_ID .args = "ID", .args_min = 1, .args_max = 1

static const struct cli_verb verbs[] = {
	{ .name = "list",
	  .summary = "incidents, newest first",
	  .method = "incident.list",
	  .option = runaway_cli_incident_list_options,
	  .params = runaway_cli_incident_list_params,
	  .print = runaway_cli_print_incidents },
	{ .name = "show",
	  .summary = "the story: who, since when, at what cost, what next",
	  .method = "incident.show",
	  ONE_ID,
	  .params = id_params,
	  .print = runaway_cli_print_incident },
	{ .name = "readback",
	  .summary = "the whole record of one incident (JSON)",
	  .method = "incident.readback",
	  ONE_ID,
	  .params = id_params },
	{ .name = "packet",
	  .summary = "the triage summary (JSON)",
	  .method = "incident.packet",
	  ONE_ID,
	  .params = id_params },
	{ .name = "triage",
	  .summary = "the packet was read",
	  .method = "incident.triage",
	  ONE_ID,
	  .option = reason_options,
	  .params = id_params,
	  .print = print_status },
	{ .name = "dry-run",
	  .summary = "whom a signal would go to, and why; nothing is signalled",
	  .method = "incident.dry_run",
	  ONE_ID,
	  .params = id_params,
	  .print = print_plan },
	{ .name = "approve",
	  .summary = "an owner's word for one plan in one window",
	  .method = "incident.approve",
	  ONE_ID,
	  .option = approve_options,
	  .print = print_status,
	  .run = run_approve },
	{ .name = "apply",
	  .summary = "let the gate send SIGTERM, if every condition holds",
	  .method = "incident.apply",
	  ONE_ID,
	  .option = plan_options,
	  .params = plan_params,
	  .print = print_applied,
	  .run = run_apply },
	{ .name = "post-check",
	  .summary = "did it help? also made by itself after the grace time",
	  .method = "incident.post_check",
	  ONE_ID,
	  .params = id_params,
	  .print = print_check,
	  .verdict = check_verdict },
	{ .name = "no-action",
	  .summary = "observe only: resolves the incident",
	  .method = "incident.no_action",
	  ONE_ID,
	  .option = reason_options,
	  .params = needed_reason,
	  .print = print_status },
	{ .name = "resolve",
	  .summary = "resolved by hand",
	  .method = "incident.resolve",
	  ONE_ID,
	  .option = reason_options,
	  .params = id_params,
	  .print = print_status },
	{ .name = "close",
	  .summary = "only with all five assets",
	  .method = "incident.close",
	  ONE_ID,
	  .params = id_params,
	  .print = print_status },
	{ 0 },
};

const struct cli_noun runaway_cli_incident = { "incident", "records of findings", verbs };
