/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause) */
#ifndef RW_BPF_H
#define RW_BPF_H

/*
 * What the BPF objects share. A map belongs to the object that defines it;
 * the others call the __hidden functions declared here.
 */

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.h"
#include "runaway/wire.h"

/*
 * A program that calls functions does nothing else: what it has to do is one of
 * them. Debian's 5.10 has such a program twice in its tree of BPF symbols (the
 * first function is the program again), and the twin without the table by which
 * a read through NULL gives 0: found there, the read is an oops. Functions are in
 * the tree once. Mended in 6.4 (0108a4e9f358); scripts/check-bpf-programs holds
 * the rule, tests/vm/cases/differences.py shows that it is enough.
 */

/* ---- rings.bpf.c: transport and loss ---- */

/* This CPU's counters; never NULL in practice, but the verifier wants it asked. */
__hidden struct rw_counters *rw_counters_here(void);

/* Parts of the functions below. */
__hidden __u64 rw_event_attempt(__u32 type);
__hidden __u64 rw_sample_attempt(__u32 type);
__hidden void *rw_event_room(__u32 len);
__hidden void *rw_sample_room(__u32 len);
__hidden void rw_count_drop(__u32 type);

/*
 * `seq` is not atomic: two programs that nest on one CPU may number alike. It
 * proves gaps to the reader; the counters are the books, and they are atomic.
 */
static __always_inline void rw_fill(struct rw_hdr *h, __u32 len, __u32 type, __u64 seq)
{
	h->type = type;
	h->cpu = bpf_get_smp_processor_id();
	h->len = len;
	h->seq = seq;
	h->time_ns = bpf_ktime_get_boot_ns();
}

/*
 * Room for one record of fixed length, its header filled; NULL (and counted)
 * when the ring has none. `len` must be a constant. Whether there is room is
 * asked here, in the caller's frame, and only once: before 6.2 the verifier
 * does not know that what was asked in a function it called cannot be NULL.
 */
static __always_inline void *rw_event_reserve(__u32 len, __u32 type)
{
	__u64 seq = rw_event_attempt(type);
	void *rec = rw_event_room(len);

	if (rec)
		rw_fill(rec, len, type, seq);
	else
		rw_count_drop(type);
	return rec;
}

static __always_inline void *rw_sample_reserve(__u32 len, __u32 type)
{
	__u64 seq = rw_sample_attempt(type);
	void *rec = rw_sample_room(len);

	if (rec)
		rw_fill(rec, len, type, seq);
	else
		rw_count_drop(type);
	return rec;
}

/*
 * A lineage record wakes the reader at once only if `wake`; otherwise the
 * reader comes by each interval, or when a good part of the ring is queued.
 */
__hidden void rw_event_submit(void *rec, bool wake);
__hidden void rw_sample_submit(void *rec);

/* The same for a record of variable length that begins with a struct rw_hdr. 0, or -1: dropped. */
__hidden int rw_event_output(void *rec, __u32 len, __u32 type, bool wake);
__hidden int rw_sample_output(void *rec, __u32 len, __u32 type);

/* Memory that could not be read: what it holds is unknown, and counted as such. */
__hidden void rw_count_fault(void);

#define ENOENT 2

enum rw_map { RW_MAP_PROCS, RW_MAP_THREADS, RW_MAP_CGROUPS, RW_MAPS };

/* Counts a refusal: as full, or as an error (a lock that was busy). Verified once, by itself. */
int rw_map_refused(int r, enum rw_map map);

/* Of an update. Returns r. */
static __always_inline long rw_map_result(long r, enum rw_map map)
{
	if (r)
		rw_map_refused(r, map);
	return r;
}

/* Of a delete; that there was no entry is no failure. */
static __always_inline void rw_map_deleted(long r, enum rw_map map)
{
	if (r && r != -ENOENT)
		rw_map_refused(r, map);
}

/* ---- cgroup.bpf.c ---- */

/* Adds CPU to the cgroup's own account; makes its entry from cg when it has none. Id 0: none. */
__hidden void rw_cgroup_charge(struct cgroup *cg, __u64 id, __u64 delta_ns);
/* The same, for a cgroup whose entry is known to exist. */
__hidden void rw_cgroup_charge_id(__u64 id, __u64 delta_ns);
/* Makes its entry: somebody is in it, and may be charged to its id alone when it leaves. */
__hidden void rw_cgroup_enter(struct cgroup *cg, __u64 id);

/* ---- cpu.bpf.c ---- */

/*
 * The thread (the whole process: at most 128 threads) moved to another cgroup:
 * what it used until now is charged to the one it left.
 */
__hidden void rw_flush_thread(struct task_struct *t, struct rw_proc *e, __u64 to_cgroup);
__hidden void rw_flush_process(struct task_struct *t, const struct rw_id *id, __u64 to_cgroup);
/* Enters a process that was not known, of which t leads the threads, with what it has used. NULL
 * (and counted): no room. */
__hidden struct rw_proc *rw_proc_first(struct task_struct *t, const struct rw_id *id);
/* What is remembered of a thread, by number alone: its start time says whether it is that one. */
__hidden struct rw_thread *rw_thread_get(__u32 tid);
__hidden void rw_thread_del(__u32 tid);
/*
 * A thread's entry goes to the leader that was: it is released under the thread's
 * number and with the process's start time, and what was counted of it must not
 * count again. What was counted of the thread is the new leader's.
 */
__hidden void rw_swap_leaders(struct rw_proc *e, const struct rw_thread *th, __u64 start_ns,
			      __u32 old_tid, __u64 counted_ns);
/* A thread other than the leader called exec and is the leader now. */
__hidden void rw_adopt_thread(struct rw_proc *e, __u64 start_ns, __u32 old_tid);

/* ---- features.bpf.c ---- */

/*
 * The same task as a pointer that the verifier does not trust. For a trusted one
 * it searches the kernel's whole BTF by name, up to four times for each pointer
 * that is read through it, on every path (btf_nested_type_is_trusted(), 6.3):
 * loading the programs took three times as long. Kernels that do so have the
 * cast (6.2), which costs nothing when the program runs.
 */
__hidden struct task_struct *rw_plain(struct task_struct *t);

/* ---- path.bpf.c ---- */

/*
 * How much of a path there is. It lies in a map value, not on the stack: what the
 * verifier does not track it cannot tell apart either, and the loop's states stay few.
 */
struct rw_path {
	__u32 len; /* bytes in use */
	__u32 cut; /* components are missing at the root's end */
};
/*
 * Components of a file's path, leaf first, a NUL behind each, up to the root of
 * the mount tree, into RW_PATH_MAX bytes at `data`, which is in a map value too.
 */
__hidden void rw_file_path(struct file *file, struct rw_path *p, char *data);

/* ---- markers.bpf.c ---- */

struct rw_found {
	__u32 len; /* bytes of text: "NAME=value", NUL, ... */
	__u32 cut; /* the environment was too long: there may be more */
	char text[RW_MARKERS_MAX];
};
/* Allow-listed variables of the environment at [pos, end) of this process; NULL: it has none. */
__hidden struct rw_found *rw_markers_read(__u64 pos, __u64 end);

/* ---- lineage.bpf.c ---- */

__hidden struct rw_proc *rw_proc_get(const struct rw_id *id);
/* Inserts or replaces. NULL (and counted) when the map is full. */
__hidden struct rw_proc *rw_proc_put(const struct rw_id *id, struct rw_proc *init);
__hidden void rw_proc_del(const struct rw_id *id);

/* Index in css_set.subsys whose cgroup counts, or -1: the default (v2) hierarchy. */
extern const volatile int rw_cgroup_ssid;

/* What a ledger says since it was last counted. */
static __always_inline __u64 rw_since(const __u64 *counted, __u64 now)
{
	__u64 was = *(const volatile __u64 *)counted;

	return now > was ? now - was : 0;
}

/*
 * The same, counted. It is added to what was counted (`now` is not put in its
 * place): when the walk and a move to another cgroup count the same time at once,
 * on two CPUs, that is too much by it, and the next count is so much less. The sum
 * of all counts is what the ledger says.
 */
static __always_inline __u64 rw_catch_up(__u64 *counted, __u64 now)
{
	__u64 delta = rw_since(counted, now);

	if (delta)
		rw_add(counted, delta);
	return delta;
}

/* CPU of a task, to its cgroup, whose id the caller knows already. */
static __always_inline void rw_task_charge(struct task_struct *t, __u64 cgroup_id, __u64 delta_ns)
{
	rw_cgroup_charge(rw_task_cgroup(t, rw_cgroup_ssid), cgroup_id, delta_ns);
}

static __always_inline void rw_id_of(struct task_struct *t, struct rw_id *id)
{
	id->start_ns = t->group_leader->start_boottime;
	id->pid = t->tgid;
	id->pad = 0;
}

/* Process group or session, as the initial pid namespace numbers it. */
static __always_inline __u32 rw_task_pid_type(struct task_struct *t, int type)
{
	struct pid *pid = t->signal->pids[type];

	return pid ? pid->numbers[0].nr : 0;
}

static __always_inline __u32 rw_task_flags(struct task_struct *t)
{
	struct signal_struct *sig = t->signal;
	__u32 flags = 0;

	if (sig->flags & SIGNAL_UNKILLABLE)
		flags |= RW_TF_NS_INIT;
	if (BPF_CORE_READ_BITFIELD(sig, is_child_subreaper))
		flags |= RW_TF_SUBREAPER;
	if (t->exit_state)
		flags |= RW_TF_ZOMBIE;
	return flags;
}

/* Status as wait(2) reports it: kernel/exit.c, wait_task_zombie(). */
static __always_inline __s32 rw_exit_status(struct task_struct *t)
{
	if (t->signal->flags & SIGNAL_GROUP_EXIT)
		return t->signal->group_exit_code;
	return t->group_leader->exit_code;
}

#endif
