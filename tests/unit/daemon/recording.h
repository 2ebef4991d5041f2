/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DAEMON_RECORDING_H
#define TESTS_UNIT_DAEMON_RECORDING_H

/*
 * A recording made by hand: a step script starts a browser and is killed, the
 * browser burns a core for a while, and ends. Nothing in it is of this host.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sensor/sensor.h"

#define BROWSER 12
#define REAL_NS (UINT64_C(1795314000) * NSEC_PER_SEC) /* CLOCK_REALTIME at boot */

struct tape {
	struct runaway_recorder *r;
	uint64_t now_ns;
	uint64_t seq;
	uint64_t generation;
	uint64_t cpu_ns; /* of the browser */
};

static inline struct rw_id tape_id(uint32_t pid)
{
	return (struct rw_id){ .pid = pid, .start_ns = pid ? (uint64_t)pid * 1000 + 7 : 0 };
}

static inline void tape_add(struct tape *t, struct rw_hdr *rec, uint16_t type, size_t len)
{
	t->now_ns += NSEC_PER_USEC;
	rec->type = type;
	rec->len = (uint32_t)len;
	rec->seq = ++t->seq;
	rec->time_ns = t->now_ns;
	runaway_recorder_add(t->r, rec, len);
}

#define TAPE_ADD(t, rec, type) tape_add(t, &(rec).hdr, type, sizeof(rec))

static inline void tape_begin(struct tape *t, const char *path)
{
	struct rw_meta m = {
		.realtime_offset_ns = REAL_NS,
		.ncpu = 4,
		.hz = 100,
		.boot_id = "11111111-2222-3333-4444-555555555555",
		.host = "tape",
		.release = "6.12.0",
	};

	*t = (struct tape){ .now_ns = 1000 * NSEC_PER_SEC };
	assert_int_equal(runaway_recorder_open(path, &t->r), 0);
	TAPE_ADD(t, m, RW_META);
}

static inline void tape_end(struct tape *t)
{
	assert_int_equal(runaway_recorder_close(t->r), 0);
}

static inline void tape_fork(struct tape *t, uint32_t origin, uint32_t pid, const char *comm)
{
	struct rw_fork r = {
		.id = tape_id(pid),
		.origin = tape_id(origin),
		.parent = tape_id(origin),
		.cgroup_id = 5,
		.pgid = 11,
		.sid = 11,
		.uid = 1000,
	};

	memcpy(r.comm, comm, MIN(strlen(comm), sizeof(r.comm)));
	TAPE_ADD(t, r, RW_FORK);
}

static inline void tape_exec(struct tape *t, uint32_t pid, const char *comm, const char *path,
			     size_t path_len, const char *args, size_t args_len)
{
	union {
		struct rw_exec r;
		char room[sizeof(struct rw_exec) + 1024];
	} u = { 0 };
	size_t len = sizeof(u.r) + path_len + args_len;

	assert_true(len <= sizeof(u));
	u.r.id = tape_id(pid);
	u.r.exec_id = pid;
	u.r.exe_ino = 99;
	u.r.cgroup_id = 5;
	u.r.args_total = (uint32_t)args_len;
	u.r.path_len = (uint16_t)path_len;
	u.r.args_len = (uint16_t)args_len;
	memcpy(u.r.comm, comm, MIN(strlen(comm), sizeof(u.r.comm)));
	memcpy(u.r.data, path, path_len);
	memcpy(u.r.data + path_len, args, args_len);
	tape_add(t, &u.r.hdr, RW_EXEC, len);
}

static inline void tape_exit(struct tape *t, uint32_t pid, int status, uint64_t cpu_ns)
{
	struct rw_exit e = { .id = tape_id(pid), .exit_code = status };
	struct rw_free f = { .id = tape_id(pid), .exit_code = status, .cpu_ns = cpu_ns };

	TAPE_ADD(t, e, RW_EXIT);
	TAPE_ADD(t, f, RW_FREE);
}

static inline void tape_task(struct tape *t, uint32_t pid, uint32_t parent, const char *comm,
			     uint64_t cpu_ns, uint32_t flags)
{
	struct rw_task r = {
		.id = tape_id(pid),
		.parent = tape_id(parent),
		.cgroup_id = 5,
		.cpu_ns = cpu_ns,
		.rss_bytes = 100 << 20,
		.pgid = pid == 1 ? 1 : 11,
		.sid = pid == 1 ? 1 : 11,
		.uid = 1000,
		.flags = flags,
		.threads = 1,
	};

	memcpy(r.comm, comm, MIN(strlen(comm), sizeof(r.comm)));
	TAPE_ADD(t, r, RW_TASK);
}

/* One second later: a walk in which the browser has burned so much, figures, a verdict. */
static inline void tape_second(struct tape *t, bool alive, uint64_t burned_ns)
{
	struct rw_scan begin = { .generation = ++t->generation }, end = begin;
	struct rw_host h = { .load5_milli = 900, .ncpu = 4 };
	struct rw_tick tick = { 0 };

	t->now_ns += NSEC_PER_SEC;
	TAPE_ADD(t, begin, RW_SCAN_BEGIN);
	if (alive && burned_ns)
		tape_task(t, BROWSER, 1, "chromium", t->cpu_ns += burned_ns, 0);
	end.processes = alive ? 3 : 2;
	TAPE_ADD(t, end, RW_SCAN_END);
	TAPE_ADD(t, h, RW_HOST);
	tick.realtime_ns = REAL_NS + t->now_ns;
	TAPE_ADD(t, tick, RW_TICK);
}

static inline void tape_orphan(struct tape *t)
{
	struct rw_scan begin = { .generation = ++t->generation, .flags = RW_SCAN_RESYNC };
	struct rw_scan end = begin;
	struct rw_reparent r = {
		.id = tape_id(BROWSER),
		.old_parent = tape_id(11),
		.reaper = tape_id(1),
		.pgid = 11,
		.sid = 11,
		.reaper_flags = RW_TF_NS_INIT,
		.via = RW_VIA_HOOK,
		.reaper_comm = "systemd",
	};

	TAPE_ADD(t, begin, RW_SCAN_BEGIN);
	tape_task(t, 1, 0, "systemd", 0, RW_TF_NS_INIT);
	end.processes = 1;
	TAPE_ADD(t, end, RW_SCAN_END);
	tape_fork(t, 1, 10, "runner");
	tape_fork(t, 10, 11, "step.sh");
	tape_fork(t, 11, BROWSER, "step.sh");
#define TAPE_PATH "chromium\0chromium\0lib\0usr"
#define TAPE_ARGS                                                                                  \
	"/usr/lib/chromium/chromium\0--headless\0--remote-debugging-port=0\0http://x/\n\x1b[2J"
	tape_exec(t, BROWSER, "chromium", TAPE_PATH, sizeof(TAPE_PATH), TAPE_ARGS,
		  sizeof(TAPE_ARGS));
	t->now_ns += 5 * NSEC_PER_SEC;
	tape_exit(t, 11, 9, 1000000);
	TAPE_ADD(t, r, RW_REPARENT);
}

/* The whole story. */
static inline void tape_story(const char *path, unsigned int burning_s, unsigned int after_s)
{
	struct tape t;

	tape_begin(&t, path);
	tape_orphan(&t);
	for (unsigned int i = 0; i < burning_s; i++)
		tape_second(&t, true, NSEC_PER_SEC);
	tape_exit(&t, BROWSER, 15, t.cpu_ns);
	for (unsigned int i = 0; i < after_s; i++)
		tape_second(&t, false, 0);
	tape_end(&t);
}

#endif
