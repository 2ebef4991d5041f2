// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * After a restart, or after the gate's end: what was being done, told from the gate's
 * own audit. It writes INTENT before a signal and RESULT after it; nothing is guessed
 * from anything else, and nothing is sent again.
 */

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/daemon.h"

#define AUDIT	  "audit.jsonl"
#define AUDIT_MAX ((size_t)256 * 1024 * 1024)
/* A plan has at most eight targets, and one INTENT for each. */
#define INTENTS_MAX RUNAWAY_TARGETS_MAX

struct reading {
	const char *plan_sha256;
	uint64_t intent[INTENTS_MAX];
	size_t intents, results;
	bool signalled, unknown;
};

static void take_result(struct reading *r, const cJSON *record)
{
	const uint64_t intent = runaway_json_u64(record, "intent", 0);
	const char *outcome = runaway_json_str(record, "outcome", "");

	for (size_t n = 0; n < r->intents; n++) {
		if (r->intent[n] != intent)
			continue;
		r->results++;
		r->signalled |= strcmp(outcome, "signalled") == 0;
		r->unknown |= strcmp(outcome, "unknown") == 0;
	}
}

static void take_line(struct reading *r, const char *line, size_t len)
{
	_cleanup_cjson_ cJSON *record = NULL;
	const char *type;

	/* A line that is torn says nothing: it was never acted on. */
	if (runaway_json_parse(line, len, &record, NULL) < 0)
		return;
	type = runaway_json_str(record, "type", "");
	if (strcmp(type, "result") == 0)
		take_result(r, record);
	else if (strcmp(type, "intent") == 0 && r->intents < INTENTS_MAX &&
		 strcmp(runaway_json_str(record, "plan_sha256", ""), r->plan_sha256) == 0)
		r->intent[r->intents++] = runaway_json_u64(record, "seq", 0);
}

static void take_lines(struct reading *r, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - (text + at)) : len - at;

		/* Most lines are neither: they are not worth a tree. */
		if (memmem(text + at, n, "\"intent\"", 8))
			take_line(r, text + at, n);
		at += n + 1;
	}
}

static struct gate_outcome judge(const struct reading *r, bool over)
{
	if (r->unknown || r->results < r->intents)
		return (struct gate_outcome){
			"unknown",
			"the gate's audit has an INTENT and no RESULT: it is not known whether "
			"the signal was sent, and it is not sent again",
			true,
		};
	if (r->signalled)
		return (struct gate_outcome){ "signalled",
					      "the gate's audit has the RESULT: SIGTERM was sent",
					      true };
	if (!over)
		return (struct gate_outcome){
			"unknown",
			"the gate's audit has no signal yet, and it is not known whether the gate "
			"has ended: nothing is sent again",
			r->intents > 0,
		};
	return (struct gate_outcome){ "refused", "the gate's audit says that nothing was signalled",
				      r->intents > 0 };
}

struct gate_outcome gate_audit_outcome(const struct daemon *d, const char *plan_sha256, bool over)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct reading r = { .plan_sha256 = plan_sha256 };
	int err = d->gate.folder_fd < 0
			  ? -ENOENT
			  : runaway_read_file(d->gate.folder_fd, AUDIT, AUDIT_MAX, &text);

	if (err < 0)
		return (struct gate_outcome){
			"unknown",
			"the gate's audit cannot be read: it is not known whether it signalled, "
			"and nothing is sent again",
			true,
		};
	take_lines(&r, text.data ? text.data : "", text.len);
	return judge(&r, over);
}

static void conclude(struct daemon *d, const struct incident *i)
{
	const struct incident_documents *plans = &i->doc[INCIDENT_PLANS];
	_cleanup_free_ char *plan = NULL, *why = NULL;
	char sha[RUNAWAY_SHA256_HEX] = "";
	struct gate_outcome o;

	if (plans->count)
		plan = plan_embedded(plans->item[plans->count - 1], "plan");
	if (plan)
		runaway_sha256_hex(plan, strlen(plan), sha);
	/* A new gate could only start when the one before had let go of the audit. */
	o = gate_audit_outcome(d, sha, gate_works(d));
	if (asprintf(&why, "the daemon ended while the gate was asked; %s", o.why) < 0)
		why = NULL;
	o.why = why ? why : o.why;
	log_warning("incident %s was being acted on when the daemon ended: %s", i->incident_id,
		    o.outcome);
	apply_conclude(d, i->incident_id, &o, NULL);
}

static void resume(void *ctx, const struct incident *i)
{
	struct daemon *d = ctx;

	if (i->status == INCIDENT_ACTING)
		conclude(d, i);
	else if (i->status == INCIDENT_POST_CHECK && i->remediation == REMEDIATION_PENDING)
		post_check_schedule(d, i->incident_id,
				    runaway_boot_ns() + d->config.gate.grace_s * NSEC_PER_SEC);
}

void gate_resume(struct daemon *d)
{
	runaway_store_each(d->store, resume, d);
}
