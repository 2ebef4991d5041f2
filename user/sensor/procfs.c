// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What only /proc tells: arguments, environment and cgroup text of processes
 * whose exec was not seen, and parents read again after somebody's exit.
 * Everything read by pid is checked against the start time after the read.
 */

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define STAT_MAX    4096
#define PF_EXITING  0x4 /* include/linux/sched.h; field 9 of /proc/PID/stat shows it */
#define ENVIRON_MAX (256 * 1024)

static int read_proc_file(struct runaway_sensor *s, uint32_t pid, const char *name, size_t max,
			  struct strbuf *b)
{
	char path[64];

	snprintf(path, sizeof(path), "%u/%s", pid, name);
	return runaway_read_file(s->proc_fd, path, max, b);
}

int sensor_proc_stat(struct runaway_sensor *s, uint32_t pid, struct proc_stat *ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	unsigned long long utime, stime, start;
	unsigned int ppid, pgid, sid, threads;
	char state;
	char *p;
	int r;

	r = read_proc_file(s, pid, "stat", STAT_MAX, &b);
	if (r < 0)
		return r;
	/* The name may hold anything, parentheses too: fields begin after the last one. */
	p = b.data ? strrchr(b.data, ')') : NULL;
	if (!p || sscanf(p + 1,
			 " %c %u %u %u %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %u "
			 "%*d %llu",
			 &state, &ppid, &pgid, &sid, &utime, &stime, &threads, &start) != 8)
		return -EBADMSG;
	ret->threads = threads;
	ret->state = state;
	ret->ppid = ppid;
	ret->pgid = pgid;
	ret->sid = sid;
	ret->cpu_ns = (utime + stime) * s->clock_tick_ns;
	ret->start_ns = start * s->clock_tick_ns - (uint64_t)runaway_boot_offset_ns();
	return 0;
}

bool sensor_proc_exits(struct runaway_sensor *s, uint32_t pid, uint32_t tid)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	unsigned int flags;
	char name[32], *p;
	char state;

	snprintf(name, sizeof(name), "task/%u/stat", tid);
	if (read_proc_file(s, pid, name, STAT_MAX, &b) < 0)
		return false;
	p = b.data ? strrchr(b.data, ')') : NULL;
	if (!p || sscanf(p + 1, " %c %*u %*u %*u %*d %*d %u", &state, &flags) != 2)
		return false;
	/* exit_notify() hands them on and makes it a zombie, or dead, under one lock. */
	return flags & PF_EXITING && state != 'Z' && state != 'X';
}

/*
 * Field 22 is the start time cut to clock ticks, after the offset of the reader's time
 * namespace was added.
 */
bool sensor_same_start(const struct runaway_sensor *s, const struct proc_stat *st, struct rw_id id)
{
	uint64_t shown = id.start_ns + (uint64_t)runaway_boot_offset_ns();

	return st->start_ns + (uint64_t)runaway_boot_offset_ns() ==
	       shown - shown % s->clock_tick_ns;
}

bool sensor_proc_is(struct runaway_sensor *s, struct rw_id id)
{
	struct proc_stat st;

	return sensor_proc_stat(s, id.pid, &st) == 0 && sensor_same_start(s, &st, id);
}

uint32_t sensor_proc_reaper_flags(struct runaway_sensor *s, uint32_t pid, char comm[RW_COMM_LEN])
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	uint32_t flags = 0;
	char *p, *end;

	memset(comm, 0, RW_COMM_LEN);
	if (read_proc_file(s, pid, "comm", 64, &b) >= 0 && b.data) {
		if (b.len && b.data[b.len - 1] == '\n')
			strbuf_truncate(&b, b.len - 1);
		memcpy(comm, b.data, MIN(b.len, (size_t)RW_COMM_LEN - 1));
	}
	if (read_proc_file(s, pid, "status", 16 * 1024, &b) < 0 || !b.data)
		return 0;
	/* "NSpid:\t105023\t25\t1": the last one is the pid in its own namespace. */
	p = strstr(b.data, "\nNSpid:");
	if (!p)
		return 0;
	end = strchrnul(p + 1, '\n');
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (end - p >= 2 && end[-1] == '1' && (end[-2] == '\t' || end[-2] == ' '))
		flags |= RW_TF_NS_INIT;
	return flags;
}

static void emit_text(struct runaway_sensor *s, struct rw_id id, uint32_t what, const char *data,
		      size_t len)
{
	_cleanup_free_ struct rw_procfs *rec = NULL;

	rec = calloc(1, sizeof(*rec) + len);
	if (!rec)
		return;
	rec->id = id;
	rec->what = what;
	rec->bytes = len;
	if (len)
		memcpy(rec->data, data, len);
	sensor_emit(s, &rec->hdr, RW_PROCFS, sizeof(*rec) + len);
}

/* The first max bytes of a file that may be longer. 0 or a negative errno. */
static int read_proc_head(struct runaway_sensor *s, uint32_t pid, const char *name, size_t max,
			  struct strbuf *b)
{
	_cleanup_close_ int fd = -1;
	char path[64], buf[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "%u/%s", pid, name);
	fd = openat(s->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (b->len < max) {
		n = read(fd, buf, MIN(sizeof(buf), max - b->len));
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		strbuf_add(b, buf, (size_t)n);
	}
	return b->error;
}

static void read_args(struct runaway_sensor *s, struct rw_id id)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	/* Only the head is kept: 2 MiB of arguments are nobody's command line. */
	if (read_proc_head(s, id.pid, "cmdline", RW_ARGS_MAX, &b) == 0 && b.len &&
	    sensor_proc_is(s, id))
		emit_text(s, id, RW_PROCFS_ARGS, b.data, b.len);
}

static bool listed(const char *const *names, const char *var, size_t len)
{
	for (; *names; names++) {
		size_t n = strlen(*names);

		if (len > n && var[n] == '=' && memcmp(var, *names, n) == 0)
			return true;
	}
	return false;
}

/* Only while we are root. All other variables are forgotten with the buffer. */
static void read_markers(struct runaway_sensor *s, struct rw_id id)
{
	_cleanup_strbuf_ struct strbuf env = STRBUF_INIT, out = STRBUF_INIT;
	const char *p, *end;

	if (read_proc_head(s, id.pid, "environ", ENVIRON_MAX, &env) < 0 || !env.data)
		return;
	end = env.data + env.len;
	for (p = env.data; p < end;) {
		size_t len = strnlen(p, end - p);

		if (listed(s->marker_names, p, len) && len < RW_MARKER_VALUE &&
		    out.len + len < RW_MARKERS_MAX)
			strbuf_add(&out, p, len + 1);
		p += len + 1;
	}
	explicit_bzero(env.data, env.len);
	if (out.len && !out.error && sensor_proc_is(s, id))
		emit_text(s, id, RW_PROCFS_MARKERS, out.data, out.len);
}

static void read_cgroup(struct runaway_sensor *s, struct rw_id id)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (s->foreign_cgroup_ns)
		return;
	if (read_proc_file(s, id.pid, "cgroup", 16 * 1024, &b) >= 0 && b.len &&
	    sensor_proc_is(s, id))
		emit_text(s, id, RW_PROCFS_CGROUP, b.data, b.len);
}

void runaway_sensor_enrich(struct runaway_sensor *s, struct rw_id id, bool args_known)
{
	size_t cap = MAX(s->enrich_cap * 2, (size_t)64);
	struct rw_id *ids;
	bool *args;

	if (s->enrich_count == s->enrich_cap) {
		ids = reallocarray(s->enrich, cap, sizeof(*ids));
		if (!ids)
			return;
		s->enrich = ids;
		args = reallocarray(s->enrich_args, cap, sizeof(*args));
		if (!args)
			return;
		s->enrich_args = args;
		s->enrich_cap = cap;
	}
	s->enrich[s->enrich_count] = id;
	s->enrich_args[s->enrich_count++] = args_known;
}

void sensor_enrich_flush(struct runaway_sensor *s)
{
	/* The sink may ask for more while this runs: the count is read anew. */
	for (size_t i = 0; i < s->enrich_count; i++) {
		read_cgroup(s, s->enrich[i]);
		if (!s->enrich_args[i])
			read_args(s, s->enrich[i]);
	}
	s->enrich_count = 0;
}

void sensor_snapshot_add(struct runaway_sensor *s, struct rw_id id)
{
	size_t cap = MAX(s->snapshot_cap * 2, (size_t)256);
	struct rw_id *ids;

	if (s->snapshot_count == s->snapshot_cap) {
		ids = reallocarray(s->snapshot, cap, sizeof(*ids));
		if (!ids)
			return;
		s->snapshot = ids;
		s->snapshot_cap = cap;
	}
	s->snapshot[s->snapshot_count++] = id;
}

void sensor_snapshot_enrich(struct runaway_sensor *s)
{
	for (size_t i = 0; i < s->snapshot_count; i++) {
		read_args(s, s->snapshot[i]);
		read_markers(s, s->snapshot[i]);
	}
	free(TAKE_PTR(s->snapshot));
	s->snapshot_count = s->snapshot_cap = 0;
}
