// SPDX-License-Identifier: GPL-2.0-or-later
/* What may be claimed of the guard, and the words for it. */

#include <string.h>

#include "gate/guard_priv.h"

static const char *const codes[] = {
	[RUNAWAY_GUARD_LSM] = "T1",	    [RUNAWAY_GUARD_FMOD] = "T2",
	[RUNAWAY_GUARD_BEST_EFFORT] = "T3", [RUNAWAY_GUARD_SECCOMP] = "T4",
	[RUNAWAY_GUARD_NONE] = "T5",
};

static const char *const names[] = {
	[RUNAWAY_GUARD_LSM] = "kernel-enforced",
	[RUNAWAY_GUARD_FMOD] = "kernel-enforced (fmod_ret)",
	[RUNAWAY_GUARD_BEST_EFFORT] = "best effort",
	[RUNAWAY_GUARD_SECCOMP] = "limited by seccomp",
	[RUNAWAY_GUARD_NONE] = "disabled",
};

static const char *const hooks[] = {
	[RW_GATE_KILL] = "task_kill",
	[RW_GATE_FORK] = "task_alloc",
	[RW_GATE_EXEC] = "bprm_check",
	[RW_GATE_FCNTL] = "file_fcntl",
	[RW_GATE_IOCTL] = "file_ioctl",
	[RW_GATE_IOCTL32] = "file_ioctl_compat",
	[RW_GATE_PTRACE] = "ptrace_access_check",
	[RW_GATE_OPEN] = "file_open",
	[RW_GATE_RLIMIT] = "task_setrlimit",
	[RW_GATE_BPF] = "bpf",
	[RW_GATE_PERF] = "perf_event_open",
};
static_assert(ARRAY_SIZE(hooks) == RW_GATE_HOOKS, "a name for each hook");

static const char *const reasons[] = {
	[RW_GATE_ALLOWED] = "allowed",
	[RW_GATE_NO_RIGHT] = "no_right",
	[RW_GATE_NOT_SIGTERM] = "not_sigterm",
	[RW_GATE_NOT_PLAIN] = "not_plain",
	[RW_GATE_NOT_AUTHORISED] = "not_authorised",
	[RW_GATE_OTHER_START] = "other_start",
	[RW_GATE_OTHER_EXEC] = "other_exec",
	[RW_GATE_TOO_LATE] = "too_late",
	[RW_GATE_TAKEN] = "taken",
	[RW_GATE_ROUTE_CLOSED] = "route_closed",
};
static_assert(ARRAY_SIZE(reasons) == RW_GATE_REASONS, "a name for each reason");

const char *runaway_guard_tier_code(enum runaway_guard_tier tier)
{
	return codes[tier];
}

const char *runaway_guard_tier_name(enum runaway_guard_tier tier)
{
	return names[tier];
}

/* A record from the ring may hold any number: what is not known has a name as well. */
const char *runaway_guard_hook_name(enum rw_gate_hook hook)
{
	return (unsigned int)hook < RW_GATE_HOOKS ? hooks[hook] : "unknown";
}

const char *runaway_guard_reason_name(enum rw_gate_reason reason)
{
	return (unsigned int)reason < RW_GATE_REASONS ? reasons[reason] : "unknown";
}

enum guard_lsm_list guard_lsm_list(const char *text)
{
	size_t len;

	if (!text)
		return GUARD_LSM_UNKNOWN;
	for (; *text; text += len + (text[len] != '\0')) {
		len = strcspn(text, ",\n");
		if (len == 3 && strncmp(text, "bpf", 3) == 0)
			return GUARD_LSM_LISTED;
	}
	return GUARD_LSM_NOT_LISTED;
}

enum runaway_guard_tier guard_decide(const struct guard_proof *p)
{
	if (p->broken)
		return RUNAWAY_GUARD_NONE;
	if (p->passed && p->kind == GUARD_KIND_LSM)
		/* The kernel denies having it and yet it answered: nobody understands that. */
		return p->lsm == GUARD_LSM_NOT_LISTED ? RUNAWAY_GUARD_BEST_EFFORT
						      : RUNAWAY_GUARD_LSM;
	if (p->passed && p->kind == GUARD_KIND_FMOD)
		return p->may_be_skipped ? RUNAWAY_GUARD_BEST_EFFORT : RUNAWAY_GUARD_FMOD;
	return p->confined ? RUNAWAY_GUARD_SECCOMP : RUNAWAY_GUARD_NONE;
}
