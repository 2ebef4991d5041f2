/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who was refused what, and why: what the gate refused itself, and, by the daemon's word,
 * what never came here because the daemon refused it.
 */
#include <string.h>

#include "base/clock.h"
#include "gate/state.h"

#define REASON(id) RUNAWAY_REASON_##id

/* Of a refusal that may be recorded; the caller adds what it knows. */
static bool begin(struct runaway_gate *g, struct runaway_ration *ration, const char *said_by,
		  enum runaway_reason reason, struct runaway_record *r)
{
	if (!runaway_audit_has_room(&g->audit)) {
		ration->refused++;
		return false;
	}
	if (!runaway_ration_take(ration, runaway_boot_ns()))
		return false;
	runaway_audit_begin(&g->audit, "refused", r);
	json_kv_string(&r->w, "said_by", said_by);
	json_kv_string(&r->w, "reason", runaway_reason_name(reason));
	json_kv_u64_string(&r->w, "unrecorded", ration->refused);
	return true;
}

/* pid: of the target that it is about; 0: about the request as a whole. */
static void record_act(struct runaway_gate *g, const struct runaway_act *act,
		       enum runaway_reason reason, uint32_t pid)
{
	struct runaway_record r;

	g->refusals[reason]++;
	if (!begin(g, &g->refusals_seen, "gate", reason, &r))
		return;
	json_kv_string(&r.w, "call", "apply");
	json_kv_string(&r.w, "incident_id", act->plan.incident_id);
	json_kv_string(&r.w, "plan_sha256", act->facts.plan_sha256);
	json_kv_string(&r.w, "owner", act->approval.owner);
	json_kv_string(&r.w, "nonce", act->approval.nonce);
	json_kv_uint(&r.w, "pid", pid);
	(void)runaway_audit_commit(&g->audit, &r);
}

void runaway_refusal_of_act(struct runaway_gate *g, const struct runaway_act *act)
{
	record_act(g, act, act->refused, 0);
}

void runaway_refusal_of_target(struct runaway_gate *g, const struct runaway_act *act, size_t i)
{
	record_act(g, act, act->target[i].reason, act->plan.target[i].pid);
}

void runaway_refusal_of_message(struct runaway_gate *g, const cJSON *message,
				enum runaway_reason reason)
{
	struct runaway_record r;

	g->refusals[reason]++;
	if (!begin(g, &g->refusals_seen, "gate", reason, &r))
		return;
	json_kv_string(&r.w, "call", runaway_json_str(message, "type", ""));
	(void)runaway_audit_commit(&g->audit, &r);
}

/* Each with its bound: what the audit keeps is not the sender's to choose. */
static const struct {
	const char *key;
	size_t size;
} told[] = {
	{ "call", RUNAWAY_WORD },
	{ "actor", RUNAWAY_SENTENCE },
	{ "incident_id", RUNAWAY_WORD },
	{ "plan_sha256", RUNAWAY_SHA256_HEX },
};

enum runaway_reason runaway_refusal_told(struct runaway_gate *g, const cJSON *message)
{
	enum runaway_reason reason =
		runaway_reason_by_name(runaway_json_str(message, "reason", ""));
	struct runaway_record r;

	if (reason == REASON(NONE))
		return REASON(BAD_MESSAGE);
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		if (strlen(runaway_json_str(message, told[i].key, "")) >= told[i].size)
			return REASON(BAD_MESSAGE);
	if (!begin(g, &g->refusals_told, "daemon", reason, &r))
		return REASON(NONE);
	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		json_kv_string(&r.w, told[i].key, runaway_json_str(message, told[i].key, ""));
	json_kv_u64_string(&r.w, "untold", runaway_json_u64(message, "untold", 0));
	(void)runaway_audit_commit(&g->audit, &r);
	return REASON(NONE);
}
