/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause) */
#ifndef RW_COMPAT_H
#define RW_COMPAT_H

/*
 * One accessor per difference between kernels, 5.10 to today; every program goes
 * through it. The list, with the test of each: docs/kernels.md, "Differences". A
 * flavour (`struct x___kernel`) is named after the kernels that have it.
 *
 * Pointers that come from BTF (a tracepoint's or an iterator's task) are read
 * directly: the verifier turns the load into one that survives a bad address,
 * at a tenth of the price of a helper call.
 */

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PF_KTHREAD	  0x00200000 /* include/linux/sched.h, unchanged since 2.6 */
#define SIGNAL_GROUP_EXIT 0x00000004 /* include/linux/sched/signal.h */
#define SIGNAL_UNKILLABLE 0x00000040 /* set for the child_reaper of a pid namespace */
#define RW_PIDTYPE_PGID	  2	     /* enum pid_type since 4.19 */
#define RW_PIDTYPE_SID	  3
#define RW_MM_FILEPAGES	  0 /* include/linux/mm_types_task.h */
#define RW_MM_ANONPAGES	  1
#define RW_MM_SHMEMPAGES  3

/* The context of an iterator over a map's elements (5.9); no object of the kernel has it. */
struct bpf_iter__bpf_map_elem {
	union {
		struct bpf_iter_meta *meta;
	} __attribute__((aligned(8)));
	union {
		struct bpf_map *map;
	} __attribute__((aligned(8)));
	union {
		void *key;
	} __attribute__((aligned(8)));
	union {
		void *value;
	} __attribute__((aligned(8)));
} __attribute__((preserve_access_index));

/* include/linux/signal_types.h, the same on 5.10 to 7.2; not in the kernel types that we keep. */
struct kernel_siginfo {
	int si_signo;
	int si_errno;
	int si_code;
} __attribute__((preserve_access_index));

/*
 * Adds, and gives nothing back: 5.10 knows no atomic operation that does (they
 * came with 5.12). Never of what may be a constant 0: compilers make an atomic
 * `or` of that, which came with 5.12, too. What only one of many may have is asked of
 * bpf_map_delete_elem(), which says 0 once.
 */
#define rw_add(p, n) ((void)__sync_fetch_and_add(p, n))

/* mm->rss_stat: an array of percpu_counter since 6.2 (f1a7941243c1), before that
 * struct mm_rss_stat with an atomic each. Drop the old one with 6.1. */
struct mm_rss_stat___pre_v602 {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));

struct mm_struct___pre_v602 {
	struct mm_rss_stat___pre_v602 rss_stat;
} __attribute__((preserve_access_index));

static __always_inline __u64 rw_mm_pages(struct mm_struct *mm, int which)
{
	struct mm_struct___pre_v602 *old = (void *)mm;
	long pages;

	if (bpf_core_type_exists(struct mm_rss_stat___pre_v602))
		pages = BPF_CORE_READ(old, rss_stat.count[which].counter);
	else
		pages = BPF_CORE_READ(mm, rss_stat[which].count);
	return pages > 0 ? pages : 0;
}

/* Resident bytes; per-CPU parts not yet folded in are left out (up to a few hundred KiB). */
static __always_inline __u64 rw_task_rss(struct task_struct *t, __u64 page_size)
{
	struct mm_struct *mm = BPF_CORE_READ(t, mm);

	if (!mm)
		return 0;
	return (rw_mm_pages(mm, RW_MM_FILEPAGES) + rw_mm_pages(mm, RW_MM_ANONPAGES) +
		rw_mm_pages(mm, RW_MM_SHMEMPAGES)) *
	       page_size;
}

/*
 * Threads of the process that are not in do_exit() yet; 0: the one that asks is
 * the last. sched_process_exit has that as a second argument, group_dead, on 6.18
 * and 7.2, not on 6.12; a program that takes it is refused where it is not. The
 * count that it is made of is on all.
 */
static __always_inline int rw_live_threads(struct task_struct *t)
{
	return t->signal->live.counter;
}

/*
 * The threads of a process, a list: task_struct.thread_group is on 5.10 and 6.1,
 * not on 6.12; signal_struct.thread_head is on all.
 */
static __always_inline struct list_head *rw_thread_list(struct task_struct *t)
{
	return (void *)BPF_CORE_READ(t, signal) +
	       bpf_core_field_offset(struct signal_struct, thread_head);
}

static __always_inline struct list_head *rw_list_next(struct list_head *at)
{
	return BPF_CORE_READ(at, next);
}

static __always_inline struct task_struct *rw_thread_at(struct list_head *at)
{
	return (void *)at - bpf_core_field_offset(struct task_struct, thread_node);
}

/*
 * The cgroup of a task in the hierarchy that we follow: ssid -1 is the default
 * (v2) one, else an index in css_set.subsys, which differs from kernel to kernel
 * (rw_features_ask asks). A task keeps its css_set until it is freed: cgroup_exit()
 * to 6.12 and cgroup_task_dead() on 7.2 take it off the cgroup's lists alone, so
 * this holds in sched_process_free on either side.
 */
static __always_inline struct cgroup *rw_task_cgroup(struct task_struct *t, int ssid)
{
	if (ssid < 0)
		return t->cgroups->dfl_cgrp;
	return BPF_CORE_READ(t, cgroups, subsys[ssid & 15], cgroup);
}

/* kernfs_node.id is one number since 5.5 (67c0496e87d1): the inode that stat(2) shows. */
static __always_inline __u64 rw_cgroup_id(struct cgroup *cg)
{
	return BPF_CORE_READ(cg, kn, id);
}

/* Id of the cgroup of a task. */
static __always_inline __u64 rw_task_cgroup_id(struct task_struct *t, int ssid)
{
	if (ssid < 0)
		return t->cgroups->dfl_cgrp->kn->id;
	return rw_cgroup_id(rw_task_cgroup(t, ssid));
}

/* The one above, NULL for a root. cgroup.ancestors[] came with 6.1; self.parent is on all. */
static __always_inline struct cgroup *rw_cgroup_parent(struct cgroup *cg)
{
	return BPF_CORE_READ(cg, self.parent, cgroup);
}

#endif
