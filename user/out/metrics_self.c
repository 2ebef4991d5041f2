/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon itself: its outputs, its series, its process. */
#include "out/metrics_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fs.h"

/* Counts without opening: a folder's own descriptor and the dots are not ours. */
static int64_t count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = 0;

	if (!dir)
		return -1;
	for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		if (d->d_name[0] != '.')
			n++;
	}
	closedir(dir);
	return n - 1;
}

/* Fields 20 (threads), 22 (start) and 24 (resident pages); comm may hold spaces and ')'. */
static bool read_stat(struct self_stat *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *after;
	uint64_t pages, ticks;

	if (runaway_read_file(AT_FDCWD, "/proc/self/stat", 4096, &b) < 0 || !b.data)
		return false;
	after = strrchr(b.data, ')');
	if (!after || sscanf(after + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
			     "%" SCNu64 " %*d %" SCNu64 " %*u %" SCNu64,
			     &s->threads, &ticks, &pages) != 3)
		return false;
	s->start_boot_ns = ticks * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	s->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

static double timeval_seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void runaway_metrics_read_self(struct self_stat *ret)
{
	struct rlimit l;
	struct rusage u;

	*ret = (struct self_stat){ .open_fds = count_open_fds(), .cpu_seconds = NAN };
	ret->known = read_stat(ret);
	if (getrusage(RUSAGE_SELF, &u) == 0)
		ret->cpu_seconds = timeval_seconds(u.ru_utime) + timeval_seconds(u.ru_stime);
	ret->max_fds = NAN;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0)
		ret->max_fds = l.rlim_cur == RLIM_INFINITY ? INFINITY : (double)l.rlim_cur;
}

static void write_textfile_time(struct exposition *e)
{
	uint64_t at_ns = e->view->runtime->textfile_last_write_realtime_ns;

	if (at_ns)
		runaway_metrics_ns(e, at_ns, NULL);
}

static void write_config_ok(struct exposition *e)
{
	runaway_metrics_u64(e, e->view->runtime->config_last_reload_ok != 0, NULL);
}

static void write_config_time(struct exposition *e)
{
	uint64_t at_ns = e->view->runtime->config_last_reload_realtime_ns;

	if (at_ns)
		runaway_metrics_ns(e, at_ns, NULL);
}

static void write_store_errors(struct exposition *e)
{
	struct store_info i;

	runaway_store_info(e->view->store, &i);
	runaway_metrics_u64(e, i.write_errors, NULL);
}

static void write_store_pending(struct exposition *e)
{
	struct store_info i;

	runaway_store_info(e->view->store, &i);
	runaway_metrics_u64(e, i.pending_lines, NULL);
}

static bool journal_info(const struct exposition *e, struct runaway_journal_info *ret)
{
	if (!e->view->journal)
		return false;
	runaway_journal_info(e->view->journal, ret);
	return true;
}

static void write_journal_bytes(struct exposition *e)
{
	struct runaway_journal_info i;

	if (journal_info(e, &i))
		runaway_metrics_u64(e, i.bytes, NULL);
}

static void write_journal_errors(struct exposition *e)
{
	struct runaway_journal_info i;

	if (journal_info(e, &i))
		runaway_metrics_u64(e, i.errors, NULL);
}

static void write_cpu(struct exposition *e)
{
	if (!isnan(e->self.cpu_seconds))
		runaway_metrics_double(e, e->self.cpu_seconds, NULL);
}

static void write_resident(struct exposition *e)
{
	if (e->self.known)
		runaway_metrics_u64(e, e->self.resident_bytes, NULL);
}

static void write_open_fds(struct exposition *e)
{
	if (e->self.open_fds >= 0)
		runaway_metrics_u64(e, (uint64_t)e->self.open_fds, NULL);
}

static void write_max_fds(struct exposition *e)
{
	if (!isnan(e->self.max_fds))
		runaway_metrics_double(e, e->self.max_fds, NULL);
}

/* That of the process: what it tells of as its start is when it was ready. Set against the one
 * pair of clocks of then, so that it stays the same when the clock is set. */
static void write_start(struct exposition *e)
{
	const struct runaway_runtime *r = e->view->runtime;

	if (e->self.known && r->started_boot_ns >= e->self.start_boot_ns && r->started_realtime_ns)
		runaway_metrics_ns(
			e, r->started_realtime_ns - (r->started_boot_ns - e->self.start_boot_ns),
			NULL);
}

static void write_threads(struct exposition *e)
{
	if (e->self.known)
		runaway_metrics_u64(e, e->self.threads, NULL);
}

static void write_dropped(struct exposition *e)
{
	uint64_t *total = e->view->series_dropped;

	if (!total)
		return;
	*total += e->dropped;
	runaway_metrics_u64(e, *total, NULL);
}

/* Last of all: it counts those before it, and itself. */
static void write_series(struct exposition *e)
{
	runaway_metrics_u64(e, e->series + 1, NULL);
}

const struct metrics_family runaway_metrics_self[] = {
	{ "runaway_textfile_last_write_timestamp_seconds", METRICS_GAUGE,
	  "When the textfile was written.", write_textfile_time },
	{ "runaway_config_last_reload_successful", METRICS_GAUGE,
	  "1 when the last configuration read was taken over.", write_config_ok },
	{ "runaway_config_last_reload_success_timestamp_seconds", METRICS_GAUGE,
	  "When a configuration was last taken over.", write_config_time },
	{ "runaway_store_write_errors_total", METRICS_COUNTER,
	  "Writes and syncs of the incident store that failed.", write_store_errors },
	{ "runaway_store_pending_lines", METRICS_GAUGE,
	  "Lines of the incident store that wait for the disk.", write_store_pending },
	{ "runaway_journal_bytes", METRICS_GAUGE,
	  "Size of the journal that the next daemon reads at its start.", write_journal_bytes },
	{ "runaway_journal_write_errors_total", METRICS_COUNTER,
	  "Writes of the journal that failed.", write_journal_errors },
	{ "process_cpu_seconds_total", METRICS_COUNTER,
	  "Total user and system CPU time spent in seconds.", write_cpu },
	{ "process_resident_memory_bytes", METRICS_GAUGE, "Resident memory size in bytes.",
	  write_resident },
	{ "process_open_fds", METRICS_GAUGE, "Number of open file descriptors.", write_open_fds },
	{ "process_max_fds", METRICS_GAUGE, "Maximum number of open file descriptors.",
	  write_max_fds },
	{ "process_start_time_seconds", METRICS_GAUGE,
	  "Start time of the process since unix epoch in seconds.", write_start },
	{ "process_threads", METRICS_GAUGE, "Number of threads of the process.", write_threads },
	{ "runaway_series_dropped_total", METRICS_COUNTER,
	  "Times that an exposition summed a cgroup or finding under _other.", write_dropped },
	{ "runaway_series", METRICS_GAUGE, "Series of this exposition.", write_series },
	{ 0 },
};
