/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause) */
#ifndef RUNAWAY_WIRE_H
#define RUNAWAY_WIRE_H

/*
 * The records that flow from the kernel into the daemon, and that a recording
 * holds. Compiled by both worlds: fixed widths, natural alignment, checked
 * sizes.
 *
 * Every input of the model is one of these records, whether a BPF program made
 * it or the sensor did (what it read from /proc, the host's figures, the tick
 * that asks for a verdict). A recording is therefore nothing but the stream of
 * records, and replaying it is feeding them again.
 *
 * All times are CLOCK_BOOTTIME nanoseconds unless a name says otherwise.
 * All pids are thread-group ids of the initial pid namespace.
 */

#ifndef __VMLINUX_H__
#include <assert.h>
#include <linux/types.h>
#endif

#define RW_COMM_LEN	16   /* TASK_COMM_LEN of every kernel since 2.6 */
#define RW_ARGS_MAX	4096 /* bytes of arguments kept of one exec */
#define RW_PATH_MAX	512  /* bytes of one exe or cgroup path */
#define RW_MARKERS_MAX	1024 /* bytes of CI markers kept of one exec */
#define RW_MARKER_NAMES 64   /* slots of the allow-list */
#define RW_MARKER_NAME	32   /* longest allow-listed name, with its '=' */
#define RW_MARKER_FIRST 1024 /* entries of the filter over their first bytes */
#define RW_MARKER_SLOTS 256  /* by hash of the whole name */
#define RW_MARKER_VALUE 128  /* longest "NAME=value", with its NUL */
#define RW_HOT_MAX	4096 /* threads that one hot pass visits */
#define RW_CHILDREN_MAX 32   /* children listed by one exit record */

/* Which record it is. Numbers are part of the recording format: never reused. */
enum rw_type {
	/* Lineage ring: must arrive; a loss asks for a rescan. */
	RW_FORK = 1,
	RW_EXEC = 2,
	RW_EXIT = 3,
	RW_CHILDREN = 4,
	RW_REPARENT = 5,
	RW_CGROUP = 6,
	RW_SIGNAL = 7,
	/* Sample ring: may be dropped; the next scan says the same again. */
	RW_TASK = 16,
	RW_CPU = 17,
	RW_FREE = 18,
	RW_KERNEL_TYPES = 24,
	/* Made by the sensor in user space. */
	RW_META = 64,
	RW_TICK = 65,
	RW_SCAN_BEGIN = 66,
	RW_SCAN_END = 67,
	RW_HOST = 68,
	RW_PROCFS = 69,
	RW_CGROUP_CPU = 70,
	RW_LOSS = 71,
	/* Made by the daemon for the one that follows it: user/sensor/journal.c. */
	RW_KNOWN = 72,
	RW_KNOWN_ORPHAN = 73,
	RW_RECALLED = 74,
	RW_COMMIT = 75,
};

struct rw_hdr {
	__u16 type;    /* enum rw_type */
	__u16 cpu;     /* CPU that wrote it */
	__u32 len;     /* whole record, this header included */
	__u64 seq;     /* per CPU and ring, counts attempts: a gap is a loss */
	__u64 time_ns; /* when */
};

/* The identity of a process: a pid alone never is one. */
struct rw_id {
	__u64 start_ns; /* start_boottime of the group leader; survives exec */
	__u32 pid;	/* tgid */
	__u32 pad;
};

/* Facts about a task, in `flags` of several records. */
enum rw_task_flags {
	RW_TF_NS_INIT = 1 << 0,	  /* pid 1 of its pid namespace (init included) */
	RW_TF_SUBREAPER = 1 << 1, /* PR_SET_CHILD_SUBREAPER is set */
	RW_TF_ZOMBIE = 1 << 2,	  /* exited, not reaped */
	RW_TF_KTHREAD = 1 << 3,
	RW_TF_NEW = 1 << 4,	   /* RW_TASK: the kernel side did not know it */
	RW_TF_SHORT = 1 << 5,	   /* RW_FREE: no scan ever saw it alive */
	RW_TF_MORE = 1 << 6,	   /* RW_CHILDREN: there were more than fit */
	RW_TF_ARGS_CUT = 1 << 7,   /* RW_EXEC: arguments were longer */
	RW_TF_ARGS_FAULT = 1 << 8, /* RW_EXEC: arguments could not be read */
	RW_TF_ENV_CUT = 1 << 9,	   /* RW_EXEC: environment longer than the bound */
	RW_TF_RAN = 1 << 11,	   /* RW_TASK: it has used CPU since the last visit */
	RW_TF_PATH_CUT = 1 << 10,  /* exe path: components at its root are missing */
	RW_TF_BY_KERNEL = 1 << 12, /* RW_FORK: the origin is a kernel thread */
};

struct rw_fork {
	struct rw_hdr hdr;
	struct rw_id id;
	struct rw_id origin; /* the process that forked it */
	struct rw_id parent; /* real_parent: differs with CLONE_PARENT */
	struct rw_id ci;     /* whose exec carried the CI markers it inherits; pid 0: none */
	__u64 cgroup_id;
	__u32 pgid;
	__u32 sid;
	__u32 uid;
	__u32 flags;
	char comm[RW_COMM_LEN];
};

struct rw_exec {
	struct rw_hdr hdr;
	struct rw_id id;
	__u64 exec_id; /* self_exec_id after the exec */
	__u64 exe_ino;
	__u64 cgroup_id;
	__u32 exe_dev;	  /* kernel dev_t encoding: major << 20 | minor */
	__u32 args_total; /* bytes of the arguments before any cut */
	__u32 uid;
	__u32 flags;
	__u16 path_len;	   /* data: path components, leaf first, NUL after each */
	__u16 args_len;	   /* then the arguments, NUL separated */
	__u16 markers_len; /* then "NAME=value" NUL each, allow-listed names only */
	__u16 pad;
	char comm[RW_COMM_LEN];
	char data[];
};

/* The last thread of a process is on its way out. */
struct rw_exit {
	struct rw_hdr hdr;
	struct rw_id id;
	__s32 exit_code; /* wait status as wait(2) gives it: code << 8 | signal */
	__u32 flags;
	char comm[RW_COMM_LEN];
};

struct rw_child {
	struct rw_id id;
	__u32 pgid;
	__u32 sid;
};

/* A task (any thread) exits and still has children: they may become orphans. */
struct rw_children {
	struct rw_hdr hdr;
	struct rw_id parent; /* the process of the exiting task */
	__u32 tid;	     /* the exiting task */
	__u32 live;	     /* threads of the process still alive */
	__u32 count;	     /* entries of `child` in use */
	__u32 flags;	     /* RW_TF_MORE; RW_TF_NS_INIT, RW_TF_SUBREAPER of the parent */
	struct rw_child child[RW_CHILDREN_MAX]; /* written as far as in use */
};

enum rw_via {
	RW_VIA_HOOK = 1,   /* fentry/kill_orphaned_pgrp: exact */
	RW_VIA_SCAN = 2,   /* the task walk saw another real_parent */
	RW_VIA_PROCFS = 3, /* read again from /proc after a parent's exit */
};

struct rw_reparent {
	struct rw_hdr hdr;
	struct rw_id id;
	struct rw_id old_parent;
	struct rw_id reaper; /* real_parent now; start_ns 0 if not read */
	__u32 pgid;
	__u32 sid;
	__u32 reaper_flags; /* enum rw_task_flags of the reaper */
	__u32 via;	    /* enum rw_via */
	char reaper_comm[RW_COMM_LEN];
};

enum rw_cgroup_op {
	RW_CG_MKDIR = 1,
	RW_CG_RMDIR = 2,
	RW_CG_RENAME = 3,
	RW_CG_ATTACH = 4,  /* `id` moved to `cgroup_id` */
	RW_CG_RELEASE = 5, /* last reference gone; cpu_ns is final */
	RW_CG_FOUND = 6,   /* made by the sensor: read from the mounted tree, now and then again */
};

struct rw_cgroup_ev {
	struct rw_hdr hdr;
	__u64 cgroup_id;
	__u64 parent_id; /* 0 for a root */
	__u64 cpu_ns;	 /* own CPU charged so far, descendants excluded */
	struct rw_id id; /* RW_CG_ATTACH: the process */
	__u16 op;	 /* enum rw_cgroup_op */
	__u16 level;	 /* 0 is the root */
	__u16 path_len;	 /* with its NUL; 0: not known */
	__u16 pad;
	char path[RW_PATH_MAX];
};

enum rw_signal_flags {
	RW_SF_GROUP = 1 << 0,	/* to the process, not to one of its threads */
	RW_SF_HANDLED = 1 << 1, /* the target has a handler for it */
	RW_SF_KERNEL = 1 << 2,	/* the kernel sent it: `sender` only happened to run */
	RW_SF_IGNORED =
		1 << 3, /* ignored, but blocked (or the target traced) when it came: it waits,
			 * and ends the target only if that one thinks better of it first */
};

/* A signal that ends a process, to one whose tree is being looked at (map rw_watch). */
struct rw_signal {
	struct rw_hdr hdr;
	struct rw_id id;     /* to whom */
	struct rw_id sender; /* who ran when it was sent */
	__s32 sig;
	__s32 code; /* si_code: 0 kill(2) and pidfd_send_signal(2), -6 tgkill(2), -1 sigqueue(3) …
		     */
	__u32 sender_uid;
	__u32 flags; /* enum rw_signal_flags */
	char comm[RW_COMM_LEN];
	char sender_comm[RW_COMM_LEN];
};

/*
 * Value of the map `rw_watch`: whose signals are told. A bit for each remainder of a tgid: that
 * another process is told of now and then costs a record; who it is, the record says exactly.
 */
#define RW_WATCH_BITS 65536
struct rw_watch {
	__u64 watching; /* 0: nobody, and nothing else is looked at */
	__u64 bit[RW_WATCH_BITS / 64];
};

/* A process as the task walk saw it. Written when it ran, changed, or on resync. */
struct rw_task {
	struct rw_hdr hdr;
	struct rw_id id;
	struct rw_id parent;
	struct rw_id ci;
	__u64 cgroup_id;
	__u64 cpu_ns;	 /* whole process so far, dead threads included */
	__u64 rss_bytes; /* 0: not readable (a zombie, an old mm) */
	__u64 exec_id;
	__u64 exe_ino;
	__u32 exe_dev;
	__u32 pgid;
	__u32 sid;
	__u32 uid;
	__u32 flags;
	__u32 threads;
	__u16 path_len; /* data: exe path components as in rw_exec; 0: not written */
	__u16 pad[3];
	char comm[RW_COMM_LEN];
	char data[];
};

/* CPU of a process whose other threads ran (or that moved) since the last scan. */
struct rw_cpu {
	struct rw_hdr hdr;
	struct rw_id id;
	__u64 cpu_ns;
	__u32 tid; /* the thread that ran */
	__u32 pad;
};

/* The leader was released: nothing of the process can run any more. */
struct rw_free {
	struct rw_hdr hdr;
	struct rw_id id;
	__u64 cpu_ns; /* final: signal->sum_sched_runtime, leader included */
	__u64 cgroup_id;
	__s32 exit_code;
	__u32 flags; /* RW_TF_SHORT */
	char comm[RW_COMM_LEN];
};

/* First record of a recording. */
#define RW_RECORDING_MAGIC "RWREC01\n"
struct rw_meta {
	struct rw_hdr hdr;
	__u64 realtime_offset_ns; /* CLOCK_REALTIME minus CLOCK_BOOTTIME */
	__u32 ncpu;
	__u32 hz;
	char boot_id[40];
	char host[64];
	char release[64];
};

/* All lanes are judged now, with what came before. */
struct rw_tick {
	struct rw_hdr hdr;
	__u64 realtime_ns; /* CLOCK_REALTIME */
};

enum rw_scan_flags {
	RW_SCAN_RESYNC = 1 << 0, /* every process is written, changed or not */
	RW_SCAN_HOT = 1 << 1,	 /* only what ran lately was visited */
	RW_SCAN_FAILED = 1 << 2,
	RW_SCAN_CGROUPS = 1 << 3, /* every cgroup that exists was told by RW_CG_FOUND, too */
	RW_SCAN_LOSSY = 1 << 4,	  /* END: task samples found no room; who is missing may live */
};

struct rw_scan {
	struct rw_hdr hdr; /* RW_SCAN_BEGIN, RW_SCAN_END */
	__u64 generation;
	__u64 duration_ns; /* END only, like all that follows */
	__u64 tasks;	   /* threads visited */
	__u64 processes;   /* of which group leaders, kernel threads excluded */
	__u32 flags;
	__s32 error; /* negative errno of a failed scan */
};

#define RW_UNKNOWN_U64 (~0ULL)

struct rw_host {
	struct rw_hdr hdr;
	__u64 load1_milli, load5_milli, load15_milli;
	__u64 mem_total_bytes, mem_available_bytes;
	__u64 swap_total_bytes, swap_used_bytes;
	__u64 busy_ns; /* user + nice + system of /proc/stat, ticks */
	__u64 irq_ns;  /* irq + softirq */
	__u64 steal_ns;
	__u64 forks;	      /* "processes" of /proc/stat */
	__u64 attributed_ns;  /* CPU of processes and kernel threads that we counted */
	__u64 kernel_ns;      /* of which kernel threads */
	__u64 short_lived_ns; /* of which processes that no scan saw */
	/* Pressure stall, share of time in permille, [some|full]: avg10, avg60, avg300.
	 * RW_UNKNOWN_U64 where the kernel does not offer it. */
	__u64 psi_cpu_some[3];
	__u64 psi_memory_some[3], psi_memory_full[3];
	__u64 psi_io_some[3], psi_io_full[3];
	__u32 ncpu;
	__u32 pad;
};

enum rw_procfs_what {
	RW_PROCFS_ARGS = 1,    /* /proc/PID/cmdline, at most RW_ARGS_MAX bytes */
	RW_PROCFS_MARKERS = 2, /* allow-listed part of /proc/PID/environ */
	RW_PROCFS_EXE = 3,     /* readlink /proc/PID/exe */
	RW_PROCFS_CGROUP = 4,  /* text of /proc/PID/cgroup */
};

struct rw_procfs {
	struct rw_hdr hdr;
	struct rw_id id;
	__u32 what;  /* enum rw_procfs_what */
	__u32 bytes; /* of data */
	char data[];
};

struct rw_cgroup_cpu {
	struct rw_hdr hdr;
	__u64 cgroup_id;
	__u64 cpu_ns; /* own CPU charged so far, descendants excluded */
};

/* Something was lost since the last such record; a rescan follows. */
struct rw_loss {
	struct rw_hdr hdr;
	__u64 events;  /* lineage records dropped */
	__u64 samples; /* sample records dropped */
	__u64 misses;  /* program runs that the kernel skipped */
	__u64 maps;    /* map updates refused */
};

/*
 * Counters of the kernel side, one struct per CPU in the map `rw_counters`, in
 * cache lines of its own. Monotonic, never reset. At quiescence emitted ==
 * received + dropped.
 */
struct rw_counters {
	__u64 emitted[RW_KERNEL_TYPES];
	__u64 dropped[RW_KERNEL_TYPES];
	__u64 seq_events;
	__u64 seq_samples;
	__u64 procs_full;     /* inserts refused by rw_procs */
	__u64 threads_full;   /* by rw_threads */
	__u64 cgroups_full;   /* by rw_cgroups */
	__u64 map_errors;     /* any other refused update */
	__u64 read_faults;    /* kernel or user memory that could not be read */
	__u64 kernel_ns;      /* CPU of kernel threads seen by the walk */
	__u64 attributed_ns;  /* CPU charged to anything */
	__u64 short_lived_ns; /* CPU of processes that no scan saw */
	__u64 unplaced_ns;    /* CPU charged to no cgroup entry (map full) */
} __attribute__((aligned(64)));

/*
 * Value of the map `rw_procs`, key: struct rw_id. Not the pid alone: it is given away
 * again while the last figure of its old owner is still to come (sched_process_free runs
 * after an RCU grace period), and what was charged to that one must be known then.
 */
struct rw_proc {
	__u64 cpu_ns;	     /* charged so far */
	__u64 told_cpu_ns;   /* of which user space was told */
	__u64 leader_cpu_ns; /* of the leader's sum_exec_runtime: charged so far */
	__u64 cgroup_id;
	__u64 ci_start_ns; /* CI markers: whose exec carried them */
	__u32 ci_pid;
	__u32 ppid; /* last real_parent seen */
	__u64 parent_start_ns;
	__u32 origin_pid;
	__u32 seen; /* rw_mark when a walk saw it last; 0: no walk yet */
	char comm[RW_COMM_LEN];
};

/* Value of the map `rw_threads`, key: tid; threads other than leaders, kernel threads. */
struct rw_thread {
	__u64 start_ns;
	__u64 cpu_ns;	 /* of its sum_exec_runtime: charged so far */
	__u64 cgroup_id; /* where it was then */
	__u32 seen;	 /* as in rw_proc */
	__u32 pad;
};

/* Value of the map `rw_cgroups`, key: cgroup id. */
struct rw_cgroup {
	__u64 cpu_ns;	   /* own CPU charged so far */
	__u64 told_cpu_ns; /* of which user space was told; all ones: of nothing yet */
	__u64 parent_id;
	__u32 level;
	__u32 hierarchy_id;
};

/* What the walk of `rw_cgroups` writes for an entry that has changed. */
struct rw_cgroup_line {
	__u64 cgroup_id;
	__u64 cpu_ns;
};

/* Eight bytes of "NAME=" in each, NUL behind its end. */
struct rw_marker {
	__u64 word[RW_MARKER_NAME / 8];
};

/* Of the first three bytes of "NAME=", the first one lowest: 0..1023. */
static inline __u32 rw_marker_first(__u32 bytes)
{
	return ((bytes & 0xffffff) * 0x9e3779b97f4a7c15ULL) >> 54;
}

/* Of all of "NAME=": 0..255. */
static inline __u32 rw_marker_hash(const __u64 *w)
{
	__u64 h = w[0] ^ w[1] << 1 ^ w[2] << 2 ^ w[3] << 3;

	return (h * 0x9e3779b97f4a7c15ULL) >> 56;
}

/* Value of the map `rw_markers`: the allow-list of environment names. */
struct rw_marker_set {
	__u8 first[RW_MARKER_FIRST]; /* by rw_marker_first(): does a name begin so? */
	__u8 slot[RW_MARKER_SLOTS];  /* by rw_marker_hash(): index of a marker, + 1; 0: none */
	__u8 next[RW_MARKER_NAMES];  /* of a marker: another one of its slot, + 1 */
	__u32 count;
	__u32 generation; /* another one after each change, never 0; written last */
	struct rw_marker marker[RW_MARKER_NAMES];
};

/* What the kernel answered to bpf/features.bpf.c. */
struct rw_features {
	__u32 probed;
	__s32 ssid_cpu; /* css_set.subsys index of the cpu controller, -1: none */
	__s32 ssid_cpuacct;
};

#ifndef __VMLINUX_H__
static_assert(sizeof(struct rw_hdr) == 24, "rw_hdr");
static_assert(sizeof(struct rw_id) == 16, "rw_id");
static_assert(sizeof(struct rw_fork) == 128, "rw_fork");
static_assert(sizeof(struct rw_exec) == 104, "rw_exec");
static_assert(sizeof(struct rw_exit) == 64, "rw_exit");
static_assert(sizeof(struct rw_children) == 56 + 24 * RW_CHILDREN_MAX, "rw_children");
static_assert(sizeof(struct rw_reparent) == 104, "rw_reparent");
static_assert(sizeof(struct rw_cgroup_ev) == 72 + RW_PATH_MAX, "rw_cgroup_ev");
static_assert(sizeof(struct rw_task) == 160, "rw_task");
static_assert(sizeof(struct rw_cpu) == 56, "rw_cpu");
static_assert(sizeof(struct rw_free) == 80, "rw_free");
static_assert(sizeof(struct rw_proc) == 80, "rw_proc");
static_assert(sizeof(struct rw_signal) == 104, "rw_signal");

#include "runaway/known.h"
#endif

#endif
