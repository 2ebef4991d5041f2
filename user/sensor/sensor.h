/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_SENSOR_H
#define RUNAWAY_SENSOR_H

/*
 * The kernel's side as the daemon sees it: loads and attaches the programs,
 * drains the rings, walks the tasks, reads what only /proc tells. Everything
 * goes to one sink as records (runaway/wire.h), in an order that the model may
 * be fed in. Nothing is judged here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runaway/wire.h"

#define RUNAWAY_PROGS_MAX 24

/* Called for each record, in order. rec is valid during the call only. */
typedef void (*runaway_sink_fn)(void *ctx, const struct rw_hdr *rec, size_t len);

/* What a kernel may lack, and what can be left out on purpose where it is there. */
enum runaway_optional {
	RUNAWAY_WITHOUT_FENTRY = 1 << 0, /* fentry/kill_orphaned_pgrp */
	RUNAWAY_WITHOUT_HOT = 1 << 1,	 /* the pass over threads that ran lately */
};

struct runaway_journal;

struct runaway_sensor_config {
	const char *proc_root;	 /* "/proc" */
	const char *cgroup_root; /* "/sys/fs/cgroup" */
	const char *pin_dir;	 /* NULL: nothing is pinned */
	uint32_t max_processes;	 /* entries of rw_procs; rw_threads gets four times that */
	uint32_t max_cgroups;
	unsigned int without;				/* enum runaway_optional, ORed */
	uint32_t events_ring_bytes, samples_ring_bytes; /* power of two, 0: default */
	const char *const *marker_names;		/* allow-list, NULL-terminated */
	struct runaway_journal *journal; /* what the sink adds to it is committed before a record
					    leaves its ring; NULL: there is none */
};

enum runaway_cgroup_source {
	RUNAWAY_CGROUPS_NONE, /* no cgroup tree found */
	RUNAWAY_CGROUPS_V2,
	RUNAWAY_CGROUPS_HYBRID, /* v2 tree beside v1 controllers; ids are of the v2 tree */
	RUNAWAY_CGROUPS_V1,	/* ids are of the cpu (cpuacct) hierarchy */
};
const char *
runaway_cgroup_source_name(enum runaway_cgroup_source s); /* "none","v2","hybrid","v1" */

/* What of the host is hidden from this process, because of where it was started. */
enum runaway_gap {
	/* Blind: scans fail with -EXDEV, and nothing must be judged by what is seen. */
	RUNAWAY_GAP_PID_NAMESPACE,
	RUNAWAY_GAP_PROCFS,
	/* Names of cgroups are missing, all else is there. */
	RUNAWAY_GAP_NO_CGROUPS,
	RUNAWAY_GAP_CGROUP_PART,
	RUNAWAY_GAP_CGROUP_NAMESPACE,
	RUNAWAY_GAP_MAX,
};
const char *runaway_gap_name(enum runaway_gap g); /* of the check that doctor makes of it */
const char *runaway_gap_what(enum runaway_gap g); /* a sentence, without its full stop */
const char *runaway_gap_mend(enum runaway_gap g);

/* What this kernel offers and which variant is in use. */
struct runaway_features {
	bool btf;
	bool fentry_reparent;	   /* fentry/kill_orphaned_pgrp is attached */
	bool hot_pass;		   /* idle threads can be left out between full walks */
	const char *scan;	   /* "iter_task", or "iter_task+hot" with the hot pass */
	const char *reparent_hook; /* "fentry" or "exit_children" */
	enum runaway_cgroup_source cgroups;
	uint32_t gaps;		       /* bit per enum runaway_gap */
	int cgroup_ssid;	       /* index in css_set.subsys of that hierarchy; -1: v2 */
	const char *cgroup_controller; /* its v1 controller in /proc/PID/cgroup; "": v2 */
	char release[65];
	char libbpf[16];
	bool counts_misses;	 /* the kernel counts the runs of programs that it skips (5.12) */
	char why_no_fentry[160]; /* reasons of the fallbacks; "" when not needed */
	char why_no_hot[96];
	char why_walk_by_bpf[96];
};

static inline bool runaway_features_has_gap(const struct runaway_features *f, enum runaway_gap g)
{
	return f->gaps & (1u << g);
}
/* The weightiest gap; RUNAWAY_GAP_MAX: all of the host is seen. */
enum runaway_gap runaway_features_gap(const struct runaway_features *f);
/* Is what the scans see only a part of the host's processes? */
bool runaway_features_blind(const struct runaway_features *f);

enum runaway_pins {
	RUNAWAY_PINS_NONE,     /* nothing is pinned */
	RUNAWAY_PINS_MADE,     /* there were none */
	RUNAWAY_PINS_ADOPTED,  /* an earlier daemon's programs and maps go on */
	RUNAWAY_PINS_REPLACED, /* they were removed: they are not this build's */
};
const char *runaway_pins_name(enum runaway_pins p); /* "none","made","adopted","replaced" */

/* What this start took over from an earlier daemon. */
struct runaway_continuity {
	enum runaway_pins pins;
	char why[160];	   /* why the pins were replaced; "" */
	uint64_t until_ns; /* when the earlier daemon wrote last; 0: nothing was recalled */
	uint64_t down_ns;  /* from then to this start */
	bool whole;	   /* the kernel side watched in between, and its rings went on */
};

struct runaway_prog_stat {
	char name[16];
	uint64_t misses; /* recursion_misses; 0 where the kernel does not count */
};

struct runaway_map_stat {
	const char *name; /* "procs", "threads", "cgroups", "events", "samples" */
	uint64_t entries; /* bytes queued for the rings */
	uint64_t capacity;
	uint64_t errors; /* refused updates; for rings: reservations refused */
};

struct runaway_sensor_stats {
	struct rw_counters kernel; /* summed over CPUs at the last scan */
	uint64_t received[RW_KERNEL_TYPES];
	/* Of the kernel side's losses, what an earlier daemon had told: events, samples, misses,
	 * maps. */
	uint64_t told_before[4];
	uint64_t sequence_gaps; /* records missing by their sequence */
	uint64_t malformed;	/* records whose length or type made no sense */
	uint64_t scans, scan_failures, scan_overruns, rescans;
	uint64_t scan_last_ns; /* CLOCK_BOOTTIME of the last good one; 0: none */
	uint64_t scan_duration_ns, scan_tasks, scan_processes;
	struct runaway_prog_stat prog[RUNAWAY_PROGS_MAX];
	size_t prog_count;
	uint64_t swept; /* map entries removed whose process or thread had gone unnoticed */
	struct runaway_map_stat map[6];
	size_t map_count;
};

struct runaway_sensor;

/*
 * Loads, attaches, and writes the first snapshot to the sink (with what only
 * root may read of /proc). Needs CAP_BPF and CAP_PERFMON or root. Returns 0;
 * -EPERM; -ENOTSUP without BTF; -EBUSY when another daemon uses pin_dir; else
 * libbpf's negative errno. What failed is in the log.
 */
int runaway_sensor_open(const struct runaway_sensor_config *c, runaway_sink_fn sink, void *ctx,
			struct runaway_sensor **ret);
void runaway_sensor_close(struct runaway_sensor *s);
/* Removes everything below pin_dir that is ours. 0; -ENOENT when there was nothing; -EINVAL
 * (logged) outside of a BPF file system. */
int runaway_sensor_unload(const char *pin_dir);

/*
 * To poll for input, edge-triggered (EPOLLET): something that should be seen at
 * once is in a ring. Level-triggered it would also report every record that
 * nobody waits for, and the batching would be lost.
 */
int runaway_sensor_fd(const struct runaway_sensor *s);
/* Drains the rings into the sink. Number of records. */
int runaway_sensor_drain(struct runaway_sensor *s);
/*
 * Drains, walks the tasks, drains again, reads cgroups' CPU, the counters and
 * the host's figures. With resync every process is written. 0 or a negative
 * errno (also told by RW_SCAN_END); -EXDEV where the walk cannot see all (gaps).
 */
int runaway_sensor_scan(struct runaway_sensor *s, bool resync);
/* Children of exited tasks still to be looked up again: when to call recheck, 0: none waiting. */
uint64_t runaway_sensor_recheck_at(const struct runaway_sensor *s);
void runaway_sensor_recheck(struct runaway_sensor *s);
/* Asks for the cgroup text of a process, and its args unless known, from /proc: told after the sink
 * returns. */
void runaway_sensor_enrich(struct runaway_sensor *s, struct rw_id id, bool args_known);

const struct runaway_features *runaway_sensor_features(const struct runaway_sensor *s);
const struct runaway_continuity *runaway_sensor_continuity(const struct runaway_sensor *s);
/* How far the rings are taken, and what was counted: to end a journal with. Valid until the next
 * call. */
const struct rw_commit *runaway_sensor_books(struct runaway_sensor *s);
/* Writes what was added to the journal since the last commit. */
void runaway_sensor_commit(struct runaway_sensor *s);
const struct runaway_sensor_stats *runaway_sensor_stats(const struct runaway_sensor *s);
/* The loop could not keep up: scans that should have been made and were not. */
void runaway_sensor_note_overruns(struct runaway_sensor *s, uint64_t missed);
/* Another allow-list from now on (kept by the caller). 0 or a negative errno. */
int runaway_sensor_set_markers(struct runaway_sensor *s, const char *const *names);
/*
 * Whose signals the kernel side tells of (RW_SIGNAL): these processes and what they fork from now
 * on. Takes the place of the set before; n 0: nobody. Costs no system call.
 */
void runaway_sensor_watch(struct runaway_sensor *s, const uint32_t *pids, size_t n);
/* The RW_META record, which open() gives to the sink before all others. */
void runaway_sensor_meta(const struct runaway_sensor *s, struct rw_meta *ret);

/* "fentry,hot": names of what to leave out. 0, or -EINVAL with *ret_without untouched. */
int runaway_features_parse_without(const char *list, unsigned int *ret_without);

/* Probes without loading anything for good: for --version and doctor. 0 or -errno. */
int runaway_features_probe(struct runaway_features *ret);

/* ---- recordings (recording.c) ---- */
struct runaway_recorder;
int runaway_recorder_open(const char *path, struct runaway_recorder **ret);
/* Buffers; -EIO and friends are remembered and told by close. */
void runaway_recorder_add(struct runaway_recorder *r, const struct rw_hdr *rec, size_t len);
int runaway_recorder_flush(struct runaway_recorder *r);
int runaway_recorder_close(struct runaway_recorder *r); /* 0 or the first error */
/*
 * Feeds a recording to the sink. -EBADMSG for a file that is none or is damaged
 * (with *ret_offset, may be NULL); a record cut off at the very end is reported as -ENODATA
 * after all before it was fed.
 */
int runaway_recording_play(const char *path, runaway_sink_fn sink, void *ctx, uint64_t *ret_offset);

#endif
