/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_VIEW_H
#define RUNAWAY_OUT_VIEW_H

/*
 * What every sink reads: one bundle of const pointers, filled by the daemon once
 * and valid as long as it runs. Sinks never change what they show.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "gate/reason.h"
#include "incident/incident.h"
#include "lanes/engine.h"
#include "model/model.h"
#include "sensor/journal.h"
#include "sensor/sensor.h"

#define RUNAWAY_HIST_BUCKETS 12

/* Fixed buckets; `le` in seconds, ascending; the +Inf bucket is `count`. */
struct runaway_histogram {
	const double *le;
	size_t buckets;
	uint64_t bucket[RUNAWAY_HIST_BUCKETS]; /* cumulative is made at output */
	uint64_t count;
	double sum;
};
void runaway_histogram_add(struct runaway_histogram *h, double v);

/* The gate as it last told of itself, or as the daemon knows it while there is none. */
struct runaway_gate_view {
	bool enabled;  /* by the configuration */
	bool alive;    /* its process runs and answers */
	bool armed;    /* nothing keeps it from acting on a valid approval */
	bool disarmed; /* somebody pulled the switch */
	bool enforced; /* the kernel itself refuses every other signal */
	char tier[4];  /* "T1" to "T5" (docs/gate.md) */
	char tier_name[64];
	char why[512]; /* what stands against it, else why it is this tier */
	uint64_t requests, signals;
	uint64_t recursion_misses;  /* runs of the guard's programs that the kernel skipped */
	uint64_t audit_seq;	    /* of its audit's newest record: less than before is a cut */
	uint64_t signals_dropped;   /* to processes that are watched, seen and not noted */
	uint64_t signals_unwatched; /* processes that are too many to be watched for signals */
	uint64_t refusals[RUNAWAY_REASON_COUNT];     /* by the gate */
	uint64_t refused_here[RUNAWAY_REASON_COUNT]; /* by the daemon, before it was asked */
	uint64_t authorized;			     /* approved plans whose window is open now */
};
/* Its members, into an object that is open. */
void runaway_gate_view_write(const struct runaway_gate_view *g, struct json_writer *w);
/* All refusals, whoever refused. */
uint64_t runaway_gate_view_refused(const struct runaway_gate_view *g);
/* What stands between the gate and other signals: "lsm", "fmod_ret", "seccomp" or "none". */
const char *runaway_gate_view_guard(const struct runaway_gate_view *g);
/* "disabled: …", "armed, T4 (limited by seccomp): …": one line for people. */
void runaway_gate_view_say(const struct runaway_gate_view *g, struct strbuf *b);

/* What the daemon itself counts. */
struct runaway_runtime {
	const char *version, *commit;
	uint64_t started_realtime_ns, started_boot_ns;
	uint64_t interval_ns;
	uint64_t ticks;
	bool scan_ok, events_ok; /* both: runaway_monitor_up */
	bool cgroup_ok, store_ok;
	struct runaway_gate_view gate;
	int config_last_reload_ok; /* 1 or 0 */
	uint64_t config_last_reload_realtime_ns;
	char *config_path;			  /* NULL: built-in defaults */
	uint64_t textfile_last_write_realtime_ns; /* 0: never */
	const char *textfile_path;		  /* NULL: off */
	const char *listen_address;		  /* as bound; NULL: off */
	const struct runaway_web_config *web;	  /* NULL: plain HTTP, open to all */
	const char *state_dir, *runtime_dir, *pin_dir;
	size_t recalled_processes; /* that an earlier daemon's journal told of */
	const char *store_dir;	   /* state_dir as the daemon itself reaches it; NULL: the same */
	uint32_t uid;
	uint64_t cap_effective;	       /* CapEff of the running daemon */
	uint64_t rescans_by_reason[4]; /* enum runaway_rescan */
	struct runaway_histogram detection_delay, event_latency, scan_duration;
};

enum runaway_rescan { RESCAN_START, RESCAN_LOSS, RESCAN_MISMATCH, RESCAN_PERIODIC };
extern const char *const runaway_rescan_names[4]; /* "start","loss","mismatch","periodic" */

struct runaway_view {
	const struct runaway_model *model;
	const struct lane_engine *engine;
	struct incident_store *store;
	const struct runaway_sensor *sensor;   /* NULL in replay */
	const struct runaway_journal *journal; /* NULL: there is none */
	const struct runaway_runtime *runtime;
	const char *host_label, *env;
	/* Counts what an exposition folded into `_other`; NULL: nobody keeps it, no such series. */
	uint64_t *series_dropped;
};

/*
 * Is the sensor's last good scan younger than three intervals at boot time
 * now_ns? *ret_age_ns (may be NULL) is its age, UINT64_MAX when there was none.
 */
bool runaway_view_scan_recent(const struct runaway_view *v, uint64_t now_ns, uint64_t *ret_age_ns);

/* ---- documents, shared by the socket and HTTP (documents.c) ---- */
void runaway_doc_status(const struct runaway_view *v, struct json_writer *w);
void runaway_doc_orphans(const struct runaway_view *v, struct json_writer *w);
/* One element of `proc orphans`; for a living process that is none, the orphan keys are null. */
void runaway_doc_proc(const struct runaway_view *v, const struct runaway_proc *p,
		      struct json_writer *w);
/* {"process":{…},"lineage":[…],"children":[{…,"children":[…]}]}; depth and count are bounded. */
void runaway_doc_tree(const struct runaway_view *v, const struct runaway_proc *p,
		      struct json_writer *w);
/* Busiest `limit` processes / cgroups. */
void runaway_doc_proc_top(const struct runaway_view *v, size_t limit, struct json_writer *w);
void runaway_doc_cgroup_top(const struct runaway_view *v, size_t limit, struct json_writer *w);
void runaway_doc_cgroup(const struct runaway_view *v, const struct runaway_cgroup *cg,
			struct json_writer *w);
void runaway_doc_findings(const struct runaway_view *v, struct json_writer *w);
/* status_filter: INCIDENT_STATUS_MAX, lane NULL, limit 0: all. */
void runaway_doc_incidents(const struct runaway_view *v, enum incident_status status_filter,
			   const char *lane, size_t limit, struct json_writer *w);
void runaway_doc_lanes(const struct lane_set *lanes, const char *lane_id, struct json_writer *w);
/* Each requirement with pass or fail and the mend; *ret_ok false when one fails. */
void runaway_doc_doctor(const struct runaway_view *v, struct json_writer *w, bool *ret_ok);

#endif
