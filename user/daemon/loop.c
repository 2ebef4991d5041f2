// SPDX-License-Identifier: GPL-2.0-or-later
/* One thread, one epoll loop: rings, timers, signals, control socket, HTTP. */

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"

#define RESYNC_NS  (60 * NSEC_PER_SEC) /* everything is told again, lost or not */
#define TRIM_NS	   (10 * NSEC_PER_SEC)
#define TRIM_BYTES (2u << 20)
#define SUMMARY_NS (60 * NSEC_PER_SEC)
#define FLUSH_NS   (5 * NSEC_PER_SEC) /* of a recording */
#define JITTER_SHARE                                                                               \
	20 /* a tick comes up to 1/20 of the interval early or late: see arm_tick()                \
	    */

enum source {
	SRC_SIGNAL,
	SRC_TICK,
	SRC_RECHECK,
	SRC_SENSOR,
	SRC_CONTROL,
	SRC_HTTP,
	SRC_GATE,
	SRC_HEALTH
};

void daemon_sink(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct daemon *d = ctx;
	uint64_t now;

	if (d->recorder)
		runaway_recorder_add(d->recorder, rec, len);
	if ((rec->type == RW_CHILDREN || rec->type == RW_REPARENT) && !daemon_recalling(d)) {
		now = runaway_boot_ns();
		runaway_histogram_add(&d->runtime.event_latency,
				      now > rec->time_ns ? (double)(now - rec->time_ns) / 1e9 : 0);
	}
	daemon_apply(d, rec, len);
}

static void on_orphan(void *ctx, const struct runaway_proc *p)
{
	struct daemon *d = ctx;
	struct rw_id id = { .start_ns = p->id.start_ns, .pid = p->id.pid };

	daemon_note_orphan(d, p->id);
	/* While opening, the sensor reads up everybody by itself. */
	if (d->sensor)
		runaway_sensor_enrich(d->sensor, id, p->image && p->image->args);
}

static int add(struct daemon *d, int fd, enum source src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = src };

	return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void arm_at(int fd, uint64_t boot_ns)
{
	uint64_t at_ns = runaway_boot_timer_ns(boot_ns);
	struct itimerspec t = {
		.it_value = { .tv_sec = (time_t)(at_ns / NSEC_PER_SEC),
			      .tv_nsec = (long)(at_ns % NSEC_PER_SEC) },
	};

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static int64_t jitter(uint64_t span)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		return 0;
	return (int64_t)(r % (2 * span + 1)) - (int64_t)span;
}

/*
 * The phase is random and each tick a little off: an agent that wakes in step
 * with the kernel's five-second load average shows up in it as load.
 */
static void arm_tick(struct daemon *d, uint64_t now)
{
	uint64_t interval = d->runtime.interval_ns;

	d->next_tick_ns += interval;
	if (d->next_tick_ns <= now) {
		uint64_t missed = (now - d->next_tick_ns) / interval + 1;

		runaway_sensor_note_overruns(d->sensor, missed);
		d->next_tick_ns += missed * interval;
	}
	arm_at(d->tick_fd, d->next_tick_ns + (uint64_t)jitter(interval / JITTER_SHARE));
}

static void arm_recheck(struct daemon *d)
{
	uint64_t at = runaway_sensor_recheck_at(d->sensor);

	if (at)
		arm_at(d->recheck_fd, at);
}

static bool wants_resync(struct daemon *d, uint64_t now, enum runaway_rescan *ret_why)
{
	const char *reason;

	if (runaway_model_wants_resync(d->model)) {
		reason = runaway_model_resync_reason(d->model);
		*ret_why = reason && strcmp(reason, "loss") == 0 ? RESCAN_LOSS : RESCAN_MISMATCH;
		return true;
	}
	*ret_why = RESCAN_PERIODIC;
	return now - d->last_resync_ns >= RESYNC_NS;
}

static uint64_t lost_events(const struct runaway_model *m)
{
	return runaway_model_counters(m)->lost_events + runaway_model_counters(m)->lost_samples;
}

static void judge(struct daemon *d)
{
	struct rw_tick tick = { .hdr = { .type = RW_TICK, .len = sizeof(tick) } };
	struct runaway_finding *f;

	tick.hdr.time_ns = runaway_boot_ns();
	tick.realtime_ns = runaway_real_ns();
	daemon_sink(d, &tick.hdr, sizeof(tick));
	/* A part of the host is no ground to open a finding, nor to call one over. */
	if (!runaway_features_blind(runaway_sensor_features(d->sensor))) {
		runaway_engine_tick(d->engine, d->model);
		for (f = runaway_engine_findings(d->engine); f; f = f->hh.next)
			runaway_incident_observe(d->store, f, d->model);
	}
	gate_tick(d);
	runaway_store_flush(d->store);
}

static void write_textfile(struct daemon *d, uint64_t now)
{
	int r;

	if (!d->textfile_path ||
	    now - d->last_textfile_ns < d->config.textfile.interval_s * NSEC_PER_SEC)
		return;
	d->last_textfile_ns = now;
	r = runaway_textfile_write(&d->view, d->textfile_path);
	if (r < 0)
		log_warning_errno(r, "cannot write the textfile %s", d->config.textfile.path);
	else
		d->runtime.textfile_last_write_realtime_ns = runaway_real_ns();
}

static void flush_recording(struct daemon *d, uint64_t now)
{
	int r;

	if (!d->recorder || now - d->last_flush_ns < FLUSH_NS)
		return;
	d->last_flush_ns = now;
	r = runaway_recorder_flush(d->recorder);
	if (r < 0 && !d->recording_failed)
		log_error_errno(r, "the recording ends here: cannot write %s", d->opt->record);
	d->recording_failed = r < 0;
}

/* Once a minute, so that the end of the log says it as well as its beginning. */
static void say_gaps(const struct daemon *d)
{
	const struct runaway_features *f = runaway_sensor_features(d->sensor);

	for (enum runaway_gap g = 0; g < RUNAWAY_GAP_MAX; g++)
		if (runaway_features_has_gap(f, g))
			log_warning("not whole: %s", runaway_gap_what(g));
}

static size_t orphans(const struct daemon *d)
{
	size_t n = 0;

	for (struct runaway_proc *p = runaway_model_orphans(d->model); p; p = p->orphan_next)
		n++;
	return n;
}

static size_t findings(const struct daemon *d)
{
	return runaway_engine_open_count(d->engine, NULL, RUNAWAY_SEVERITY_MAX);
}

static void say_status(const struct daemon *d, const char *first)
{
	enum runaway_gap gap = runaway_features_gap(runaway_sensor_features(d->sensor));
	bool whole = gap == RUNAWAY_GAP_MAX;

	notify_send("%sSTATUS=%s%s%zu processes, %zu orphans, %zu findings", first,
		    whole ? "" : runaway_gap_what(gap), whole ? "" : "; ",
		    runaway_model_living(d->model), orphans(d), findings(d));
}

static void summary(struct daemon *d, uint64_t now)
{
	const struct runaway_host_state *h = runaway_model_host(d->model);

	if (now - d->last_summary_ns < SUMMARY_NS)
		return;
	d->last_summary_ns = now;
	log_info("%zu processes, %zu orphans, %zu findings, load5 %.2f per core, %.2f cores busy, "
		 "last scan %.1f ms, %llu records lost",
		 runaway_model_living(d->model), orphans(d), findings(d), h->load5_per_core,
		 h->busy_cores,
		 (double)runaway_sensor_stats(d->sensor)->scan_duration_ns / NSEC_PER_MSEC,
		 (unsigned long long)lost_events(d->model));
	say_gaps(d);
	say_status(d, "");
}

/*
 * What a storm needed is free afterwards, but the C library keeps it: a sensor
 * that once saw a million processes would stay as large as it was then.
 */
static void give_memory_back(struct daemon *d, uint64_t now)
{
	if (now - d->last_trim_ns < TRIM_NS)
		return;
	d->last_trim_ns = now;
	if (mallinfo2().fordblks > TRIM_BYTES)
		malloc_trim(0);
}

static void update_health(struct daemon *d, int scan_error)
{
	const struct runaway_features *f = runaway_sensor_features(d->sensor);
	uint64_t lost = lost_events(d->model);
	struct store_info info;

	runaway_store_info(d->store, &info);
	d->runtime.scan_ok = scan_error == 0;
	d->runtime.events_ok = lost == d->lost_seen;
	d->runtime.cgroup_ok = !runaway_features_has_gap(f, RUNAWAY_GAP_NO_CGROUPS) &&
			       !runaway_features_has_gap(f, RUNAWAY_GAP_CGROUP_PART) &&
			       !runaway_features_has_gap(f, RUNAWAY_GAP_CGROUP_NAMESPACE);
	d->runtime.store_ok = !info.degraded;
	d->lost_seen = lost;
	runaway_histogram_add(&d->runtime.scan_duration,
			      (double)runaway_sensor_stats(d->sensor)->scan_duration_ns / 1e9);
}

static void tick(struct daemon *d)
{
	uint64_t now = runaway_boot_ns();
	enum runaway_rescan why;
	bool resync;
	int r;

	resync = wants_resync(d, now, &why);
	if (resync) {
		d->last_resync_ns = now;
		d->runtime.rescans_by_reason[why]++;
	}
	/* -EXDEV is where it was started: neither a restart nor an older configuration mends it. */
	r = runaway_sensor_scan(d->sensor, resync);
	judge(d);
	update_health(d, r);
	d->runtime.ticks++;
	daemon_judge_reload(d, r == 0 || r == -EXDEV);
	write_textfile(d, now);
	summary(d, now);
	give_memory_back(d, now);
	flush_recording(d, now);
	daemon_tend_journal(d);
	/* Only a scan that worked keeps the service manager's watchdog quiet. */
	if (r == 0 || r == -EXDEV)
		notify_send("WATCHDOG=1");
	arm_tick(d, runaway_boot_ns());
}

static void on_signal(struct daemon *d)
{
	_cleanup_free_ char *error = NULL;
	struct signalfd_siginfo si;

	while (read(d->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP) {
			notify_send("RELOADING=1");
			free(TAKE_PTR(error));
			daemon_reload(d, &error);
			notify_send("READY=1");
			continue;
		}
		if (si.ssi_signo == SIGUSR2) {
			gate_disarm_by_signal(d);
			continue;
		}
		if (si.ssi_signo == SIGCHLD) {
			gate_reap(d);
			continue;
		}
		log_info("stopping (%s)", si.ssi_signo == SIGINT ? "interrupted" : "terminated");
		d->stop = true;
	}
}

static void dispatch(struct daemon *d, enum source src)
{
	uint64_t expirations;

	switch (src) {
	case SRC_SIGNAL:
		on_signal(d);
		break;
	case SRC_TICK:
		if (read(d->tick_fd, &expirations, sizeof(expirations)) > 0)
			tick(d);
		break;
	case SRC_RECHECK:
		if (read(d->recheck_fd, &expirations, sizeof(expirations)) <= 0)
			break;
		/* Drained first: whose end is told is not looked up under a number that
		 * somebody else may have by now. */
		runaway_sensor_drain(d->sensor);
		runaway_sensor_recheck(d->sensor);
		break;
	case SRC_SENSOR:
		runaway_sensor_drain(d->sensor);
		runaway_sensor_recheck(d->sensor);
		break;
	case SRC_CONTROL:
		runaway_control_run(d->control);
		break;
	case SRC_HTTP:
		runaway_http_run(d->http);
		break;
	case SRC_GATE:
		gate_run(d);
		break;
	case SRC_HEALTH:
		health_run(d->health);
		break;
	}
}

static int open_loop(struct daemon *d)
{
	int r;

	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	d->tick_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	d->recheck_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->epoll_fd < 0 || d->tick_fd < 0 || d->recheck_fd < 0)
		return -errno;
	r = add(d, d->signal_fd, SRC_SIGNAL, EPOLLIN);
	if (r == 0)
		r = add(d, d->tick_fd, SRC_TICK, EPOLLIN);
	if (r == 0)
		r = add(d, d->recheck_fd, SRC_RECHECK, EPOLLIN);
	if (r == 0)
		r = add(d, runaway_sensor_fd(d->sensor), SRC_SENSOR, EPOLLIN | EPOLLET);
	if (r == 0)
		r = add(d, runaway_control_fd(d->control), SRC_CONTROL, EPOLLIN);
	if (r == 0)
		r = add(d, health_fd(d->health), SRC_HEALTH, EPOLLIN);
	if (r == 0 && d->gate.link)
		r = add(d, gate_link_fd(d->gate.link), SRC_GATE, EPOLLIN);
	if (r == 0 && d->http)
		r = add(d, runaway_http_fd(d->http), SRC_HTTP, EPOLLIN);
	return r;
}

static void welcome(const struct daemon *d)
{
	const struct runaway_features *f = runaway_sensor_features(d->sensor);
	const char *scheme = d->web && d->web->cert ? "https" : "http";

	log_info(
		"runawayd %s: watching %zu processes (task walk %s, reparenting by %s, cgroups %s)",
		RUNAWAY_VERSION, runaway_model_living(d->model), f->scan, f->reparent_hook,
		runaway_cgroup_source_name(f->cgroups));
	if (d->http)
		log_info("metrics: %s://%s/metrics, page: %s://%s/", scheme,
			 d->runtime.listen_address, scheme, d->runtime.listen_address);
	log_info("ask it: runawayctl --socket %s/control.sock status (or doctor, proc orphans, "
		 "incident list)",
		 d->runtime_dir);
	log_info("incidents: %s, as uid %u without capabilities", d->state_dir, d->runtime.uid);
}

int daemon_loop(struct daemon *d)
{
	struct epoll_event ev[16];
	int r, n, timeout;

	runaway_model_on_orphan(d->model, on_orphan, d);
	r = open_loop(d);
	if (r < 0) {
		log_error_errno(r, "cannot start the loop");
		return RUNAWAY_EXIT_FAILED;
	}
	welcome(d);
	d->last_resync_ns = d->last_summary_ns = runaway_boot_ns();
	/* The first verdict at once, so that readiness means a complete tick. */
	d->next_tick_ns = runaway_boot_ns();
	tick(d);
	say_status(d, "READY=1\n");
	while (!d->stop) {
		arm_recheck(d);
		timeout = d->http ? runaway_http_timeout_ms(d->http) : -1;
		n = epoll_wait(d->epoll_fd, ev, ARRAY_SIZE(ev), timeout);
		if (n < 0 && errno != EINTR) {
			log_error_errno(-errno, "epoll_wait");
			return RUNAWAY_EXIT_FAILED;
		}
		for (int i = 0; i < n; i++)
			dispatch(d, ev[i].data.u32);
		if (n == 0 && d->http)
			runaway_http_run(d->http);
	}
	notify_send("STOPPING=1");
	return RUNAWAY_EXIT_OK;
}
