/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_LANE_H
#define RUNAWAY_LANES_LANE_H

/*
 * A lane is a rule as data: what it matches, which numbers must be crossed for
 * how long, and what may be done about it. Thresholds and their reasons:
 * docs/lanes.md.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/glob.h"
#include "base/json.h"

enum runaway_subject_kind {
	RUNAWAY_SUBJECT_ORPHAN_TREE,
	RUNAWAY_SUBJECT_PROCESS,
	RUNAWAY_SUBJECT_CGROUP,
	RUNAWAY_SUBJECT_HOST,
	RUNAWAY_SUBJECT_MAX,
};

enum runaway_classification {
	RUNAWAY_CLASS_RUNAWAY_PROCESS, /* "host_resource_runaway_process" */
	RUNAWAY_CLASS_CAPACITY,	       /* "host_resource_capacity" */
	RUNAWAY_CLASS_MAX,
};

enum runaway_policy {
	RUNAWAY_POLICY_GATED_SIGTERM, /* "triage_packet_then_dry_run_then_gated_sigterm" */
	RUNAWAY_POLICY_TRIAGE_ONLY,   /* "capacity_triage_no_process_remediation" */
	RUNAWAY_POLICY_MAX,
};

enum runaway_severity { RUNAWAY_P0, RUNAWAY_P1, RUNAWAY_P2, RUNAWAY_P3, RUNAWAY_SEVERITY_MAX };

const char *runaway_subject_kind_name(enum runaway_subject_kind k); /* "orphan_tree" … */
const char *runaway_classification_name(enum runaway_classification c);
const char *runaway_policy_name(enum runaway_policy p);
const char *runaway_severity_name(enum runaway_severity s);

/* Within a list any may match, across lists all must; an empty list asks nothing. */
struct lane_match {
	struct glob_list exe_any; /* of the subject's root */
	struct glob_list comm_any;
	struct glob_list args_any;   /* any single argument */
	struct glob_list origin_any; /* comm, exe or any argument of any ancestor in the lineage,
				      * the CI runner's name, and NAME=value of CI markers */
	struct glob_list cgroup_any; /* path, container id, pod uid or unit */
	uint8_t daemonised_any;	     /* bit set of enum runaway_daemonised; 0 asks nothing.
				      * "daemonised_any": ["no","unknown"] */
};

/* A limit that is not set is NaN and asks nothing. An unknown number never crosses a limit. */
struct lane_trigger {
	double cpu_cores_min;	       /* cores of the subject, > 0 */
	double age_s_min;	       /* since orphaned (orphan_tree), since start (process) */
	double for_s;		       /* the condition must have held this long; 0 allowed */
	double load5_per_core_min;     /* host */
	double ci_containers_min;      /* host */
	double ci_cpu_share_min;       /* host: CPU of CI-marked processes / busy CPU, 0..1 */
	double psi_cpu_some_avg60_min; /* host, ratio 0..1 */
	double swap_used_ratio_min;    /* host, ratio 0..1 */
};

struct lane_clear {
	double cpu_cores_max;	   /* NaN: the trigger's own limit */
	double load5_per_core_max; /* host; NaN: the trigger's own */
	double for_s;
};

struct lane {
	char *lane_id; /* [a-z][a-z0-9_]{0,63} */
	char *alertname;
	enum runaway_classification classification;
	enum runaway_policy action_policy;
	enum runaway_severity severity;
	enum runaway_subject_kind subject;
	bool enabled;
	bool builtin;
	bool fallback; /* "fallback": true: only subjects that no other lane's match takes */
	struct lane_match match;
	struct lane_match not; /* any hit in any list excludes */
	struct lane_trigger trigger;
	struct lane_clear clear;
};

struct lane_set {
	struct lane *lane; /* owned */
	size_t count;
};

void runaway_lane_free(struct lane *l);
void runaway_lane_set_free(struct lane_set *s);

/* The built-in lanes: orphan_browser_smoke_runaway_process, ci_runner_load_saturation,
 * orphan_generic_cpu_runaway. 0 or -ENOMEM. */
int runaway_lane_set_builtin(struct lane_set *ret);

/*
 * Reads one lane. On -EINVAL, *ret_path (malloc'ed) is the key path below the
 * lane ("trigger.cpu_cores_min", "" for the lane itself) and *ret_why says what
 * is allowed; both stay NULL on other failures (-ENOMEM). Keys not given take
 * the defaults of the built-in generic lane's kind: see docs/configuration.md.
 * {"lane_id": "…", "enabled": false} is a whole lane when the id is a built-in one.
 */
int runaway_lane_parse(const cJSON *json, struct lane *ret, char **ret_path, char **ret_why);

/* Puts `add` (consumed) into the set: replaces the one of the same id, or appends. 0 or -ENOMEM. */
int runaway_lane_set_put(struct lane_set *s, struct lane *add);

/* Writes the lane in the configuration's own form. */
void runaway_lane_write(struct json_writer *w, const struct lane *l);

const struct lane *runaway_lane_set_find(const struct lane_set *s, const char *lane_id);

#endif
