/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pwd.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cli/format.h"
#include "gate/document.h"
#include "gate/key.h"

static const struct cli_option keygen_options[] = {
	{ "--out", NULL, CLI_STRING, "FILE", 1, 4095,
	  "where the secret key goes (new, mode 0600)" },
	{ "--owner", NULL, CLI_STRING, "NAME", 1, 63, "whose it is (default: your user name)" },
	{ 0 },
};
static const struct cli_option audit_options[] = {
	{ "--after", NULL, CLI_UINT, "SEQ", 0, UINT32_MAX, "only what came behind that record" },
	{ "--limit", NULL, CLI_UINT, "N", 1, 1000, "at most N records (default 100)" },
	{ 0 },
};
static const struct cli_option disarm_options[] = {
	{ "--reason", NULL, CLI_STRING, "TEXT", 1, 511, "why, in words" },
	{ 0 },
};
static const struct cli_option release_options[] = {
	{ "--reason", NULL, CLI_STRING, "TEXT", 1, 511, "why, in words" },
	{ "--owner", NULL, CLI_STRING, "NAME", 1, 63, "who releases (default: your user name)" },
	{ "--key", NULL, CLI_STRING, "FILE", 1, 4095, "sign with this secret key (gate keygen)" },
	{ 0 },
};

/* ---- status ---- */

/* Of the programs, those that the kernel skipped are named. */
static void print_guard(struct cli *c, const cJSON *s)
{
	const cJSON *programs = runaway_cli_get(runaway_cli_get(s, "process"), "guard_programs");
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const cJSON *p;

	if (!cJSON_IsArray(programs))
		return;
	strbuf_addf(&b, "%d programs, %.0f runs skipped by the kernel",
		    cJSON_GetArraySize(programs), runaway_json_num(s, "recursion_misses", 0));
	cJSON_ArrayForEach (p, programs)
		if (runaway_json_u64(p, "recursion_misses", 0))
			strbuf_addf(&b, ", %s %llu", runaway_json_str(p, "program", "-"),
				    (unsigned long long)runaway_json_u64(p, "recursion_misses", 0));
	runaway_cli_field(c, "guard", b.data);
}

static void print_disarming(struct cli *c, const cJSON *process)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (!runaway_json_true(process, "disarmed", false))
		return;
	strbuf_addf(&b, "by %s, record %s of the audit; an owner's `gate release` ends it",
		    runaway_json_str(process, "disarmed_by", "-"),
		    runaway_json_str(process, "disarm_seq", "-"));
	if (runaway_json_true(process, "disarm_file", false))
		strbuf_adds(&b, " once the file `disarm` is removed from the gate's folder");
	runaway_cli_field(c, "disarmed", b.data);
}

static int print_status(struct cli *c, const cJSON *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *state = runaway_cli_gate_state(s);

	runaway_cli_label(c, "gate");
	runaway_cli_paint(c, runaway_json_true(s, "armed", false) ? CLI_GREEN : CLI_YELLOW, state);
	fputc('\n', c->out);
	runaway_cli_field(c, "why", runaway_cli_string(s, "why"));
	print_disarming(c, runaway_cli_get(s, "process"));
	strbuf_addf(&b, "%s (%s)", runaway_json_str(s, "tier", "-"),
		    runaway_json_str(s, "tier_name", "-"));
	runaway_cli_field(c, "tier", b.data);
	print_guard(c, s);
	strbuf_reset(&b);
	strbuf_addf(&b, "%s, %s",
		    runaway_json_true(s, "require_signature", false) ? "signature required"
								     : "no signature required",
		    runaway_json_true(s, "two_person", true) ? "two persons" : "one person");
	runaway_cli_field(c, "approval", b.data);
	strbuf_reset(&b);
	strbuf_addf(&b,
		    "%.0f requests, %.0f refusals, %.0f signals sent, %.0f plans authorised now",
		    runaway_json_num(s, "requests", 0), runaway_json_num(s, "refusals", 0),
		    runaway_json_num(s, "signals", 0), runaway_json_num(s, "authorized", 0));
	runaway_cli_field(c, "so far", b.data);
	return CLI_OK;
}

/* ---- audit ---- */

static int audit_params(struct cli *c, struct json_writer *w)
{
	struct cli_value after = runaway_cli_option(c, "--after");
	struct cli_value limit = runaway_cli_option(c, "--limit");

	if (after.set)
		json_kv_uint(w, "after_seq", after.number);
	if (limit.set)
		json_kv_uint(w, "limit", limit.number);
	return CLI_OK;
}

static int print_audit(struct cli *c, const cJSON *a)
{
	const cJSON *line;

	cJSON_ArrayForEach (line, runaway_cli_get(a, "records")) {
		_cleanup_free_ char *text = cJSON_PrintUnformatted(line);

		runaway_cli_text(c, text);
		fputc('\n', c->out);
	}
	return CLI_OK;
}

/* ---- disarm, release ---- */

static int disarm_params(struct cli *c, struct json_writer *w)
{
	struct cli_value reason = runaway_cli_option(c, "--reason");

	json_kv_string(w, "reason", reason.set ? reason.string : "no reason was given");
	return CLI_OK;
}

static int print_disarmed(struct cli *c, const cJSON *result)
{
	(void)result;
	fputs("disarmed: only an owner can release it (runawayctl gate release)\n", c->out);
	return CLI_OK;
}

static int print_released(struct cli *c, const cJSON *result)
{
	(void)result;
	fputs("released\n", c->out);
	return CLI_OK;
}

/* NAME of an option, else the name of the user who runs this. */
static int user_name(struct cli *c, char ret[static RUNAWAY_WORD])
{
	struct cli_value v = runaway_cli_option(c, "--owner");
	const struct passwd *pw = v.set ? NULL : getpwuid(getuid());

	snprintf(ret, RUNAWAY_WORD, "%s", v.set ? v.string : pw ? pw->pw_name : "");
	if (!*ret)
		return runaway_cli_fail(c, "usage", "--owner NAME is needed: uid %u has no name",
					getuid());
	return CLI_OK;
}

static int sign(struct cli *c, struct runaway_release *r)
{
	struct cli_value file = runaway_cli_option(c, "--key");
	_cleanup_key_ struct runaway_key key = { 0 };
	int status;

	if (!file.set)
		return CLI_OK;
	status = runaway_cli_load_key(c, file.string, &key);
	if (status != CLI_OK)
		return status;
	if (runaway_release_sign(r, key.secret) < 0)
		return runaway_cli_fail(c, "failed", "the release cannot be signed");
	return CLI_OK;
}

/* A release speaks of one disarming: which one, the status says. */
static int fill_release(struct cli *c, struct runaway_release *r)
{
	struct cli_value reason = runaway_cli_option(c, "--reason");
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *s = NULL, *process;
	int status = runaway_cli_ask_method(c, "gate.status", "{}", &answer, &s);

	if (status != CLI_OK)
		return status;
	process = runaway_cli_get(s, "process");
	if (!runaway_json_true(s, "disarmed", false))
		return runaway_cli_fail(c, "usage", "the gate is not disarmed: nothing to release");
	*r = (struct runaway_release){
		.uid = getuid(),
		.disarm_seq = runaway_json_u64(process, "disarm_seq", 0),
		.created_realtime_ns = runaway_real_ns() / NSEC_PER_MSEC * NSEC_PER_MSEC,
		.created_boot_ns = runaway_boot_ns(),
	};
	snprintf(r->host_label, sizeof(r->host_label), "%s", runaway_json_str(s, "host_label", ""));
	snprintf(r->boot_id, sizeof(r->boot_id), "%s", runaway_json_str(process, "boot_id", ""));
	snprintf(r->why, sizeof(r->why), "%s", reason.set ? reason.string : "");
	return user_name(c, r->owner);
}

static int run_release(struct cli *c)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, params = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *result = NULL;
	struct runaway_release r;
	struct json_writer w;
	int status;

	if (runaway_digest_init() < 0)
		return runaway_cli_fail(c, "failed", "libsodium cannot start");
	status = fill_release(c, &r);
	if (status == CLI_OK)
		status = sign(c, &r);
	if (status != CLI_OK)
		return status;
	if (runaway_release_write(&r, &text) < 0)
		return runaway_cli_fail(c, "usage", "the release cannot be written");
	json_init(&w, &params, false);
	json_object_begin(&w);
	json_kv_string(&w, "release", text.data);
	json_object_end(&w);
	if (params.error)
		return runaway_cli_fail(c, "failed", "out of memory");
	status = runaway_cli_ask_method(c, "gate.release", params.data, &answer, &result);
	return status == CLI_OK ? runaway_cli_show(c, result) : status;
}

/* ---- keygen ---- */

static int print_key(struct cli *c, const cJSON *k)
{
	runaway_cli_field(c, "secret key", runaway_cli_string(k, "file"));
	runaway_cli_field(c, "key id", runaway_cli_string(k, "key_id"));
	fputs("for gate.keys of the configuration:\n  { \"owner\": \"", c->out);
	runaway_cli_text(c, runaway_cli_string(k, "owner"));
	fputs("\", \"public\": \"", c->out);
	runaway_cli_text(c, runaway_cli_string(k, "public"));
	fputs("\" }\n", c->out);
	return CLI_OK;
}

/* No daemon has a part in it: the secret never leaves this process but for its file. */
static int run_keygen(struct cli *c)
{
	struct cli_value out = runaway_cli_option(c, "--out");
	_cleanup_key_ struct runaway_key key = { 0 };
	_cleanup_cjson_ cJSON *shown = cJSON_CreateObject();
	char owner[RUNAWAY_WORD];
	int r = user_name(c, owner);

	if (r != CLI_OK)
		return r;
	if (!out.set)
		return runaway_cli_fail(c, "usage", "keygen needs --out FILE");
	if (strpbrk(owner, "\"\\"))
		return runaway_cli_fail(c, "usage", "--owner: no quotes and no backslashes");
	if (runaway_digest_init() < 0 || !shown)
		return runaway_cli_fail(c, "failed", "libsodium cannot start");
	runaway_key_generate(&key);
	r = runaway_key_save(&key, out.string);
	if (r == -EEXIST)
		return runaway_cli_fail(c, "usage", "%s is there already: a key gets a new file",
					out.string);
	if (r < 0)
		return runaway_cli_fail(c, "failed", "%s: %s", out.string, strerror(-r));
	if (!cJSON_AddStringToObject(shown, "owner", owner) ||
	    !cJSON_AddStringToObject(shown, "public", key.public_hex) ||
	    !cJSON_AddStringToObject(shown, "key_id", key.id) ||
	    !cJSON_AddStringToObject(shown, "file", out.string))
		return runaway_cli_fail(c, "failed", "out of memory");
	return runaway_cli_show(c, shown);
}

static const struct cli_verb verbs[] = {
	{ .name = "status",
	  .summary = "could it act, how far the kernel enforces it, and why",
	  .method = "gate.status",
	  .print = print_status },
	{ .name = "keygen",
	  .summary = "a new key for an approver; no daemon needed",
	  .option = keygen_options,
	  .print = print_key,
	  .run = run_keygen },
	{ .name = "audit",
	  .summary = "what the gate wrote down: requests, intents, results",
	  .method = "gate.audit",
	  .option = audit_options,
	  .params = audit_params,
	  .print = print_audit },
	{ .name = "disarm",
	  .summary = "nothing is signalled from now on",
	  .method = "gate.disarm",
	  .option = disarm_options,
	  .params = disarm_params,
	  .print = print_disarmed },
	{ .name = "release",
	  .summary = "ends a disarming; an owner's word",
	  .method = "gate.release",
	  .option = release_options,
	  .print = print_released,
	  .run = run_release },
	{ 0 },
};

const struct cli_noun runaway_cli_gate = { "gate", "what stands between a plan and a signal",
					   verbs };
