/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_GUARD_PRIV_H
#define RUNAWAY_GATE_GUARD_PRIV_H

/* What the files of the kernel guard share among themselves. */

#include <stdatomic.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/macros.h"
#include "gate/guard.h"
/* The skeleton has the shared types by name: behind them. */
#include "gate.skel.h"

/* ---- guard_tier.c: pure ---- */

enum guard_kind { GUARD_KIND_NONE, GUARD_KIND_LSM, GUARD_KIND_FMOD };

enum guard_lsm_list { GUARD_LSM_UNKNOWN, GUARD_LSM_LISTED, GUARD_LSM_NOT_LISTED };

/* Is `bpf` in the text of /sys/kernel/security/lsm? NULL: it could not be read. */
enum guard_lsm_list guard_lsm_list(const char *text);

/* What is known when a tier is to be named. */
struct guard_proof {
	enum guard_kind kind;	 /* attached now */
	bool passed;		 /* its self-test */
	bool may_be_skipped;	 /* fmod_ret on a kernel with a recursion check */
	enum guard_lsm_list lsm; /* what the kernel says of itself */
	bool confined;		 /* the actuator's seccomp filter was probed */
	bool broken;		 /* it passed once and failed since */
};

enum runaway_guard_tier guard_decide(const struct guard_proof *p);

/* ---- guard_pair.c: the prober and the victim ---- */

/* Memory that the pair and the guard's owner share; the victim's handler counts in it. */
struct guard_shared {
	_Atomic uint32_t terms;	 /* SIGTERM received */
	_Atomic uint32_t others; /* any other signal that can be caught */
};

struct guard_pair {
	int sock; /* to the prober, SOCK_SEQPACKET; -1: no pair */
	pid_t prober;
	pid_t victim; /* a child of the prober, so that no LSM keeps it from tracing it */
	struct guard_shared *shared;
};

/* What the prober can be asked to try on the victim. */
enum guard_try {
	GUARD_TRY_PIDFD,  /* pidfd_send_signal(sig, NULL, 0) */
	GUARD_TRY_QUEUE,  /* rt_sigqueueinfo */
	GUARD_TRY_TGKILL, /* one thread of it */
	GUARD_TRY_FORK,
	GUARD_TRY_EXEC,
	GUARD_TRY_SETOWN, /* fcntl F_SETOWN */
	GUARD_TRY_IOCTL,  /* FIOSETOWN */
	GUARD_TRY_PTRACE,
	GUARD_TRY_OPEN, /* its /proc entry, for writing */
	GUARD_TRY_RLIMIT,
	GUARD_TRY_BPF,
	GUARD_TRY_PERF,
	GUARD_TRIES,
};

/* Forks both, puts them into the cgroup if there is one. The caller is privileged still. */
int guard_pair_start(struct guard_pair *p, const char *cgroup, uid_t uid, gid_t gid);
void guard_pair_stop(struct guard_pair *p);
/* *ret_err: errno of the attempt, 0 when it succeeded. -EIO: no answer, the pair is gone. */
int guard_pair_try(struct guard_pair *p, enum guard_try what, int sig, int *ret_err);
/* Drops to that user without any capability, in this process. */
int guard_become(uid_t uid, gid_t gid);

/* ---- the guard ---- */

#define GUARD_QUEUE 256 /* witness records kept for the caller while a self-test reads the ring */
#define GUARD_LINKS RW_GATE_HOOKS

struct runaway_guard {
	struct rw_gate_config conf;
	int cgroup_ssid;
	bool confined;
	uint32_t only;
	bool needs_cap_bpf;
	enum guard_lsm_list lsm;

	enum guard_kind kind;
	enum runaway_guard_tier tier;
	char why[RUNAWAY_GUARD_WHY];
	struct runaway_guard_report report;

	struct guard_pair pair;
	struct rw_gate_bpf *who; /* the identity iterator, loaded even where no guard is */
	struct bpf_link *who_link;

	struct rw_gate_bpf *skel; /* the guard itself */
	struct bpf_link *links[GUARD_LINKS];
	/* Of their programs: the name (the skeleton's), and the kernel's books, opened while this
	 * process still may. */
	const char *program[GUARD_LINKS];
	int fdinfo[GUARD_LINKS];
	size_t n_links;
	const struct rw_gate_count *counts; /* mmap of the frozen map */
	struct ring_buffer *ring;

	struct rw_gate_witness queue[GUARD_QUEUE];
	size_t queue_head, queue_n;
	struct rw_gate_witness probe; /* the last record about the prober */
	unsigned int probes;
};

/* ---- guard_load.c ---- */

/* Loads and attaches one kind; on failure nothing of it stays, and `why` has the reason. */
int guard_load(struct runaway_guard *g, enum guard_kind kind, char *why, size_t size);
void guard_unload(struct runaway_guard *g);
/* The kernel counts runs that it skipped: from 5.12 on, which is where it began to skip. */
bool guard_may_be_skipped(const struct runaway_guard *g);

/* ---- guard_identify.c ---- */

int guard_identify_open(struct runaway_guard *g);
/* True when maps and iterators can be used after all capabilities are gone. */
bool guard_works_unprivileged(struct runaway_guard *g, uid_t uid, gid_t gid);

/* ---- guard_witness.c ---- */

int guard_witness_open(struct runaway_guard *g);
/* Reads the ring: records about the prober to g->probe, all others to the queue. */
int guard_witness_drain(struct runaway_guard *g);

/* ---- guard_selftest.c ---- */

/* What one attempt left behind. */
struct guard_seen {
	int err;
	unsigned int probes; /* witness records about the prober */
	struct rw_gate_witness probe;
	uint32_t terms, others; /* what the victim got meanwhile */
};

struct guard_attempt {
	const char *name;
	enum guard_try what;
	int sig;
	enum { AUTHZ_NONE, AUTHZ_RIGHT, AUTHZ_START, AUTHZ_EXEC, AUTHZ_LATE } authz;
	int expected_err; /* 0 or EPERM */
	enum rw_gate_hook hook;
	enum rw_gate_reason reason;
};

extern const struct guard_attempt guard_attempts[];
extern const size_t guard_attempts_n;

/* NULL when it went as it must, else in a few words what is wrong. Pure. */
const char *guard_judge(const struct guard_attempt *a, const struct guard_seen *s, pid_t victim);
int guard_self_test_run(struct runaway_guard *g, struct runaway_guard_report *r);

#endif
