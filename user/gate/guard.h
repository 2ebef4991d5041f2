/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_GUARD_H
#define RUNAWAY_GATE_GUARD_H

/*
 * The kernel guard: programs of the BPF LSM (or, where that is not switched on,
 * of fmod_ret) that refuse whatever a subject does beyond one SIGTERM to one
 * authorised target. Loaded and held by one process, the authoriser; what may be
 * claimed is decided by trying it, never by having attached it.
 *
 * All functions return 0 or more on success, a negative errno on failure. Nothing
 * here is safe for use by two threads at once.
 *
 * Order at start, as root, one thread:
 *   1. fork the actuator (it waits);
 *   2. runaway_guard_open() with the actuator's pid among the subjects;
 *   3. hand copies of the links' descriptors to the actuator (runaway_guard_links), so
 *      that the guard outlives this process for as long as the actuator lives;
 *   4. drop what is not needed. CAP_BPF stays if runaway_guard_needs_cap_bpf().
 * From then on bpf(2) is used only for BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM and
 * BPF_ITER_CREATE: a seccomp filter may refuse the rest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runaway/gate.h"

struct runaway_guard;

/* reliability.md's T1 to T5, best first. */
enum runaway_guard_tier {
	RUNAWAY_GUARD_LSM = 1,	   /* BPF LSM, self-test passed */
	RUNAWAY_GUARD_FMOD,	   /* fmod_ret on a kernel that never skips it (5.10, 5.11) */
	RUNAWAY_GUARD_BEST_EFFORT, /* fmod_ret that the kernel may skip under preemption */
	RUNAWAY_GUARD_SECCOMP,	   /* no guard; the actuator is confined to SIGTERM via pidfd */
	RUNAWAY_GUARD_NONE,	   /* no guard, and nothing is known to confine the actuator */
};

#define RUNAWAY_GUARD_WHY   512
#define RUNAWAY_GUARD_WRONG 96

struct runaway_guard_subject {
	pid_t pid;    /* alive, initial pid namespace */
	uint32_t may; /* enum rw_gate_may */
};

struct runaway_guard_config {
	struct runaway_guard_subject subjects[RW_GATE_SUBJECTS - 1]; /* the prober takes one */
	size_t n_subjects;
	/*
	 * Folder of a v2 cgroup: every process in it is a subject as well. The caller puts its
	 * own there; the pair of the self-test is put there here. NULL on v1: pids alone then.
	 */
	const char *cgroup;
	uint32_t cgroup_may;
	/* Index in css_set.subsys of the cgroup that identities tell; -1: the v2 hierarchy. */
	int cgroup_ssid;
	/* Whom the self-test's pair runs as, without capabilities; not root. */
	uid_t uid;
	gid_t gid;
	/* The actuator's seccomp filter is on and was probed: without a guard that is T4, else T5.
	 */
	bool actuator_confined;
	/* For tests: 0 tries the LSM first and then fmod_ret; else only what is named. */
	uint32_t only;
};

enum runaway_guard_only {
	RUNAWAY_GUARD_ONLY_LSM = 1,
	RUNAWAY_GUARD_ONLY_FMOD = 2,
	RUNAWAY_GUARD_ONLY_NOTHING = 4,
};

/*
 * Starts the pair, loads, attaches, and runs the self-test; falls back tier by tier.
 * That nothing can be enforced is no error: 0 is returned and the tier says so. Fails
 * with -EINVAL (configuration), -ESRCH (a subject is gone), -ENOMEM and what fork(2) says.
 */
int runaway_guard_open(const struct runaway_guard_config *c, struct runaway_guard **ret);
/* Ends the pair, closes all. The kernel guards on while others hold the links. */
void runaway_guard_close(struct runaway_guard *g);

static inline void runaway_guard_closep(struct runaway_guard **g)
{
	runaway_guard_close(*g);
}
#define _cleanup_guard_ _cleanup_(runaway_guard_closep)

enum runaway_guard_tier runaway_guard_tier(const struct runaway_guard *g);
/* "T1" .. "T5" */
const char *runaway_guard_tier_code(enum runaway_guard_tier tier);
/* "kernel-enforced", "kernel-enforced (fmod_ret)", "best effort", "limited by seccomp", "disabled"
 */
const char *runaway_guard_tier_name(enum runaway_guard_tier tier);
/* One sentence: what was tried and what came of it. Never empty; owned by g. */
const char *runaway_guard_why(const struct runaway_guard *g);
/* True for T1 and T2: what `runaway_gate_kernel_enforced` says. */
bool runaway_guard_enforced(const struct runaway_guard *g);

/* Map updates and iterators are refused here without CAP_BPF (5.10 with unprivileged_bpf_disabled).
 */
bool runaway_guard_needs_cap_bpf(const struct runaway_guard *g);

/* Descriptors of the links, owned by g; returns how many (0 without a guard), at most max. */
size_t runaway_guard_links(const struct runaway_guard *g, int *fds, size_t max);

/* ---- one signal ---- */

struct runaway_guard_target {
	pid_t tgid;
	struct rw_gate_authz authz;
};

enum runaway_guard_authorised {
	RUNAWAY_GUARD_AUTHORISED = 0,
	/* T4, T5: nothing was entered anywhere, for nothing in the kernel would look. */
	RUNAWAY_GUARD_NOT_CHECKED = 1,
};

/*
 * One SIGTERM to this target until its deadline. -EEXIST: there is an authorisation for
 * this tgid already; -E2BIG: too many are open; -EPERM: CAP_BPF was needed.
 */
int runaway_guard_authorise(struct runaway_guard *g, const struct runaway_guard_target *t);
/* 0: it was there and unused. -ENOENT: consumed, never there, or nothing is checked. */
int runaway_guard_revoke(struct runaway_guard *g, pid_t tgid);

/*
 * What the kernel knows of a process now. -ESRCH: no such process; -ENOTSUP: iterators
 * do not load here (use /proc). Open the pidfd first and see that it lives afterwards:
 * then what was read belonged to that pidfd. Costs a walk of all tasks (about 0.4 us each).
 */
int runaway_guard_identify(struct runaway_guard *g, pid_t tgid, struct rw_gate_identity *ret);

/* ---- what the kernel saw ---- */

/*
 * The next decision about any subject but the self-test's: 1 and *ret, or 0 when there is
 * none. While nobody reads, the ring fills, and then the kernel denies everything.
 */
int runaway_guard_witness_next(struct runaway_guard *g, struct rw_gate_witness *ret);
/* Readable when there may be one; -1 without a guard. For poll and epoll only. */
int runaway_guard_witness_fd(const struct runaway_guard *g);

struct runaway_guard_counts {
	struct rw_gate_count hooks[RW_GATE_HOOKS]; /* zeros where a hook is not loaded */
	uint64_t recursion_misses; /* runs of fmod_ret programs that the kernel skipped */
};

/*
 * Program number i of the guard and how many of its runs the kernel skipped because one was
 * under way on that CPU (fdinfo's recursion_misses; 0 where it keeps no such count, which is
 * where it never skips). False: there are no more. The name is owned by g.
 */
bool runaway_guard_program(const struct runaway_guard *g, size_t i, const char **ret_name,
			   uint64_t *ret_misses);

/* Of this guard since it was opened, the self-tests' own calls included. */
int runaway_guard_counts(const struct runaway_guard *g, struct runaway_guard_counts *ret);

const char *runaway_guard_hook_name(enum rw_gate_hook hook);	   /* "task_kill", ... */
const char *runaway_guard_reason_name(enum rw_gate_reason reason); /* "not_sigterm", ... */

/* ---- self-test ---- */

#define RUNAWAY_GUARD_OUTCOMES 32

/* One attempt of the prober, and what the kernel made of it. */
struct runaway_guard_outcome {
	const char *name; /* "sigusr1", "replay", "fork", ...: static storage */
	int expected_err; /* 0 or EPERM */
	int got_err;	  /* errno of the attempt, 0 when it was allowed */
	bool ok;	  /* as expected, in the books, and seen or not seen by the victim */
};

struct runaway_guard_report {
	bool passed;
	size_t n; /* outcomes that were tried: it ends with the first wrong one */
	struct runaway_guard_outcome outcomes[RUNAWAY_GUARD_OUTCOMES];
	char why[RUNAWAY_GUARD_WRONG]; /* empty when passed */
};

/*
 * Lets the prober try everything that must fail and the one thing that must not; ms to
 * answer, at most about 2 s. A wrong outcome lowers the tier (and drops the guard's claim)
 * for good: never up again without a new runaway_guard_open(). Without a guard it reports
 * what was found when it was opened. Fails only with -EIO (the pair is gone; tier lowered).
 */
int runaway_guard_self_test(struct runaway_guard *g, struct runaway_guard_report *ret);

#endif
