/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause) */
#ifndef RW_GATE_H
#define RW_GATE_H

/*
 * What the kernel guard of the signal gate (bpf/gate.bpf.c) and its owner in
 * user space both compile: who is guarded, who may be signalled once, and what
 * the kernel writes down of each decision.
 *
 * All times are CLOCK_BOOTTIME nanoseconds, all pids thread-group ids of the
 * initial pid namespace.
 */

#ifndef __VMLINUX_H__
#include <assert.h>
#include <linux/types.h>
#endif

#define RW_GATE_SUBJECTS 6  /* processes that may be named as subjects */
#define RW_GATE_AUTHZ	 64 /* authorisations that may be open at once */
#define RW_GATE_DEPTH	 24 /* levels between a subject and the guarded cgroup */
#define RW_GATE_SIGTERM	 15 /* the only signal; the same number on all architectures */

/*
 * What a subject may do. Without any bit it may signal nobody but itself and may
 * neither fork, exec, trace, nor use bpf(2). Threads are allowed always: they are
 * the same subject.
 */
enum rw_gate_may {
	RW_GATE_MAY_TERM = 1 << 0, /* SIGTERM, once, to a target of the authorisation map */
	RW_GATE_MAY_MAPS = 1 << 1, /* bpf(2): look up, update and delete elements, iterators */
	RW_GATE_MAY_BPF = 1 << 2,  /* all of bpf(2) that its capabilities leave it */
};

/* A guarded process. Its start time makes a reused pid somebody else. */
struct rw_gate_subject {
	__u64 start_boottime_ns;
	__u32 tgid; /* 0: slot not used */
	__u32 may;  /* enum rw_gate_may */
};

/* In .rodata, which is frozen at load: nobody changes it while programs run. */
struct rw_gate_config {
	__u64 cgroup_id;  /* every process in or below it is a subject; 0: none. v2 only */
	__u32 cgroup_may; /* what those may that no slot names */
	__u32 pad;
	struct rw_gate_subject subjects[RW_GATE_SUBJECTS];
};

/* Authorisation map: key is the target's tgid (__u32). Consumed by deleting the entry. */
struct rw_gate_authz {
	__u64 start_boottime_ns; /* of the target's group leader */
	__u64 exec_id;		 /* self_exec_id of the group leader */
	__u64 deadline_boot_ns;	 /* last moment at which it is good */
	__u64 nonce;		 /* the owner's number, quoted by the witness */
};

/* Where a decision was asked for. */
enum rw_gate_hook {
	RW_GATE_KILL,	 /* task_kill */
	RW_GATE_FORK,	 /* task_alloc */
	RW_GATE_EXEC,	 /* bprm_check_security */
	RW_GATE_FCNTL,	 /* file_fcntl: F_SETOWN, F_SETSIG and their like */
	RW_GATE_IOCTL,	 /* file_ioctl: the same by ioctl, and ttys */
	RW_GATE_IOCTL32, /* file_ioctl_compat, where the kernel has it (6.8) */
	RW_GATE_PTRACE,	 /* ptrace_access_check: attach, not read */
	RW_GATE_OPEN,	 /* file_open for writing on cgroup and proc file systems */
	RW_GATE_RLIMIT,	 /* task_setrlimit of somebody else */
	RW_GATE_BPF,	 /* bpf */
	RW_GATE_PERF,	 /* perf_event_open: its sigtrap is a signal */
	RW_GATE_HOOKS,
};

/* Why. Everything but RW_GATE_ALLOWED is -EPERM for the caller. */
enum rw_gate_reason {
	RW_GATE_ALLOWED,     /* the one SIGTERM: its authorisation is consumed */
	RW_GATE_NO_RIGHT,    /* this subject may signal nobody */
	RW_GATE_NOT_SIGTERM, /* another number, 0 included */
	RW_GATE_NOT_PLAIN,   /* with a siginfo of its own, to one thread, or on another's behalf */
	RW_GATE_NOT_AUTHORISED, /* no entry for the target */
	RW_GATE_OTHER_START,	/* the pid has been reused */
	RW_GATE_OTHER_EXEC,	/* it has called exec since */
	RW_GATE_TOO_LATE,	/* past the deadline */
	RW_GATE_TAKEN,		/* another CPU consumed it, or the map was busy */
	RW_GATE_ROUTE_CLOSED,	/* a way around task_kill */
	RW_GATE_REASONS,
};

/*
 * One decision about a subject, in the witness ring. It is reserved before the
 * decision is made: without room for it the answer is no, and counted.
 */
struct rw_gate_witness {
	__u64 time_boot_ns;
	__u32 hook;   /* enum rw_gate_hook */
	__u32 reason; /* enum rw_gate_reason */
	__u32 subject_tgid;
	__u32 subject_tid;
	__u32 target_tgid; /* 0 where there is no target process */
	__s32 detail;	   /* signal number, fcntl or ioctl or bpf command, ptrace mode, resource */
	__u64 target_start_boottime_ns;
	__u64 target_exec_id;
	__u64 nonce; /* of the authorisation that was found; 0: none */
};

/*
 * Books of one hook: decided = allowed + denied + no_room. Monotonic, and frozen for
 * user space. Calls by processes that are no subjects are not counted.
 */
struct rw_gate_count {
	__u64 decided;
	__u64 allowed;
	__u64 denied;
	__u64 no_room; /* denied because the witness ring was full */
};

/*
 * A process as the kernel sees it, all of it at one moment: what must be true of a
 * target just before a signal. Written by the iterator, for the tgid in rw_gate_ask.
 */
struct rw_gate_identity {
	__u64 start_boottime_ns;
	__u64 exec_id;
	__u64 exe_ino;	 /* 0: no executable (kernel thread, zombie) */
	__u64 cgroup_id; /* in the hierarchy that rw_gate_ssid names */
	__u64 parent_start_boottime_ns;
	__u32 exe_dev; /* kernel dev_t encoding: major << 20 | minor */
	__u32 tgid;
	__u32 parent_tgid; /* real_parent */
	__u32 uid;	   /* real uid, initial user namespace */
	__u32 flags;	   /* enum rw_gate_identity_flags */
	__u32 pad;
	char comm[16];
};

enum rw_gate_identity_flags {
	RW_GATE_ID_KTHREAD = 1 << 0,
	RW_GATE_ID_INIT = 1 << 1,   /* pid 1 of a pid namespace, a container's init included */
	RW_GATE_ID_ZOMBIE = 1 << 2, /* leader has exited */
	RW_GATE_ID_USERNS = 1 << 3, /* not in the initial user namespace */
	/* real_parent is pid 1 of a pid namespace or a subreaper: it takes orphans in */
	RW_GATE_ID_PARENT_REAPER = 1 << 4,
};

#ifndef __VMLINUX_H__
static_assert(sizeof(struct rw_gate_subject) == 16, "rw_gate_subject");
static_assert(sizeof(struct rw_gate_config) == 16 + RW_GATE_SUBJECTS * 16, "rw_gate_config");
static_assert(sizeof(struct rw_gate_authz) == 32, "rw_gate_authz");
static_assert(sizeof(struct rw_gate_witness) == 56, "rw_gate_witness");
static_assert(sizeof(struct rw_gate_count) == 32, "rw_gate_count");
static_assert(sizeof(struct rw_gate_identity) == 80, "rw_gate_identity");
#endif

#endif
