// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * Lineage: who forked whom, what it executed, how it ended, who inherited it.
 *
 * tp_btf, not classic tp/: the latter shares a per-CPU recursion guard with
 * every map update on the host and loses events silently on some preemption
 * models. Programs are short; the kernel counts what it skips, and the task
 * walk is the truth.
 */

#include "rw.h"

/* Full: the process is counted, its events still go out, a later walk inserts it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct rw_id);
	__type(value, struct rw_proc);
} rw_procs SEC(".maps");

/*
 * Where an exec record is put together. Used by rw_exec alone, which never runs
 * twice at once on a CPU: before 7.0 preemption is off in a tracepoint, since
 * then the kernel skips (and counts) a program that is already active there.
 */
struct exec_scratch {
	struct rw_exec rec;
	char data[8192];     /* path + args + markers, with the room the verifier assumes */
	struct rw_path path; /* of what is at the head of data */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_scratch);
} rw_exec_buf SEC(".maps");

/* Where the children of an exiting task are listed; rw_exit alone, as above. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rw_children);
} rw_exit_buf SEC(".maps");

__hidden struct rw_proc *rw_proc_get(const struct rw_id *id)
{
	return bpf_map_lookup_elem(&rw_procs, id);
}

static __always_inline long put(const struct rw_id *id, struct rw_proc *init)
{
	return rw_map_result(bpf_map_update_elem(&rw_procs, id, init, BPF_ANY), RW_MAP_PROCS);
}

__hidden struct rw_proc *rw_proc_put(const struct rw_id *id, struct rw_proc *init)
{
	return put(id, init) ? NULL : bpf_map_lookup_elem(&rw_procs, id);
}

__hidden void rw_proc_del(const struct rw_id *id)
{
	rw_map_deleted(bpf_map_delete_elem(&rw_procs, id), RW_MAP_PROCS);
}

static __noinline int forked(struct task_struct *parent_task, struct task_struct *child_task)
{
	struct task_struct *parent = rw_plain(parent_task), *child = rw_plain(child_task);
	struct task_struct *real_parent;
	struct rw_proc init = {}, *up;
	struct rw_fork *ev;
	struct rw_id origin, id;

	/* Threads are no processes; kernel threads have no story. */
	if (child->pid != child->tgid || child->flags & PF_KTHREAD)
		return 0;
	rw_id_of(parent, &origin);
	id.pid = child->tgid;
	id.start_ns = child->start_boottime;
	id.pad = 0;
	real_parent = child->real_parent;

	init.cgroup_id = rw_task_cgroup_id(child, rw_cgroup_ssid);
	init.origin_pid = origin.pid;
	bpf_probe_read_kernel(init.comm, sizeof(init.comm), child->comm);
	up = rw_proc_get(&origin);
	if (up) {
		init.ci_pid = up->ci_pid;
		init.ci_start_ns = up->ci_start_ns;
	}
	init.ppid = real_parent->tgid;
	init.parent_start_ns = real_parent->group_leader->start_boottime;
	put(&id, &init);

	ev = rw_event_reserve(sizeof(*ev), RW_FORK);
	if (!ev)
		return 0;
	ev->id = id;
	ev->origin = origin;
	ev->parent.pid = init.ppid;
	ev->parent.start_ns = init.parent_start_ns;
	ev->parent.pad = 0;
	ev->ci.pid = init.ci_pid;
	ev->ci.start_ns = init.ci_start_ns;
	ev->ci.pad = 0;
	ev->cgroup_id = init.cgroup_id;
	ev->pgid = rw_task_pid_type(child, RW_PIDTYPE_PGID);
	ev->sid = rw_task_pid_type(child, RW_PIDTYPE_SID);
	ev->uid = child->cred->uid.val;
	ev->flags = rw_task_flags(child) | (parent->flags & PF_KTHREAD ? RW_TF_BY_KERNEL : 0);
	__builtin_memcpy(ev->comm, init.comm, sizeof(ev->comm));
	rw_event_submit(ev, false);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(rw_fork, struct task_struct *parent, struct task_struct *child)
{
	return forked(parent, child);
}

static __noinline int executed(struct task_struct *task, pid_t old_pid)
{
	__u32 zero = 0, path, args, markers;
	struct task_struct *p = rw_plain(task);
	struct mm_struct *mm = p->mm;
	struct exec_scratch *s;
	struct rw_found *found;
	struct inode *inode;
	struct rw_proc *e;
	struct file *file;
	struct rw_id id;
	__u64 start, end;
	bool known;

	s = bpf_map_lookup_elem(&rw_exec_buf, &zero);
	if (!s || !mm)
		return 0;
	s->rec.flags = 0;
	rw_id_of(p, &s->rec.id);
	s->rec.exec_id = p->self_exec_id;
	s->rec.cgroup_id = rw_task_cgroup_id(p, rw_cgroup_ssid);
	s->rec.uid = p->cred->uid.val;
	s->rec.pad = 0;
	bpf_probe_read_kernel(s->rec.comm, sizeof(s->rec.comm), p->comm);

	file = mm->exe_file;
	if (!file)
		return 0;
	inode = file->f_inode;
	s->rec.exe_ino = inode->i_ino;
	s->rec.exe_dev = inode->i_sb->s_dev;
	rw_file_path(file, &s->path, s->data);
	if (s->path.cut)
		s->rec.flags |= RW_TF_PATH_CUT;
	path = s->path.len & (2 * RW_PATH_MAX - 1);
	barrier_var(path);

	start = mm->arg_start;
	end = mm->arg_end;
	s->rec.args_total = end - start;
	args = end - start;
	if (end - start > RW_ARGS_MAX) {
		args = RW_ARGS_MAX;
		s->rec.flags |= RW_TF_ARGS_CUT;
	}
	barrier_var(args);
	if (args > RW_ARGS_MAX)
		return 0;
	if (bpf_probe_read_user(s->data + path, args, (void *)start)) {
		args = 0;
		s->rec.flags |= RW_TF_ARGS_FAULT;
		rw_count_fault();
	}
	markers = 0;
	found = rw_markers_read(mm->env_start, mm->env_end);
	if (found) {
		markers = found->len & (2 * RW_MARKERS_MAX - 1);
		barrier_var(markers);
		if (markers)
			bpf_probe_read_kernel(s->data + path + args, RW_MARKERS_MAX, found->text);
		if (found->cut)
			s->rec.flags |= RW_TF_ENV_CUT;
	}
	s->rec.path_len = path;
	s->rec.args_len = args;
	s->rec.markers_len = markers;

	id = s->rec.id;
	e = rw_proc_get(&id);
	known = e;
	if (!e)
		e = rw_proc_first(p, &id);
	if (e) {
		__builtin_memcpy(e->comm, s->rec.comm, sizeof(e->comm));
		if (markers) {
			e->ci_pid = s->rec.id.pid;
			e->ci_start_ns = s->rec.id.start_ns;
		}
		if (known && (__u32)old_pid != s->rec.id.pid)
			rw_adopt_thread(e, id.start_ns, old_pid);
	}
	rw_event_output(s, sizeof(s->rec) + path + args + markers, RW_EXEC, false);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(rw_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	return executed(task, old_pid);
}

/* rw_task_pid_type() of a task that is known as a number only. */
static __always_inline __u32 child_pid_type(struct task_struct *t, int type)
{
	struct pid *pid = BPF_CORE_READ(t, signal, pids[type]);

	return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
}

/*
 * Children of a task that exits. They are listed per thread, and with
 * exit_group any thread's exit may be the one that hands them to the reaper, so
 * `signal->live == 0` is not the condition. Who inherits them is not known yet
 * and not predicted: user space reads it again. Only as long as it must be: when
 * a tree of shells ends at once, a record of full length for each fills the ring.
 */
static __always_inline void emit_children(struct task_struct *p, __u32 live)
{
	const __u32 sibling = bpf_core_field_offset(struct task_struct, sibling);
	struct list_head *head, *next;
	__u32 zero = 0, n;
	struct rw_children *ev;
	struct task_struct *c;

	head = (void *)p + bpf_core_field_offset(struct task_struct, children);
	if (p->children.next == head)
		return;
	/* Read as a number: before 6.2 nothing unknown may be taken from a typed pointer. */
	next = BPF_CORE_READ(p, children.next);
	ev = bpf_map_lookup_elem(&rw_exit_buf, &zero);
	if (!ev)
		return;
	rw_id_of(p, &ev->parent);
	ev->tid = p->pid;
	ev->live = live;
	ev->flags = rw_task_flags(p) & (RW_TF_NS_INIT | RW_TF_SUBREAPER);
	/* In memory and not in a register: what follows is verified once, not for each count. */
	ev->count = 0;
	for (int i = 0; i < RW_CHILDREN_MAX; i++) {
		if (!next || next == head)
			break;
		c = (void *)next - sibling;
		ev->child[i].id.start_ns = BPF_CORE_READ(c, start_boottime);
		ev->child[i].id.pid = BPF_CORE_READ(c, tgid);
		ev->child[i].id.pad = 0;
		ev->child[i].pgid = child_pid_type(c, RW_PIDTYPE_PGID);
		ev->child[i].sid = child_pid_type(c, RW_PIDTYPE_SID);
		ev->count = i + 1;
		next = rw_list_next(next);
	}
	if (next && next != head)
		ev->flags |= RW_TF_MORE;
	n = *(volatile __u32 *)&ev->count;
	if (n > RW_CHILDREN_MAX)
		return;
	rw_event_output(ev, offsetof(struct rw_children, child) + n * sizeof(ev->child[0]),
			RW_CHILDREN, true);
}

static __noinline int exits(struct task_struct *task)
{
	struct task_struct *p = rw_plain(task);
	struct rw_exit *ev;
	int live;

	if (p->flags & PF_KTHREAD)
		return 0;
	live = rw_live_threads(p);
	emit_children(p, live);
	/* Two last threads may both read 0: the reader takes the second as the same. */
	if (live)
		return 0;
	ev = rw_event_reserve(sizeof(*ev), RW_EXIT);
	if (!ev)
		return 0;
	rw_id_of(p, &ev->id);
	ev->exit_code = rw_exit_status(p);
	ev->flags = 0;
	/* The last thread may bear a name of its own; the process has its leader's. */
	bpf_probe_read_kernel(ev->comm, sizeof(ev->comm), p->group_leader->comm);
	rw_event_submit(ev, false);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(rw_exit, struct task_struct *task)
{
	return exits(task);
}

static __noinline int reparented(struct task_struct *child_task, struct task_struct *father_task)
{
	struct task_struct *child = rw_plain(child_task), *father = rw_plain(father_task);
	struct task_struct *reaper;
	struct rw_reparent *ev;
	struct rw_proc *e;
	struct rw_id id;

	/* Dead children are handed on too, to be reaped: no orphans. */
	if (!father || (child->exit_state && !rw_live_threads(child)))
		return 0;
	ev = rw_event_reserve(sizeof(*ev), RW_REPARENT);
	if (!ev)
		return 0;
	rw_id_of(child, &ev->id);
	rw_id_of(father, &ev->old_parent);
	reaper = child->real_parent;
	rw_id_of(reaper, &ev->reaper);
	ev->reaper_flags = rw_task_flags(reaper);
	ev->pgid = rw_task_pid_type(child, RW_PIDTYPE_PGID);
	ev->sid = rw_task_pid_type(child, RW_PIDTYPE_SID);
	ev->via = RW_VIA_HOOK;
	bpf_probe_read_kernel(ev->reaper_comm, sizeof(ev->reaper_comm), reaper->group_leader->comm);
	id = ev->id;
	e = rw_proc_get(&id);
	if (e) {
		e->ppid = ev->reaper.pid;
		e->parent_start_ns = ev->reaper.start_ns;
	}
	rw_event_submit(ev, true);
	return 0;
}

/*
 * Exact, where it loads: kernel/exit.c reparent_leader() calls it once for each
 * child that changes hands, with the dying father, and real_parent already is
 * the new reaper. The call with a NULL parent is the other caller's.
 */
SEC("?fentry/kill_orphaned_pgrp")
int BPF_PROG(rw_reparent, struct task_struct *child, struct task_struct *father)
{
	return reparented(child, father);
}
