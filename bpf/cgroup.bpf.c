// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * Cgroups: what each one burned by itself, and when it came, moved and went.
 * CPU is charged here from the task walk and from the release of tasks, so
 * that it agrees with the kernel's own cpu.stat without flushing it.
 */

#include "rw.h"

#define EEXIST 17

/* Key: kernfs id of the cgroup (its inode number). Full: the CPU is counted as unplaced. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct rw_cgroup);
} rw_cgroups SEC(".maps");

/* Set before load: see rw.h. */
const volatile int rw_cgroup_ssid = -1;
/* cgroup_root.hierarchy_id of the hierarchy that we follow; 0 is the default one. */
const volatile int rw_hierarchy_id = 0;

static __always_inline __u64 parent_id(struct cgroup *cg)
{
	struct cgroup *parent = rw_cgroup_parent(cg);

	return parent ? rw_cgroup_id(parent) : 0;
}

static __always_inline struct rw_cgroup *entry(struct cgroup *cg, __u64 id)
{
	struct rw_cgroup *e = bpf_map_lookup_elem(&rw_cgroups, &id);
	struct rw_cgroup init = {};
	long r;

	if (e)
		return e;
	init.told_cpu_ns = ~0ULL;
	init.parent_id = parent_id(cg);
	init.level = BPF_CORE_READ(cg, level);
	init.hierarchy_id = BPF_CORE_READ(cg, root, hierarchy_id);
	r = bpf_map_update_elem(&rw_cgroups, &id, &init, BPF_NOEXIST);
	/* Two CPUs at once: the other one made it. */
	if (r != -EEXIST)
		rw_map_result(r, RW_MAP_CGROUPS);
	return bpf_map_lookup_elem(&rw_cgroups, &id);
}

static __always_inline void charge(struct rw_cgroup *e, __u64 delta_ns)
{
	struct rw_counters *c = rw_counters_here();

	if (!c)
		return;
	rw_add(&c->attributed_ns, delta_ns);
	if (e)
		rw_add(&e->cpu_ns, delta_ns);
	else
		rw_add(&c->unplaced_ns, delta_ns);
}

__hidden void rw_cgroup_charge(struct cgroup *cg, __u64 id, __u64 delta_ns)
{
	if (delta_ns)
		charge(id ? entry(cg, id) : NULL, delta_ns);
}

__hidden void rw_cgroup_enter(struct cgroup *cg, __u64 id)
{
	if (id)
		entry(cg, id);
}

__hidden void rw_cgroup_charge_id(__u64 id, __u64 delta_ns)
{
	if (delta_ns)
		charge(bpf_map_lookup_elem(&rw_cgroups, &id), delta_ns);
}

static __noinline int emit(struct cgroup *cg, const char *path, __u32 op, struct task_struct *t)
{
	struct rw_cgroup_ev *ev;
	struct rw_cgroup *e;
	__u64 id;
	long n;

	if (BPF_CORE_READ(cg, root, hierarchy_id) != rw_hierarchy_id)
		return 0;
	id = rw_cgroup_id(cg);
	ev = rw_event_reserve(sizeof(*ev), RW_CGROUP);
	if (ev) {
		e = bpf_map_lookup_elem(&rw_cgroups, &id);
		ev->cgroup_id = id;
		ev->parent_id = parent_id(cg);
		ev->cpu_ns = e ? e->cpu_ns : 0;
		ev->id.start_ns = 0;
		ev->id.pid = 0;
		ev->id.pad = 0;
		if (t)
			rw_id_of(t, &ev->id);
		ev->op = op;
		ev->level = BPF_CORE_READ(cg, level);
		ev->pad = 0;
		n = bpf_probe_read_kernel_str(ev->path, sizeof(ev->path), path);
		/* A path that fills the buffer was cut: unknown is better than wrong. */
		ev->path_len = n > 0 && n < (long)sizeof(ev->path) ? n : 0;
		rw_event_submit(ev, false);
	}
	return 0;
}

__u64 rw_scan_cgroups; /* entries met by this walk; set to 0 by user space before it */
extern __u64 rw_scan_resync;

/* Tells of each cgroup whose figure has changed; read like a file, it needs no bpf(). */
SEC("iter/bpf_map_elem")
int rw_cg_walk(struct bpf_iter__bpf_map_elem *ctx)
{
	struct rw_cgroup *e = ctx->value;
	struct rw_cgroup_line line;
	__u64 *id = ctx->key;

	if (!id || !e)
		return 0;
	rw_scan_cgroups++;
	if (e->cpu_ns == e->told_cpu_ns && !rw_scan_resync)
		return 0;
	line.cgroup_id = *id;
	line.cpu_ns = e->cpu_ns;
	/* No room: the kernel comes back to this entry with the next read. */
	if (bpf_seq_write(ctx->meta->seq, &line, sizeof(line)))
		rw_scan_cgroups--;
	else
		e->told_cpu_ns = line.cpu_ns;
	return 0;
}

static __noinline int made(struct cgroup *cg, const char *path)
{
	if (BPF_CORE_READ(cg, root, hierarchy_id) == rw_hierarchy_id)
		entry(cg, rw_cgroup_id(cg));
	return emit(cg, path, RW_CG_MKDIR, NULL);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(rw_cg_mkdir, struct cgroup *cg, const char *path)
{
	return made(cg, path);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(rw_cg_rmdir, struct cgroup *cg, const char *path)
{
	return emit(cg, path, RW_CG_RMDIR, NULL);
}

SEC("tp_btf/cgroup_rename")
int BPF_PROG(rw_cg_rename, struct cgroup *cg, const char *path)
{
	return emit(cg, path, RW_CG_RENAME, NULL);
}

/*
 * The last reference is gone, and with it every task that was ever charged here
 * (a task's css_set is put after sched_process_free): the figure is final.
 */
static __noinline int ended(struct cgroup *cg, const char *path)
{
	__u64 id = rw_cgroup_id(cg);

	emit(cg, path, RW_CG_RELEASE, NULL);
	if (BPF_CORE_READ(cg, root, hierarchy_id) != rw_hierarchy_id)
		return 0;
	rw_map_deleted(bpf_map_delete_elem(&rw_cgroups, &id), RW_MAP_CGROUPS);
	return 0;
}

SEC("tp_btf/cgroup_release")
int BPF_PROG(rw_cg_release, struct cgroup *cg, const char *path)
{
	return ended(cg, path);
}

/*
 * A process (or one thread) has moved. What it used until now belongs to the
 * cgroup it left: flushed before the next walk would charge it to the new one.
 */
static __noinline int moved(struct cgroup *dst, const char *path, struct task_struct *task,
			    bool threadgroup)
{
	struct rw_proc *e;
	struct rw_id id;
	__u64 to;

	if (BPF_CORE_READ(dst, root, hierarchy_id) != rw_hierarchy_id)
		return 0;
	to = rw_cgroup_id(dst);
	rw_cgroup_enter(dst, to);
	rw_id_of(task, &id);
	e = rw_proc_get(&id);
	if (e && threadgroup)
		rw_flush_process(task, &id, to);
	else if (e)
		rw_flush_thread(task, e, to);
	/* One thread of a threaded cgroup (a virtual CPU): its process is where its leader is. */
	if (!threadgroup && task->pid != task->tgid)
		return 0;
	if (e)
		e->cgroup_id = to;
	return emit(dst, path, RW_CG_ATTACH, task);
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(rw_cg_attach, struct cgroup *dst, const char *path, struct task_struct *task,
	     bool threadgroup)
{
	return moved(dst, path, task, threadgroup);
}
