/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause) */
#ifndef RUNAWAY_KNOWN_H
#define RUNAWAY_KNOWN_H

/*
 * Records by which a daemon tells the one that follows it what it knew. Part of
 * wire.h, for user space alone: the kernel side makes and reads none of them.
 */

#include "runaway/wire.h"

/* `known` of RW_KNOWN. */
enum rw_known_flags {
	RW_KF_FORK = 1 << 0,		/* its fork was seen: origin is a fact */
	RW_KF_EXEC = 1 << 1,		/* the image is of its own exec */
	RW_KF_EXIT = 1 << 2,		/* exit_code is known */
	RW_KF_ZOMBIE = 1 << 3,		/* exited, not reaped */
	RW_KF_DEAD = 1 << 4,		/* gone, kept for its descendants */
	RW_KF_FREED = 1 << 5,		/* cpu_ns is final */
	RW_KF_IMAGE = 1 << 6,		/* something of its image is known */
	RW_KF_IMAGE_OF_ORIGIN = 1 << 7, /* and it is shared with the origin: not written again */
	RW_KF_ARGS_CUT = 1 << 8,
};

/*
 * A process as a daemon's model knew it. Fed to another model, it is known there
 * as well; whoever is known already takes this over. Origins come before those
 * they forked.
 */
struct rw_known {
	struct rw_hdr hdr;
	struct rw_id id;
	struct rw_id origin; /* pid 0: unknown */
	struct rw_id parent; /* pid 0: unknown */
	struct rw_id ci;     /* whose exec carried its CI markers; pid 0: none */
	__u64 cgroup_id;
	__u64 cpu_ns;
	__u64 sample_ns; /* when cpu_ns was true */
	__u64 rss_bytes;
	__u64 exec_id;
	__u64 exe_ino;
	__u64 first_seen_ns;
	__u64 parent_ns; /* when `parent` was last told */
	__u64 event_ns;	 /* last lineage record: older samples do not undo it */
	__u64 exit_ns;	 /* 0: lives */
	__u32 exe_dev;
	__u32 pgid;
	__u32 sid;
	__u32 uid;
	__u32 flags; /* enum rw_task_flags */
	__u32 threads;
	__s32 exit_code;
	__u32 known;	   /* enum rw_known_flags */
	__u16 exe_len;	   /* data: path of the executable */
	__u16 args_len;	   /* then the arguments, NUL separated, secrets hidden already */
	__u16 markers_len; /* then "NAME=value" NUL each */
	__u16 cgroup_len;  /* then the text of /proc/PID/cgroup */
	char comm[RW_COMM_LEN];
	char data[];
};

#define RW_KNOWN_HOPS 4

struct rw_hop {
	__u64 at_ns;
	struct rw_id from, to;
};

/* What makes a process an orphan; RW_KNOWN of it and of its tree came before. */
struct rw_known_orphan {
	struct rw_hdr hdr;
	struct rw_id id;
	struct rw_id reaper;
	__u64 since_ns;	     /* 0: before anybody looked */
	__u64 first_seen_ns; /* when it was first seen as one */
	__u64 known_ns;
	__u64 baseline_ns;
	__u64 tree_cpu_ns; /* of its tree since it was orphaned */
	struct rw_hop hop[RW_KNOWN_HOPS];
	__u32 hop_count;
	__u32 via;
	__u32 reaper_flags;
	__u32 origin_known;
	char reaper_comm[RW_COMM_LEN];
};

/* What came before was told by an earlier daemon's journal: it is known, and not counted again. */
struct rw_recalled {
	struct rw_hdr hdr;
	__u64 until_ns; /* when the earlier daemon wrote last */
	__u32 whole;	/* the rings went on meanwhile: nothing in between is missing unnoticed */
	__u32 pad;
};

/*
 * In a journal only: all records before it are whole, and the reader has taken
 * so much of the rings. A new reader of the same rings (their map ids) goes on here.
 */
struct rw_commit {
	struct rw_hdr hdr;
	__u64 pos[2]; /* of the reader: events, samples */
	__u32 ring_id[2];
	__u64 received[RW_KERNEL_TYPES];
	__u64 sequence_gaps;
	__u64 malformed;
	__u64 told[4]; /* by RW_LOSS so far: events, samples, misses, maps */
	__u32 ncpu;
	__u32 pad;
	__u64 seq[]; /* last sequence of each CPU: events, then samples */
};

static_assert(sizeof(struct rw_known) == 224, "rw_known");
static_assert(sizeof(struct rw_known_orphan) == 288, "rw_known_orphan");
static_assert(sizeof(struct rw_recalled) == 40, "rw_recalled");
static_assert(sizeof(struct rw_commit) == 296, "rw_commit");

#endif
