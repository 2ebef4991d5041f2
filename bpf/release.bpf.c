// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * The release of a task: what it used last. At sched_process_exit half of a short
 * process's CPU is not in the scheduler's ledger yet; at sched_process_free all of it is.
 */

#include "rw.h"

extern __u64 rw_attached_ns;

/*
 * It led its process until another thread's exec took its number and start time
 * (fs/exec.c, de_thread()), and rw_exec, which tells that, has not run yet: in
 * between the exec frees the memory of the old program, for as long as that takes.
 */
static __always_inline __u64 free_old_leader(struct rw_proc *e, const struct rw_thread *th,
					     __u64 start, __u32 tid, __u64 now)
{
	__u64 delta = rw_since(&e->leader_cpu_ns, now);

	/* So that rw_exec knows. */
	rw_swap_leaders(e, th, start, tid, now);
	return delta;
}

static __always_inline void free_thread(struct task_struct *p, __u32 tid, __u64 now)
{
	struct rw_thread *th = rw_thread_get(tid);
	__u64 start = p->start_boottime, delta = now;
	struct rw_proc *e;
	struct rw_id id;

	rw_id_of(p, &id);
	e = rw_proc_get(&id);
	if (th && th->start_ns == start) {
		delta = rw_since(&th->cpu_ns, now);
		rw_thread_del(tid);
	} else if (e && id.start_ns == start) {
		delta = free_old_leader(e, th, start, tid, now);
	} else if (th || start < rw_attached_ns) {
		/* The number was given away again: what it used since the last walk is
		 * nobody's, and no CPU is charged twice. */
		delta = 0;
	}
	if (!delta)
		return;
	rw_task_charge(p, rw_task_cgroup_id(p, rw_cgroup_ssid), delta);
	if (e)
		rw_add(&e->cpu_ns, delta);
}

/*
 * Each task is charged with its own ledger, once. The sum in `signal` is not
 * used for that: RCU callbacks of two CPUs have no order, and a thread that
 * releases itself still runs for a moment after it was added there. For the
 * process it is the floor: threads freed after the leader are in it.
 */
static __always_inline void free_leader(struct task_struct *p)
{
	__u64 cgroup_id = rw_task_cgroup_id(p, rw_cgroup_ssid);
	__u64 own = p->se.sum_exec_runtime, final = own;
	struct rw_counters *c = rw_counters_here();
	bool seen = false;
	struct rw_free *ev;
	struct rw_proc *e;
	struct rw_id id;

	id.pid = p->tgid;
	id.start_ns = p->start_boottime;
	id.pad = 0;
	e = rw_proc_get(&id);
	if (e) {
		own = rw_since(&e->leader_cpu_ns, own);
		final = e->cpu_ns + own;
		seen = e->seen > 0;
	} else if (id.start_ns < rw_attached_ns) {
		own = 0;
		seen = true;
	}
	if (final < p->signal->sum_sched_runtime)
		final = p->signal->sum_sched_runtime;
	rw_task_charge(p, cgroup_id, own);
	if (!seen && c)
		rw_add(&c->short_lived_ns, final);
	ev = rw_sample_reserve(sizeof(*ev), RW_FREE);
	if (ev) {
		ev->id = id;
		ev->cpu_ns = final;
		ev->cgroup_id = cgroup_id;
		ev->exit_code = rw_exit_status(p);
		ev->flags = seen ? 0 : RW_TF_SHORT;
		bpf_probe_read_kernel(ev->comm, sizeof(ev->comm), p->comm);
		rw_sample_submit(ev);
	}
	if (e)
		rw_proc_del(&id);
}

static __always_inline void free_kthread(struct task_struct *p, __u32 tid, __u64 now)
{
	struct rw_counters *c = rw_counters_here();
	struct rw_thread *th = rw_thread_get(tid);
	__u64 start = p->start_boottime;

	if (th && th->start_ns == start)
		now = rw_since(&th->cpu_ns, now);
	else if (start < rw_attached_ns)
		now = 0;
	if (c && now) {
		rw_add(&c->kernel_ns, now);
		rw_add(&c->attributed_ns, now);
	}
	if (th)
		rw_thread_del(tid);
}

static __noinline int released(struct task_struct *task)
{
	struct task_struct *p = rw_plain(task);
	__u64 now = p->se.sum_exec_runtime;
	__u32 tid = p->pid;

	if (p->flags & PF_KTHREAD)
		free_kthread(p, tid, now);
	else if (tid == (__u32)p->tgid)
		free_leader(p);
	else
		free_thread(p, tid, now);
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(rw_free, struct task_struct *task)
{
	return released(task);
}
