// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * CPU from the scheduler's own ledger: the task walk while a task lives; what it
 * used last is in release.bpf.c. Nothing runs on the scheduler's path.
 */

#include "rw.h"

/*
 * Key: tid. Threads other than leaders, and kernel threads: what the walk has
 * already counted. Full: the thread is counted when it is released, not before.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, struct rw_thread);
} rw_threads SEC(".maps");

/* Where a task record is put together; the walk is the only user, one at a time. */
struct task_scratch {
	struct rw_task rec;
	char data[2 * RW_PATH_MAX]; /* path, with the room the verifier assumes */
	struct rw_path path;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct task_scratch);
} rw_task_buf SEC(".maps");

const volatile __u64 rw_page_size = 4096;

/* Set by user space before a walk, read by it after. */
__u64 rw_attached_ns; /* CPU used before this is nobody's business: not charged */
__u64 rw_scan_resync; /* write every process */
__u32 rw_mark;	      /* of this walk or the last one that marked who is still there */
__u64 rw_scan_tasks;  /* visited by this walk */
__u64 rw_scan_processes;
__u64 rw_scan_saw_init; /* the walk met pid 1 */
__u64 rw_init_start_ns; /* start of pid 1, as its children know it */

#define RW_FLUSH_MAX 128
#define RW_YIELD     1024 /* tasks between two bytes of output: read() returns, the rings drain */

/* rw_task_cgroup() of a task that is known as a number only. */
static __always_inline struct cgroup *cgroup_read(struct task_struct *t)
{
	if (rw_cgroup_ssid < 0)
		return BPF_CORE_READ(t, cgroups, dfl_cgrp);
	return BPF_CORE_READ(t, cgroups, subsys[rw_cgroup_ssid & 15], cgroup);
}

/* A thread that is no leader, since it was last counted. */
struct thread_step {
	struct rw_thread *th; /* what was remembered of it, NULL: nothing */
	__u64 delta_ns;
	bool old; /* older than the sensor: starts from what it has, uncharged */
};

static __always_inline struct thread_step thread_step(struct task_struct *t, __u32 tid, __u64 now)
{
	__u64 start = BPF_CORE_READ(t, start_boottime);
	struct thread_step s = {};
	struct rw_thread init = {};

	s.th = bpf_map_lookup_elem(&rw_threads, &tid);
	if (s.th && s.th->start_ns == start) {
		if (s.th->seen != rw_mark)
			s.th->seen = rw_mark;
		s.delta_ns = rw_catch_up(&s.th->cpu_ns, now);
		return s;
	}
	s.th = NULL;
	/* Idle since birth: nothing to remember yet. */
	if (!now)
		return s;
	init.start_ns = start;
	init.cpu_ns = now;
	init.cgroup_id = rw_cgroup_id(cgroup_read(t));
	init.seen = rw_mark;
	if (rw_map_result(bpf_map_update_elem(&rw_threads, &tid, &init, BPF_ANY), RW_MAP_THREADS))
		return s;
	s.delta_ns = now;
	s.old = start < rw_attached_ns;
	return s;
}

/*
 * Charged to where it was when it was last counted. Of a thread that never was,
 * nobody knows that: to where its process is.
 */
static __always_inline void flush(struct task_struct *t, struct rw_proc *e, __u64 to_cgroup)
{
	__u64 now = BPF_CORE_READ(t, se.sum_exec_runtime), from = e->cgroup_id;
	__u32 tid = BPF_CORE_READ(t, pid);
	struct thread_step s = {};

	if (tid == (__u32)BPF_CORE_READ(t, tgid)) {
		s.delta_ns = rw_catch_up(&e->leader_cpu_ns, now);
	} else {
		s = thread_step(t, tid, now);
		if (s.th) {
			from = s.th->cgroup_id;
			s.th->cgroup_id = to_cgroup;
		}
	}
	if (!s.delta_ns)
		return;
	rw_add(&e->cpu_ns, s.delta_ns);
	if (!s.old)
		rw_cgroup_charge_id(from, s.delta_ns);
}

__hidden void rw_flush_thread(struct task_struct *t, struct rw_proc *e, __u64 to_cgroup)
{
	flush(t, e, to_cgroup);
}

/*
 * One of a process's threads. Global and given numbers, not pointers (5.10
 * knows no others): verified once by itself, not once per turn of a loop.
 */
__noinline int rw_flush_one(__u64 task, __u32 tgid, __u64 start_ns, __u64 to_cgroup)
{
	const struct rw_id id = { .start_ns = start_ns, .pid = tgid };
	struct rw_proc *e = rw_proc_get(&id);

	if (e)
		flush((void *)task, e, to_cgroup);
	return 0;
}

__hidden void rw_flush_process(struct task_struct *t, const struct rw_id *id, __u64 to_cgroup)
{
	struct list_head *head = rw_thread_list(t), *next = rw_list_next(head);

	for (int i = 0; i < RW_FLUSH_MAX; i++) {
		if (!next || next == head)
			return;
		rw_flush_one((__u64)rw_thread_at(next), id->pid, id->start_ns, to_cgroup);
		next = rw_list_next(next);
	}
}

__hidden struct rw_thread *rw_thread_get(__u32 tid)
{
	return bpf_map_lookup_elem(&rw_threads, &tid);
}

__hidden void rw_thread_del(__u32 tid)
{
	rw_map_deleted(bpf_map_delete_elem(&rw_threads, &tid), RW_MAP_THREADS);
}

__hidden void rw_swap_leaders(struct rw_proc *e, const struct rw_thread *th, __u64 start_ns,
			      __u32 old_tid, __u64 counted_ns)
{
	struct rw_thread old = {};

	old.start_ns = start_ns;
	old.cpu_ns = counted_ns;
	old.seen = rw_mark;
	e->leader_cpu_ns = th ? th->cpu_ns : 0;
	rw_map_result(bpf_map_update_elem(&rw_threads, &old_tid, &old, BPF_ANY), RW_MAP_THREADS);
}

__hidden void rw_adopt_thread(struct rw_proc *e, __u64 start_ns, __u32 old_tid)
{
	struct rw_thread *th = bpf_map_lookup_elem(&rw_threads, &old_tid);

	/* Its release came first, see release.bpf.c. */
	if (th && th->start_ns == start_ns)
		rw_thread_del(old_tid);
	else
		rw_swap_leaders(e, th, start_ns, old_tid, e->leader_cpu_ns);
}

static __always_inline void write_task(struct task_struct *t, struct rw_proc *e, struct rw_id *id,
				       __u32 flags)
{
	struct task_struct *parent;
	struct task_scratch *s;
	struct mm_struct *mm;
	struct inode *inode;
	struct file *file;
	__u32 zero = 0, path = 0;

	s = bpf_map_lookup_elem(&rw_task_buf, &zero);
	if (!s)
		return;
	s->rec.id = *id;
	parent = t->real_parent;
	rw_id_of(parent, &s->rec.parent);
	s->rec.ci.pid = e ? e->ci_pid : 0;
	s->rec.ci.start_ns = e ? e->ci_start_ns : 0;
	s->rec.cgroup_id = rw_task_cgroup_id(t, rw_cgroup_ssid);
	s->rec.cpu_ns = e ? e->cpu_ns : 0;
	if (e) {
		e->told_cpu_ns = s->rec.cpu_ns;
		/* A move that was missed. Whoever runs is written, so the next one is right. */
		e->cgroup_id = s->rec.cgroup_id;
	}
	s->rec.rss_bytes = rw_task_rss(t, rw_page_size);
	s->rec.exec_id = t->self_exec_id;
	/* A zombie has none. */
	mm = t->mm;
	file = mm ? mm->exe_file : NULL;
	s->rec.exe_ino = 0;
	s->rec.exe_dev = 0;
	if (file) {
		inode = file->f_inode;
		s->rec.exe_ino = inode->i_ino;
		s->rec.exe_dev = inode->i_sb->s_dev;
	}
	s->rec.pgid = rw_task_pid_type(t, RW_PIDTYPE_PGID);
	s->rec.sid = rw_task_pid_type(t, RW_PIDTYPE_SID);
	s->rec.uid = t->cred->uid.val;
	s->rec.threads = t->signal->nr_threads;
	bpf_probe_read_kernel(s->rec.comm, sizeof(s->rec.comm), t->comm);
	s->rec.flags = flags | rw_task_flags(t);
	if (file && flags & RW_TF_NEW) {
		rw_file_path(file, &s->path, s->data);
		if (s->path.cut)
			s->rec.flags |= RW_TF_PATH_CUT;
		path = s->path.len & (2 * RW_PATH_MAX - 1);
		barrier_var(path);
	}
	s->rec.path_len = path;
	rw_sample_output(s, sizeof(s->rec) + path, RW_TASK);
}

/* Verified once by itself, as rw_flush_one(). */
__noinline int rw_enter_proc(__u64 task, __u32 tgid, __u64 start_ns)
{
	const struct rw_id id = { .start_ns = start_ns, .pid = tgid };
	struct task_struct *t = (void *)task;
	struct cgroup *cg = cgroup_read(t);
	struct rw_proc init = {};

	init.leader_cpu_ns = BPF_CORE_READ(t, se.sum_exec_runtime);
	init.cpu_ns = init.leader_cpu_ns + BPF_CORE_READ(t, signal, sum_sched_runtime);
	init.cgroup_id = rw_cgroup_id(cg);
	init.ppid = BPF_CORE_READ(t, real_parent, tgid);
	init.parent_start_ns = BPF_CORE_READ(t, real_parent, group_leader, start_boottime);
	bpf_probe_read_kernel(init.comm, sizeof(init.comm), &t->comm);
	if (!rw_proc_put(&id, &init))
		return 0;
	/*
	 * Its fork was missed after we began to look: what the leader used is ours to
	 * count (threads that ended were counted when they were released). Without
	 * room for it nothing is: it would be at each walk, and again at its release.
	 */
	if (start_ns >= rw_attached_ns)
		rw_cgroup_charge(cg, init.cgroup_id, init.leader_cpu_ns);
	else
		rw_cgroup_enter(cg, init.cgroup_id);
	return 0;
}

__hidden struct rw_proc *rw_proc_first(struct task_struct *t, const struct rw_id *id)
{
	/* The leader itself, as a number: a pointer is none. */
	rw_enter_proc((__u64)BPF_CORE_READ(t, group_leader), id->pid, id->start_ns);
	return rw_proc_get(id);
}

static __always_inline void visit_leader(struct task_struct *t, struct rw_id *id, __u64 now)
{
	struct rw_proc *e = rw_proc_get(id);
	__u32 flags = 0, ppid;
	__u64 delta = 0;
	bool changed;

	rw_scan_processes++;
	if (id->pid == 1)
		rw_scan_saw_init = 1;
	else if (t->real_parent->tgid == 1)
		rw_init_start_ns = t->real_parent->group_leader->start_boottime;
	if (!e) {
		e = rw_proc_first(t, id);
		flags = RW_TF_NEW;
	} else {
		delta = rw_catch_up(&e->leader_cpu_ns, now);
		if (delta) {
			rw_add(&e->cpu_ns, delta);
			rw_task_charge(t, rw_task_cgroup_id(t, rw_cgroup_ssid), delta);
		}
	}
	changed = flags || delta || rw_scan_resync;
	if (e) {
		ppid = t->real_parent->tgid;
		if (ppid != e->ppid) {
			e->ppid = ppid;
			changed = true;
		}
		/* Who renames itself runs, and whoever ran is written anyway. */
		if (changed)
			bpf_probe_read_kernel(e->comm, sizeof(e->comm), t->comm);
		/* First sight after the fork: pgid and session have settled by now.
		 * Or threads that ended in between have used CPU. */
		if (!e->seen || e->cpu_ns != e->told_cpu_ns)
			changed = true;
		/* Once in a while, not once a walk: an idle process's line stays clean. */
		if (e->seen != rw_mark)
			e->seen = rw_mark;
	}
	if (delta)
		flags |= RW_TF_RAN;
	if (changed)
		write_task(t, e, id, rw_scan_resync ? flags | RW_TF_NEW : flags);
}

static __always_inline void visit_thread(struct task_struct *t, struct rw_id *id, __u32 tid,
					 __u64 now)
{
	struct rw_proc *e = rw_proc_get(id);
	struct thread_step s;
	struct rw_cpu *ev;
	__u64 cgroup_id;

	/*
	 * Once the numbers have wrapped a thread may come before its leader: next
	 * time. Where there is no room for the process its release tells it all.
	 */
	if (!e)
		return;
	s = thread_step(t, tid, now);
	if (!s.delta_ns)
		return;
	cgroup_id = rw_task_cgroup_id(t, rw_cgroup_ssid);
	if (s.th)
		s.th->cgroup_id = cgroup_id;
	if (!s.old)
		rw_task_charge(t, cgroup_id, s.delta_ns);
	rw_add(&e->cpu_ns, s.delta_ns);
	ev = rw_sample_reserve(sizeof(*ev), RW_CPU);
	if (!ev)
		return;
	ev->id = *id;
	ev->cpu_ns = e->cpu_ns;
	e->told_cpu_ns = ev->cpu_ns;
	ev->tid = tid;
	ev->pad = 0;
	rw_sample_submit(ev);
}

static __always_inline void visit_kthread(struct task_struct *t, __u32 tid, __u64 now)
{
	struct rw_counters *c = rw_counters_here();
	struct thread_step s = thread_step(t, tid, now);

	if (!c || s.old || !s.delta_ns)
		return;
	rw_add(&c->kernel_ns, s.delta_ns);
	rw_add(&c->attributed_ns, s.delta_ns);
}

static __always_inline void visit(struct task_struct *t)
{
	__u64 now = t->se.sum_exec_runtime;
	struct rw_id id;

	rw_scan_tasks++;
	if (t->flags & PF_KTHREAD) {
		visit_kthread(t, t->pid, now);
		return;
	}
	/*
	 * Released in the meantime: rw_free has its final figure, or gets it after
	 * this RCU section. Whoever still has a sighand cannot be freed under us.
	 */
	if (!t->sighand)
		return;
	id.pid = t->tgid;
	id.start_ns = t->group_leader->start_boottime;
	id.pad = 0;
	if (t->pid == t->tgid)
		visit_leader(t, &id, now);
	else
		visit_thread(t, &id, t->pid, now);
}

static __noinline int walk(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *t = ctx->task;
	char byte = 0;

	if (!t)
		return 0;
	visit(rw_plain(t));
	if (rw_scan_tasks % RW_YIELD == 0)
		bpf_seq_write(seq, &byte, 1);
	return 0;
}

SEC("iter/task")
int rw_walk(struct bpf_iter__task *ctx)
{
	return walk(ctx);
}

/*
 * The hot pass: only the threads that ran lately, by number, so that a host with
 * tens of thousands of idle ones is not read from end to end each second. The
 * functions it needs came with 6.2 and, for this program type, 6.10: it is
 * loaded where they are.
 */
extern struct task_struct *bpf_task_from_pid(s32 pid) __weak __ksym;
extern void bpf_task_release(struct task_struct *p) __weak __ksym;
extern void bpf_rcu_read_lock(void) __weak __ksym;
extern void bpf_rcu_read_unlock(void) __weak __ksym;

__u32 rw_hot_count;
__u32 rw_hot_tid[RW_HOT_MAX];

/*
 * A function of its own: what a function that the callback calls has acquired,
 * the callback itself must not let go, nor find to be NULL (6.12 warns).
 */
static __noinline int visit_tid(__u32 tid)
{
	struct task_struct *t = bpf_task_from_pid(tid);

	if (!t)
		return 0;
	/* The same section in which visit() looks at sighand, as in the walk. */
	bpf_rcu_read_lock();
	visit(rw_plain(t));
	bpf_rcu_read_unlock();
	bpf_task_release(t);
	return 0;
}

static int visit_hot(__u32 index, void *ctx)
{
	__u64 i = index & (RW_HOT_MAX - 1);

	if (index >= rw_hot_count)
		return 1;
	barrier_var(i);
	if (i >= RW_HOT_MAX)
		return 1;
	return visit_tid(rw_hot_tid[i]);
}

SEC("?syscall")
int rw_hot(void *ctx)
{
	bpf_loop(RW_HOT_MAX, visit_hot, NULL, 0);
	return 0;
}
