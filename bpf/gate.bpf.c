// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * The kernel guard of the signal gate, an object of its own. A subject (the gate's
 * processes) may send one SIGTERM to one authorised target; everything else it
 * could signal with is refused here, whatever its code has become.
 *
 * Each check is there twice: for the BPF LSM, which the kernel never skips, and
 * as fmod_ret for kernels that run without `bpf` in their list of LSMs. User space loads
 * one kind or the other (`SEC("?…")`) and tries it before it claims anything.
 *
 * No argument and no earlier verdict flows into a return value: from 6.12 on the
 * verifier wants it proved to be 0 or a small negative number.
 */

#include "rw.h"
#include "runaway/gate.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EPERM		    1
#define SI_USER		    0 /* kill(2), or pidfd_send_signal(2) without a siginfo */
#define CLONE_THREAD	    0x00010000
#define PTRACE_MODE_ATTACH  0x02
#define FMODE_WRITE	    0x2
#define PROC_SUPER_MAGIC    0x9fa0
#define CGROUP_SUPER_MAGIC  0x27e0eb
#define CGROUP2_SUPER_MAGIC 0x63677270

const volatile struct rw_gate_config rw_gate_conf;
/* The cgroup that identities tell, as rw_cgroup_ssid of the sensor. */
const volatile int rw_gate_ssid = -1;
/* Whom the iterator is asked for: a word in memory, so that asking needs no bpf(2). */
__u32 rw_gate_ask;

/* Full: an authorisation is refused in user space, nothing here changes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RW_GATE_AUTHZ);
	__type(key, __u32);
	__type(value, struct rw_gate_authz);
} rw_gate_authz SEC(".maps");

/* Full: every question of a subject is answered no. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} rw_gate_wit SEC(".maps");

/* Frozen by user space: only these programs write it, and it is read by mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RW_GATE_HOOKS);
	__type(key, __u32);
	__type(value, struct rw_gate_count);
} rw_gate_counts SEC(".maps");

/* One check, both kinds of program. */
#define GUARD(name, hook, function, verdict, ...)                                                  \
	SEC("?lsm/" hook)                                                                          \
	int BPF_PROG(rw_lsm_##name, __VA_ARGS__)                                                   \
	{                                                                                          \
		return verdict;                                                                    \
	}                                                                                          \
	SEC("?fmod_ret/" function)                                                                 \
	int BPF_PROG(rw_fmr_##name, __VA_ARGS__)                                                   \
	{                                                                                          \
		return verdict;                                                                    \
	}

/* ---- who asks ---- */

struct asker {
	__u32 tgid;
	__u32 may;
	bool subject;
};

/* The cgroup or one above it. */
static __always_inline bool in_guarded_cgroup(struct task_struct *t)
{
	struct cgroup *cg = BPF_CORE_READ(t, cgroups, dfl_cgrp);

	for (int i = 0; i < RW_GATE_DEPTH; i++) {
		if (!cg)
			return false;
		if (rw_cgroup_id(cg) == rw_gate_conf.cgroup_id)
			return true;
		cg = rw_cgroup_parent(cg);
	}
	return false;
}

/* Called for every signal, fork, exec and open of the host: first what is cheap. */
static __always_inline struct asker who_asks(void)
{
	struct asker a = { .tgid = bpf_get_current_pid_tgid() >> 32 };
	struct task_struct *t = (void *)bpf_get_current_task();

#pragma unroll
	for (int i = 0; i < RW_GATE_SUBJECTS; i++) {
		if (rw_gate_conf.subjects[i].tgid != a.tgid)
			continue;
		if (BPF_CORE_READ(t, group_leader, start_boottime) !=
		    rw_gate_conf.subjects[i].start_boottime_ns)
			continue;
		a.may = rw_gate_conf.subjects[i].may;
		a.subject = true;
		return a;
	}
	if (rw_gate_conf.cgroup_id && in_guarded_cgroup(t)) {
		a.may = rw_gate_conf.cgroup_may;
		a.subject = true;
	}
	return a;
}

/* ---- writing it down ---- */

static __always_inline struct rw_gate_count *count_of(__u32 hook)
{
	return bpf_map_lookup_elem(&rw_gate_counts, &hook);
}

/* NULL, and counted: there is no room for the record, so the answer must be no. */
static __always_inline struct rw_gate_witness *witness_begin(__u32 hook, int detail,
							     struct task_struct *target)
{
	struct rw_gate_witness *w = bpf_ringbuf_reserve(&rw_gate_wit, sizeof(*w), 0);
	struct rw_gate_count *c = count_of(hook);
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	if (c)
		rw_add(&c->decided, 1);
	if (!w) {
		if (c)
			rw_add(&c->no_room, 1);
		return NULL;
	}
	w->time_boot_ns = bpf_ktime_get_boot_ns();
	w->hook = hook;
	w->subject_tgid = pid_tgid >> 32;
	w->subject_tid = pid_tgid;
	w->detail = detail;
	w->nonce = 0;
	w->target_tgid = target ? target->tgid : 0;
	w->target_start_boottime_ns = target ? target->group_leader->start_boottime : 0;
	w->target_exec_id = target ? target->group_leader->self_exec_id : 0;
	return w;
}

static __always_inline void witness_end(struct rw_gate_witness *w, __u32 hook, __u32 reason)
{
	struct rw_gate_count *c = count_of(hook);

	if (c)
		rw_add(reason == RW_GATE_ALLOWED ? &c->allowed : &c->denied, 1);
	w->reason = reason;
	bpf_ringbuf_submit(w, 0);
}

/* A way around task_kill: no, whatever its details. */
static __always_inline int refuse(__u32 hook, int detail, struct task_struct *target)
{
	struct rw_gate_witness *w = witness_begin(hook, detail, target);

	if (w)
		witness_end(w, hook, RW_GATE_ROUTE_CLOSED);
	return -EPERM;
}

/* ---- task_kill ---- */

/*
 * From 6.12 on the verifier holds an LSM program's pointers for never NULL and drops
 * tests of it. Reading what they point to tells: SEND_SIG_NOINFO (0) and SEND_SIG_PRIV (1),
 * the kernel's own signals on behalf of a subject, cannot be read.
 */
static __always_inline bool plain(struct kernel_siginfo *info)
{
	int code;

	return bpf_core_read(&code, sizeof(code), &info->si_code) == 0 && code == SI_USER;
}

/* kill_pid_usb_asyncio(): sent with the rights of whoever submitted the request. */
static __always_inline bool on_behalf(const struct cred *cred)
{
	char byte;

	return bpf_probe_read_kernel(&byte, sizeof(byte), cred) == 0;
}

static __always_inline __u32 judge(struct rw_gate_witness *w, struct kernel_siginfo *info, int sig,
				   const struct cred *cred, __u32 may)
{
	__u32 tgid = w->target_tgid;
	struct rw_gate_authz *a;

	if (!(may & RW_GATE_MAY_TERM))
		return RW_GATE_NO_RIGHT;
	if (sig != RW_GATE_SIGTERM)
		return RW_GATE_NOT_SIGTERM;
	if (on_behalf(cred) || !plain(info))
		return RW_GATE_NOT_PLAIN;
	a = bpf_map_lookup_elem(&rw_gate_authz, &tgid);
	if (!a)
		return RW_GATE_NOT_AUTHORISED;
	w->nonce = a->nonce;
	if (w->target_start_boottime_ns != a->start_boottime_ns)
		return RW_GATE_OTHER_START;
	if (w->target_exec_id != a->exec_id)
		return RW_GATE_OTHER_EXEC;
	if (w->time_boot_ns > a->deadline_boot_ns)
		return RW_GATE_TOO_LATE;
	/* Deleting is what one of many can do once, on 5.10 too, which has no atomic exchange. */
	if (bpf_map_delete_elem(&rw_gate_authz, &tgid))
		return RW_GATE_TAKEN;
	return RW_GATE_ALLOWED;
}

static __always_inline int on_kill(struct task_struct *p, struct kernel_siginfo *info, int sig,
				   const struct cred *cred)
{
	struct asker a = who_asks();
	struct rw_gate_witness *w;
	__u32 reason;

	if (!a.subject || (__u32)p->tgid == a.tgid)
		return 0;
	w = witness_begin(RW_GATE_KILL, sig, p);
	if (!w)
		return -EPERM;
	reason = judge(w, info, sig, cred, a.may);
	witness_end(w, RW_GATE_KILL, reason);
	if (reason != RW_GATE_ALLOWED)
		return -EPERM;
	return 0;
}

GUARD(kill, "task_kill", "security_task_kill", on_kill(p, info, sig, cred), struct task_struct *p,
      struct kernel_siginfo *info, int sig, const struct cred *cred)

/* ---- the ways around it ---- */

/* A child would be nobody's subject. Threads stay what their process is. */
static __always_inline int on_fork(__u64 clone_flags)
{
	if (clone_flags & CLONE_THREAD || !who_asks().subject)
		return 0;
	return refuse(RW_GATE_FORK, (int)clone_flags, NULL);
}

GUARD(fork, "task_alloc", "security_task_alloc", on_fork(clone_flags), struct task_struct *t,
      unsigned long clone_flags)

static __always_inline int on_exec(void)
{
	if (!who_asks().subject)
		return 0;
	return refuse(RW_GATE_EXEC, 0, NULL);
}

GUARD(exec, "bprm_check_security", "security_bprm_check", on_exec(), struct linux_binprm *bprm)

/*
 * Signals that a file sends (fasync, leases, dnotify) pass no task_kill. They are
 * refused where they are arranged: the hook at their delivery runs in whatever
 * context wakes the file, often an interrupt, where `current` is anybody.
 */
static __always_inline bool arranges_signal(unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case 4:			     /* F_SETFL */
		return arg & 020000; /* O_ASYNC */
	case 8:			     /* F_SETOWN */
	case 10:		     /* F_SETSIG */
	case 15:		     /* F_SETOWN_EX */
	case 1024:		     /* F_SETLEASE */
	case 1026:		     /* F_NOTIFY */
		return true;
	}
	return false;
}

static __always_inline int on_fcntl(unsigned int cmd, unsigned long arg)
{
	if (!arranges_signal(cmd, arg) || !who_asks().subject)
		return 0;
	return refuse(RW_GATE_FCNTL, cmd, NULL);
}

GUARD(fcntl, "file_fcntl", "security_file_fcntl", on_fcntl(cmd, arg), struct file *file,
      unsigned int cmd, unsigned long arg)

/* The same by ioctl, and what makes a terminal signal those who sit at it. */
static __always_inline bool ioctl_signals(unsigned int cmd)
{
	switch (cmd) {
	case 0x8901:	 /* FIOSETOWN */
	case 0x8902:	 /* SIOCSPGRP */
	case 0x5452:	 /* FIOASYNC */
	case 0x540e:	 /* TIOCSCTTY */
	case 0x5410:	 /* TIOCSPGRP */
	case 0x5412:	 /* TIOCSTI */
	case 0x5422:	 /* TIOCNOTTY */
	case 0x5437:	 /* TIOCVHANGUP */
	case 0x40045436: /* TIOCSIG */
		return true;
	}
	return false;
}

static __always_inline int on_ioctl(__u32 hook, unsigned int cmd)
{
	if (!ioctl_signals(cmd) || !who_asks().subject)
		return 0;
	return refuse(hook, (int)cmd, NULL);
}

GUARD(ioctl, "file_ioctl", "security_file_ioctl", on_ioctl(RW_GATE_IOCTL, cmd), struct file *file,
      unsigned int cmd)

/* 32-bit callers have a hook of their own since 6.8 (f1bb47a31dff); before, the one above. */
GUARD(ioctl32, "file_ioctl_compat", "security_file_ioctl_compat", on_ioctl(RW_GATE_IOCTL32, cmd),
      struct file *file, unsigned int cmd)

/*
 * Attaching covers injected signals, /proc/PID/mem, process_vm_writev and pidfd_getfd.
 * Reading (/proc/PID/exe) stays possible: a target is compared by it.
 */
static __always_inline int on_ptrace(struct task_struct *child, unsigned int mode)
{
	struct asker a;

	if (!(mode & PTRACE_MODE_ATTACH))
		return 0;
	a = who_asks();
	if (!a.subject || (__u32)child->tgid == a.tgid)
		return 0;
	return refuse(RW_GATE_PTRACE, (int)mode, child);
}

GUARD(ptrace, "ptrace_access_check", "security_ptrace_access_check", on_ptrace(child, mode),
      struct task_struct *child, unsigned int mode)

/*
 * cgroup.kill, cgroup.freeze and memory.max end or stop others; cgroup.procs would
 * take the subject out of the guarded cgroup; /proc has sysrq-trigger and oom_score_adj.
 */
static __always_inline int on_open(struct file *file)
{
	unsigned long magic;

	if (!((__u64)file->f_mode & FMODE_WRITE))
		return 0;
	magic = file->f_inode->i_sb->s_magic;
	if (magic != CGROUP2_SUPER_MAGIC && magic != CGROUP_SUPER_MAGIC &&
	    magic != PROC_SUPER_MAGIC)
		return 0;
	if (!who_asks().subject)
		return 0;
	return refuse(RW_GATE_OPEN, (int)magic, NULL);
}

GUARD(open, "file_open", "security_file_open", on_open(file), struct file *file)

/* RLIMIT_CPU of another process is a SIGKILL on a timer. */
static __always_inline int on_rlimit(struct task_struct *p, unsigned int resource)
{
	struct asker a = who_asks();

	if (!a.subject || (__u32)p->tgid == a.tgid)
		return 0;
	return refuse(RW_GATE_RLIMIT, (int)resource, p);
}

GUARD(rlimit, "task_setrlimit", "security_task_setrlimit", on_rlimit(p, resource),
      struct task_struct *p, unsigned int resource)

enum { /* enum bpf_cmd, include/uapi/linux/bpf.h */
       BPF_MAP_LOOKUP_ELEM = 1,
       BPF_MAP_UPDATE_ELEM = 2,
       BPF_MAP_DELETE_ELEM = 3,
       BPF_ITER_CREATE = 33,
};

/* A program of its own could call bpf_send_signal(), which passes no task_kill. */
static __always_inline bool may_bpf(__u32 may, int cmd)
{
	if (may & RW_GATE_MAY_BPF)
		return true;
	if (!(may & RW_GATE_MAY_MAPS))
		return false;
	return cmd == BPF_MAP_LOOKUP_ELEM || cmd == BPF_MAP_UPDATE_ELEM ||
	       cmd == BPF_MAP_DELETE_ELEM || cmd == BPF_ITER_CREATE;
}

static __always_inline int on_bpf(int cmd)
{
	struct asker a = who_asks();

	if (!a.subject || may_bpf(a.may, cmd))
		return 0;
	return refuse(RW_GATE_BPF, cmd, NULL);
}

GUARD(bpf, "bpf", "security_bpf", on_bpf(cmd), int cmd)

/* An event with sigtrap signals its target; with CAP_KILL no tracing right is asked for. */
static __always_inline int on_perf(void)
{
	if (!who_asks().subject)
		return 0;
	return refuse(RW_GATE_PERF, 0, NULL);
}

GUARD(perf, "perf_event_open", "security_perf_event_open", on_perf(), void *attr)

/* ---- identity ---- */

static __always_inline __u32 identity_flags(struct task_struct *t)
{
	__u32 facts = rw_task_flags(t), parent = rw_task_flags(t->real_parent), flags = 0;

	if (t->flags & PF_KTHREAD)
		flags |= RW_GATE_ID_KTHREAD;
	if (facts & RW_TF_NS_INIT)
		flags |= RW_GATE_ID_INIT;
	if (facts & RW_TF_ZOMBIE)
		flags |= RW_GATE_ID_ZOMBIE;
	if (t->real_cred->user_ns->level)
		flags |= RW_GATE_ID_USERNS;
	if (parent & (RW_TF_NS_INIT | RW_TF_SUBREAPER))
		flags |= RW_GATE_ID_PARENT_REAPER;
	return flags;
}

SEC("?iter/task")
int rw_gate_who(struct bpf_iter__task *ctx)
{
	struct rw_gate_identity id = {};
	struct task_struct *t = ctx->task;

	if (!t || (__u32)t->tgid != rw_gate_ask || t->pid != t->tgid)
		return 0;
	id.start_boottime_ns = t->start_boottime;
	id.exec_id = t->self_exec_id;
	id.tgid = t->tgid;
	id.uid = t->real_cred->uid.val;
	id.cgroup_id = rw_task_cgroup_id(t, rw_gate_ssid);
	id.parent_tgid = t->real_parent->tgid;
	id.parent_start_boottime_ns = t->real_parent->group_leader->start_boottime;
	id.flags = identity_flags(t);
	if (t->mm && t->mm->exe_file) {
		id.exe_ino = t->mm->exe_file->f_inode->i_ino;
		id.exe_dev = t->mm->exe_file->f_inode->i_sb->s_dev;
	}
	bpf_core_read(&id.comm, sizeof(id.comm), &t->comm);
	bpf_seq_write(ctx->meta->seq, &id, sizeof(id));
	return 0;
}
