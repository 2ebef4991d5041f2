// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * Signal audit: who ended a process of an open incident's tree. While nobody is
 * watched, a signal costs one look at a word.
 */

#include "rw.h"

/* Written by the daemon through a mapping: no system call, and no capability, is needed for it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rw_watch);
} rw_watch SEC(".maps");

/* A child of a watched process may be younger than the daemon's last look. */
#define ANCESTORS 8

#define SIGHUP	   1
#define SIGINT	   2
#define SIGQUIT	   3
#define SIGABRT	   6
#define SIGKILL	   9
#define SIGTERM	   15
#define SIG_BIT(n) (1ULL << ((n) - 1))

/* Signals whose default is not to end the process: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH.
 */
#define HARMLESS                                                                                   \
	(SIG_BIT(17) | SIG_BIT(18) | SIG_BIT(19) | SIG_BIT(20) | SIG_BIT(21) | SIG_BIT(22) |       \
	 SIG_BIT(23) | SIG_BIT(28))
/* A request to end, also for who has a handler. */
#define ENDING                                                                                     \
	(SIG_BIT(SIGHUP) | SIG_BIT(SIGINT) | SIG_BIT(SIGQUIT) | SIG_BIT(SIGABRT) | SIG_BIT(SIGTERM))

/* include/trace/events/signal.h */
#define TRACE_SIGNAL_IGNORED 1
/* include/linux/sched/signal.h: no siginfo but one of these words */
#define SEND_SIG_NOINFO 0
#define SEND_SIG_PRIV	1
#define SI_USER		0
#define SI_KERNEL	0x80

static __always_inline bool watched(const struct rw_watch *w, __u32 tgid)
{
	return w->bit[(tgid % RW_WATCH_BITS) / 64] >> (tgid % 64) & 1;
}

static __always_inline bool in_watched_tree(const struct rw_watch *w, struct task_struct *t)
{
	for (int i = 0; i < ANCESTORS; i++) {
		__u32 tgid = BPF_CORE_READ(t, tgid);

		if (watched(w, tgid))
			return true;
		if (tgid <= 1)
			return false;
		t = BPF_CORE_READ(t, real_parent);
	}
	return false;
}

/* 0: the default action; 1: ignored; else a handler. */
static __always_inline __u64 handler_of(struct task_struct *t, __u32 sig)
{
	__u64 handler = 0;
	char *action = (char *)BPF_CORE_READ(t, sighand);

	if (!action)
		return 0;
	action += bpf_core_field_offset(struct sighand_struct, action) +
		  (sig - 1) * bpf_core_type_size(struct k_sigaction) +
		  bpf_core_field_offset(struct k_sigaction, sa) +
		  bpf_core_field_offset(struct sigaction, sa_handler);
	if (bpf_probe_read_kernel(&handler, sizeof(handler), action))
		rw_count_fault();
	return handler;
}

static __always_inline void fill_sender(struct rw_signal *e)
{
	struct task_struct *t = (void *)bpf_get_current_task();

	e->sender.pid = bpf_get_current_pid_tgid() >> 32;
	e->sender.start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	e->sender.pad = 0;
	e->sender_uid = bpf_get_current_uid_gid();
	BPF_CORE_READ_STR_INTO(&e->sender_comm, t, group_leader, comm);
}

static __noinline int generated(int sig, struct kernel_siginfo *info, struct task_struct *task,
				int group, int result)
{
	__u32 zero = 0, nr = sig;
	struct rw_watch *w = bpf_map_lookup_elem(&rw_watch, &zero);
	struct rw_signal *e;
	__u64 handler, kind = (__u64)info;
	int code;

	if (!w || !w->watching || nr < 1 || nr > 64 || result == TRACE_SIGNAL_IGNORED)
		return 0;
	if (SIG_BIT(nr) & HARMLESS)
		return 0;
	if (!in_watched_tree(w, task))
		return 0;
	handler = nr == SIGKILL ? 0 : handler_of(task, nr);
	if (handler && !(SIG_BIT(nr) & ENDING))
		return 0;
	code = kind == SEND_SIG_NOINFO ? SI_USER : SI_KERNEL;
	if (kind > SEND_SIG_PRIV)
		code = BPF_CORE_READ(info, si_code);
	e = rw_event_reserve(sizeof(*e), RW_SIGNAL);
	if (!e)
		return 0;
	rw_id_of(task, &e->id);
	e->sig = nr;
	e->code = code;
	e->flags = (group ? RW_SF_GROUP : 0) | (handler > 1 ? RW_SF_HANDLED : 0) |
		   (handler == 1 ? RW_SF_IGNORED : 0) | (code > 0 ? RW_SF_KERNEL : 0);
	BPF_CORE_READ_STR_INTO(&e->comm, task, group_leader, comm);
	fill_sender(e);
	rw_event_submit(e, false);
	return 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(rw_signal, int sig, struct kernel_siginfo *info, struct task_struct *task, int group,
	     int result)
{
	return generated(sig, info, task, group, result);
}
