/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_INCIDENT_H
#define RUNAWAY_INCIDENT_H

/*
 * The durable record of a finding and of all that followed.
 *
 * Store (docs/incidents.md): `incidents.jsonl` holds one line per state of an
 * incident (the last one of an id counts), `events.jsonl` one line per change,
 * each with the SHA-256 of the line before it: a chain over the whole file.
 * Lines are written, then fsync'ed, then acknowledged. A torn last line is set
 * aside into `<file>.corrupt` and reported; nothing is rewritten in place.
 * `incidents/<id>/readback.json` is the whole story of one incident, replaced
 * atomically at each change.
 *
 * When the disk refuses (ENOSPC, EIO), the incident lives on in memory, the
 * error is counted, `degraded` is set, and the missing lines are written when
 * the disk takes them again: each once, in order.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/digest.h"
#include "base/json.h"
#include "lanes/engine.h"
#include "model/model.h"

enum incident_status {
	INCIDENT_OPEN,
	INCIDENT_TRIAGED,
	INCIDENT_DRY_RUN_READY,
	INCIDENT_APPROVED,
	INCIDENT_ACTING,
	INCIDENT_POST_CHECK,
	INCIDENT_RESOLVED,
	INCIDENT_CLOSED,
	INCIDENT_STATUS_MAX,
};
const char *runaway_incident_status_name(enum incident_status s); /* "open", "dry_run_ready" … */
int runaway_incident_status_parse(const char *s, enum incident_status *ret); /* 0, -EINVAL */

/* What the workflow adds to an incident, in this order, each an array of its own in the readback.
 */
enum incident_array {
	INCIDENT_PLANS,
	INCIDENT_APPROVALS,
	INCIDENT_ACTIONS,
	INCIDENT_POST_CHECKS,
	INCIDENT_ARRAYS,
};
const char *runaway_incident_array_name(enum incident_array a); /* "plans" … */

/* JSON objects as text, oldest first. */
struct incident_documents {
	char **item;
	size_t count;
	uint64_t cut; /* older ones that only earlier lines of incidents.jsonl hold */
};

/* How the last signal of an incident ended. */
enum incident_remediation {
	REMEDIATION_NONE,
	REMEDIATION_PENDING,   /* signalled, or it is not known; not judged yet */
	REMEDIATION_SUCCEEDED, /* the post-check passed */
	REMEDIATION_FAILED,    /* it did not: a person has to look */
	REMEDIATION_MAX,
};

struct incident_point {
	uint64_t realtime_ns;
	double cpu_cores;
	double cpu_seconds; /* since orphaned */
	uint32_t processes;
	uint64_t rss_bytes;
};

struct incident {
	char incident_id[40]; /* inc_YYYYMMDD_HHMM_<8 hex> */
	char lane_id[64];
	enum incident_status status;
	enum runaway_severity severity;
	char *title;
	char *env; /* configuration's "env" */
	uint64_t opened_realtime_ns, updated_realtime_ns, resolved_realtime_ns; /* 0: not yet */
	char resolution_path[32]; /* "", "self_cleared", "no_action", "remediated", "manual" */
	char recurrence_of[40];	  /* "" */
	bool drill;
	/* subject: as it was at opening, or when the root of its group was last another one */
	enum runaway_subject_kind subject_kind;
	char subject_key[96];
	char boot_id[40]; /* identities hold for one boot only */
	struct runaway_id root;
	char *comm, *origin_comm, *cgroup; /* NULL: unknown */
	/* JSON documents kept as text, made when they change; NULL: none */
	char *finding_json, *lineage_json, *packet_json;
	struct incident_documents doc[INCIDENT_ARRAYS];
	enum incident_remediation remediation;
	uint64_t acted_realtime_ns;   /* the last time that the gate was asked to act; 0: never */
	struct incident_point *point; /* CPU timeline since the orphaning */
	size_t point_count;
	uint64_t point_spacing_ns;
	UT_hash_handle hh;
};

struct incident_store;

struct incident_store_config {
	const char *state_dir;
	const char *host_label;
	const char *env;
	const char *boot_id; /* of this boot */
	bool memory_only;    /* replay: nothing touches the disk */
	/*
	 * CLOCK_REALTIME now: stamps what opening itself finds out (an incident of an
	 * earlier boot, an event made good). 0: the incident's last change.
	 */
	uint64_t opening_realtime_ns;
};

/* A line of events.jsonl, for replay's output and for tests; text without newline. */
typedef void (*incident_line_fn)(void *ctx, const char *file, const char *line);

/*
 * Opens (makes) the store, reads what is there, sets a torn tail aside. Returns
 * 0; -EBUSY when another daemon holds the folder's lock; -EBADMSG never: a bad line in the middle
 * is reported (see runaway_store_info) and skipped; other negative errno of the file system.
 */
int runaway_store_open(const struct incident_store_config *c, struct incident_store **ret);
void runaway_store_close(struct incident_store *s);
void runaway_store_on_line(struct incident_store *s, incident_line_fn fn, void *ctx);

struct store_info {
	uint64_t write_errors;		     /* failed writes and fsyncs, monotonic */
	uint64_t torn_lines;		     /* set aside at opening */
	uint64_t bad_lines;		     /* skipped at opening */
	uint64_t pending_lines;		     /* waiting for the disk */
	bool degraded;			     /* the disk refuses now */
	bool chain_ok;			     /* as found at opening */
	uint64_t chain_length;		     /* events */
	char chain_head[RUNAWAY_SHA256_HEX]; /* "" when empty */
	uint64_t opened_total, resolved_total;
};
void runaway_store_info(const struct incident_store *s, struct store_info *ret);

/*
 * The finding opened. Returns 0 and the incident: the open one of the same lane
 * and subject if there is one, else a new one; its packet and lineage come from
 * the model. Times: now (realtime) of the model. -ENOMEM. A disk that refuses is not an error here.
 */
int runaway_incident_open(struct incident_store *s, const struct runaway_finding *f,
			  const struct runaway_model *m, struct incident **ret);
/* The same for a drill: marked as one, never the recurrence of anything. */
int runaway_incident_open_drill(struct incident_store *s, const struct runaway_finding *f,
				const struct runaway_model *m, struct incident **ret);

/*
 * The finding ended: resolved by itself. Idempotent: 0 also when it already was resolved. While the
 * gate acts and until the post-check has judged (acting, post_check), nothing is changed: what
 * ended the subject is the question that the post-check answers. -ENOENT.
 */
int runaway_incident_self_clear(struct incident_store *s, const char *incident_id,
				enum finding_end why, const struct runaway_model *m);

/*
 * Once a tick for each open finding (f->incident_id names the incident): adds to
 * the timeline; every 10 s finding, packet, lineage and readback.json are made anew.
 * When the finding went on with another root of its group, the incident does, too: its
 * subject is that one, and an event says so. Not while the gate acts and until the
 * post-check has judged.
 */
void runaway_incident_observe(struct incident_store *s, const struct runaway_finding *f,
			      const struct runaway_model *m);

/* ---- the workflow (workflow.c) ---- */

/* May an incident go from one state to the other? The only table of it. */
bool runaway_incident_may(enum incident_status from, enum incident_status to);

struct incident_step {
	enum incident_status to;
	uint64_t realtime_ns;
	const char *actor;    /* NULL: the daemon itself */
	const char *reason;   /* in words */
	const char *data;     /* JSON object of the event; NULL: {} */
	const char *document; /* JSON object for `array`; NULL: none */
	enum incident_array array;
	bool replace; /* the document takes the place of the array's newest one */
	enum incident_remediation remediation; /* REMEDIATION_MAX: as it is */
};

/*
 * One change: state, document and event together or not at all. A step to
 * `resolved` is not made here. Returns 0; -ENOENT; -EPROTO when the table does
 * not allow it; -ENOMEM. A disk that refuses is no error here: see runaway_store_durable().
 */
int runaway_incident_step(struct incident_store *s, const char *incident_id,
			  const struct incident_step *step);
/*
 * Resolves on a path of runaway_resolution_paths(). Idempotent: 0 and no event when it is resolved
 * already. -ENOENT, -ENOMEM.
 */
int runaway_incident_resolve(struct incident_store *s, const char *incident_id, const char *path,
			     const struct incident_step *how);
/* Something was seen that changes no state (a signal): an event, nothing else. -ENOENT, -ENOMEM. */
int runaway_incident_note(struct incident_store *s, const char *incident_id, const char *type,
			  const struct incident_step *what);
/* How many of those it has. */
size_t runaway_incident_notes(const struct incident_store *s, const char *incident_id);
/* Nothing waits for the disk: what was changed last can be acted on. */
bool runaway_store_durable(const struct incident_store *s);
/* Remediations of a lane that were begun; drills are not counted. */
uint64_t runaway_store_attempts_total(const struct incident_store *s, const char *lane_id);
/* Judged remediations that were begun at or after since_ns, and those that succeeded. No drills. */
void runaway_store_remediations(const struct incident_store *s, uint64_t since_ns,
				size_t *ret_judged, size_t *ret_succeeded);

/* Tries pending lines again; call once a tick. */
void runaway_store_flush(struct incident_store *s);

/* Open incidents of this boot, so that the engine can adopt them after a restart. */
typedef void (*incident_fn)(void *ctx, const struct incident *i);
void runaway_store_each(const struct incident_store *s, incident_fn fn,
			void *ctx); /* newest first */
const struct incident *runaway_store_find(const struct incident_store *s, const char *incident_id);
size_t runaway_store_count(const struct incident_store *s, enum incident_status st,
			   enum runaway_severity sev);
uint64_t runaway_store_opened_total(const struct incident_store *s, const char *lane_id);
/* Resolutions of a lane by path; path from runaway_resolution_paths(). */
uint64_t runaway_store_resolved_total(const struct incident_store *s, const char *lane_id,
				      const char *path);
const char *const *runaway_resolution_paths(void); /* NULL-terminated */
/* Not resolved, and no change for an hour while its finding is over. */
size_t runaway_store_stuck(const struct incident_store *s, uint64_t realtime_ns);

/* An element of `incident list`. */
void runaway_incident_write_summary(struct json_writer *w, const struct incident *i);
/* The whole `runaway_incident_readback_v1` document. 0, -ENOENT, -ENOMEM. */
int runaway_incident_write_readback(struct incident_store *s, const char *incident_id,
				    struct json_writer *w);

/*
 * Checks the files of a state directory without a store: chain of events.jsonl,
 * every line JSON, every incident's events present, every readback.json readable. Writes
 * {"ok":bool,"events":N,"incidents":N,"head":"…","problems":[{"file","line","why"}]}.
 * Returns 0 (also when not ok; see *ret_ok), negative errno when it cannot be read.
 */
int runaway_store_verify(const char *state_dir, struct json_writer *w, bool *ret_ok);

/* Triage packet of a finding from the live model (packet.c). */
void runaway_packet_write(struct json_writer *w, const struct runaway_finding *f,
			  const struct runaway_model *m);
/* "ci": an object, or null where there is none (packet.c). */
void runaway_ci_write(struct json_writer *w, const struct runaway_ci *ci);
/* Nearest origin first; see contract "lineage". */
void runaway_lineage_write(struct json_writer *w, const struct runaway_model *m,
			   const struct runaway_proc *p);

#endif
