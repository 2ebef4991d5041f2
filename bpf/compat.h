/* SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause) */
#ifndef RW_COMPAT_H
#define RW_COMPAT_H

/*
 * One accessor per difference between kernels, 5.10 to today. A flavour
 * (`struct x___kernel`) is named after the kernels that have it.
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

#endif
