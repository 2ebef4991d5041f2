// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * CPU from the scheduler's own ledger: the task walk while a task lives, the
 * release of the task for what it used last. Nothing runs on the scheduler's
 * path. At sched_process_exit half of a short process's CPU is not in the
 * ledger yet; at sched_process_free all of it is.
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

/*
 * CPU of a thread that is no leader since it was last counted; remembers it.
 * A thread older than the sensor starts from what it has, uncharged (*ret_old).
 */
static __always_inline __u64 thread_delta(struct task_struct *t, __u32 tid, __u64 now,
					  bool *ret_old)
{
	__u64 start = BPF_CORE_READ(t, start_boottime), delta;
	struct rw_thread *th, init = {};

	*ret_old = false;
	th = bpf_map_lookup_elem(&rw_threads, &tid);
	if (th && th->start_ns == start) {
		if (th->seen != rw_mark)
			th->seen = rw_mark;
		delta = now > th->cpu_ns ? now - th->cpu_ns : 0;
		th->cpu_ns = now;
		return delta;
	}
	/* Idle since birth: nothing to remember yet. */
	if (!now)
		return 0;
	init.start_ns = start;
	init.cpu_ns = now;
	init.seen = rw_mark;
	if (rw_map_result(bpf_map_update_elem(&rw_threads, &tid, &init, BPF_ANY), RW_MAP_THREADS))
		return 0;
	*ret_old = start < rw_attached_ns;
	return now;
}

static __always_inline __u64 leader_delta(struct rw_proc *e, __u64 now)
{
	__u64 delta = now > e->leader_cpu_ns ? now - e->leader_cpu_ns : 0;

	e->leader_cpu_ns = now;
	return delta;
}

static __always_inline void flush(struct task_struct *t, struct rw_proc *e)
{
	__u64 now = BPF_CORE_READ(t, se.sum_exec_runtime), delta;
	__u32 tid = BPF_CORE_READ(t, pid);
	bool old = false;

	if (tid == (__u32)BPF_CORE_READ(t, tgid))
		delta = leader_delta(e, now);
	else
		delta = thread_delta(t, tid, now, &old);
	rw_add(&e->cpu_ns, delta);
	if (!old)
		rw_cgroup_charge_id(e->cgroup_id, delta);
}

__hidden void rw_flush_thread(struct task_struct *t, struct rw_proc *e)
{
	flush(t, e);
}

/*
 * One of a process's threads. Global and given numbers, not pointers (5.10
 * knows no others): verified once by itself, not once per turn of a loop.
 */
__noinline int rw_flush_one(__u64 task, __u32 tgid, __u64 start_ns)
{
	const struct rw_id id = { .start_ns = start_ns, .pid = tgid };
	struct rw_proc *e = rw_proc_get(&id);

	if (e)
		flush((void *)task, e);
	return 0;
}

__hidden void rw_flush_process(struct task_struct *t, const struct rw_id *id)
{
	struct list_head *head = rw_thread_list(t), *next = rw_list_next(head);

	for (int i = 0; i < RW_FLUSH_MAX; i++) {
		if (!next || next == head)
			return;
		rw_flush_one((__u64)rw_thread_at(next), id->pid, id->start_ns);
		next = rw_list_next(next);
	}
}

/*
 * The old leader is released under the thread's number and with the process's
 * start time, soon or already: what is counted of it must not count again.
 */
__hidden void rw_adopt_thread(struct rw_proc *e, __u64 start_ns, __u32 old_tid)
{
	struct rw_thread *th = bpf_map_lookup_elem(&rw_threads, &old_tid), old = {};

	old.start_ns = start_ns;
	old.cpu_ns = e->leader_cpu_ns;
	e->leader_cpu_ns = th ? th->cpu_ns : 0;
	rw_map_result(bpf_map_update_elem(&rw_threads, &old_tid, &old, BPF_ANY), RW_MAP_THREADS);
}

static __always_inline void write_task(struct task_struct *t, struct rw_proc *e, struct rw_id *id,
				       __u32 flags)
{
	struct task_struct *parent;
	struct task_scratch *s;
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
	if (e)
		e->told_cpu_ns = s->rec.cpu_ns;
	s->rec.rss_bytes = rw_task_rss(t, rw_page_size);
	s->rec.exec_id = t->self_exec_id;
	/* Read from NULL is 0, all the way. */
	file = t->mm->exe_file;
	inode = file->f_inode;
	s->rec.exe_ino = inode->i_ino;
	s->rec.exe_dev = inode->i_sb->s_dev;
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

static __always_inline struct rw_proc *insert_leader(struct task_struct *t, struct rw_id *id,
						     __u64 now)
{
	struct rw_proc init = {}, *e;
	__u64 dead = t->signal->sum_sched_runtime;

	init.leader_cpu_ns = now;
	init.cpu_ns = now + dead;
	init.cgroup_id = rw_task_cgroup_id(t, rw_cgroup_ssid);
	init.ppid = t->real_parent->tgid;
	init.parent_start_ns = t->real_parent->group_leader->start_boottime;
	bpf_probe_read_kernel(init.comm, sizeof(init.comm), t->comm);
	e = rw_proc_put(id, &init);
	/*
	 * Its fork was missed after we began to look: what the leader used is ours to
	 * count (threads that ended were counted when they were released). Without
	 * room for it nothing is: it would be at each walk, and again at its release.
	 */
	if (e && id->start_ns >= rw_attached_ns)
		rw_task_charge(t, now);
	return e;
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
		e = insert_leader(t, id, now);
		flags = RW_TF_NEW;
	} else {
		delta = leader_delta(e, now);
		if (delta) {
			rw_add(&e->cpu_ns, delta);
			rw_task_charge(t, delta);
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
	bool old = false;
	struct rw_cpu *ev;
	__u64 delta;

	/*
	 * Once the numbers have wrapped a thread may come before its leader: next
	 * time. Where there is no room for the process its release tells it all.
	 */
	if (!e)
		return;
	delta = thread_delta(t, tid, now, &old);
	if (!delta)
		return;
	if (!old)
		rw_task_charge(t, delta);
	rw_add(&e->cpu_ns, delta);
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
	bool old = false;
	__u64 delta = thread_delta(t, tid, now, &old);

	if (!c || old || !delta)
		return;
	rw_add(&c->kernel_ns, delta);
	rw_add(&c->attributed_ns, delta);
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

SEC("iter/task")
int rw_walk(struct bpf_iter__task *ctx)
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

static __always_inline void free_thread(struct task_struct *p, __u32 tid, __u64 now)
{
	struct rw_thread *th = bpf_map_lookup_elem(&rw_threads, &tid);
	__u64 start = p->start_boottime, delta = now;
	struct rw_proc *e;
	struct rw_id id;

	if (th) {
		/* Somebody else's entry by now: an exec made that thread the leader and
		 * is about to look for it (under the number alone: its start time is the
		 * leader's then), or the number was given away again. What it used since
		 * the last walk is nobody's, and no CPU is charged twice. */
		if (th->start_ns != start)
			return;
		delta = now > th->cpu_ns ? now - th->cpu_ns : 0;
		bpf_map_delete_elem(&rw_threads, &tid);
	} else if (start < rw_attached_ns) {
		delta = 0;
	}
	if (!delta)
		return;
	rw_task_charge(p, delta);
	rw_id_of(p, &id);
	e = rw_proc_get(&id);
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
		own = leader_delta(e, own);
		final = e->cpu_ns + own;
		seen = e->seen > 0;
	} else if (id.start_ns < rw_attached_ns) {
		own = 0;
		seen = true;
	}
	if (final < p->signal->sum_sched_runtime)
		final = p->signal->sum_sched_runtime;
	rw_task_charge(p, own);
	if (!seen && c)
		rw_add(&c->short_lived_ns, final);
	ev = rw_sample_reserve(sizeof(*ev), RW_FREE);
	if (ev) {
		ev->id = id;
		ev->cpu_ns = final;
		ev->cgroup_id = rw_task_cgroup_id(p, rw_cgroup_ssid);
		ev->exit_code = rw_exit_status(p);
		ev->flags = seen ? 0 : RW_TF_SHORT;
		bpf_probe_read_kernel(ev->comm, sizeof(ev->comm), p->comm);
		rw_sample_submit(ev);
	}
	if (e)
		rw_proc_del(&id);
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(rw_free, struct task_struct *task)
{
	struct task_struct *p = rw_plain(task);
	__u64 now = p->se.sum_exec_runtime;
	struct rw_counters *c;
	__u32 tid = p->pid;

	if (p->flags & PF_KTHREAD) {
		c = rw_counters_here();
		if (c)
			visit_kthread(p, tid, now);
		bpf_map_delete_elem(&rw_threads, &tid);
		return 0;
	}
	if (tid == (__u32)p->tgid)
		free_leader(p);
	else
		free_thread(p, tid, now);
	return 0;
}
