/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_DAEMON_H
#define RUNAWAY_DAEMON_DAEMON_H

/*
 * The composition root: owns every room, and knows in which order they speak.
 * Records go sink → recorder → model; a tick goes model → lanes → incidents.
 */

#include "daemon/config.h"
#include "daemon/gate.h"
#include "daemon/options.h"
#include "daemon/privileges.h"
#include "out/control.h"
#include "out/http.h"
#include "out/metrics.h"
#include "out/view.h"
#include "sensor/journal.h"

/* Orphans that became known within one record: told to the journal after it. */
struct id_queue {
	struct runaway_id *id;
	size_t count, cap;
};

struct daemon {
	const struct options *opt;
	struct config config;
	struct runaway_web_config *web; /* NULL: plain HTTP, open to all */
	struct config previous;		/* until the reload has stood one interval */
	bool on_trial;			/* `previous` is valid, and what to go back to */
	const char **marker_names; /* built-in and configured, NULL-terminated; strings borrowed */

	struct runaway_model *model;
	struct lane_engine *engine;
	struct incident_store *store;
	struct runaway_sensor *sensor;
	struct runaway_recorder *recorder;
	struct runaway_journal *journal; /* NULL: it could not be opened */
	struct id_queue new_orphans;
	struct runaway_http *http;
	struct runaway_control *control;
	struct daemon_gate gate;
	struct health *health;
	struct runaway_runtime runtime;
	struct runaway_view view;
	uint64_t series_dropped;
	struct run_user user;
	/* As at the start: what is shown does not change under its readers. Owned. */
	char *host_label, *env, *state_dir, *runtime_dir;

	/* Folders are opened while privileged: a path may lead through folders that
	 * the daemon may not enter any more. -1: not there. */
	int config_dir_fd, textfile_dir_fd, runtime_dir_fd;
	char *config_name;   /* last component of the configuration's path */
	char *textfile_path; /* through textfile_dir_fd */

	int epoll_fd, signal_fd, tick_fd, recheck_fd;
	uint64_t next_tick_ns; /* CLOCK_BOOTTIME, before jitter */
	uint64_t last_resync_ns, last_textfile_ns, last_trim_ns, last_summary_ns, last_flush_ns;
	uint64_t lost_seen; /* sum of losses at the last tick */
	bool stop;
	bool recording_failed; /* said once */
	int error;	       /* why the loop ended, 0: asked to */
};

/* setup.c: 0 or a negative errno (already logged); *ret_exit is the exit code then. */
int daemon_setup(struct daemon *d, const struct options *opt, int *ret_exit);
void daemon_teardown(struct daemon *d);

/* loop.c: until told to stop. Exit code. */
int daemon_loop(struct daemon *d);
/* The sink of all records. ctx is the struct daemon. */
void daemon_sink(void *ctx, const struct rw_hdr *rec, size_t len);

/* continuity.c: what the next daemon must know. */
int daemon_open_journal(struct daemon *d);
/* Is what comes to the sink what an earlier daemon knew? */
bool daemon_recalling(const struct daemon *d);
/* Feeds the model, and the journal with what nobody could tell again. */
void daemon_apply(struct daemon *d, const struct rw_hdr *rec, size_t len);
void daemon_note_orphan(struct daemon *d, struct runaway_id id);
/* Makes the journal anew from what the model knows. */
void daemon_renew_journal(struct daemon *d);
/* Once a tick: renews it when it has grown, or could not be written. */
void daemon_tend_journal(struct daemon *d);

/* findings.c: findings to incidents. */
extern const struct lane_engine_ops daemon_engine_ops;
/* Takes the lanes of the configuration over; the configuration keeps its own. 0 or -errno. */
int daemon_apply_lanes(struct lane_engine *e, const struct lane_set *lanes);
/* Incidents that were open when the daemon ended go on. */
void daemon_adopt_incidents(struct daemon *d);

/* reload.c */
int daemon_load_config(struct daemon *d, struct config *ret, char **ret_error);
int daemon_reload(struct daemon *d, char **ret_error);
/* Called after the first tick with a new configuration: keep it, or go back. */
void daemon_judge_reload(struct daemon *d, bool tick_ok);
int daemon_make_markers(struct daemon *d, const struct config *c);
void daemon_model_config(const struct config *c, struct runaway_model_config *ret);
void daemon_override(const struct options *opt, struct config *c);

/* roles.c */
enum runaway_role daemon_role(const struct config *c, uid_t uid, gid_t gid);
extern const struct runaway_control_ops daemon_control_ops;

/* replay.c: exit code. */
int daemon_replay(const struct options *opt);

#endif
