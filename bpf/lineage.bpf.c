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

/* The allow-list of environment names; nothing else of an environment is ever kept. Mapped by
 * user space, which may change it without privilege. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct rw_marker_set);
} rw_markers SEC(".maps");

#define RW_ENV_CHUNK  4096 /* bytes of an environment looked at in one go */
#define RW_ENV_CHUNKS 8
#define RW_ENV_BLOCK  128 /* and in one function, so that the verifier's work stays small */

/*
 * Where an exec record is put together. Used by rw_exec alone, which never runs
 * twice at once on a CPU: before 7.0 preemption is off in a tracepoint, since
 * then the kernel skips (and counts) a program that is already active there.
 */
struct exec_scratch {
	struct rw_exec rec;
	char data[8192]; /* path + args + markers, with the room the verifier assumes */
	struct rw_path path;
	char env[RW_ENV_CHUNK + 2 * RW_MARKER_VALUE] __attribute__((aligned(8)));
	char var[RW_MARKER_VALUE] __attribute__((aligned(8)));
	char found[RW_MARKERS_MAX];
	__u32 markers; /* bytes of `found` in use */
	__u32 env_len; /* bytes of `env` that are this process's */
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

__hidden struct rw_proc *rw_proc_put(const struct rw_id *id, struct rw_proc *init)
{
	if (rw_map_result(bpf_map_update_elem(&rw_procs, id, init, BPF_ANY), RW_MAP_PROCS))
		return NULL;
	return bpf_map_lookup_elem(&rw_procs, id);
}

__hidden void rw_proc_del(const struct rw_id *id)
{
	bpf_map_delete_elem(&rw_procs, id);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(rw_fork, struct task_struct *parent_task, struct task_struct *child_task)
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
	rw_proc_put(&id, &init);

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

static __always_inline bool listed(struct rw_marker_set *set, const __u64 *w)
{
	struct rw_marker *m;

	for (__u32 i = 0; i < RW_MARKER_NAMES; i++) {
		if (i >= set->count)
			break;
		m = &set->marker[i];
		if ((w[0] & m->mask[0]) == m->word[0] && (w[1] & m->mask[1]) == m->word[1] &&
		    (w[2] & m->mask[2]) == m->word[2] && (w[3] & m->mask[3]) == m->word[3])
			return true;
	}
	return false;
}

/*
 * The functions that look through an environment are global and take scalars:
 * each is verified once by itself, not once per call.
 *
 * A variable begins at s->env + off: kept, if its name is on the allow-list.
 */
__noinline int rw_env_variable(__u64 off)
{
	struct rw_marker_set *set;
	struct exec_scratch *s;
	__u32 zero = 0;
	__u64 used;
	long n;

	s = bpf_map_lookup_elem(&rw_exec_buf, &zero);
	set = bpf_map_lookup_elem(&rw_markers, &zero);
	if (!s || !set || off > RW_ENV_CHUNK)
		return 0;
	n = bpf_probe_read_kernel_str(s->var, sizeof(s->var), s->env + off);
	if (n <= 0 || !listed(set, (const __u64 *)s->var))
		return 0;
	used = s->markers;
	barrier_var(used);
	if (used > RW_MARKERS_MAX - RW_MARKER_VALUE)
		return 0;
	bpf_probe_read_kernel(s->found + used, RW_MARKER_VALUE, s->var);
	s->markers = used + n;
	return 1;
}

/* Could a variable on the list begin with these three bytes? Most others end here. */
static __always_inline bool maybe_listed(struct rw_marker_set *set, const char *p)
{
	__u32 h = rw_marker_hash(p[0], p[1], p[2]);

	return set->first[(h >> 6) & (RW_MARKER_FIRST - 1)] & (1ULL << (h & 63));
}

/* Eight bytes with several ends of variables in them. */
__noinline int rw_env_word(__u64 off)
{
	struct rw_marker_set *set;
	struct exec_scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&rw_exec_buf, &zero);
	set = bpf_map_lookup_elem(&rw_markers, &zero);
	if (!s || !set || off >= RW_ENV_CHUNK)
		return 0;
	for (int i = 0; i < 8; i++)
		if (!s->env[off + i] && maybe_listed(set, s->env + off + i + 1))
			rw_env_variable(off + i + 1);
	return 0;
}

/* 0x80 in the lowest byte of w that is NUL, and perhaps in others above it (Mycroft); 0: none. */
static __always_inline __u64 nul_mask(__u64 w)
{
	return (w - 0x0101010101010101ULL) & ~w & 0x8080808080808080ULL;
}

/* Index of the byte that holds the lowest bit of a mask of 0x80s. */
static __always_inline __u64 lowest_byte(__u64 mask)
{
	return (((mask & -mask) >> 7) * 0x0001020304050607ULL) >> 56;
}

/* Finds where variables begin in RW_ENV_BLOCK bytes at s->env + off, eight at a time. */
__noinline int rw_env_block(__u64 off)
{
	struct rw_marker_set *set;
	struct exec_scratch *s;
	__u64 mask, at;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&rw_exec_buf, &zero);
	set = bpf_map_lookup_elem(&rw_markers, &zero);
	if (!s || !set || off > RW_ENV_CHUNK - RW_ENV_BLOCK)
		return 0;
	for (int i = 0; i < RW_ENV_BLOCK; i += 8, off += 8) {
		if (off >= s->env_len)
			break;
		mask = nul_mask(*(__u64 *)(s->env + off));
		if (!mask)
			continue;
		if (mask & (mask - 1)) {
			rw_env_word(off);
			continue;
		}
		at = off + lowest_byte(mask) + 1;
		barrier_var(at);
		if (at <= RW_ENV_CHUNK && maybe_listed(set, s->env + at))
			rw_env_variable(at);
	}
	return 0;
}

/*
 * Looks through up to RW_ENV_CHUNK bytes at `pos`; what lies behind is read
 * too, so that a value is whole.
 */
__noinline int rw_env_chunk(__u64 pos, __u32 left)
{
	const __u64 room = RW_ENV_CHUNK + RW_MARKER_VALUE;
	struct exec_scratch *s;
	__u64 n = left;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&rw_exec_buf, &zero);
	if (!s)
		return 0;
	if (n > room)
		n = room;
	/* Asked again where the compiler cannot see that it knows. */
	barrier_var(n);
	if (n > room)
		return 0;
	if (bpf_probe_read_user(s->env, n, (void *)pos)) {
		rw_count_fault();
		return 0;
	}
	barrier_var(n);
	if (n > room)
		return 0;
	/* What an earlier exec left behind is not to be seen. */
	*(__u64 *)(s->env + n) = ~0ULL;
	s->env_len = n;
	for (__u32 off = 0; off < RW_ENV_CHUNK; off += RW_ENV_BLOCK) {
		if (off >= n)
			break;
		rw_env_block(off);
	}
	return 0;
}

/* Collects allow-listed variables of the new environment in s->found. */
static __always_inline void read_markers(struct exec_scratch *s, __u64 pos, __u64 end)
{
	s->markers = 0;
	for (int i = 0; i < RW_ENV_CHUNKS; i++) {
		if (pos >= end)
			return;
		rw_env_chunk(pos, end - pos > 0xffff ? 0xffff : end - pos);
		/* The very first variable has no NUL before it. */
		if (i == 0)
			rw_env_variable(0);
		pos += RW_ENV_CHUNK;
	}
	if (pos < end)
		s->rec.flags |= RW_TF_ENV_CUT;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(rw_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 zero = 0, path, args, markers;
	struct task_struct *p = rw_plain(task);
	struct mm_struct *mm = p->mm;
	struct rw_proc *e, init = {};
	struct exec_scratch *s;
	struct inode *inode;
	struct file *file;
	struct rw_id id;
	__u64 start, end;

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
	rw_file_path(file, &s->path);
	if (s->path.cut)
		s->rec.flags |= RW_TF_PATH_CUT;
	bpf_probe_read_kernel(s->data, sizeof(s->path.data), s->path.data);
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
	read_markers(s, mm->env_start, mm->env_end);
	markers = s->markers & (2 * RW_MARKERS_MAX - 1);
	barrier_var(markers);
	if (markers)
		bpf_probe_read_kernel(s->data + path + args, RW_MARKERS_MAX, s->found);
	s->rec.path_len = path;
	s->rec.args_len = args;
	s->rec.markers_len = markers;

	id = s->rec.id;
	e = rw_proc_get(&id);
	if (!e) {
		init.cgroup_id = s->rec.cgroup_id;
		init.ppid = p->real_parent->tgid;
		e = rw_proc_put(&id, &init);
	}
	if (e) {
		__builtin_memcpy(e->comm, s->rec.comm, sizeof(e->comm));
		if (markers) {
			e->ci_pid = s->rec.id.pid;
			e->ci_start_ns = s->rec.id.start_ns;
		}
		if ((__u32)old_pid != s->rec.id.pid)
			rw_adopt_thread(e, id.start_ns, old_pid);
	}
	rw_event_output(s, sizeof(s->rec) + path + args + markers, RW_EXEC, false);
	return 0;
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
		ev->child[i].pgid = rw_task_pid_type(c, RW_PIDTYPE_PGID);
		ev->child[i].sid = rw_task_pid_type(c, RW_PIDTYPE_SID);
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

SEC("tp_btf/sched_process_exit")
int BPF_PROG(rw_exit, struct task_struct *task)
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

/*
 * Exact, where it loads: kernel/exit.c reparent_leader() calls it once for each
 * child that changes hands, with the dying father, and real_parent already is
 * the new reaper. The call with a NULL parent is the other caller's.
 */
SEC("?fentry/kill_orphaned_pgrp")
int BPF_PROG(rw_reparent, struct task_struct *child_task, struct task_struct *father_task)
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
