/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_REASON_H
#define RUNAWAY_GATE_REASON_H

/*
 * Why the gate refuses: one stable word for each condition. The same words are the
 * label of runaway_gate_refusals_total, the code in the client's message and what the
 * tests expect. docs/gate-protocol.md has the table; a test compares them.
 */

#include <stddef.h>

/* What a reason speaks of. The first six are the conditions of every path to a signal; what the
 * daemon refuses does not reach the gate, which is told of it. */
#define RUNAWAY_CONDITIONS(X)                                                                      \
	X(RULE, "rule")                                                                            \
	X(DRY_RUN, "dry_run")                                                                      \
	X(APPROVAL, "approval")                                                                    \
	X(WINDOW, "window")                                                                        \
	X(EVIDENCE, "evidence")                                                                    \
	X(POST_CHECK, "post_check")                                                                \
	X(GATE, "gate")                                                                            \
	X(LIMITS, "limits")                                                                        \
	X(TARGET, "target")                                                                        \
	X(ACT, "act")                                                                              \
	X(DAEMON, "daemon")                                                                        \
	X(MESSAGE, "message")

/* clang-format off */
#define RUNAWAY_REASONS(X)                                                                         \
	X(RULE, RULE_MISSING, "rule_missing", "the plan names no rule that matched")               \
	X(RULE, RULE_POLICY, "rule_policy", "this lane's policy has no remediation")               \
	X(RULE, RULE_NOT_MATCHING, "rule_not_matching", "the rule does not match any more")        \
	X(DRY_RUN, PLAN_MISSING, "plan_missing", "there is no dry-run plan")                       \
	X(DRY_RUN, PLAN_INVALID, "plan_invalid", "the plan is not a canonical plan document")      \
	X(DRY_RUN, PLAN_OTHER_HOST, "plan_other_host", "the plan was made for another host")       \
	X(DRY_RUN, PLAN_OTHER_BOOT, "plan_other_boot", "the host has been booted since the dry-run") \
	X(DRY_RUN, PLAN_NOT_YET, "plan_not_yet", "the plan was made in the future")                \
	X(DRY_RUN, PLAN_EXPIRED, "plan_expired", "the plan has expired: do the dry-run again")     \
	X(DRY_RUN, PLAN_TOO_LONG, "plan_too_long", "the plan is valid for longer than allowed")    \
	X(APPROVAL, APPROVAL_MISSING, "approval_missing", "nobody has approved the plan")          \
	X(APPROVAL, APPROVAL_INVALID, "approval_invalid", "the approval is not a canonical approval document") \
	X(APPROVAL, APPROVAL_OTHER_HOST, "approval_other_host", "the approval is for another host") \
	X(APPROVAL, APPROVAL_OTHER_BOOT, "approval_other_boot", "the host has been booted since the approval") \
	X(APPROVAL, APPROVAL_OTHER_INCIDENT, "approval_other_incident", "the approval is for another incident") \
	X(APPROVAL, APPROVAL_OTHER_PLAN, "approval_other_plan", "the approval is for another plan, or the plan changed") \
	X(APPROVAL, APPROVAL_NO_OWNER, "approval_no_owner", "the approval names no owner")         \
	X(APPROVAL, APPROVAL_SELF, "approval_self", "who requested the plan may not approve it")   \
	X(APPROVAL, APPROVAL_UNSIGNED, "approval_unsigned", "a signature is required")             \
	X(APPROVAL, APPROVAL_UNKNOWN_KEY, "approval_unknown_key", "signed with a key that is not configured") \
	X(APPROVAL, APPROVAL_OTHER_OWNER, "approval_other_owner", "the key belongs to another owner") \
	X(APPROVAL, APPROVAL_BAD_SIGNATURE, "approval_bad_signature", "the signature does not fit") \
	X(APPROVAL, APPROVAL_DRILL, "approval_drill", "a drill's key approves its own drill only") \
	X(APPROVAL, APPROVAL_USED, "approval_used", "the approval has been used")                  \
	X(WINDOW, WINDOW_NOT_OPEN, "window_not_open", "the maintenance window is not open yet")    \
	X(WINDOW, WINDOW_OVER, "window_over", "the maintenance window is over")                    \
	X(WINDOW, WINDOW_TOO_LONG, "window_too_long", "the maintenance window is longer than allowed") \
	X(WINDOW, WINDOW_DEADLINE, "window_deadline", "the window's deadline by the boot clock is over or does not fit") \
	X(WINDOW, APPROVAL_NOT_YET, "approval_not_yet", "the approval was given in the future")    \
	X(WINDOW, APPROVAL_TOO_OLD, "approval_too_old", "the approval was given too long ago")     \
	X(WINDOW, CLOCK_MOVED, "clock_moved", "the wall clock was set since the approval")         \
	X(WINDOW, CLOCK_UNSYNCHRONISED, "clock_unsynchronised", "the wall clock is not synchronised") \
	X(EVIDENCE, EVIDENCE_MISSING, "evidence_missing", "the approval names no evidence")        \
	X(POST_CHECK, POST_CHECK_MISSING, "post_check_missing", "the plan defines no post-check")  \
	X(GATE, NOT_READY, "not_ready", "the gate has not been configured")                        \
	X(GATE, DISARMED, "disarmed", "the gate is disarmed")                                      \
	X(GATE, AUDIT_FAILED, "audit_failed", "the audit cannot be written")                       \
	X(GATE, AUDIT_BROKEN, "audit_broken", "the audit's chain is broken")                       \
	X(GATE, WITNESS_MISMATCH, "witness_mismatch", "the kernel's records differ from the audit") \
	X(GATE, GUARD_MISSING, "guard_missing", "the kernel guard is required and not enforced")   \
	X(GATE, NOT_CONFINED, "not_confined", "nothing is known to confine the actuator")          \
	X(GATE, ACTUATOR_GONE, "actuator_gone", "the actuator has ended")                          \
	X(LIMITS, BUDGET_SPENT, "budget_spent", "this hour's signals of the lane are spent")       \
	X(LIMITS, SETTLING, "settling", "the last signal is too recent")                           \
	X(LIMITS, HISTORY_FULL, "history_full", "more signals since boot than the gate can remember") \
	X(TARGET, TARGET_MISSING, "target_missing", "the plan names no target")                    \
	X(TARGET, TARGET_INCOMPLETE, "target_incomplete", "the plan does not tell the target's whole identity") \
	X(TARGET, TARGET_GONE, "target_gone", "the target has ended")                              \
	X(TARGET, TARGET_NO_PIDFD, "target_no_pidfd", "the target cannot be held by a descriptor") \
	X(TARGET, TARGET_UNREADABLE, "target_unreadable", "the target's identity cannot be read")  \
	X(TARGET, TARGET_OTHER_START, "target_other_start", "the pid belongs to another process now") \
	X(TARGET, TARGET_OTHER_EXEC, "target_other_exec", "the target has executed another program") \
	X(TARGET, TARGET_OTHER_EXE, "target_other_exe", "the target runs another executable")      \
	X(TARGET, TARGET_OTHER_UID, "target_other_uid", "the target runs as another user")         \
	X(TARGET, TARGET_OTHER_CGROUP, "target_other_cgroup", "the target is in another cgroup")   \
	X(TARGET, TARGET_OTHER_ARGS, "target_other_args", "the target's arguments have changed")   \
	X(TARGET, TARGET_NOT_ORPHAN, "target_not_orphan", "the target is not an orphan any more")  \
	X(TARGET, PROTECTED_INIT, "protected_init", "an init is never signalled")                  \
	X(TARGET, PROTECTED_KTHREAD, "protected_kthread", "a kernel thread is never signalled")    \
	X(TARGET, PROTECTED_DAEMON, "protected_daemon", "the daemon is never signalled")           \
	X(TARGET, PROTECTED_GATE, "protected_gate", "the gate is never signalled")                 \
	X(TARGET, PROTECTED_ANCESTOR, "protected_ancestor", "an ancestor of the gate is never signalled") \
	X(TARGET, PROTECTED_CGROUP, "protected_cgroup", "nothing in the gate's own cgroup or above it is signalled") \
	X(TARGET, PROTECTED_SHIM, "protected_shim", "a container's shim or manager is never signalled") \
	X(TARGET, PROTECTED_LIST, "protected_list", "the target is on the list of protected processes") \
	X(TARGET, ALREADY_SIGNALLED, "already_signalled", "this plan has signalled the target, or may have") \
	X(TARGET, DRILL_TARGET, "drill_target", "a drill may only signal what it started itself")  \
	X(ACT, NOT_AUTHORISED, "not_authorised", "the authorisation could not be entered")         \
	X(ACT, KERNEL_REFUSED, "kernel_refused", "the kernel refused the signal")                  \
	X(ACT, SEND_FAILED, "send_failed", "the signal could not be sent")                         \
	X(DAEMON, NOT_PERMITTED, "not_permitted", "the caller's role does not allow it")           \
	X(DAEMON, PLAN_OTHER, "plan_other", "the digest is not that of the incident's newest plan") \
	X(DAEMON, GATE_DISABLED, "gate_disabled", "the gate is not running")                       \
	X(DAEMON, STORE_FAILED, "store_failed", "the incident store cannot be written")            \
	X(MESSAGE, BAD_MESSAGE, "bad_message", "not a message of this protocol")                   \
	X(MESSAGE, ALREADY_CONFIGURED, "already_configured", "the gate is configured once, at its start") \
	X(MESSAGE, RELEASE_INVALID, "release_invalid", "not a release of this disarming by an owner, signed where that is required") \
	X(MESSAGE, DISARM_NOT_DURABLE, "disarm_not_durable", "it is disarmed, but the audit cannot say so after a restart: make the file `disarm` in its folder") \
	X(MESSAGE, DISARM_FILE, "disarm_file", "the disarm file is still there")
/* clang-format on */

enum runaway_condition {
#define X(id, name) RUNAWAY_CONDITION_##id,
	RUNAWAY_CONDITIONS(X)
#undef X
		RUNAWAY_CONDITION_COUNT,
};

enum runaway_reason {
	RUNAWAY_REASON_NONE, /* nothing stands against it; no word, not in the table */
#define X(condition, id, name, text) RUNAWAY_REASON_##id,
	RUNAWAY_REASONS(X)
#undef X
		RUNAWAY_REASON_COUNT,
};

/* "rule", "dry_run", …; static storage. */
const char *runaway_condition_name(enum runaway_condition condition);
/* "plan_expired", …; "" for NONE. */
const char *runaway_reason_name(enum runaway_reason reason);
/* NONE when there is no such word. */
enum runaway_reason runaway_reason_by_name(const char *name);
/* A sentence without its full stop; "" for NONE. */
const char *runaway_reason_text(enum runaway_reason reason);
/* The condition it speaks of. Not for NONE. */
enum runaway_condition runaway_reason_condition(enum runaway_reason reason);

#endif
