// SPDX-License-Identifier: GPL-2.0-or-later
/* The task walk: the truth, each interval. */

#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

/*
 * The walk's program writes a byte every RW_YIELD tasks, and read() returns as
 * soon as it has what was asked for: a byte makes it come back each time, and
 * the rings are drained before they fill.
 */
static int walk(struct runaway_sensor *s)
{
	int fd, r = 0, refused = 0;
	char byte;
	ssize_t n;

	fd = sensor_walk_open(&s->task_walk);
	if (fd < 0)
		return fd;
	for (;;) {
		n = read(fd, &byte, 1);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		/* 1,000,000 tasks without a byte of output: the walk goes on. */
		if (n < 0 && errno == EAGAIN && ++refused < 64)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		runaway_sensor_drain(s);
	}
	close(fd);
	return r;
}

/*
 * Some hosts hide pid 1 from the iterator, and every orphan's story ends there:
 * it is told from /proc then. Only where /proc is the host's; in another pid
 * namespace pid 1 would be somebody else.
 */
static void add_init(struct runaway_sensor *s, bool resync)
{
	struct rw_task rec = { .flags = RW_TF_NS_INIT, .threads = 1 };
	struct proc_stat st;

	if (s->skel->bss->rw_scan_saw_init || runaway_features_blind(&s->features) ||
	    sensor_proc_stat(s, 1, &st) < 0)
		return;
	rec.id.pid = 1;
	rec.id.start_ns = s->skel->bss->rw_init_start_ns ?: st.start_ns;
	rec.cpu_ns = st.cpu_ns;
	rec.pgid = st.pgid;
	rec.sid = st.sid;
	/* Its name as often as that of others who never run. */
	if (resync || !s->init_comm[0])
		sensor_proc_reaper_flags(s, 1, s->init_comm);
	memcpy(rec.comm, s->init_comm, sizeof(rec.comm));
	s->skel->bss->rw_scan_processes++;
	sensor_emit(s, &rec.hdr, RW_TASK, sizeof(rec));
}

static void finish(struct runaway_sensor *s, struct rw_scan *rec, uint64_t started, int error)
{
	uint64_t now = runaway_boot_ns();

	rec->duration_ns = now - started;
	rec->tasks = s->skel->bss->rw_scan_tasks;
	rec->processes = s->skel->bss->rw_scan_processes;
	rec->error = error;
	s->stats.scan_duration_ns = rec->duration_ns;
	if (error) {
		rec->flags |= RW_SCAN_FAILED;
		s->stats.scan_failures++;
		/* What makes it blind was said at the start, and does not change. */
		if (!runaway_features_blind(&s->features))
			log_warning_errno(error, "the task walk failed");
	} else {
		s->stats.scans++;
		s->stats.scan_last_ns = now;
	}
	if (!error && !(rec->flags & RW_SCAN_HOT)) {
		s->stats.scan_tasks = rec->tasks;
		s->stats.scan_processes = rec->processes;
		s->last_full_ns = now;
	}
	sensor_emit(s, &rec->hdr, RW_SCAN_END, sizeof(*rec));
}

/* Visits who has to be visited; *flags learns what kind of pass it was, *ret_marked whether it
 * marked everybody in the kernel side's maps. */
static int visit_tasks(struct runaway_sensor *s, uint32_t *flags, bool *ret_marked)
{
	int r;

	s->skel->bss->rw_scan_resync = *flags & RW_SCAN_RESYNC;
	s->skel->bss->rw_scan_tasks = 0;
	s->skel->bss->rw_scan_processes = 0;
	s->skel->bss->rw_scan_saw_init = 0;
	if (*flags & RW_SCAN_HOT) {
		r = sensor_hot_scan(s, runaway_boot_ns());
		if (r != -ENOBUFS)
			return r;
		*flags &= ~(uint32_t)RW_SCAN_HOT;
	}
	/* A mark that nobody has yet: who lacks it afterwards was not met. */
	*ret_marked = *flags & RW_SCAN_RESYNC || sensor_sweep_due(s, runaway_boot_ns());
	if (*ret_marked)
		s->skel->bss->rw_mark++;
	r = walk(s);
	runaway_sensor_drain(s);
	add_init(s, *flags & RW_SCAN_RESYNC);
	return r;
}

/* Samples of processes that found no room, ever: nobody else writes such records. */
static uint64_t lost_tasks(const struct runaway_sensor *s)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < s->ncpu; i++)
		n += __atomic_load_n(&s->counters[i].dropped[RW_TASK], __ATOMIC_RELAXED);
	return n;
}

int runaway_sensor_scan(struct runaway_sensor *s, bool resync)
{
	struct rw_scan rec = { 0 };
	uint64_t started, lost;
	bool marked = false;
	int r, e;

	runaway_sensor_drain(s);
	rec.generation = ++s->generation;
	if (resync)
		rec.flags = RW_SCAN_RESYNC;
	else if (sensor_hot_may_scan(s, resync, runaway_boot_ns()))
		rec.flags = RW_SCAN_HOT;
	if (resync)
		s->stats.rescans++;
	sensor_emit(s, &rec.hdr, RW_SCAN_BEGIN, sizeof(rec));
	if (sensor_cgroups_reread(s, resync))
		rec.flags |= RW_SCAN_CGROUPS;
	started = runaway_boot_ns();
	lost = lost_tasks(s);
	r = visit_tasks(s, &rec.flags, &marked);
	/* What is read only after the scan's end was not seen by it. */
	if (!sensor_rings_catch_up(s) || lost_tasks(s) != lost)
		rec.flags |= RW_SCAN_LOSSY;
	/* Who was not seen is not gone: such a scan proves nothing. */
	if (r == 0 && runaway_features_blind(&s->features))
		r = -EXDEV;
	finish(s, &rec, started, r);
	if (marked && r == 0)
		sensor_sweep(s, started);

	e = sensor_cgroups_read(s);
	if (e < 0)
		log_warning_errno(e, "cannot read the cgroups' CPU");
	sensor_rings_settle(s);
	sensor_counters_read(s);
	sensor_report_loss(s);
	sensor_host_read(s);
	sensor_enrich_flush(s);
	return r;
}
