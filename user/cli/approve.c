/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Approving: the client of the approver writes and signs the document, so that the
 * daemon has no say in what was approved, and never sees a secret key.
 */
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cli/incident.h"
#include "gate/document.h"
#include "gate/key.h"

/* ---- the window ---- */

static bool parse_duration(const char *s, uint64_t *ret_ns)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);
	uint64_t unit_s;

	if (end == s || n == 0 || n > 1000000 || end[0] == '\0' || end[1] != '\0')
		return false;
	unit_s = end[0] == 's' ? 1 : end[0] == 'm' ? 60 : end[0] == 'h' ? 3600 : 0;
	*ret_ns = n * unit_s * NSEC_PER_SEC;
	return unit_s != 0;
}

static bool parse_point(const char *s, uint64_t now_ns, uint64_t *ret)
{
	if (strcmp(s, "now") == 0) {
		*ret = now_ns;
		return true;
	}
	return runaway_rfc3339_parse(s, ret) == 0;
}

int runaway_cli_window(struct cli *c, const char *text, uint64_t *ret_start_ns,
		       uint64_t *ret_end_ns)
{
	_cleanup_free_ char *start = strdup(text);
	char *slash = start ? strchr(start, '/') : NULL;
	uint64_t start_ns, end_ns, length_ns;

	if (!slash)
		return runaway_cli_fail(c, "usage",
					"--window takes START/END, as in now/30m or "
					"2026-11-22T02:00:00Z/2026-11-22T03:00:00Z");
	*slash = '\0';
	if (!parse_point(start, runaway_real_ns(), &start_ns))
		return runaway_cli_fail(c, "usage", "--window: \"%s\" is no RFC 3339 time in UTC",
					start);
	if (parse_duration(slash + 1, &length_ns))
		end_ns = start_ns + length_ns;
	else if (!parse_point(slash + 1, 0, &end_ns))
		return runaway_cli_fail(c, "usage",
					"--window: \"%s\" is no time and no duration (30m, 2h)",
					slash + 1);
	if (end_ns <= start_ns)
		return runaway_cli_fail(c, "usage", "--window: its end is not behind its start");
	*ret_start_ns = start_ns;
	*ret_end_ns = end_ns;
	return CLI_OK;
}

/* ---- the document ---- */

int runaway_cli_load_key(struct cli *c, const char *path, struct runaway_key *key)
{
	int err = runaway_key_load(path, key);

	if (err == -EPERM)
		return runaway_cli_fail(c, "usage", "%s: others may read it: chmod 600", path);
	if (err == -EBADMSG)
		return runaway_cli_fail(c, "usage", "%s: no secret key as gate keygen writes it",
					path);
	if (err < 0)
		return runaway_cli_fail(c, err == -ENOENT ? "not_found" : "failed", "%s: %s", path,
					strerror(-err));
	return CLI_OK;
}

static uint64_t whole_ms(uint64_t ns)
{
	return ns / NSEC_PER_MSEC * NSEC_PER_MSEC;
}

static void random_nonce(char ret[static RUNAWAY_WORD])
{
	unsigned char bytes[16];

	runaway_random(bytes, sizeof(bytes));
	for (size_t n = 0; n < sizeof(bytes); n++)
		snprintf(ret + 2 * n, 3, "%02x", bytes[n]);
}

static void fill(const struct cli_approval *in, const struct runaway_plan *plan, bool two_person,
		 struct runaway_approval *a)
{
	const uint64_t real_ns = runaway_real_ns(), boot_ns = runaway_boot_ns();

	*a = (struct runaway_approval){
		.approver_uid = getuid(),
		.two_person = two_person,
		.window_start_realtime_ns = whole_ms(in->start_ns),
		.window_end_realtime_ns = whole_ms(in->end_ns),
		.approved_realtime_ns = whole_ms(real_ns),
		.approved_boot_ns = boot_ns,
		.deadline_boot_ns = boot_ns +
				    (whole_ms(in->end_ns) - MIN(real_ns, whole_ms(in->end_ns))),
		.clock_offset_ns = (int64_t)(real_ns - boot_ns),
	};
	snprintf(a->incident_id, sizeof(a->incident_id), "%s", plan->incident_id);
	snprintf(a->plan_sha256, sizeof(a->plan_sha256), "%s", in->plan_sha256);
	snprintf(a->host_label, sizeof(a->host_label), "%s", plan->host_label);
	snprintf(a->boot_id, sizeof(a->boot_id), "%s", plan->boot_id);
	snprintf(a->owner, sizeof(a->owner), "%s", in->owner);
	snprintf(a->requester, sizeof(a->requester), "%s", plan->requester);
	snprintf(a->evidence_ref, sizeof(a->evidence_ref), "%s", in->evidence);
	if (in->drill_key)
		snprintf(a->drill_key, sizeof(a->drill_key), "%s", in->drill_key);
	random_nonce(a->nonce);
}

static void write_ids(struct json_writer *w, const struct cli_approval *a)
{
	json_kv_string(w, "id", a->incident_id);
	json_kv_string(w, "plan", a->plan_sha256);
}

/* The plan as text, and that it is the one that was named. */
static int fetch_plan(struct cli *c, const char *method, const struct cli_approval *a,
		      struct runaway_plan *ret, bool *ret_two_person)
{
	_cleanup_strbuf_ struct strbuf params = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *result = NULL;
	char sha[RUNAWAY_SHA256_HEX];
	struct json_writer w;
	const char *text;
	int r;

	json_init(&w, &params, false);
	json_object_begin(&w);
	write_ids(&w, a);
	/* Not an owner: that is said before anything about the plan. */
	if (strcmp(method, "incident.approve") == 0)
		json_kv_bool(&w, "approve", true);
	json_object_end(&w);
	if (params.error)
		return runaway_cli_fail(c, "failed", "out of memory");
	r = runaway_cli_ask_method(c, "incident.plan", params.data, &answer, &result);
	if (r != CLI_OK)
		return r;
	text = runaway_json_str(result, "canonical", "");
	runaway_sha256_hex(text, strlen(text), sha);
	/* Not the daemon's word: what is signed is what this digest is of. */
	if (strcmp(sha, a->plan_sha256) != 0 || runaway_plan_read(text, strlen(text), ret) < 0 ||
	    strcmp(ret->incident_id, a->incident_id) != 0)
		return runaway_cli_fail(c, "gate_refused",
					"plan_changed: the daemon's plan is not the one with this "
					"digest");
	*ret_two_person = runaway_json_true(result, "two_person", true);
	return CLI_OK;
}

int runaway_cli_approve(struct cli *c, const char *method, const struct cli_approval *in,
			cJSON **ret_answer, const cJSON **ret_result)
{
	_cleanup_free_ struct runaway_plan *plan = calloc(1, sizeof(*plan));
	_cleanup_free_ struct runaway_approval *a = calloc(1, sizeof(*a));
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, params = STRBUF_INIT;
	struct json_writer w;
	bool two_person = true;
	int r;

	if (!plan || !a)
		return runaway_cli_fail(c, "failed", "out of memory");
	r = fetch_plan(c, method, in, plan, &two_person);
	if (r != CLI_OK)
		return r;
	fill(in, plan, two_person && !plan->drill, a);
	if (in->key && runaway_approval_sign(a, in->key->secret) < 0)
		return runaway_cli_fail(c, "failed", "the approval cannot be signed");
	if (runaway_approval_write(a, &text) < 0)
		return runaway_cli_fail(c, "usage", "the approval cannot be written");
	json_init(&w, &params, false);
	json_object_begin(&w);
	write_ids(&w, in);
	json_kv_string(&w, "approval", text.data);
	json_object_end(&w);
	if (params.error)
		return runaway_cli_fail(c, "failed", "out of memory");
	return runaway_cli_ask_method(c, method, params.data, ret_answer, ret_result);
}
