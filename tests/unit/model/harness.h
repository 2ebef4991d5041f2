/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_MODEL_HARNESS_H
#define TESTS_UNIT_MODEL_HARNESS_H

/*
 * Records made easily. A pid is enough: its start time is START(pid) unless a
 * test says otherwise, and every record takes the next millisecond of a clock
 * that the test can set.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/internal.h"

#define SEC	   NSEC_PER_SEC
#define MSEC	   NSEC_PER_MSEC
#define START(pid) ((uint64_t)(pid) * 1000 + 7)

struct world {
	struct runaway_model *m;
	uint64_t now_ns;
	uint64_t generation;
	unsigned int orphans_told;
	uint32_t last_orphan;
};

static inline struct rw_id rw_id(uint32_t pid)
{
	return (struct rw_id){ .pid = pid, .start_ns = pid ? START(pid) : 0 };
}

static inline struct runaway_id id(uint32_t pid)
{
	return (struct runaway_id){ .pid = pid, .start_ns = START(pid) };
}

static inline void on_orphan(void *ctx, const struct runaway_proc *p)
{
	struct world *w = ctx;

	w->orphans_told++;
	w->last_orphan = p->id.pid;
}

static inline void world_new_limits(struct world *w, uint32_t processes, uint32_t cgroups,
				    uint32_t series)
{
	const struct runaway_model_config c = {
		.limits = { .processes = processes, .cgroups = cgroups, .series = series },
	};

	*w = (struct world){ .now_ns = 100 * SEC };
	assert_int_equal(runaway_model_new(&c, &w->m), 0);
	runaway_model_on_orphan(w->m, on_orphan, w);
}

static inline void world_new(struct world *w)
{
	world_new_limits(w, 100000, 10000, 20);
}

static inline void world_free(struct world *w)
{
	runaway_model_free(w->m);
	w->m = NULL;
}

static inline struct rw_hdr hdr(struct world *w, uint16_t type, size_t len)
{
	w->now_ns += MSEC;
	return (struct rw_hdr){ .type = type, .len = (uint32_t)len, .time_ns = w->now_ns };
}

#define FEED(w, r) assert_int_equal(runaway_model_apply((w)->m, &(r).hdr, sizeof(r)), 0)

static inline void copy_comm(char to[RW_COMM_LEN], const char *comm)
{
	memset(to, 0, RW_COMM_LEN);
	memcpy(to, comm, MIN(strlen(comm), (size_t)RW_COMM_LEN));
}

/* ---- lineage ---- */
static inline void forks(struct world *w, uint32_t origin, uint32_t pid, const char *comm)
{
	struct rw_fork r = {
		.hdr = hdr(w, RW_FORK, sizeof(r)),
		.id = rw_id(pid),
		.origin = rw_id(origin),
		.parent = rw_id(origin),
		.ci = rw_id(origin),
		.cgroup_id = 5,
		.pgid = origin,
		.sid = origin,
	};

	copy_comm(r.comm, comm);
	FEED(w, r);
}

/* args and markers are NUL separated, their last NUL left to the string literal. */
static inline int execs_full(struct world *w, uint32_t pid, const char *comm, const char *path,
			     size_t path_len, const char *args, size_t args_len,
			     const char *markers, size_t markers_len)
{
	union {
		struct rw_exec r;
		char room[sizeof(struct rw_exec) + 8192];
	} u = { 0 };
	size_t len = sizeof(u.r) + path_len + args_len + markers_len;

	assert_true(len <= sizeof(u));
	u.r.hdr = hdr(w, RW_EXEC, len);
	u.r.id = rw_id(pid);
	u.r.exec_id = pid;
	u.r.exe_ino = 1000 + (path_len ? (unsigned char)path[0] : 0);
	u.r.exe_dev = 1;
	u.r.cgroup_id = 5;
	u.r.path_len = (uint16_t)path_len;
	u.r.args_len = (uint16_t)args_len;
	u.r.markers_len = (uint16_t)markers_len;
	copy_comm(u.r.comm, comm);
	memcpy(u.r.data, path, path_len);
	memcpy(u.r.data + path_len, args, args_len);
	memcpy(u.r.data + path_len + args_len, markers, markers_len);
	return runaway_model_apply(w->m, &u.r.hdr, len);
}

#define EXECS(w, pid, comm, path, args, markers)                                                   \
	assert_int_equal(execs_full(w, pid, comm, path, sizeof(path), args, sizeof(args), markers, \
				    sizeof(markers) - 1),                                          \
			 0)

static inline void exits(struct world *w, uint32_t pid, int status)
{
	struct rw_exit r = {
		.hdr = hdr(w, RW_EXIT, sizeof(r)),
		.id = rw_id(pid),
		.exit_code = status,
	};
	const struct runaway_proc *p = runaway_model_find(w->m, id(pid));

	copy_comm(r.comm, p ? p->comm : "?");
	FEED(w, r);
}

static inline void frees(struct world *w, uint32_t pid, uint64_t cpu_ns)
{
	struct rw_free r = {
		.hdr = hdr(w, RW_FREE, sizeof(r)),
		.id = rw_id(pid),
		.cpu_ns = cpu_ns,
		.cgroup_id = 5,
	};

	copy_comm(r.comm, "freed");
	FEED(w, r);
}

static inline void reparents_via(struct world *w, uint32_t pid, uint32_t from, uint32_t to,
				 uint32_t flags, uint32_t via)
{
	const struct runaway_proc *p = runaway_model_find(w->m, id(pid));
	struct rw_reparent r = {
		.hdr = hdr(w, RW_REPARENT, sizeof(r)),
		.id = rw_id(pid),
		.old_parent = rw_id(from),
		.reaper = rw_id(to),
		.pgid = p ? p->pgid : 0,
		.sid = p ? p->sid : 0,
		.reaper_flags = flags,
		.via = via,
	};

	copy_comm(r.reaper_comm, to == 1 ? "systemd" : "reaper");
	FEED(w, r);
}

static inline void reparents(struct world *w, uint32_t pid, uint32_t from, uint32_t to,
			     uint32_t flags)
{
	reparents_via(w, pid, from, to, flags, RW_VIA_HOOK);
}

/* ---- samples ---- */
static inline struct rw_task task_of(struct world *w, uint32_t pid, uint32_t parent,
				     const char *comm, uint64_t cpu_ns)
{
	struct rw_task r = {
		.hdr = hdr(w, RW_TASK, sizeof(r)),
		.id = rw_id(pid),
		.parent = rw_id(parent),
		.cgroup_id = 5,
		.cpu_ns = cpu_ns,
		.rss_bytes = 4096,
		.pgid = pid,
		.sid = pid,
		.threads = 1,
	};
	const struct runaway_proc *p = runaway_model_find(w->m, id(pid));

	if (p) {
		r.pgid = p->pgid;
		r.sid = p->sid;
		r.flags = p->flags;
		r.cgroup_id = p->cgroup_id;
	}
	copy_comm(r.comm, comm);
	return r;
}

static inline void task(struct world *w, uint32_t pid, uint32_t parent, const char *comm,
			uint64_t cpu_ns)
{
	struct rw_task r = task_of(w, pid, parent, comm, cpu_ns);

	FEED(w, r);
}

static inline void task_flags(struct world *w, uint32_t pid, uint32_t parent, const char *comm,
			      uint32_t flags)
{
	struct rw_task r = task_of(w, pid, parent, comm, 0);

	r.flags = flags;
	FEED(w, r);
}

static inline void cpu(struct world *w, uint32_t pid, uint64_t cpu_ns)
{
	struct rw_cpu r = { .hdr = hdr(w, RW_CPU, sizeof(r)), .id = rw_id(pid), .cpu_ns = cpu_ns };

	FEED(w, r);
}

static inline void scan_begin(struct world *w)
{
	struct rw_scan r = { .hdr = hdr(w, RW_SCAN_BEGIN, sizeof(r)),
			     .generation = ++w->generation };

	FEED(w, r);
}

static inline void scan_end(struct world *w, uint32_t flags, uint64_t processes)
{
	struct rw_scan r = {
		.hdr = hdr(w, RW_SCAN_END, sizeof(r)),
		.generation = w->generation,
		.processes = processes,
		.flags = flags,
	};

	FEED(w, r);
}

#define BOOTED_AT_NS (1700000000 * SEC) /* by the wall clock */

static inline void tick_at(struct world *w, uint64_t booted_at_ns)
{
	struct rw_tick r = { .hdr = hdr(w, RW_TICK, sizeof(r)) };

	r.realtime_ns = r.hdr.time_ns + booted_at_ns;
	FEED(w, r);
}

static inline void tick(struct world *w)
{
	tick_at(w, BOOTED_AT_NS);
}

static inline void loses(struct world *w, uint64_t events, uint64_t samples)
{
	struct rw_loss r = { .hdr = hdr(w, RW_LOSS, sizeof(r)),
			     .events = events,
			     .samples = samples };

	FEED(w, r);
}

static inline void cgroup_ev(struct world *w, uint16_t op, uint64_t cg, uint64_t parent,
			     uint64_t cpu_ns, const char *path)
{
	struct rw_cgroup_ev r = {
		.hdr = hdr(w, RW_CGROUP, sizeof(r)),
		.cgroup_id = cg,
		.parent_id = parent,
		.cpu_ns = cpu_ns,
		.op = op,
	};

	if (path) {
		r.path_len = (uint16_t)(strlen(path) + 1);
		memcpy(r.path, path, r.path_len);
	}
	FEED(w, r);
}

static inline void cgroup_cpu(struct world *w, uint64_t cg, uint64_t cpu_ns)
{
	struct rw_cgroup_cpu r = { .hdr = hdr(w, RW_CGROUP_CPU, sizeof(r)),
				   .cgroup_id = cg,
				   .cpu_ns = cpu_ns };

	FEED(w, r);
}

static inline void procfs(struct world *w, uint32_t pid, uint32_t what, const char *data,
			  size_t bytes)
{
	union {
		struct rw_procfs r;
		char room[sizeof(struct rw_procfs) + 8192];
	} u = { 0 };

	assert_true(bytes <= 8192);
	u.r.hdr = hdr(w, RW_PROCFS, sizeof(u.r) + bytes);
	u.r.id = rw_id(pid);
	u.r.what = what;
	u.r.bytes = (uint32_t)bytes;
	memcpy(u.r.data, data, bytes);
	assert_int_equal(runaway_model_apply(w->m, &u.r.hdr, u.r.hdr.len), 0);
}

/* ---- scenes ---- */

/* pid 1 (systemd) alone, settled. */
static inline void boot(struct world *w)
{
	scan_begin(w);
	task_flags(w, 1, 0, "systemd", RW_TF_NS_INIT);
	scan_end(w, RW_SCAN_RESYNC, 1);
}

static inline void dies(struct world *w, uint32_t pid, int status, uint64_t cpu_ns)
{
	exits(w, pid, status);
	frees(w, pid, cpu_ns);
}

/* A script under a step forks a browser and is killed; the browser goes to init. */
static inline void orphaned_browser(struct world *w)
{
	boot(w);
	forks(w, 1, 10, "runner");
	forks(w, 10, 11, "step.sh");
	forks(w, 11, 12, "step.sh");
	EXECS(w, 12, "chromium", "chromium\0lib\0usr", "chromium\0--headless", "");
	forks(w, 12, 13, "chromium");
	forks(w, 13, 14, "chromium");
	exits(w, 11, 9);
	reparents(w, 12, 11, 1, RW_TF_NS_INIT);
	frees(w, 11, 0);
}

static inline struct runaway_proc *find(const struct world *w, uint32_t pid)
{
	return runaway_model_find(w->m, id(pid));
}

#endif
