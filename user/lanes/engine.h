/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_ENGINE_H
#define RUNAWAY_LANES_ENGINE_H

/*
 * From subjects to findings. The verdict is a pure function of numbers, limits
 * and elapsed time (lane_step); the engine keeps one small state per (lane,
 * subject) and reports transitions. It reads the model and no clock.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/json.h"
#include "lanes/lane.h"
#include "model/model.h"

#define RUNAWAY_EVIDENCE_MAX 8

/* One number against one limit. */
struct evidence {
	const char *metric; /* "cpu_cores", "age_s", "load5_per_core", … static */
	const char *unit;   /* "cores", "s", "ratio", "containers"; static */
	double value;	    /* NaN: unknown, which crosses nothing */
	double limit;
};

/* What a lane looks at: filled from the model, or by a test. Unknown is NaN. */
struct lane_numbers {
	double cpu_cores;
	double age_s;
	double load5_per_core;
	double ci_containers;
	double ci_cpu_share;
	double psi_cpu_some_avg60;
	double swap_used_ratio;
};

enum lane_verdict {
	LANE_IDLE,     /* nothing */
	LANE_PENDING,  /* the condition holds, not long enough yet */
	LANE_OPENED,   /* crossed now */
	LANE_HOLDING,  /* open, and not calm */
	LANE_CLEARING, /* open, the clear condition holds, not long enough yet */
	LANE_CLEARED,  /* over now */
};

/*
 * A hold time is satisfied when it has passed and the condition was observed
 * at least three times in it (for_s 0 asks for neither): a clock that jumped,
 * because the machine slept or the daemon was stopped, opens and clears nothing.
 */
/*
 * While a finding is pending, the condition may fail for this share of for_s in
 * all; the time lost is added at the end. On a saturated host, where a runaway
 * harms most, it does not get its core in every single interval.
 */
#define LANE_LAPSE 0.1

struct lane_state {
	bool open;
	uint64_t true_since_ns;	 /* condition held since; 0: it does not hold */
	uint64_t clear_since_ns; /* clear condition held since; 0: it does not */
	uint64_t lapsed_ns;	 /* of which it did not hold: at most LANE_LAPSE of for_s */
	uint64_t last_ns;	 /* last observation */
	uint32_t true_ticks;	 /* observations of the condition since then */
	uint32_t clear_ticks;
};

/*
 * One step. `matched`: the subject passes the lane's match. Advances *state to
 * now_ns. Evidence of every limit the lane asks for is written to ev (count in
 * *ret_n), the crossed and the uncrossed ones. Pure but for *state.
 */
enum lane_verdict runaway_lane_step(const struct lane *lane, bool matched,
				    const struct lane_numbers *n, uint64_t now_ns,
				    struct lane_state *state,
				    struct evidence ev[static RUNAWAY_EVIDENCE_MAX], size_t *ret_n);

/* Who a finding is about. */
struct runaway_subject {
	enum runaway_subject_kind kind;
	struct runaway_id id; /* process kinds: root's identity; zero otherwise */
	uint64_t cgroup_id;   /* cgroup kind */
	char key[96]; /* unique among subjects: "orphan_tree:PID:START", "cgroup:ID", "host" */
};

struct runaway_finding {
	char key[192];			/* lane_id '/' subject key */
	const struct lane *lane;	/* valid until the next set of lanes */
	struct runaway_subject subject; /* the next root, when that of its group ends before the
					 * others do: see runaway_model_group_root() */
	struct lane_state state;
	uint64_t since_ns;     /* when it opened */
	uint64_t condition_ns; /* when the condition began to hold: detection delay */
	struct evidence evidence[RUNAWAY_EVIDENCE_MAX];
	size_t evidence_count;
	uint64_t seen_tick;
	uint64_t cpu_ns_last; /* subject's CPU at the last tick: runaway_orphan_cpu_seconds_total */
	bool adopted; /* was open before a restart: what was known of its origin may be lost */
	bool seen;    /* its subject was found in the model at least once */
	char incident_id[40]; /* set by the incident room's glue; "" until then */
	UT_hash_handle hh;
};

enum finding_end {
	FINDING_CLEARED,  /* the clear condition held long enough */
	FINDING_GONE,	  /* the subject ended */
	FINDING_LANE_OFF, /* the lane was removed or switched off */
	FINDING_ADOPTED,  /* the subject no longer matches: a parent or by-design now */
};
const char *runaway_finding_end_name(
	enum finding_end e); /* "calmed_down", "ended", "lane_off", "no_longer_matches" */

struct lane_engine;

struct lane_engine_ops {
	void (*opened)(void *ctx, struct runaway_finding *f);
	void (*ended)(void *ctx, struct runaway_finding *f,
		      enum finding_end why); /* f is freed after */
};

int runaway_engine_new(const struct lane_engine_ops *ops, void *ctx, struct lane_engine **ret);
void runaway_engine_free(struct lane_engine *e);

/*
 * Takes over a set of lanes (consumed: *lanes is empty afterwards). States of lanes whose id and
 * subject stay go on; findings of lanes that went or were switched off end with FINDING_LANE_OFF.
 * 0 or -ENOMEM (old set kept, *lanes still the caller's).
 */
int runaway_engine_set_lanes(struct lane_engine *e, struct lane_set *lanes);
const struct lane_set *runaway_engine_lanes(const struct lane_engine *e);

/* Judges everything in the model at its present time. Called once for each RW_TICK. */
void runaway_engine_tick(struct lane_engine *e, const struct runaway_model *m);

/*
 * After a restart: the finding of (lane_id, subject id) was open since since_ns.
 * It goes on open, with hysteresis running from the next tick, so that the
 * incident goes on instead of a new one being opened. If the subject does not
 * exist at the first complete tick, it ends as FINDING_GONE. 0, -ENOENT (no such lane), -ENOMEM.
 */
int runaway_engine_adopt(struct lane_engine *e, const char *lane_id,
			 const struct runaway_subject *s, uint64_t since_ns,
			 const char *incident_id);

/* Open findings, oldest first; go on with ->hh.next (uthash order). */
struct runaway_finding *runaway_engine_findings(const struct lane_engine *e);
/* lane_id NULL: of any lane. */
size_t runaway_engine_open_count(const struct lane_engine *e, const char *lane_id,
				 enum runaway_severity severity); /* RUNAWAY_SEVERITY_MAX: any */
/*
 * CPU seconds burned since orphaned by subjects of this lane's findings, what
 * they burned before the finding opened included. Monotonic; outlives the
 * findings and the lane. Only orphan trees have it, other subjects add nothing.
 */
double runaway_engine_lane_cpu_seconds(const struct lane_engine *e, const char *lane_id);

/*
 * Does the lane's match (not its trigger) take this process (root of a group), this cgroup?
 * Unknown never matches: neither a list that asks nor one of `not`. False for
 * a lane of another kind of subject.
 */
bool runaway_lane_matches_proc(const struct lane *l, const struct runaway_model *m,
			       const struct runaway_proc *p);
bool runaway_lane_matches_cgroup(const struct lane *l, const struct runaway_cgroup *cg);

/* Ids of enabled lanes whose match takes the orphan p, `fallback` honoured. Count returned; at most
 * max written. */
size_t runaway_engine_lanes_of(const struct lane_engine *e, const struct runaway_model *m,
			       const struct runaway_proc *p, const char **ids, size_t max);

/*
 * Tries lanes on the model without opening anything: one line per matching
 * subject with verdict as if `for_s` were 0, into a JSON array of
 * {lane_id, subject, matched, crossed, evidence}. 0 or -ENOMEM.
 */
int runaway_engine_try(const struct lane_set *lanes, const struct runaway_model *m,
		       struct json_writer *w);

/* {"metric","value","limit","unit"} array. */
void runaway_evidence_write(struct json_writer *w, const struct evidence *ev, size_t n);

#endif
