/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_SENSOR_PRIV_H
#define RUNAWAY_SENSOR_PRIV_H

/* What the files of the sensor share. Nobody else includes it. */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <uthash.h>

#include "base/macros.h"
#include "sensor/journal.h"
#include "sensor/sensor.h"
#include "runaway.skel.h" /* after wire.h, whose types it uses */

/* A child of a task that exited: whose child is it now? */
struct pending_child {
	struct rw_id id, old_parent;
	uint32_t tid; /* of old_parent: the thread that exits */
	uint32_t pgid, sid;
	uint64_t next_ns;
	uint64_t backoff_ns;
};

/* An entry of a map whose owner the last sweep did not find any more. */
struct stale_key {
	uint64_t start_ns;
	uint32_t number; /* tgid or tid */
	uint32_t map;	 /* index, see sweep.c */
};

struct stale_entry {
	struct stale_key key;
	uint64_t round;
	UT_hash_handle hh;
};

/* A thread that ran lately. */
struct hot_thread {
	uint32_t tid;
	uint64_t until_ns;
	UT_hash_handle hh;
};

/* An iterator: its link, and the link as a file that can be opened without privilege. */
struct sensor_walk {
	int link_fd; /* the skeleton's, or an adopted one */
	int file_fd; /* -1: there is none */
};

/* Files of /proc that are read each interval, kept open. */
struct host_files {
	int loadavg, meminfo, stat;
	int psi_cpu, psi_memory, psi_io; /* -1: not offered */
};

/* A ring of the kernel side, as its one reader sees it. */
struct ring {
	uint32_t id;		  /* of the map */
	size_t size;		  /* bytes, a power of two */
	uint64_t *consumer;	  /* the reader's position, in the kernel */
	const uint64_t *producer; /* the writer's */
	const char *data;
	uint64_t pos;	   /* taken up to here */
	uint64_t released; /* and let go: what `consumer` says */
	char *scratch;	   /* a record that wraps is put together here */
};

/* A program at work, loaded by this daemon or by an earlier one. */
struct sensor_prog {
	char name[16];
	int fd;
};

struct sensor_sequence {
	uint64_t last;
	uint64_t passed; /* bit i: last - 1 - i has not come */
	uint64_t old;	 /* those of them that had not come at the last scan */
};

struct runaway_sensor {
	struct rw_bpf *skel;
	struct ring ring[2]; /* events, samples */
	int epoll_fd;
	int pin_lock_fd; /* flock on the pin directory; -1: nothing is pinned */

	struct sensor_prog prog[RUNAWAY_PROGS_MAX]; /* fds are the skeleton's unless adopted */
	size_t prog_count;
	int adopted_link[RUNAWAY_PROGS_MAX]; /* held, so that unpinning does not detach them */
	size_t adopted_links;
	int hot_prog_fd; /* -1: there is none */
	struct runaway_continuity continuity;
	struct runaway_journal *journal; /* the caller's; NULL: none */
	struct rw_commit *commit;	 /* where one is put together */

	char *proc_root, *cgroup_tree; /* cgroup_tree NULL: none found */
	char *pin_dir;
	int proc_fd;
	bool foreign_cgroup_ns; /* paths in /proc/PID/cgroup are relative to it */
	uint32_t max_processes, max_cgroups;
	uint32_t events_bytes, samples_bytes;
	uint64_t clock_tick_ns; /* of /proc/PID/stat */

	runaway_sink_fn sink;
	void *ctx;
	uint64_t seq;	     /* of records made here */
	uint64_t generation; /* of scans */

	struct pending_child *pending;
	size_t pending_count, pending_cap;
	size_t pending_old;	  /* of which the last round looked at: the first ones */
	uint64_t pending_next_ns; /* when the first of these is due; 0: there are none */
	struct rw_id *enrich;	  /* asked for, done when the sink is not on the stack */
	bool *enrich_args;
	size_t enrich_count, enrich_cap;
	struct rw_id *snapshot; /* processes of the first walk, while opening */
	size_t snapshot_count, snapshot_cap;
	bool snapshotting;

	struct hot_thread *hot;
	bool hot_overflow;	     /* more than are worth remembering */
	bool tiered;		     /* many tasks: full passes are rare, hot ones in between */
	uint64_t last_full_ns;	     /* end of the last full pass */
	uint64_t last_misses_ns;     /* when skipped runs were read */
	char init_comm[RW_COMM_LEN]; /* of pid 1, where the iterator hides it */

	struct sensor_walk task_walk, cgroup_walk;
	const struct rw_counters *counters; /* mapped, one for each of ncpu */
	struct rw_marker_set *markers;	    /* mapped */
	int misses_fd[RUNAWAY_PROGS_MAX];   /* fdinfo of each program; -1: not there */

	struct stale_entry *stale;
	uint64_t swept_ns, sweep_round;

	bool cgroup_tree_whole; /* not that of a cgroup namespace */
	bool cgroup_tree_due;
	uint64_t cgroup_tree_ns, cgroup_tree_cost_ns; /* when it was read last; CPU that it took */
	size_t cgroup_entries;
	struct host_files host;
	const char *const *marker_names;
	struct rw_watch *watch; /* mapping of rw_watch; NULL: not opened */

	struct runaway_features features;
	int ssid_cpu, ssid_cpuacct; /* css_set.subsys index of v1 controllers, on v1; -1: none */
	struct runaway_sensor_stats stats;
	struct sensor_sequence *cpu_seq[2]; /* per CPU: events, samples */
	unsigned int ncpu;
	uint64_t drained_bytes[2]; /* by the last drain: what was queued */
	struct rw_loss told;	   /* losses already reported by RW_LOSS */
};

/* sensor.c: gives a record made here its header and hands it to the sink. */
void sensor_emit(struct runaway_sensor *s, struct rw_hdr *rec, uint16_t type, size_t len);

/* load.c */
int sensor_load(struct runaway_sensor *s, const struct runaway_sensor_config *c);
void sensor_markers_fill(struct rw_marker_set *ret, const char *const *names);
int sensor_set_markers(struct runaway_sensor *s, const char *const *names);

/* keep.c: after loading, while privileged */
int sensor_keep(struct runaway_sensor *s);
void sensor_keep_close(struct runaway_sensor *s);
/* A descriptor to read the walk from, or a negative errno. */
int sensor_walk_open(const struct sensor_walk *w);

/* pins.c: takes the folder for this daemon alone; fills it; empties it of what is ours. */
int sensor_pins_lock(struct runaway_sensor *s, const char *pin_dir);
int sensor_pins_make(struct runaway_sensor *s);
int sensor_pins_remove(const char *pin_dir);
/* Where a map, a program or its link is pinned; false: it is not. */
bool sensor_pin_of_map(const struct runaway_sensor *s, const struct bpf_map *map, char *path,
		       size_t size);
void sensor_pin_of_prog(const struct runaway_sensor *s, const struct bpf_program *prog,
			const char *kind, char *path, size_t size);

/* adopt.c */
struct stamp;
/* The stamp of the object that is opened, as it would be loaded now. */
void sensor_stamp_make(const struct runaway_sensor *s, struct stamp *ret);
int sensor_stamp_pin(const struct runaway_sensor *s);
/*
 * Prepares the skeleton to take the pinned maps and programs for its own. 1: it
 * will; 0: they are not what this daemon would load, s->continuity says why;
 * or a negative errno.
 */
int sensor_adopt(struct runaway_sensor *s);
void sensor_adopt_close(struct runaway_sensor *s);

/* rings.c */
int sensor_rings_open(struct runaway_sensor *s);
void sensor_rings_close(struct runaway_sensor *s);
/* Lets go of what was taken, once it is in the journal. */
void sensor_commit(struct runaway_sensor *s);
/* After each scan: what is missing in the sequences goes into stats. */
void sensor_rings_settle(struct runaway_sensor *s);
/*
 * Takes all that was written up to now. A record that another CPU is still writing keeps
 * those behind it back (and a virtual CPU may stand still in the middle of one): that is
 * waited for, a moment. False: some are back there still.
 */
bool sensor_rings_catch_up(struct runaway_sensor *s);
bool sensor_books_restore(struct runaway_sensor *s, const struct rw_commit *c);

/* cgroup_tree.c */
/* RW_CG_FOUND for every folder of the tree, parents first. 0, or a negative errno if some were not
 * readable; the others are told of. */
int sensor_cgroups_snapshot(struct runaway_sensor *s);

/* cgroups.c */
int sensor_cgroups_detect(const char *root, enum runaway_cgroup_source *ret_source,
			  char **ret_tree);
/* Id in /proc/cgroups of the hierarchy of a v1 controller; -ENOENT. */
int sensor_cgroups_hierarchy(const char *proc_root, const char *controller);
/* The same again, if it is due (a resync was asked for, lately or now) and may be; else false. */
bool sensor_cgroups_reread(struct runaway_sensor *s, bool resync);
/* RW_CGROUP_CPU for every cgroup whose CPU has changed. */
int sensor_cgroups_read(struct runaway_sensor *s);

/* procfs.c */
struct proc_stat {
	char state;
	uint32_t ppid;
	uint32_t pgid, sid;
	uint32_t threads;
	uint64_t start_ns; /* rounded down to clock ticks */
	uint64_t cpu_ns;   /* user and system, in clock ticks */
};
int sensor_proc_stat(struct runaway_sensor *s, uint32_t pid, struct proc_stat *ret);
/* Is that thread on its way out, its children not handed on yet? */
bool sensor_proc_exits(struct runaway_sensor *s, uint32_t pid, uint32_t tid);
/* Did it start when `id` did, as far as clock ticks tell? */
bool sensor_same_start(const struct runaway_sensor *s, const struct proc_stat *st, struct rw_id id);
/* Is /proc/PID still the process `id`? */
bool sensor_proc_is(struct runaway_sensor *s, struct rw_id id);
/* Process flags of a reaper as /proc tells them. */
uint32_t sensor_proc_reaper_flags(struct runaway_sensor *s, uint32_t pid, char comm[RW_COMM_LEN]);
/* Remembers a process of the first walk, to be read up in /proc while that is allowed. */
void sensor_snapshot_add(struct runaway_sensor *s, struct rw_id id);
void sensor_enrich_flush(struct runaway_sensor *s);
void sensor_snapshot_enrich(struct runaway_sensor *s);

/* recheck.c */
void sensor_pending_add(struct runaway_sensor *s, const struct rw_children *ev);

/* gaps.c: fills features.gaps and says in the log what is missing and how to mend it. */
void sensor_gaps_find(struct runaway_sensor *s);
/* Root of a user namespace is not root for the BPF system call. */
bool sensor_gaps_user_namespace(const struct runaway_sensor *s);

/* sweep.c: after a walk that began then and marked everybody; removes what the dead left in the
 * kernel's maps. */
bool sensor_sweep_due(const struct runaway_sensor *s, uint64_t now_ns);
void sensor_sweep(struct runaway_sensor *s, uint64_t began_ns);
void sensor_sweep_free(struct runaway_sensor *s);

/* host.c */
int sensor_host_open(struct runaway_sensor *s);
void sensor_host_close_psi(struct runaway_sensor *s);
void sensor_host_close(struct runaway_sensor *s);
void sensor_host_read(struct runaway_sensor *s);

/* sequence.c: the numbers of one CPU in one ring; adds to *gaps what is missing for good. */
void sensor_sequence_note(struct sensor_sequence *q, uint64_t seq, uint64_t *gaps);
/* Numbers that were passed over and may still come. */
uint64_t sensor_sequence_open(const struct sensor_sequence *q);
/* To be called after each scan: how many are missing that were open at the last one, too. */
uint64_t sensor_sequence_settle(struct sensor_sequence *q);

/* counters.c */
void sensor_counters_read(struct runaway_sensor *s);
void sensor_report_loss(struct runaway_sensor *s);

/* load.c: the object, nothing of it loaded; NULL and errno. The caller destroys it. */
struct rw_bpf *sensor_open_skel(void);

/* features.c */
/* Which variants this kernel takes, found by trying, but for what was asked to be left out; what
 * else is in f stays. 0 or a negative errno: -EPERM: BPF is not allowed; -ENOENT: there is no BTF.
 */
int sensor_features_choose(struct runaway_features *f, unsigned int without);
/* Indexes of v1's controllers in css_set.subsys; -1: not in this kernel. 0 or a negative errno. */
int sensor_features_ask_ssids(int *ret_ssid_cpu, int *ret_ssid_cpuacct);

/* signals.c */
int sensor_watch_open(struct runaway_sensor *s);
void sensor_watch_close(struct runaway_sensor *s);

/* hot.c */
/* Threads that ran, and processes just born: visited by each pass for a while. */
void sensor_hot_note(struct runaway_sensor *s, const struct rw_hdr *rec);
/* Whether this scan may leave out who is idle. */
bool sensor_hot_may_scan(struct runaway_sensor *s, bool resync, uint64_t now_ns);
/* Visits the hot ones. 0 or a negative errno; -ENOBUFS: too many, walk instead. */
int sensor_hot_scan(struct runaway_sensor *s, uint64_t now_ns);
void sensor_hot_free(struct runaway_sensor *s);

#endif
