/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ACCESSORS_H
#define ACCESSORS_H

/* What bpf/compat.h and its neighbours say of one process: accessors.bpf.c to accessors.c. */

#define ACCESSORS_DEPTH 8
#define ACCESSORS_PATH	512

struct accessors {
	__u64 rss_bytes;
	__u64 start_ns;
	__u64 leader_cpu_ns;
	__u64 exe_ino;
	__u64 exec_id;
	__u64 cgroup[ACCESSORS_DEPTH]; /* ids, its own first, the root's last; 0: no more */
	__u32 exe_dev;
	__u32 pgid, sid, uid, ppid;
	__s32 live, listed; /* threads: counted by the kernel, met on its list */
	__s32 exit_status;
	__u32 flags;
	__s32 subsys; /* of cpuacct in css_set.subsys; -1: not built in */
	__u32 same;   /* the pointer that rw_plain() gives is the same */
	__u32 path_len;
	char path[ACCESSORS_PATH]; /* components, leaf first, NUL behind each */
};

#endif
