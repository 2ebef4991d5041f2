// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * The accessors for what differs between kernels, asked about one process, so that a test can hold
 * each against what /proc says of it. They are those of the sensor: nothing is written twice.
 */

#include "rw.h"
#include "accessors.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define THREADS 128

/* As cgroup.bpf.c has it: path.bpf.c and features.bpf.c are linked to this, that file is not. */
const volatile int rw_cgroup_ssid = -1;

__u32 ask; /* tgid */
bool v1;   /* its cgroup in the hierarchy of cpuacct, not in the default one */
__u32 page_size;
struct accessors said;
static struct rw_path path;

extern struct rw_features rw_features;

/* Signals: to whom, and the last one's number and code. */
__u32 signals_of;
int signal_number, signal_code;
/* The last thread of a process ends: how many did, of this parent. */
__u32 exits_of;
__u64 exits;
/* Reads through NULL: how many, and what came of them. */
__u64 faults, faults_read;

static __always_inline void ask_threads(struct task_struct *t)
{
	struct list_head *head = rw_thread_list(t), *at = rw_list_next(head);

	said.listed = 0;
	for (int i = 0; i < THREADS; i++) {
		if (!at || at == head)
			return;
		if (BPF_CORE_READ(rw_thread_at(at), tgid) == (int)ask)
			said.listed++;
		at = rw_list_next(at);
	}
}

static __always_inline void ask_cgroups(struct task_struct *t)
{
	struct cgroup *cg = rw_task_cgroup(t, v1 ? rw_features.ssid_cpuacct : -1);

	for (int i = 0; i < ACCESSORS_DEPTH; i++) {
		said.cgroup[i] = cg ? rw_cgroup_id(cg) : 0;
		if (cg)
			cg = rw_cgroup_parent(cg);
	}
}

static __always_inline void ask_file(struct task_struct *t)
{
	struct file *file = t->mm->exe_file;

	said.path_len = 0;
	said.exe_ino = BPF_CORE_READ(file, f_inode, i_ino);
	said.exe_dev = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	if (!file)
		return;
	rw_file_path(file, &path, said.path);
	said.path_len = path.len;
}

static __noinline int answer(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct rw_id id;

	if (!t || (__u32)t->tgid != ask || t->pid != t->tgid)
		return 0;
	said.same = rw_plain(t) == t;
	t = rw_plain(t);
	rw_id_of(t, &id);
	said.start_ns = id.start_ns;
	said.rss_bytes = rw_task_rss(t, page_size);
	said.leader_cpu_ns = t->se.sum_exec_runtime;
	said.exec_id = t->self_exec_id;
	said.pgid = rw_task_pid_type(t, RW_PIDTYPE_PGID);
	said.sid = rw_task_pid_type(t, RW_PIDTYPE_SID);
	said.uid = t->cred->uid.val;
	said.ppid = t->real_parent->tgid;
	said.live = rw_live_threads(t);
	said.exit_status = rw_exit_status(t);
	said.flags = rw_task_flags(t);
	said.subsys = rw_features.ssid_cpuacct;
	ask_threads(t);
	ask_cgroups(t);
	ask_file(t);
	bpf_seq_write(ctx->meta->seq, &said, sizeof(said));
	return 0;
}

SEC("iter/task")
int ask_task(struct bpf_iter__task *ctx)
{
	return answer(ctx);
}

/* Kernel threads have no memory of their own: each is a read through NULL, which gives 0. */
static __noinline int read_nothing(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;

	if (!t || !(t->flags & PF_KTHREAD))
		return 0;
	faults++;
	faults_read |= t->mm->arg_start;
	return 0;
}

SEC("iter/task")
int ask_nothing(struct bpf_iter__task *ctx)
{
	return read_nothing(ctx);
}

static __noinline int signalled(int sig, struct kernel_siginfo *info, struct task_struct *t)
{
	if (!signals_of || (__u32)t->tgid != signals_of)
		return 0;
	signal_number = sig;
	signal_code = BPF_CORE_READ(info, si_code);
	return 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int sig, struct kernel_siginfo *info, struct task_struct *t, int group,
	     int result)
{
	return signalled(sig, info, t);
}

static __noinline int exits_now(struct task_struct *task)
{
	struct task_struct *t = rw_plain(task);

	if (exits_of && (__u32)t->real_parent->tgid == exits_of && !rw_live_threads(t))
		rw_add(&exits, 1);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	return exits_now(task);
}
