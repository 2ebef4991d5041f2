/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The path of one signal, walked on a process that this client started for it. */
#include <poll.h>
#include <pwd.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cli/drill.h"
#include "cli/format.h"
#include "cli/incident.h"

#define SEEN_MS	  20000 /* until the daemon knows the fixture: a scan or two */
#define DONE_MS	  60000 /* from the signal to the end of the post-check, beside the grace time */
#define POLL_MS	  200
#define WINDOW_NS (120 * NSEC_PER_SEC)

struct drill {
	struct cli *c;
	struct runaway_key key;
	struct drill_fixture fixture;
	char incident_id[40];
	char plan_sha256[RUNAWAY_SHA256_HEX];
	uint64_t grace_s;
	cJSON *steps; /* of the document */
};

/* ---- telling ---- */

static void say(struct drill *d, const char *step, const char *detail)
{
	cJSON *s = cJSON_CreateObject();

	if (s && cJSON_AddStringToObject(s, "step", step) &&
	    cJSON_AddStringToObject(s, "detail", detail))
		cJSON_AddItemToArray(d->steps, s);
	else
		cJSON_Delete(s);
	if (d->c->json)
		return;
	runaway_cli_field(d->c, step, detail);
	fflush(d->c->out);
}

static int ask(struct drill *d, const char *method, const char *params, cJSON **ret_answer,
	       const cJSON **ret_result)
{
	return runaway_cli_ask_method(d->c, method, params, ret_answer, ret_result);
}

/* {"id":…} and, when there is one, the plan. */
static char *ids(const struct drill *d)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "id", d->incident_id);
	if (*d->plan_sha256)
		json_kv_string(&w, "plan", d->plan_sha256);
	json_object_end(&w);
	return strbuf_take(&b);
}

/* ---- the steps ---- */

static int start_fixture(struct drill *d)
{
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *status = NULL;
	char text[256];
	bool v1;
	int r = ask(d, "status", "{}", &answer, &status);

	if (r != CLI_OK)
		return r;
	v1 = strcmp(runaway_json_str(runaway_cli_get(status, "features"), "cgroup_mode", ""),
		    "v1") == 0;
	runaway_key_generate(&d->key);
	r = runaway_cli_fixture_start(d->c, &d->key, v1, &d->fixture);
	if (r != CLI_OK)
		return r;
	snprintf(text, sizeof(text), "pid %d, an orphan in %s", d->fixture.pid, d->fixture.cgroup);
	say(d, "fixture", text);
	return CLI_OK;
}

/* One question without a word when it fails: the answer's code says whether to ask again. */
static const char *open_once(struct drill *d, const char *line, size_t len, char *message,
			     size_t size)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	struct cli_error error;
	const cJSON *e;
	const char *code;

	if (runaway_cli_exchange(d->c->socket, line, len, NULL, &text, &error) < 0 ||
	    runaway_json_parse(text.data ? text.data : "", text.len, &answer, NULL) < 0) {
		snprintf(message, size, "the daemon does not answer");
		return "failed";
	}
	e = runaway_cli_get(answer, "error");
	if (!e) {
		snprintf(d->incident_id, sizeof(d->incident_id), "%s",
			 runaway_json_str(runaway_cli_get(answer, "result"), "incident_id", ""));
		return NULL;
	}
	snprintf(message, size, "%s", runaway_json_str(e, "message", "no reason was given"));
	code = runaway_json_str(e, "code", "failed");
	return strcmp(code, "not_found") == 0	   ? "not_found"
	       : strcmp(code, "denied") == 0	   ? "denied"
	       : strcmp(code, "gate_refused") == 0 ? "gate_refused"
	       : strcmp(code, "usage") == 0	   ? "usage"
						   : "failed";
}

/* The sensor has to see the fixture first: events come with the interval. */
static int open_incident(struct drill *d)
{
	const uint64_t until_ns = runaway_mono_ns() + SEEN_MS * NSEC_PER_MSEC;
	char line[256], message[256] = "";
	const char *code;
	int len = snprintf(line, sizeof(line),
			   "{\"id\":1,\"method\":\"drill.open\",\"params\":{\"pid\":%d,\"key\":"
			   "\"%s\"}}",
			   d->fixture.pid, d->key.public_hex);

	for (;;) {
		code = open_once(d, line, (size_t)len, message, sizeof(message));
		if (!code || strcmp(code, "not_found") != 0 || runaway_mono_ns() > until_ns)
			break;
		poll(NULL, 0, POLL_MS);
	}
	if (code)
		return runaway_cli_fail(d->c, code, "%s", message);
	say(d, "triage", d->incident_id);
	return CLI_OK;
}

static int dry_run(struct drill *d)
{
	_cleanup_free_ char *params = ids(d);
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *plan = NULL, *targets;
	int r = ask(d, "incident.dry_run", params ? params : "{}", &answer, &plan);

	if (r != CLI_OK)
		return r;
	targets = runaway_cli_get(plan, "plan.targets");
	d->grace_s = runaway_json_u64(runaway_cli_get(plan, "plan.post_check"), "grace_s", 10);
	/* Its own fixture and nothing else, or it goes no further. */
	if (cJSON_GetArraySize(targets) != 1 ||
	    runaway_json_u64(cJSON_GetArrayItem(targets, 0), "pid", 0) != (uint64_t)d->fixture.pid)
		return runaway_cli_fail(d->c, "failed", "the plan names another process");
	snprintf(d->plan_sha256, sizeof(d->plan_sha256), "%s",
		 runaway_json_str(plan, "plan_sha256", ""));
	say(d, "dry-run", d->plan_sha256);
	return CLI_OK;
}

static int approve(struct drill *d)
{
	const struct passwd *pw = getpwuid(getuid());
	const uint64_t now_ns = runaway_real_ns();
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *result = NULL;
	char evidence[64];
	struct cli_approval a = {
		.incident_id = d->incident_id,
		.plan_sha256 = d->plan_sha256,
		.owner = pw ? pw->pw_name : "drill",
		.evidence = evidence,
		.start_ns = now_ns,
		.end_ns = now_ns + WINDOW_NS,
		.key = &d->key,
		.drill_key = d->key.public_hex,
	};
	int r;

	snprintf(evidence, sizeof(evidence), "drill of %s", d->incident_id);
	r = runaway_cli_approve(d->c, "drill.approve", &a, &answer, &result);
	if (r == CLI_OK)
		say(d, "approval", "with a throw-away key, for two minutes");
	return r;
}

static int explain(struct drill *d)
{
	_cleanup_free_ char *params = ids(d);
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *result = NULL, *row;
	int r = ask(d, "incident.explain", params ? params : "{}", &answer, &result);

	if (r != CLI_OK)
		return r;
	cJSON_ArrayForEach (row, runaway_cli_get(result, "conditions")) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "%s: %s", runaway_json_str(row, "name", "-"),
			    runaway_json_true(row, "pass", false)
				    ? "pass"
				    : runaway_json_str(row, "message", "fail"));
		say(d, "condition", b.data ? b.data : "-");
	}
	return CLI_OK;
}

static int apply(struct drill *d)
{
	_cleanup_free_ char *params = ids(d);
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *result = NULL;
	int r = ask(d, "incident.apply", params ? params : "{}", &answer, &result);

	if (r == CLI_OK)
		say(d, "SIGTERM", runaway_json_str(result, "outcome", "-"));
	return r;
}

static int wait_for_post_check(struct drill *d)
{
	const uint64_t until_ns = runaway_mono_ns() + DONE_MS * NSEC_PER_MSEC +
				  d->grace_s * NSEC_PER_SEC;
	_cleanup_free_ char *params = NULL;

	d->plan_sha256[0] = '\0';
	params = ids(d);
	while (runaway_mono_ns() < until_ns) {
		_cleanup_cjson_ cJSON *answer = NULL;
		const cJSON *doc = NULL, *checks;
		int r = ask(d, "incident.readback", params ? params : "{}", &answer, &doc);

		if (r != CLI_OK)
			return r;
		checks = runaway_cli_get(doc, "post_checks");
		if (cJSON_GetArraySize(checks) > 0) {
			const cJSON *last =
				cJSON_GetArrayItem(checks, cJSON_GetArraySize(checks) - 1);

			say(d, "post-check", runaway_json_str(last, "why", "-"));
			say(d, "status",
			    runaway_json_str(runaway_cli_get(doc, "incident"), "status", "-"));
			return runaway_json_true(last, "ok", false) ? CLI_OK : CLI_FAILED;
		}
		poll(NULL, 0, POLL_MS);
	}
	return runaway_cli_fail(d->c, "failed", "no post-check was made in time");
}

static int walk(struct drill *d)
{
	static int (*const steps[])(struct drill *d) = {
		start_fixture, open_incident, dry_run, approve, explain, apply, wait_for_post_check,
	};
	int r = CLI_OK;

	for (size_t n = 0; r == CLI_OK && n < ARRAY_SIZE(steps); n++)
		r = steps[n](d);
	return r;
}

static void show_document(struct drill *d, int r)
{
	_cleanup_cjson_ cJSON *doc = cJSON_CreateObject();

	if (!doc || !d->c->json || r != CLI_OK)
		return;
	cJSON_AddStringToObject(doc, "incident_id", d->incident_id);
	cJSON_AddBoolToObject(doc, "ok", true);
	cJSON_AddItemToObject(doc, "steps", TAKE_PTR(d->steps));
	runaway_cli_write_document(d->c->out, doc);
}

static int run_apply(struct cli *c)
{
	struct drill d = { .c = c, .fixture = { .leash = -1 }, .steps = cJSON_CreateArray() };
	int r;

	if (!d.steps || runaway_digest_init() < 0)
		return runaway_cli_fail(c, "failed", "out of memory");
	r = walk(&d);
	runaway_cli_fixture_end(&d.fixture);
	if (!c->json && r == CLI_OK)
		fputs("the drill passed\n", c->out);
	show_document(&d, r);
	runaway_key_wipe(&d.key);
	cJSON_Delete(d.steps);
	return r;
}

static const struct cli_verb verbs[] = {
	{ .name = "apply",
	  .summary = "the whole path of a signal, on a process started for it (root)",
	  .run = run_apply },
	{ 0 },
};

const struct cli_noun runaway_cli_drill = { "drill", "practice without risk", verbs };
