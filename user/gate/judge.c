/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/judge.h"

#include <string.h>

#include "base/macros.h"

#define REASON(id) RUNAWAY_REASON_##id

/* What a hostile document says may be anything: differences of two such numbers fit here. */
typedef __int128 wide; /* NOLINT: the language has no shorter name for it */

static wide wide_abs(wide v)
{
	return v < 0 ? -v : v;
}

static wide seconds(uint32_t s)
{
	return (wide)s * (wide)NSEC_PER_SEC;
}

static wide tolerance(const struct runaway_facts *f)
{
	return (wide)f->config->clock_tolerance_ms * (wide)NSEC_PER_MSEC;
}

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* ---- the documents ---- */

static enum runaway_reason judge_plan_age(const struct runaway_facts *f)
{
	const struct runaway_plan *p = f->plan;
	const wide most = seconds(f->config->plan_max_age_s);

	if (p->created_boot_ns > f->now.boot_ns)
		return REASON(PLAN_NOT_YET);
	if ((wide)p->expires_boot_ns - (wide)p->created_boot_ns > most ||
	    (wide)p->expires_realtime_ns - (wide)p->created_realtime_ns > most)
		return REASON(PLAN_TOO_LONG);
	if (f->now.boot_ns >= p->expires_boot_ns || f->now.real_ns >= p->expires_realtime_ns)
		return REASON(PLAN_EXPIRED);
	return REASON(NONE);
}

/* One target is one signal. */
static bool names_one_twice(const struct runaway_plan *p)
{
	for (size_t i = 0; i < p->target_count; i++)
		for (size_t j = 0; j < i; j++)
			if (p->target[i].pid == p->target[j].pid)
				return true;
	return false;
}

static enum runaway_reason judge_dry_run(const struct runaway_facts *f)
{
	if (f->plan_state == RUNAWAY_DOCUMENT_MISSING)
		return REASON(PLAN_MISSING);
	if (f->plan_state == RUNAWAY_DOCUMENT_INVALID || names_one_twice(f->plan))
		return REASON(PLAN_INVALID);
	if (!same(f->plan->host_label, f->config->host_label))
		return REASON(PLAN_OTHER_HOST);
	if (!same(f->plan->boot_id, f->self->boot_id))
		return REASON(PLAN_OTHER_BOOT);
	return judge_plan_age(f);
}

static enum runaway_reason judge_rule(const struct runaway_facts *f)
{
	if (!f->plan || f->plan->rule[0] == '\0' || f->plan->lane_id[0] == '\0')
		return REASON(RULE_MISSING);
	if (!same(f->plan->action_policy, RUNAWAY_PLAN_POLICY))
		return REASON(RULE_POLICY);
	return f->rule_matches ? REASON(NONE) : REASON(RULE_NOT_MATCHING);
}

/* Two people, where two are wanted: by user, by name, and by what the approval says of itself. */
static bool is_self_approved(const struct runaway_facts *f)
{
	return f->config->two_person && !f->plan->drill &&
	       (!f->approval->two_person || f->approval->approver_uid == f->plan->requester_uid ||
		same(f->approval->owner, f->plan->requester));
}

/* Does the approval speak of this plan, here and now? */
static enum runaway_reason judge_approval_subject(const struct runaway_facts *f)
{
	const struct runaway_approval *a = f->approval;

	if (!same(a->host_label, f->config->host_label))
		return REASON(APPROVAL_OTHER_HOST);
	if (!same(a->boot_id, f->self->boot_id))
		return REASON(APPROVAL_OTHER_BOOT);
	if (!same(a->incident_id, f->plan->incident_id))
		return REASON(APPROVAL_OTHER_INCIDENT);
	if (!same(a->plan_sha256, f->plan_sha256) || !same(a->requester, f->plan->requester))
		return REASON(APPROVAL_OTHER_PLAN);
	return REASON(NONE);
}

static enum runaway_reason judge_approval(const struct runaway_facts *f)
{
	const struct runaway_approval *a = f->approval;
	enum runaway_reason reason;

	if (f->approval_state == RUNAWAY_DOCUMENT_MISSING)
		return REASON(APPROVAL_MISSING);
	if (f->approval_state == RUNAWAY_DOCUMENT_INVALID)
		return REASON(APPROVAL_INVALID);
	if (!f->plan)
		return REASON(APPROVAL_OTHER_PLAN);
	reason = judge_approval_subject(f);
	if (reason != REASON(NONE))
		return reason;
	if (a->owner[0] == '\0' || a->nonce[0] == '\0')
		return REASON(APPROVAL_NO_OWNER);
	if (is_self_approved(f))
		return REASON(APPROVAL_SELF);
	if (f->signature != REASON(NONE))
		return f->signature;
	if (!f->acting && runaway_history_has_nonce(f->history, a->nonce))
		return REASON(APPROVAL_USED);
	return REASON(NONE);
}

static const char *key_of(const struct runaway_gate_config *config, const char *id,
			  const char **ret_owner)
{
	for (size_t i = 0; i < config->key_count; i++)
		if (same(config->key[i].id, id)) {
			*ret_owner = config->key[i].owner;
			return config->key[i].public_hex;
		}
	return NULL;
}

enum runaway_reason runaway_judge_signature(const struct runaway_gate_config *config,
					    const struct runaway_plan *plan,
					    const struct runaway_approval *approval)
{
	const char *key, *owner = NULL;

	/* A drill has a key of its own, which is good for nothing else: see judge_drill(). */
	if (plan->drill != (approval->drill_key[0] != '\0'))
		return REASON(APPROVAL_DRILL);
	if (plan->drill)
		return runaway_approval_verify(approval, approval->drill_key)
			       ? REASON(NONE)
			       : REASON(APPROVAL_BAD_SIGNATURE);
	if (approval->signature[0] == '\0')
		return config->require_signature ? REASON(APPROVAL_UNSIGNED) : REASON(NONE);
	key = key_of(config, approval->key_id, &owner);
	if (!key)
		return REASON(APPROVAL_UNKNOWN_KEY);
	if (!same(owner, approval->owner))
		return REASON(APPROVAL_OTHER_OWNER);
	return runaway_approval_verify(approval, key) ? REASON(NONE)
						      : REASON(APPROVAL_BAD_SIGNATURE);
}

/* ---- time ---- */

/* The boot clock's deadline has to be the window's end by the clocks of the approval. */
static bool deadline_fits(const struct runaway_facts *f)
{
	const struct runaway_approval *a = f->approval;
	wide end = (wide)a->window_end_realtime_ns - (wide)a->clock_offset_ns;

	return wide_abs(end - (wide)a->deadline_boot_ns) <= tolerance(f);
}

static bool clock_moved(const struct runaway_facts *f)
{
	wide offset = (wide)f->now.real_ns - (wide)f->now.boot_ns;

	return wide_abs(offset - (wide)f->approval->clock_offset_ns) > tolerance(f);
}

static enum runaway_reason judge_approval_age(const struct runaway_facts *f)
{
	const struct runaway_approval *a = f->approval;

	if (a->approved_boot_ns > f->now.boot_ns)
		return REASON(APPROVAL_NOT_YET);
	if ((wide)f->now.boot_ns - (wide)a->approved_boot_ns >
	    seconds(f->config->approval_max_age_s))
		return REASON(APPROVAL_TOO_OLD);
	if (clock_moved(f))
		return REASON(CLOCK_MOVED);
	if (f->config->require_clock_sync && !f->now.synchronised)
		return REASON(CLOCK_UNSYNCHRONISED);
	return REASON(NONE);
}

static enum runaway_reason judge_window(const struct runaway_facts *f)
{
	const struct runaway_approval *a = f->approval;
	enum runaway_reason reason;

	if (!a)
		return REASON(WINDOW_NOT_OPEN);
	if ((wide)a->window_end_realtime_ns - (wide)a->window_start_realtime_ns >
	    seconds(f->config->window_max_s))
		return REASON(WINDOW_TOO_LONG);
	reason = judge_approval_age(f);
	if (reason != REASON(NONE))
		return reason;
	if (f->now.real_ns < a->window_start_realtime_ns)
		return REASON(WINDOW_NOT_OPEN);
	if (f->now.real_ns >= a->window_end_realtime_ns)
		return REASON(WINDOW_OVER);
	if (!deadline_fits(f) || f->now.boot_ns > a->deadline_boot_ns)
		return REASON(WINDOW_DEADLINE);
	return REASON(NONE);
}

/* ---- the rest of the conditions ---- */

static enum runaway_reason judge_evidence(const struct runaway_facts *f)
{
	const char *ref = f->approval ? f->approval->evidence_ref : "";

	return ref[strspn(ref, " \t")] ? REASON(NONE) : REASON(EVIDENCE_MISSING);
}

/* Longer than an hour is no check after a signal. */
#define GRACE_MAX_S 3600

static enum runaway_reason judge_post_check(const struct runaway_facts *f)
{
	if (f->plan && f->plan->post_check.grace_s > 0 &&
	    f->plan->post_check.grace_s <= GRACE_MAX_S)
		for (size_t i = 0; i < f->plan->post_check.count; i++)
			if (same(f->plan->post_check.check[i], RUNAWAY_CHECK_TARGETS_GONE))
				return REASON(NONE);
	return REASON(POST_CHECK_MISSING);
}

#define BUDGET_NS (UINT64_C(3600) * NSEC_PER_SEC)

static enum runaway_reason judge_limits(const struct runaway_facts *f)
{
	const uint64_t now = f->now.boot_ns;
	const struct runaway_intent *last;
	size_t wanted, used;

	if (!f->plan || f->acting)
		return REASON(NONE);
	wanted = f->plan->target_count;
	if (f->history->count + wanted > RUNAWAY_HISTORY_MAX)
		return REASON(HISTORY_FULL);
	used = runaway_history_since(f->history, f->plan->lane_id, f->plan->drill,
				     now > BUDGET_NS ? now - BUDGET_NS : 0);
	if (used + wanted > f->config->budget_per_hour)
		return REASON(BUDGET_SPENT);
	last = runaway_history_last(f->history, f->plan->drill);
	if (last && (wide)now - (wide)last->boot_ns < seconds(f->config->settle_s))
		return REASON(SETTLING);
	return REASON(NONE);
}

static enum runaway_reason judge_targets_named(const struct runaway_facts *f)
{
	return f->plan && f->plan->target_count > 0 ? REASON(NONE) : REASON(TARGET_MISSING);
}

const enum runaway_condition runaway_judged[RUNAWAY_JUDGED] = {
	RUNAWAY_CONDITION_GATE,	      RUNAWAY_CONDITION_DRY_RUN, RUNAWAY_CONDITION_RULE,
	RUNAWAY_CONDITION_APPROVAL,   RUNAWAY_CONDITION_WINDOW,	 RUNAWAY_CONDITION_EVIDENCE,
	RUNAWAY_CONDITION_POST_CHECK, RUNAWAY_CONDITION_LIMITS,	 RUNAWAY_CONDITION_TARGET,
};

enum runaway_reason runaway_judge_condition(const struct runaway_facts *f,
					    enum runaway_condition condition)
{
	switch (condition) {
	case RUNAWAY_CONDITION_GATE:
		return f->gate;
	case RUNAWAY_CONDITION_DRY_RUN:
		return judge_dry_run(f);
	case RUNAWAY_CONDITION_RULE:
		return judge_rule(f);
	case RUNAWAY_CONDITION_APPROVAL:
		return judge_approval(f);
	case RUNAWAY_CONDITION_WINDOW:
		return judge_window(f);
	case RUNAWAY_CONDITION_EVIDENCE:
		return judge_evidence(f);
	case RUNAWAY_CONDITION_POST_CHECK:
		return judge_post_check(f);
	case RUNAWAY_CONDITION_LIMITS:
		return judge_limits(f);
	default: /* TARGET */
		return judge_targets_named(f);
	}
}

enum runaway_reason runaway_judge(const struct runaway_facts *f)
{
	for (size_t i = 0; i < RUNAWAY_JUDGED; i++) {
		enum runaway_reason reason = runaway_judge_condition(f, runaway_judged[i]);

		if (reason != REASON(NONE))
			return reason;
	}
	return REASON(NONE);
}
