/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_INCIDENT_INTERNAL_H
#define RUNAWAY_INCIDENT_INTERNAL_H

/* What the files of this room share with each other and with their tests. */

#include "base/lines.h"
#include "base/seal.h"
#include "base/strbuf.h"
#include "incident/disk.h"
#include "incident/incident.h"

#define INCIDENT_EVENTS_MAX	    1000 /* event lines of one incident kept in memory */
#define INCIDENT_POINTS_MAX	    480 /* points of one timeline: 8 min at 1 s, then ever coarser */
#define INCIDENT_TEXTS_MAX	    1000 /* resolved incidents whose documents stay in memory */
#define INCIDENT_MAX		    10000 /* incidents in memory; the oldest resolved ones leave first */
#define INCIDENT_READBACK_MAX_BYTES (16 * 1024 * 1024)
#define INCIDENT_DOCUMENTS_MAX	    16 /* newest documents of each array that are kept at hand */

/* ---- append-only files (log.c) ---- */
enum log_id { LOG_INCIDENTS, LOG_EVENTS, LOG_COUNT };
extern const char *const incident_log_names[LOG_COUNT];

struct incident_log {
	char *path;
	int fd;		    /* -1: to be opened */
	uint64_t committed; /* bytes that are acknowledged: fsync'ed, or found at opening */
	size_t last_len;    /* the last acknowledged line, without its newline … */
	char last_sha[RUNAWAY_SHA256_HEX]; /* … and its digest; "" when there is none */
	bool suspect;			   /* an operation failed: recover before the next append */
	bool foreign_tail; /* bytes behind `committed` are not ours to drop: set aside */
	bool folder_synced;
};

/* Appends one line, its newline included, and makes it durable. 0 or a negative errno. */
int incident_log_append(struct incident_log *log, const struct disk_ops *ops, const char *text,
			size_t len);
/* Opens the file anew, checks its end, drops or sets aside what was never acknowledged. */
int incident_log_recover(struct incident_log *log, const struct disk_ops *ops);

struct pending_line {
	struct pending_line *next;
	enum log_id log;
	size_t len; /* its newline included */
	char text[];
};

/* ---- an incident with what only this room needs ---- */
struct incident_record {
	struct incident i; /* first: the hash table holds these */
	char **event;	   /* lines of events.jsonl about it, oldest first */
	size_t event_count;
	size_t notes;	       /* events of it that changed nothing, recovered ones included */
	uint64_t events_cut;   /* older ones not kept in memory */
	uint64_t event_seq;    /* seq of the event that belongs to the newest state */
	uint64_t recorded_seq; /* newest state whose event is in the log */
	enum incident_status recorded_status;
	uint64_t observed_realtime_ns;
	uint64_t refreshed_boot_ns; /* documents last made anew */
	bool readback_stale;	    /* readback.json must be written */
	bool texts_dropped;	    /* documents, events and timeline live in readback.json only */
	bool swap_known;	    /* swap use at the first observation: the trend's base */
	uint64_t swap_first_bytes, swap_first_realtime_ns;
};

static inline struct incident_record *incident_record_of(const struct incident *i)
{
	return (struct incident_record *)i;
}

struct incident_record *incident_record_new(void);
void incident_record_free(struct incident_record *rec);
static inline void incident_record_freep(struct incident_record **p)
{
	incident_record_free(*p);
}
void incident_record_drop_texts(struct incident_record *rec);
/* Keeps a copy of an event's line. 0 or -ENOMEM. */
int incident_record_add_event(struct incident_record *rec, const char *line, size_t len);

#define INCIDENT_PATHS 4
struct lane_count {
	char lane_id[64];
	uint64_t opened, attempts;
	uint64_t resolved[INCIDENT_PATHS];
	UT_hash_handle hh;
};

struct incident_store {
	const struct disk_ops *ops;
	char *state_dir, *host_label, *env;
	char boot_id[40];
	bool memory_only;
	uint64_t opening_realtime_ns;
	int lock_fd;
	struct incident_log log[LOG_COUNT];
	struct pending_line *pending, **pending_end;
	struct incident *incidents; /* by id, in the order of their opening */
	struct lane_count *lanes;
	uint64_t next_seq;
	char chain_head[RUNAWAY_SHA256_HEX]; /* digest of the newest event line, or CHAIN_START */
	uint64_t write_errors, torn_lines, bad_lines, pending_lines;
	uint64_t opened_total, resolved_total;
	size_t stale_readbacks;
	bool degraded, chain_ok;
	incident_line_fn on_line;
	void *on_line_ctx;
};

/* runaway_store_open() with another disk. */
int incident_store_open_on(const struct incident_store_config *c, const struct disk_ops *ops,
			   struct incident_store **ret);
/* Counters of a lane, made when missing; NULL: -ENOMEM. */
struct lane_count *incident_store_lane(struct incident_store *s, const char *lane_id);
void incident_store_count_opened(struct incident_store *s, const struct incident *i);
void incident_store_count_resolved(struct incident_store *s, const struct incident *i);
void incident_store_count_attempt(struct incident_store *s, const struct incident *i);
/* Keeps memory bounded: drops documents of old incidents, forgets the oldest. */
void incident_store_trim(struct incident_store *s);
void incident_store_readback_stale(struct incident_store *s, struct incident_record *rec);
/* Newest first; NULL at the end. */
struct incident *incident_store_newest(const struct incident_store *s);

/* ---- changes (change.c, open.c) ---- */
#define INCIDENT_ID_LEN sizeof("inc_20261122_0217_0123abcd")
/* Has it the shape of an id? Ids become file names. */
bool incident_id_valid(const char *id);
extern const char *const incident_remediation_names[REMEDIATION_MAX];

struct incident_change {
	uint64_t realtime_ns;
	const char *type;      /* "opened", "status", "subject", "recovered", "signal" */
	const char *old, *new; /* states; NULL: none */
	const char *actor;     /* NULL: the daemon itself */
	const char *reason;
	const char *data; /* JSON object as text; NULL: {} */
};
/*
 * Records the present state of rec and the event that led to it: both lines are
 * made, chained, queued and written as far as the disk lets. 0, or -ENOMEM with
 * nothing recorded.
 */
int incident_change_record(struct incident_store *s, struct incident_record *rec,
			   const struct incident_change *c);
/* The event alone: the state line is there already. */
int incident_change_event(struct incident_store *s, struct incident_record *rec,
			  const struct incident_change *c);
/*
 * Resolves on a path; the guard against doing it twice is here. Of `how` the time, the actor, the
 * reason, the document and the remediation count. 0 or -ENOMEM.
 */
int incident_resolve(struct incident_store *s, struct incident_record *rec, const char *path,
		     const char *finding_end, const struct incident_step *how);

/* ---- documents of the workflow (workflow.c) ---- */
/* What a step changed in memory, so that it can be taken back when it cannot be recorded. */
struct incident_applied {
	enum incident_status status;
	enum incident_remediation remediation;
	uint64_t updated_realtime_ns, acted_realtime_ns;
	char *replaced; /* owned; NULL: nothing was replaced */
};
/* 0 or -ENOMEM, and then nothing was changed. One of the others ends it. */
int incident_apply(struct incident *i, const struct incident_step *step,
		   struct incident_applied *ret);
void incident_apply_undo(struct incident *i, const struct incident_step *step,
			 struct incident_applied *a);
void incident_apply_keep(struct incident *i, const struct incident_step *step,
			 struct incident_applied *a);
void incident_documents_free(struct incident_documents *d);
/* The four arrays with their keys. */
void incident_documents_write(struct json_writer *w, const struct incident *i);
/* From a line's members. 0 or -ENOMEM. */
int incident_documents_parse(const cJSON *json, struct incident *i);

/* ---- lines (chain.c, state.c) ---- */
void incident_event_line(struct strbuf *b, uint64_t seq, const char *incident_id, const char *prev,
			 const struct incident_change *c);
/* A line that would be too long is written without its documents. */
void incident_state_line(struct strbuf *b, const struct incident_record *rec);
/* A new record of that state, for incident_record_free(). 0, -EBADMSG, -ENOMEM. */
int incident_state_parse(const cJSON *json, struct incident_record **ret);
/* The value as text, escaped as the writer does; *ret is untouched for null. 0 or -ENOMEM. */
int incident_json_text(const cJSON *json, char **ret);

/* ---- opening (load.c, reconcile.c) ---- */
int incident_load(struct incident_store *s);
int incident_reconcile(struct incident_store *s);

/* ---- an open incident and its subject (open.c, observe.c) ---- */
/* comm, origin_comm and cgroup, which are NULL before, of the finding's subject. 0 or -ENOMEM. */
int incident_fill_names(struct incident *i, const struct runaway_finding *f,
			const struct runaway_model *m);
/* Finding, packet and lineage anew. The lineage of a subject that is gone stays. 0 or -ENOMEM. */
int incident_refresh(struct incident_record *rec, const struct runaway_finding *f,
		     const struct runaway_model *m);
/* Swap use at the first observation: the base of its trend. */
void incident_note_swap(struct incident_record *rec, const struct runaway_model *m);

/* ---- documents ---- */
/* Readable members of the list's element, without braces. */
void incident_summary_members(struct json_writer *w, const struct incident *i);
bool incident_readback_exists(const struct incident_store *s, const struct incident *i);
int incident_readback_write_file(struct incident_store *s, struct incident_record *rec);
/* The file's path, malloc'ed; NULL: no memory. */
char *incident_readback_path(const char *state_dir, const char *incident_id);
/* Takes the timeline back from the file; *ret_current: it tells the state that rec has. */
void incident_readback_restore(struct incident_store *s, struct incident_record *rec,
			       bool *ret_current);
void incident_finding_write(struct json_writer *w, const struct runaway_finding *f,
			    const struct runaway_model *m);

/* Swap use at the first observation; NULL where there is none. */
struct packet_base {
	uint64_t swap_first_bytes, swap_first_realtime_ns;
};
void incident_packet_write(struct json_writer *w, const struct runaway_finding *f,
			   const struct runaway_model *m, const struct packet_base *base);
/* The packet with the next step of a resolved incident. 0, -EBADMSG, -E2BIG or -ENOMEM. */
int incident_packet_resolved(const char *packet, char **ret);
void incident_capacity_write(struct json_writer *w, const struct runaway_finding *f,
			     const struct runaway_model *m, const struct packet_base *base);
/* "args": an array of strings, or null when unknown. */
void incident_args_write(struct json_writer *w, const struct runaway_image *image);
/* Members "runner" and "markers". */
void incident_ci_members(struct json_writer *w, const struct runaway_ci *ci);
/* Members that both packets begin with. */
void incident_packet_head(struct json_writer *w, const struct runaway_finding *f,
			  const struct runaway_model *m, const char *kind);

/* ---- timeline.c ---- */
/* What the subject costs now; numbers that are unknown are NaN. */
void incident_measure(const struct runaway_finding *f, const struct runaway_model *m,
		      struct incident_point *ret);
const struct runaway_group *incident_group(const struct runaway_finding *f,
					   const struct runaway_model *m);
/* 0 or -ENOMEM. */
int incident_timeline_seed(struct incident *i, const struct runaway_finding *f,
			   const struct runaway_model *m);
int incident_timeline_add(struct incident *i, const struct incident_point *p);

static inline uint64_t incident_now(const struct runaway_model *m)
{
	return runaway_model_realtime(m, runaway_model_now(m));
}

#endif
