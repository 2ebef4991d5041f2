// SPDX-License-Identifier: GPL-2.0-or-later
/* From nothing to a running sensor without privilege, and back. */

#include <fcntl.h>
#include <libgen.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/no_signals.h"
#include "daemon/daemon.h"

static const double latency_le[] = {
	0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
};
static const double delay_le[] = { 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 60, 120 };

static void init_histograms(struct runaway_runtime *rt)
{
	rt->scan_duration.le = rt->event_latency.le = latency_le;
	rt->scan_duration.buckets = rt->event_latency.buckets = ARRAY_SIZE(latency_le);
	rt->detection_delay.le = delay_le;
	rt->detection_delay.buckets = ARRAY_SIZE(delay_le);
	static_assert(ARRAY_SIZE(latency_le) <= RUNAWAY_HIST_BUCKETS, "buckets");
	static_assert(ARRAY_SIZE(delay_le) <= RUNAWAY_HIST_BUCKETS, "buckets");
}

/* A descriptor of the folder, and the last component of the path (malloc'ed). */
static int open_folder_of(const char *path, int *ret_fd, char **ret_name)
{
	_cleanup_free_ char *a = strdup(path), *b = strdup(path), *name = NULL;
	int fd;

	if (!a || !b)
		return -ENOMEM;
	name = strdup(basename(a));
	if (!name)
		return -ENOMEM;
	fd = open(dirname(b), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	*ret_name = TAKE_PTR(name);
	return 0;
}

/* The working directory changes later on. */
static char *absolute(const char *path)
{
	_cleanup_free_ char *cwd = NULL;

	if (*path == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	return cwd ? runaway_path_join(cwd, path) : NULL;
}

static int setup_names(struct daemon *d)
{
	d->host_label = strdup(d->config.host_label);
	d->env = strdup(d->config.env);
	d->state_dir = absolute(d->opt->state_dir);
	d->runtime_dir = absolute(d->opt->runtime_dir);
	return d->host_label && d->env && d->state_dir && d->runtime_dir ? 0 : -ENOMEM;
}

static int setup_config(struct daemon *d)
{
	const char *path = d->opt->config;
	_cleanup_free_ char *error = NULL;
	int r;

	/* The default file may be written later, and SIGHUP shall find it then. */
	if (!path && access(RUNAWAY_DEFAULT_CONFIG_DIR, F_OK) == 0)
		path = RUNAWAY_DEFAULT_CONFIG;
	if (path) {
		d->runtime.config_path = absolute(path);
		if (!d->runtime.config_path)
			return -ENOMEM;
		r = open_folder_of(path, &d->config_dir_fd, &d->config_name);
		if (r < 0)
			return log_error_errno(r, "%s", path);
	}
	r = daemon_load_config(d, &d->config, &error);
	if (r < 0) {
		log_error("%s", error ? error : runaway_strerror(r));
		return r;
	}
	if (d->config.web.config_file) {
		r = runaway_web_config_read(d->config.web.config_file, &d->web, &error);
		if (r < 0) {
			log_error("%s", error ? error : runaway_strerror(r));
			return r;
		}
		d->runtime.web = d->web;
	}
	d->runtime.config_last_reload_ok = 1;
	d->runtime.config_last_reload_realtime_ns = runaway_real_ns();
	return 0;
}

static int setup_rooms(struct daemon *d)
{
	struct runaway_model_config mc;
	int r;

	daemon_model_config(&d->config, &mc);
	r = runaway_model_new(&mc, &d->model);
	if (r == 0)
		runaway_model_on_signal(d->model, signals_seen, d);
	if (r == 0)
		r = runaway_engine_new(&daemon_engine_ops, d, &d->engine);
	if (r == 0)
		r = daemon_apply_lanes(d->engine, &d->config.lanes);
	if (r == 0)
		r = daemon_make_markers(d, &d->config);
	return r < 0 ? log_error_errno(r, "cannot set up") : 0;
}

/* Folders and the textfile, while we may still give them away. */
static int setup_folders(struct daemon *d)
{
	const char *textfile = d->config.textfile.path;
	_cleanup_free_ char *name = NULL, *folder = NULL;
	struct stat st;
	int r;

	r = privileges_own_folder(d->opt->state_dir, 0750, &d->user);
	if (r < 0)
		return log_error_errno(r, "cannot use the state directory %s", d->opt->state_dir);
	r = privileges_own_folder(d->opt->runtime_dir, 0755, &d->user);
	if (r < 0)
		return log_error_errno(r, "cannot use the runtime directory %s",
				       d->opt->runtime_dir);
	d->runtime_dir_fd = open(d->opt->runtime_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!textfile)
		return 0;
	if (stat(textfile, &st) == 0 && S_ISDIR(st.st_mode)) {
		d->textfile_dir_fd = open(textfile, O_PATH | O_DIRECTORY | O_CLOEXEC);
		name = strdup("host_runaway_process.prom");
		r = d->textfile_dir_fd < 0 ? -errno : 0;
	} else {
		r = open_folder_of(textfile, &d->textfile_dir_fd, &name);
	}
	if (r < 0)
		return log_error_errno(r, "textfile %s", textfile);
	if (asprintf(&folder, "/proc/self/fd/%d", d->textfile_dir_fd) < 0)
		return -ENOMEM;
	d->textfile_path = runaway_path_join(folder, name);
	r = privileges_allow_writing(folder, &d->user);
	if (r < 0)
		log_warning_errno(r,
				  "textfile %s: uid %u may not write in its folder; allow it "
				  "(setfacl -m u:%u:rwx FOLDER)",
				  textfile, d->user.uid, d->user.uid);
	return 0;
}

static int setup_sensor(struct daemon *d)
{
	struct runaway_sensor_config c = {
		.proc_root = d->opt->proc_root,
		.cgroup_root = d->opt->cgroup_root,
		.pin_dir = d->opt->pin_dir,
		.without = d->opt->without,
		.max_processes = d->config.limits.processes,
		.max_cgroups = d->config.limits.cgroups,
		.marker_names = d->marker_names,
	};
	int r;

	privileges_files_as(&d->user);
	r = daemon_open_journal(d);
	privileges_files_as(NULL);
	if (r < 0)
		return r;
	c.journal = d->journal;
	if (d->opt->record) {
		r = runaway_recorder_open(d->opt->record, &d->recorder);
		if (r < 0)
			return log_error_errno(r, "cannot record to %s", d->opt->record);
	}
	r = runaway_sensor_open(&c, daemon_sink, d, &d->sensor);
	if (r < 0)
		return r;
	privileges_files_as(&d->user);
	daemon_renew_journal(d);
	privileges_files_as(NULL);
	return 0;
}

static int setup_outputs(struct daemon *d)
{
	struct runaway_http_config hc = {
		.listen_address = d->config.web.listen_address,
		.max_connections = d->config.web.max_connections,
		.timeout_s = d->config.web.timeout_s,
		.web = d->web,
	};
	struct runaway_control_config cc = {
		.mode = 0666,
		.max_clients = 64,
		.idle_timeout_s = 60,
	};
	_cleanup_free_ char *socket = runaway_path_join(d->runtime_dir, "control.sock");
	int r;

	if (!socket)
		return -ENOMEM;
	cc.path = socket;
	privileges_files_as(&d->user);
	r = runaway_control_open(&cc, &d->view, &daemon_control_ops, d, &d->control);
	privileges_files_as(NULL);
	if (r < 0)
		return log_error_errno(
			r, r == -EADDRINUSE ? "another daemon serves %s" : "cannot listen on %s",
			socket);
	if (*hc.listen_address) {
		r = runaway_http_open(&hc, &d->view, &d->http);
		if (r == -EKEYREJECTED)
			return log_error_errno(-EINVAL, "%s: no TLS with this certificate and key",
					       d->config.web.config_file);
		if (r < 0)
			return log_error_errno(r, "cannot listen on %s", hc.listen_address);
		d->runtime.listen_address = runaway_http_address(d->http);
	}
	return 0;
}

static int setup_store(struct daemon *d)
{
	struct incident_store_config c = {
		/* The working directory: no folder above it has to be open to us. */
		.state_dir = ".",
		.host_label = d->host_label,
		.env = d->env,
		.boot_id = runaway_model_meta(d->model)->boot_id,
		.opening_realtime_ns = runaway_real_ns(),
	};
	struct store_info info;
	int r;

	r = runaway_store_open(&c, &d->store);
	if (r == -EBUSY) {
		log_error("the incident store in %s is in use by another daemon: each needs a "
			  "--state-dir of its own",
			  d->opt->state_dir);
		return r;
	}
	if (r < 0)
		return log_error_errno(r, "cannot open the incident store in %s",
				       d->opt->state_dir);
	runaway_store_info(d->store, &info);
	if (!info.chain_ok)
		log_error("the incident log in %s does not verify: see runawayctl store verify",
			  d->opt->state_dir);
	return 0;
}

static int setup_loop(struct daemon *d)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->signal_fd < 0 ? -errno : 0;
}

static void fill_view(struct daemon *d)
{
	d->runtime.version = RUNAWAY_VERSION;
	d->runtime.commit = RUNAWAY_COMMIT;
	d->runtime.started_realtime_ns = runaway_real_ns();
	d->runtime.started_boot_ns = runaway_boot_ns();
	d->runtime.interval_ns = d->config.sample_interval_ms * NSEC_PER_MSEC;
	d->runtime.state_dir = d->state_dir;
	d->runtime.store_dir = ".";
	d->runtime.runtime_dir = d->runtime_dir;
	d->runtime.pin_dir = d->opt->pin_dir;
	d->runtime.textfile_path = d->config.textfile.path;
	d->runtime.uid = geteuid();
	d->runtime.cap_effective = privileges_effective();
	d->runtime.rescans_by_reason[RESCAN_START] = 1;
	d->view = (struct runaway_view){
		.model = d->model,
		.engine = d->engine,
		.store = d->store,
		.sensor = d->sensor,
		.runtime = &d->runtime,
		.journal = d->journal,
		.host_label = d->host_label,
		.env = d->env,
		.series_dropped = &d->series_dropped,
	};
}

static int exit_code_of(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return RUNAWAY_EXIT_DENIED;
	case -EINVAL:
		return RUNAWAY_EXIT_USAGE;
	default:
		return RUNAWAY_EXIT_FAILED;
	}
}

/*
 * Order matters: what needs root first (folders, BPF, the first snapshot, the
 * sockets), then everything is dropped, and only then are files of others read
 * back and anybody served.
 */
static int setup_steps(struct daemon *d)
{
	int r;

	r = setup_names(d);
	if (r == 0)
		r = setup_rooms(d);
	if (r == 0)
		r = setup_loop(d);
	if (r == 0)
		r = health_open(&d->health);
	if (r == 0)
		r = setup_folders(d);
	if (r == 0)
		r = setup_outputs(d);
	if (r == 0)
		r = setup_sensor(d);
	if (r < 0)
		return r;
	if (chdir(d->opt->state_dir) < 0)
		return log_error_errno(-errno, "cannot enter %s", d->opt->state_dir);
	r = gate_start(d);
	if (r < 0)
		return r;
	/* What loading needed (BTF of a whole kernel) is given back. */
	malloc_trim(0);
	r = privileges_drop(&d->user);
	if (r < 0)
		return log_error_errno(r, "cannot drop privileges");
	/* Not even its own user's processes: it signals nobody, and now it cannot. The kernel's
	 * rule, where it has one, sees the target; the filter is there on every kernel. */
	r = runaway_landlock_scope_signals();
	if (r >= 0)
		r = runaway_no_signals();
	if (r < 0)
		return log_error_errno(r, "cannot give up signalling");
	return setup_store(d);
}

int daemon_setup(struct daemon *d, const struct options *opt, int *ret_exit)
{
	int r;

	*d = (struct daemon){
		.opt = opt,
		.config_dir_fd = -1,
		.textfile_dir_fd = -1,
		.runtime_dir_fd = -1,
		.epoll_fd = -1,
		.signal_fd = -1,
		.tick_fd = -1,
		.recheck_fd = -1,
		.gate = { .folder_fd = -1 },
	};
	init_histograms(&d->runtime);
	*ret_exit = RUNAWAY_EXIT_USAGE;
	r = privileges_user(opt->user, &d->user);
	if (r < 0)
		return log_error_errno(r, "--user %s", opt->user);
	r = setup_config(d);
	if (r < 0)
		return r;
	r = setup_steps(d);
	if (r < 0) {
		*ret_exit = exit_code_of(r);
		return r;
	}
	fill_view(d);
	daemon_adopt_incidents(d);
	signals_adopt(d);
	gate_resume(d);
	return 0;
}

void daemon_teardown(struct daemon *d)
{
	int *fds[] = { &d->config_dir_fd, &d->textfile_dir_fd, &d->epoll_fd,
		       &d->signal_fd,	  &d->tick_fd,	       &d->recheck_fd };

	/* Calls that wait are answered before there is nobody to answer. */
	gate_stop(d);
	health_close(d->health);
	runaway_control_close(d->control);
	/* Its own attempt fails where a folder above is closed to us. */
	if (d->control && d->runtime_dir_fd >= 0)
		unlinkat(d->runtime_dir_fd, "control.sock", 0);
	runaway_http_close(d->http);
	runaway_sensor_close(d->sensor);
	runaway_journal_close(d->journal);
	free(d->new_orphans.id);
	if (d->recorder && runaway_recorder_close(d->recorder) < 0)
		log_error("the recording is incomplete: %s could not be written", d->opt->record);
	runaway_engine_free(d->engine);
	runaway_store_close(d->store);
	runaway_model_free(d->model);
	if (d->on_trial)
		config_free(&d->previous);
	config_free(&d->config);
	runaway_web_config_free(d->web);
	free(d->marker_names);
	free(d->host_label);
	free(d->env);
	free(d->state_dir);
	free(d->runtime_dir);
	free(d->config_name);
	free(d->textfile_path);
	free(d->runtime.config_path);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		runaway_closep(fds[i]);
	runaway_closep(&d->runtime_dir_fd);
}
