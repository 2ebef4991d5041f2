/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_MODEL_INTERNAL_H
#define RUNAWAY_MODEL_INTERNAL_H

/*
 * What the files of this room share. A refused allocation must not end the
 * daemon, so uthash is told to report it: after HASH_ADD, hh.tbl is NULL then.
 */
#define HASH_NONFATAL_OOM 1

#include "model/model.h"

/* start_ns and pid lie side by side; what follows in the struct is padding. */
#define ID_KEY_LEN (offsetof(struct runaway_id, pid) + sizeof(uint32_t))

/* Consecutive dead ancestors remembered of one chain: deeper ones tell nobody anything. */
#define LINEAGE_MAX 64
/* Steps to climb for an orphan root, so that a hostile chain costs a bounded walk per sample. */
#define CLIMB_MAX 128
/* Depth of a cgroup tree that is followed; cgroup.max.depth of real hosts is far below. */
#define CGROUP_CLIMB_MAX 256
/* Processes freed before their lineage records came in, at most: one drain's worth. */
#define HELD_MAX 4096
/* Timelines (8 KiB each) held at once. */
#define TIMELINES_MAX 1024
/* Below this a tree is idle: no timeline is kept for it. */
#define TIMELINE_MIN_CORES 0.05
/* A tick may come this much early and still give the timeline its point. */
#define TIMELINE_JITTER_NS (NSEC_PER_SEC / 8)
/* A removed cgroup's series stays this long, so that its last value is scraped. */
#define SERIES_LINGER_NS (120 * NSEC_PER_SEC)
/* A removed cgroup whose release was never told is forgotten after this. */
#define REMOVED_LINGER_NS (600 * NSEC_PER_SEC)
/* Exit 0 within this after the fork is a parent that meant to leave its child behind. */
#define DAEMONISE_NS (5 * NSEC_PER_SEC)

struct id_list {
	struct runaway_id *id;
	size_t count, cap;
};

struct group_table {
	struct runaway_group *group;
	size_t count, cap;
	struct runaway_proc **orphan; /* the groups' arrays, end to end */
	size_t orphan_cap;
	bool stale; /* an orphan ended, or a new one came, since it was made */
};

struct scan_state {
	bool active;
	bool lossy;	     /* the last one lost samples: who is missing may be there */
	uint64_t generation; /* of the scan that began last */
	uint64_t begin_ns, prev_begin_ns;
	uint64_t churn;	     /* processes made and ended since the last end of a scan */
	unsigned int wrong;  /* consecutive scans that counted otherwise */
	const char *resync;  /* reason; NULL: not wanted */
	uint64_t resync_ns;  /* since when */
	bool refused;	     /* a process was turned away for want of room */
	bool cgroup_refused; /* a cgroup was */
	/* End of the last scan behind which the kernel side told of every cgroup in its account;
	 * that it told of none proves nothing. */
	uint64_t account_ns;
	uint64_t accounting_ns; /* of the scan behind which it is told; 0: changes alone are */
};

struct tick_state {
	uint64_t at_ns; /* the last tick; 0: none yet */
	uint64_t ci_cpu_ns;
	bool host_known; /* busy_ns, host_ns are of the last tick */
	uint64_t busy_ns, host_ns;
};

struct host_base {
	bool known;
	uint64_t busy_ns, attributed_ns; /* first record */
	uint64_t last_busy_ns, last_at_ns;
	uint64_t unattributed_ns; /* monotonic */
};

struct runaway_model {
	struct runaway_model_limits limits;
	char **redact;	   /* NULL-terminated, owned; NULL: none */
	char **by_design;  /* as above */
	char **ci_markers; /* as above */
	struct runaway_model_counters counters;
	uint64_t now_ns;
	uint64_t realtime_offset_ns;
	struct rw_meta meta;

	struct runaway_proc *by_id;  /* all */
	struct runaway_proc *by_pid; /* living */
	size_t living, kthreads, remembered;
	struct runaway_proc *orphan_head, *orphan_tail;
	size_t orphans, timelines;
	struct id_list pending; /* to settle at the end of the scan */
	struct id_list held[2]; /* freed early: this tick's and the last one's */
	struct group_table *groups;

	struct runaway_ci *ci_by_id, *ci_by_text;
	uint32_t ci_jobs;

	struct runaway_cgroup *cgroups;
	struct runaway_cgroup *cgroup_hot, *cgroup_going;
	uint32_t series_used;
	uint32_t ci_containers;
	uint64_t oldest_pass; /* see settle.c */
	bool oldest_known;

	struct scan_state scan;
	struct tick_state tick;
	struct host_base host_base;
	struct runaway_host_state host;

	runaway_orphan_fn on_orphan;
	void *on_orphan_ctx;
	runaway_signal_fn on_signal;
	void *on_signal_ctx;
};

static inline struct runaway_id id_of(const struct rw_id *id)
{
	return (struct runaway_id){ .start_ns = id->start_ns, .pid = id->pid };
}

/* ---- process.c ---- */
struct runaway_proc *process_find(const struct runaway_model *m, struct runaway_id id);
/* Living; a start time of 0 means "whoever has the pid". */
struct runaway_proc *process_living(const struct runaway_model *m, struct runaway_id id);
/*
 * A new living process. Whoever held the pid before vanished. -ENOSPC when the
 * limit is reached (counted), -ESTALE when a younger process holds the pid, -ENOMEM.
 */
int process_new(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
		struct runaway_proc **ret);
/* A dead one, in nobody's story yet: whoever needs it must name it before it is looked for. */
int process_new_remembered(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
			   struct runaway_proc **ret);
/* Frees the dead in nobody's story. */
void process_prune_unnamed(struct runaway_model *m);
/* A process of which only the end is known yet; kept a moment for its late lineage. */
int process_new_dead(struct runaway_model *m, struct runaway_id id, uint64_t at_ns,
		     struct runaway_proc **ret);
void process_set_comm(struct runaway_proc *p, const char comm[static RW_COMM_LEN]);
void process_set_origin(struct runaway_model *m, struct runaway_proc *p, struct runaway_proc *o);
/* parent id and, where it lives, the link. Refuses to close a circle. */
void process_set_parent(struct runaway_model *m, struct runaway_proc *p, struct runaway_id parent,
			uint64_t at_ns);
void process_resolve_parent(struct runaway_model *m, struct runaway_proc *p);
void process_set_flags(struct runaway_model *m, struct runaway_proc *p, uint32_t flags);
/* Alive to zombie: no more member, no more orphan in the list. Idempotent. */
void process_exited(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns);
void process_revive(struct runaway_model *m, struct runaway_proc *p);
/* Out of the living tables; freed unless somebody's lineage needs it. */
void process_dead(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns);
void process_vanished(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns);
void process_hold(struct runaway_model *m, struct runaway_proc *p);
void process_release(struct runaway_model *m, struct runaway_proc *p);
/* Once a tick: those held for a whole tick are let go. */
void process_release_old(struct runaway_model *m);
/* Queues for settling at the end of the scan. */
void process_pend(struct runaway_model *m, struct runaway_proc *p);
int id_list_add(struct id_list *l, struct runaway_id id);
void process_free_all(struct runaway_model *m);

/* ---- cpu.c ---- */
void process_cpu(struct runaway_model *m, struct runaway_proc *p, uint64_t cpu_ns, uint64_t at_ns,
		 bool sample);
/* First figure of a process nobody saw start: what it burned before we looked is not ours. */
void process_cpu_first(struct runaway_model *m, struct runaway_proc *p, uint64_t cpu_ns,
		       uint64_t at_ns);

/* ---- lineage.c, task.c, procfs.c: the records ---- */
int model_fork(struct runaway_model *m, const struct rw_fork *r);
int model_exec(struct runaway_model *m, const struct rw_exec *r, size_t len);
int model_exit(struct runaway_model *m, const struct rw_exit *r);
int model_free(struct runaway_model *m, const struct rw_free *r);
int model_children(struct runaway_model *m, const struct rw_children *r, size_t len);
int model_task(struct runaway_model *m, const struct rw_task *r, size_t len);
int model_cpu(struct runaway_model *m, const struct rw_cpu *r);
int model_procfs(struct runaway_model *m, const struct rw_procfs *r, size_t len);
/* Takes the text of /proc/PID/cgroup over. 0 or -ENOMEM. */
int process_set_cgroup_text(struct runaway_proc *p, const char *s, size_t len);

/* ---- image.c ---- */
struct runaway_image *image_new(void);
struct runaway_image *image_ref(struct runaway_image *i);
void image_unref(struct runaway_image *i);
/* "leaf\0dir\0" to "/dir/leaf", malloc'ed; NULL: empty or no memory. */
char *image_path(const char *components, size_t len, bool cut);
/* Redacts and keeps. 0 or -ENOMEM. */
int image_set_args(const struct runaway_model *m, struct runaway_image *i, const char *args,
		   size_t len);
/* An image of p's own: the shared one is copied without its arguments. NULL: no memory. */
struct runaway_image *image_own(struct runaway_proc *p);

/* ---- orphan.c ---- */
int model_reparent(struct runaway_model *m, const struct rw_reparent *r);
int model_known_orphan(struct runaway_model *m, const struct rw_known_orphan *r);
/* The walk saw another parent. */
void orphan_moved(struct runaway_model *m, struct runaway_proc *p, struct runaway_id to,
		  uint64_t at_ns);
bool orphan_is_reaper(const struct runaway_proc *p);
/* Found, not seen becoming one. */
int orphan_found(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns);
/* When it became one; before we looked: when it was found. */
uint64_t orphan_from_ns(const struct runaway_orphan *o);
void orphan_unlist(struct runaway_model *m, struct runaway_proc *p);
void orphan_drop(struct runaway_model *m, struct runaway_proc *p);
void orphan_drop_timeline(struct runaway_model *m, struct runaway_proc *p);

/* ---- tree.c ---- */
/* Next of the tree of `root` in depth-first order, NULL at the end; other orphans' trees left out.
 */
const struct runaway_proc *tree_next(const struct runaway_proc *root, const struct runaway_proc *p);
uint64_t tree_cpu(const struct runaway_proc *root);
/* Living processes and resident bytes of the tree, into root->orphan. */
void tree_count(struct runaway_proc *root);
/* What its members burned over their last sample interval. */
double tree_cores(const struct runaway_model *m, const struct runaway_proc *root);
void tree_tick(struct runaway_model *m, uint64_t now_ns);
void timeline_add(struct runaway_timeline *t, const struct runaway_point *pt);

/* ---- group.c ---- */
void groups_make(struct runaway_model *m);
/* The same at a tick: each orphan keeps in mind who leads its group, and since when there is one.
 */
void groups_tick(struct runaway_model *m);
void groups_free(struct group_table *t);

/* ---- cgroup.c, series.c ---- */
int model_cgroup(struct runaway_model *m, const struct rw_cgroup_ev *r, size_t len);
int model_cgroup_cpu(struct runaway_model *m, const struct rw_cgroup_cpu *r);
struct runaway_cgroup *cgroup_get(struct runaway_model *m, uint64_t id, uint64_t at_ns);
void cgroup_join(struct runaway_model *m, struct runaway_proc *p, uint64_t id, uint64_t at_ns);
void cgroup_leave(struct runaway_model *m, struct runaway_proc *p);
/*
 * The cgroup that the story of p names, living or dead: it is remembered, with
 * its last name, as long as p is. 0 names none.
 */
void cgroup_hold(struct runaway_model *m, struct runaway_proc *p, uint64_t id);
/* The whole tree was told since then: whoever was not in it is gone. */
void cgroup_sweep(struct runaway_model *m, uint64_t since_ns, uint64_t at_ns);
/*
 * Then the kernel side told of every cgroup in its account. Of the removed, those that it did not
 * tell of, then or since, are released, though the record of that was lost.
 */
void cgroup_account(struct runaway_model *m, uint64_t told_ns);
void cgroup_tick(struct runaway_model *m, uint64_t now_ns);
void cgroup_free_all(struct runaway_model *m);
bool cgroup_name_is_ci(const char *name, size_t len);
void cgroup_credit(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t delta);
bool series_give(struct runaway_model *m, struct runaway_cgroup *cg);
void series_take(struct runaway_model *m, struct runaway_cgroup *cg);
void series_refill(struct runaway_model *m, uint64_t now_ns);
bool cgroup_is_root(const struct runaway_cgroup *cg);

/* ---- ci.c, ci_table.c ---- */
/* Takes the set over; returns the one of equal text where there is one. NULL: no memory. */
/* Do they say whose job it is? CI=true alone stands in many a shell and image that runs none. */
bool ci_names_job(const struct runaway_ci *ci);
struct runaway_ci *ci_intern(struct runaway_model *m, struct runaway_ci *ci, struct runaway_id id);
struct runaway_ci *ci_find(const struct runaway_model *m, struct runaway_id id);
void ci_join(struct runaway_model *m, struct runaway_proc *p, struct runaway_ci *ci);
void ci_drop(struct runaway_model *m, struct runaway_proc *p);
/* While alive, a process is a member of its set. */
void ci_count(struct runaway_model *m, struct runaway_proc *p, bool alive);

/* ---- scan.c ---- */
int model_scan_begin(struct runaway_model *m, const struct rw_scan *r);
int model_scan_end(struct runaway_model *m, const struct rw_scan *r);
int model_loss(struct runaway_model *m, const struct rw_loss *r);
/* settle.c: what could not be told while the scan ran. */
void model_settle(struct runaway_model *m, uint64_t at_ns);

/* ---- recall.c: what an earlier daemon knew ---- */
int model_known(struct runaway_model *m, const struct rw_known *r, size_t len);
int model_recalled(struct runaway_model *m);

/* ---- host.c ---- */
int model_host(struct runaway_model *m, const struct rw_host *r);
int model_tick(struct runaway_model *m, const struct rw_tick *r);

/* ---- redact.c ---- */
bool redact_name_is_secret(const char *name, size_t len, const char *const *extra);

#endif
