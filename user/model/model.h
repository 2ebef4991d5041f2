/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_MODEL_H
#define RUNAWAY_MODEL_H

/*
 * What runs, who started it, what became an orphan and what it costs.
 *
 * The model is a pure function of the records it was given (runaway/wire.h): no
 * clock, no /proc, no map is read here, so a recording replays to the same
 * model. Records may be lost, doubled or out of order between the two rings;
 * each is a hint, and a RESYNC scan settles what is true.
 *
 * Unknown stays unknown: a NULL, a zero id or a false `*_known` is never shown
 * as a value.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "runaway/wire.h"

struct runaway_id {
	uint64_t start_ns;
	uint32_t pid; /* 0: no process */
};

static inline bool runaway_id_eq(struct runaway_id a, struct runaway_id b)
{
	return a.pid == b.pid && a.start_ns == b.start_ns;
}

/* ---- what an exec brought; shared by the forks that never exec (renderers) ---- */
struct runaway_image {
	unsigned int refs;
	char *exe;	 /* absolute path, " (deleted)" cut; without its upper part (and without
			  * a leading '/') when it was too long; NULL: unknown */
	char *args;	 /* NUL separated, already redacted; NULL: unknown */
	size_t args_len; /* bytes, the last NUL included */
	uint64_t exe_ino;
	uint32_t exe_dev;
	uint64_t exec_id;
	bool args_cut;
};

/* ---- CI markers of one exec, inherited by all its descendants ---- */
struct runaway_marker {
	char *name;  /* "GITHUB_RUN_ID" */
	char *value; /* redacted */
};

struct runaway_ci {
	unsigned int refs;
	struct runaway_id id; /* whose exec carried them */
	const char *runner;   /* "gitea", "github", "gitlab", "jenkins", "buildkite",
			       * "drone", "woodpecker", "act"; "unknown" for CI=true alone */
	struct runaway_marker *marker;
	size_t count;
	char *text; /* the markers as NAME=value NUL …: equal text is one set */
	size_t text_len;
	uint32_t members; /* living processes that carry it */
	bool listed;	  /* in the model's tables; the room's own business */
	UT_hash_handle hh;
	UT_hash_handle hh_text;
};

/* ---- cgroups ---- */
enum runaway_cgroup_mode {
	RUNAWAY_CGROUP_UNKNOWN,
	RUNAWAY_CGROUP_V2,
	RUNAWAY_CGROUP_HYBRID,
	RUNAWAY_CGROUP_V1,
};

/* What a path says about the container that it belongs to. Pure; see cgroup_path.c. */
struct runaway_cgroup_names {
	char *container_id;  /* 64 hex (or the runtime's name); NULL: none */
	char *pod_uid;	     /* with dashes; NULL: none */
	char *unit;	     /* "ssh.service", "session-3.scope"; NULL: none */
	const char *runtime; /* "docker", "containerd", "crio", "podman", "lxc"; NULL: none */
};

struct runaway_cgroup {
	uint64_t id;
	uint64_t parent_id;
	char *path; /* NULL: not known */
	struct runaway_cgroup_names names;
	uint64_t own_cpu_ns;   /* as the kernel side charged, monotonic */
	uint64_t total_cpu_ns; /* with all descendants, removed ones included: cpu.stat's view */
	uint64_t first_seen_ns;
	uint64_t removed_ns;			 /* 0: exists */
	uint64_t window_start_ns, window_cpu_ns; /* for the rate */
	double cores;				 /* total, over the last tick interval */
	unsigned int level;
	bool has_series;	/* own series in runaway_cgroup_cpu_seconds_total */
	uint64_t series_cpu_ns; /* value of that series */
	uint32_t members;	/* living processes in it */
	uint32_t holders;	/* processes, dead ones too, whose story names it */
	uint32_t ci_members;	/* of which with CI markers */
	bool is_ci;		/* its own name follows a CI runner's scheme */
	/* The room's own business from here on. */
	bool released;	  /* the kernel dropped it; kept for its series */
	bool hot;	  /* in the list of those that ran since the last tick */
	bool going;	  /* in the list of the removed */
	bool series_slot; /* its series takes one of limits.series: the root's does not */
	bool counted_ci;
	uint64_t ran_ns;     /* the tick at which it was found to run no more; 0: it never ran */
	uint64_t found_ns;   /* last seen in the mounted tree */
	uint64_t told_ns;    /* last told of by the kernel side's account */
	uint32_t oldest_pid; /* oldest member, valid for the pass `oldest_pass` */
	uint64_t oldest_start_ns, oldest_pass;
	struct runaway_cgroup *hot_next, *going_next;
	UT_hash_handle hh;
};

/* ---- processes ---- */
enum runaway_reaper {
	RUNAWAY_REAPER_UNKNOWN,
	RUNAWAY_REAPER_INIT,
	RUNAWAY_REAPER_SUBREAPER,
	RUNAWAY_REAPER_NS_INIT,
	RUNAWAY_REAPER_MAX,
};
const char *runaway_reaper_name(enum runaway_reaper r); /* "init", "subreaper", "namespace_init" */

/* Was it left behind on purpose? */
enum runaway_daemonised {
	RUNAWAY_DAEMONISED_NO,	    /* an accident: its origin was killed, crashed or ended late */
	RUNAWAY_DAEMONISED_UNKNOWN, /* origin not seen, and its session could be a service's or an
				     * init's; or as a daemon, and of a CI job */
	RUNAWAY_DAEMONISED_YES,	    /* origin exited 0 right after the fork and it has its own
				     * session; or on the by-design list; or a namespace's init */
};
const char *runaway_daemonised_name(enum runaway_daemonised d); /* "no", "unknown", "yes" */

struct runaway_hop {
	uint64_t at_ns;
	struct runaway_id from, to;
};
#define RUNAWAY_HOPS_MAX 4 /* the first and the last three are kept; all are counted */

struct runaway_point {
	uint64_t at_ns;
	uint64_t cpu_ns; /* of the tree since it was orphaned */
	uint32_t processes;
	uint64_t rss_bytes;
};
#define RUNAWAY_TIMELINE_MAX 240

struct runaway_timeline {
	struct runaway_point point[RUNAWAY_TIMELINE_MAX];
	size_t count;
	uint64_t spacing_ns; /* doubled, and every second point dropped, when full */
};

/* Only processes that are (or were) orphans have one. */
struct runaway_orphan {
	uint64_t since_ns;	/* when it was reparented; 0: before we looked */
	uint64_t first_seen_ns; /* when we knew: ages of unknown origin count from here */
	bool origin_known;
	unsigned int hop_count;
	struct runaway_hop hop[RUNAWAY_HOPS_MAX];
	struct runaway_id reaper;
	enum runaway_reaper reaper_kind;
	char reaper_comm[RW_COMM_LEN + 1];
	uint32_t via;	      /* enum rw_via of the first hop, 0 for a snapshot */
	uint64_t known_ns;    /* when the model learned of it: event latency */
	uint64_t baseline_ns; /* tree CPU at that moment */
	uint64_t tree_cpu_ns; /* tree CPU since, dead members included; monotonic */
	uint64_t window_start_ns, window_cpu_ns;
	double cores;			   /* of the tree, over the last tick interval */
	uint64_t rss_bytes;		   /* of the tree, at the last tick */
	uint32_t processes;		   /* of the tree, living, at the last tick */
	struct runaway_timeline *timeline; /* NULL until the tree burned something */
	bool by_design;			   /* as the groups were last made */
	/* Of its group, as of the last tick; group_root.pid 0: no tick has seen it yet. */
	struct runaway_id group_root;
	struct runaway_id group_root_before; /* root until that tick; pid 0: the same */
	uint64_t group_since_ns;	     /* see struct runaway_group */
};

enum runaway_state {
	RUNAWAY_ALIVE,
	RUNAWAY_ZOMBIE, /* exited, not reaped yet */
	RUNAWAY_DEAD,	/* kept while a living descendant needs its story */
};

struct runaway_proc {
	struct runaway_id id;
	enum runaway_state state;
	char comm[RW_COMM_LEN + 1];
	uint32_t pgid, sid, uid;
	uint32_t flags; /* enum rw_task_flags, the lasting ones */
	uint32_t threads;
	uint64_t first_seen_ns;
	bool seen_fork; /* its fork was seen: origin is a fact */

	struct runaway_proc
		*origin;   /* who forked it, dead or alive; NULL: unknown. Counted reference. */
	unsigned int refs; /* processes (and orphans' reports) that name it as origin */
	struct runaway_id parent;	  /* real_parent now */
	struct runaway_proc *parent_proc; /* the same, resolved among the living; NULL: unknown */
	struct runaway_proc *child_head, *child_prev,
		*child_next; /* living children of parent_proc */

	struct runaway_image *image; /* NULL: nothing known */
	struct runaway_ci *ci;	     /* NULL: no CI marker */
	uint64_t cgroup_id;
	char *cgroup_text; /* /proc/PID/cgroup where it was read (v1, hybrid); NULL */

	uint64_t cpu_ns; /* monotonic: clamped, never goes back */
	uint64_t rss_bytes;
	uint64_t sample_ns, prev_sample_ns, prev_cpu_ns; /* the last two samples */
	uint64_t scan_generation;			 /* last scan that wrote it */

	uint64_t exit_ns;  /* 0: lives */
	int32_t exit_code; /* wait status; valid when exit_known */
	bool exit_known;
	bool freed; /* final CPU has come in */

	struct runaway_orphan *orphan; /* NULL: not an orphan */
	struct runaway_proc *orphan_prev, *orphan_next;

	/* The room's own business from here on. */
	char *cgroup_path;     /* best line of cgroup_text */
	uint64_t parent_ns;    /* when `parent` was last told */
	uint64_t event_ns;     /* last lineage record applied: older samples do not undo it */
	uint64_t touched_ns;   /* last record of any kind */
	uint32_t dead_below;   /* longest run of dead ancestors that hangs below */
	bool execed;	       /* the image is its own, not its origin's */
	bool pending;	       /* waits for the end of the scan to be settled */
	bool retried;	       /* was settled once without its cgroup's path */
	bool held;	       /* freed before its exit was told: late records still name it */
	bool listed;	       /* in the list of orphans */
	bool in_cgroup, in_ci; /* counted as a member there */
	bool holds_cgroup;     /* cgroup_id stays known as long as this process is */
	UT_hash_handle hh;     /* by id */
	UT_hash_handle hh_pid; /* by pid, the living only */
};

/* ---- a subject: orphans that belong together ---- */
/*
 * Orphan trees of one process group that run the same executable are one group:
 * what is left of one browser whose root died. The root is who was orphaned first,
 * of several the oldest process: who is orphaned later changes no root.
 * Orphans of the same process group with another executable are another group,
 * so that nobody answers for a neighbour's CPU; so are those by design.
 */
struct runaway_group {
	struct runaway_proc *root;
	struct runaway_proc **orphan; /* all orphans of the group, root first */
	size_t orphan_count;
	double cores;
	uint64_t cpu_ns; /* since orphaned */
	uint64_t rss_bytes;
	uint64_t since_ns; /* its age counts from here: when its first root was orphaned, which may
			    * have ended since */
	uint32_t processes;
	enum runaway_daemonised daemonised; /* of the root */
};

struct runaway_host_state {
	bool known;
	uint64_t at_ns;
	uint32_t ncpu;
	double load1, load5, load15;
	double load5_per_core;
	uint64_t mem_total_bytes, mem_available_bytes;
	uint64_t swap_total_bytes, swap_used_bytes;
	double swap_used_ratio; /* 0 when there is no swap */
	double busy_cores;	/* over the last tick interval */
	double ci_cores;	/* of which processes with CI markers */
	uint32_t ci_jobs;	/* distinct living sets of CI markers */
	uint32_t ci_containers; /* living cgroups of CI runners' containers */
	double psi_cpu_some[3], psi_memory_some[3], psi_memory_full[3], psi_io_some[3],
		psi_io_full[3];
	/* ratios 0..1, avg10 avg60 avg300; NaN: not offered */
	uint64_t forks;
	double steal_seconds, short_lived_seconds, unattributed_seconds;
};

struct runaway_model_limits {
	uint32_t processes; /* living and remembered dead */
	uint32_t cgroups;
	uint32_t series; /* cgroups that get a series of their own */
};

struct runaway_model_counters {
	uint64_t forks, execs, exits, frees, reparents;
	uint64_t orphans_by_reaper[RUNAWAY_REAPER_MAX];
	uint64_t received[128];			    /* by enum rw_type, kernel-made and own */
	uint64_t malformed;			    /* records refused: length, type, bounds */
	uint64_t unknown_process;		    /* records about a process nobody announced */
	uint64_t processes_full, cgroups_full;	    /* refused by the limits */
	uint64_t lineage_cut;			    /* dead ancestors dropped by the depth limit */
	uint64_t vanished;			    /* exits that only a scan noticed */
	uint64_t lost_events, lost_samples, misses; /* from RW_LOSS */
	uint64_t other_cgroup_cpu_ns;		    /* the `_other` series: never goes back */
};

struct runaway_model;

struct runaway_model_config {
	struct runaway_model_limits limits;
	const char *const
		*redact; /* extra globs of argument names, see redact.h; NULL-terminated */
	const char *const *by_design;  /* extra globs of comm or exe; NULL-terminated */
	const char *const *ci_markers; /* more names for the allow-list; NULL-terminated */
};

/* Returns 0 and a model for runaway_model_free(), or -ENOMEM. */
int runaway_model_new(const struct runaway_model_config *config, struct runaway_model **ret);
void runaway_model_free(struct runaway_model *m);
/* Takes over new redaction and by-design lists and limits. 0 or -ENOMEM (nothing changed). */
int runaway_model_configure(struct runaway_model *m, const struct runaway_model_config *config);

/*
 * Feeds one record. Returns 0, or -EBADMSG for a record that is refused
 * (counted, nothing changed); -ENOMEM (the record is lost, counted).
 */
int runaway_model_apply(struct runaway_model *m, const struct rw_hdr *rec, size_t len);

/*
 * Called within apply() when a process becomes an orphan (first hop only) or is
 * found as one, so that the sensor can read what only /proc tells. May be NULL.
 */
typedef void (*runaway_orphan_fn)(void *ctx, const struct runaway_proc *p);
void runaway_model_on_orphan(struct runaway_model *m, runaway_orphan_fn fn, void *ctx);

/* Called within apply() for each RW_SIGNAL. May be NULL. */
typedef void (*runaway_signal_fn)(void *ctx, const struct rw_signal *rec);
void runaway_model_on_signal(struct runaway_model *m, runaway_signal_fn fn, void *ctx);

/*
 * What the model knows, as records (RW_KNOWN, RW_KNOWN_ORPHAN) that make another
 * model know it: everybody, origins first; or one process with the living below
 * it. Arguments are as the model holds them: redacted. 0 or -ENOMEM.
 */
typedef void (*runaway_record_fn)(void *ctx, const struct rw_hdr *rec, size_t len);
int runaway_model_dump(const struct runaway_model *m, runaway_record_fn fn, void *ctx);
int runaway_model_dump_proc(const struct runaway_model *m, const struct runaway_proc *p,
			    runaway_record_fn fn, void *ctx);
int runaway_model_dump_tree(const struct runaway_model *m, const struct runaway_proc *p,
			    runaway_record_fn fn, void *ctx);

/* ---- reading ---- */
uint64_t runaway_model_now(const struct runaway_model *m); /* time of the last record */
uint64_t runaway_model_realtime(const struct runaway_model *m, uint64_t boot_ns); /* 0 stays 0 */
const struct runaway_host_state *runaway_model_host(const struct runaway_model *m);
const struct runaway_model_counters *runaway_model_counters(const struct runaway_model *m);
const struct rw_meta *runaway_model_meta(const struct runaway_model *m);
/* Alive and zombie, kernel threads left out: what the task walk counts. */
size_t runaway_model_living(const struct runaway_model *m);
size_t runaway_model_remembered(const struct runaway_model *m); /* dead, kept for lineage */
/* True from a loss until the RESYNC scan that heals it has ended: ask for one. */
bool runaway_model_wants_resync(const struct runaway_model *m);
/* Why: "loss" (records were lost), "count" (a scan counted other processes than we know),
 * "room" (processes were refused by the limit and there is room again); NULL: it does not want. */
const char *runaway_model_resync_reason(const struct runaway_model *m);

struct runaway_proc *runaway_model_find_pid(const struct runaway_model *m, uint32_t pid);
struct runaway_proc *runaway_model_find(const struct runaway_model *m, struct runaway_id id);
struct runaway_cgroup *runaway_model_cgroup(const struct runaway_model *m, uint64_t id);

/* All living processes, unordered. The callback must not feed the model. */
typedef void (*runaway_proc_fn)(void *ctx, struct runaway_proc *p);
void runaway_model_each(const struct runaway_model *m, runaway_proc_fn fn, void *ctx);
typedef void (*runaway_cgroup_fn)(void *ctx, struct runaway_cgroup *cg);
void runaway_model_each_cgroup(const struct runaway_model *m, runaway_cgroup_fn fn, void *ctx);

/* First living orphan; go on with ->orphan_next. Oldest first. */
struct runaway_proc *runaway_model_orphans(const struct runaway_model *m);

/* CPU of a process in cores over its last sample interval; 0 when the last scan did not see it run.
 */
double runaway_proc_cores(const struct runaway_model *m, const struct runaway_proc *p);
/* Orphan that p hangs under (p itself included), NULL if none. */
struct runaway_proc *runaway_proc_orphan_root(const struct runaway_proc *p);
/*
 * Next of root and all its living descendants in depth-first order, p being root first; NULL at
 * the end. No recursion: a tree can be as deep as there are processes.
 */
const struct runaway_proc *runaway_proc_tree_next(const struct runaway_proc *root,
						  const struct runaway_proc *p);
/* On the list of names that say it whoever started it, or on the configuration's. */
bool runaway_proc_by_design_listed(const struct runaway_model *m, const struct runaway_proc *p);
/* On the list of common daemons and servers, whose name excuses no CI job that lost one. */
bool runaway_proc_is_service(const struct runaway_proc *p);
enum runaway_daemonised runaway_proc_daemonised(const struct runaway_model *m,
						const struct runaway_proc *p);
/* Age as lanes count it: since the reparenting, or since first seen when that is unknown. */
uint64_t runaway_orphan_age_ns(const struct runaway_model *m, const struct runaway_proc *p);

/*
 * The path to show and match for a process: v2 where the process is in a cgroup
 * of its own there, else the most telling v1 controller; NULL: unknown.
 */
const char *runaway_proc_cgroup_path(const struct runaway_model *m, const struct runaway_proc *p);
/* Names for that path; all NULL when unknown. Owned by the caller: runaway_cgroup_names_free(). */
int runaway_proc_cgroup_names(const struct runaway_model *m, const struct runaway_proc *p,
			      struct runaway_cgroup_names *ret);

/* ---- groups, as of the last RW_TICK, those that ended left out; valid until the next apply() ----
 */
const struct runaway_group *runaway_model_groups(const struct runaway_model *m, size_t *ret_count);
/*
 * Who leads the group, as of the last tick, that `id` led or was in at the tick before: id itself
 * as a rule; another of the group when it has ended. NULL: nobody of that group is left.
 */
const struct runaway_proc *runaway_model_group_root(const struct runaway_model *m,
						    struct runaway_id id);

/* ---- pieces that stand alone (cgroup_path.c, redact.c, ci.c) ---- */

/*
 * Container id, pod uid and unit from a cgroup path. Shapes: reference table of
 * docs/architecture.md (docker, containerd with cgroupfs and systemd drivers,
 * cri-o, podman, kubepods, lxc, systemd slices). Returns 0 or -ENOMEM.
 */
int runaway_cgroup_names_parse(const char *path, struct runaway_cgroup_names *ret);
void runaway_cgroup_names_free(struct runaway_cgroup_names *n);
/* Is this the container of a CI job (runner's naming scheme)? */
bool runaway_cgroup_path_is_ci(const char *path);
/* Best line of a /proc/PID/cgroup text. malloc'ed; NULL: nothing usable (or -ENOMEM, told by
 * *ret_err). */
char *runaway_cgroup_text_path(const char *text, int *ret_err);

/*
 * Replaces secrets in NUL-separated arguments: values of --*token*, --*password*,
 * --*secret*, --*api-key* … (joined by '=' or as the next argument), user:password@ in URLs,
 * Authorization headers, and NAME=value pairs with such names. `extra` are more
 * globs of names, NULL-terminated or NULL. Appends to out.
 */
void runaway_redact_args(const char *args, size_t len, const char *const *extra,
			 struct strbuf *out);

/* The built-in allow-list of environment names, NULL-terminated; the sensor's filter too. */
const char *const *runaway_ci_marker_names(void);
/*
 * "NAME=value" NUL … to a new set (refs 1), NULL in *ret when there is none. Names of the built-in
 * list and of `extra` (NULL-terminated, or NULL) are taken. 0 or -ENOMEM.
 */
int runaway_ci_parse(const char *markers, size_t len, const char *const *extra,
		     struct runaway_ci **ret);
void runaway_ci_unref(struct runaway_ci *ci);

#endif
