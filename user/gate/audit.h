/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_AUDIT_H
#define RUNAWAY_GATE_AUDIT_H

/*
 * The gate's own book: audit.jsonl in its folder, appended to and never changed, each
 * record sealed and chained to the one before it, durable before anything follows from it.
 * One failure to write is the last attempt: an fsync that failed may succeed the next time
 * without having written anything. Then the gate signals nobody until it is started anew.
 */

#include "base/json.h"
#include "base/seal.h"
#include "gate/history.h"
#include "gate/reason.h"

#define RUNAWAY_AUDIT_FILE "audit.jsonl"
/*
 * From this size on nothing is written that somebody may cause at will: refusals, self-tests on
 * demand. What is left, 300 bytes an hour and what was approved, takes decades to become too long
 * for who reads it whole.
 */
#define RUNAWAY_AUDIT_FULL_BYTES (UINT64_C(64) << 20)

struct runaway_audit {
	int fd; /* -1: not open */
	char boot_id[RUNAWAY_WORD];
	uint64_t seq;		       /* of the newest record; 0: none */
	char head[RUNAWAY_SHA256_HEX]; /* its digest, or RUNAWAY_CHAIN_START */
	enum runaway_reason failed;    /* NONE, AUDIT_FAILED or AUDIT_BROKEN */
	uint64_t bytes;		       /* of the file */
	uint64_t torn_lines;	       /* records that a crash or a full disk cut short */
	uint64_t unknown_earlier;      /* INTENTs of earlier boots without a RESULT */
	uint64_t disarm_seq;	       /* record of the disarming in force; 0: none */
	char disarmed_by[RUNAWAY_WORD];
};

/*
 * Opens or makes the file in `folder`, which must be root's or the caller's and not
 * writable by others; so must the file. Reads it all: history and disarming are taken
 * from it. 0 also when its chain is broken (ret->failed says so: nothing is written then);
 * -EPERM: belongs to somebody else; -EWOULDBLOCK: another gate has it; or what the disk says.
 */
int runaway_audit_open(int folder, const char *boot_id, struct runaway_audit *ret,
		       struct runaway_history *history);
void runaway_audit_close(struct runaway_audit *a);

/* A record under way: the caller adds members between begin and commit. */
struct runaway_record {
	struct strbuf text;
	struct json_writer w;
	uint64_t seq; /* that it will have */
};

void runaway_audit_begin(const struct runaway_audit *a, const char *type, struct runaway_record *r);
/* Seals, writes, makes durable. 0 or a negative errno, with a->failed set. Frees the record. */
int runaway_audit_commit(struct runaway_audit *a, struct runaway_record *r);

/* Is there room for what may be left out? */
bool runaway_audit_has_room(const struct runaway_audit *a);

/* Records behind after_seq, at most `limit` and about 48 KiB, as an array of objects. */
int runaway_audit_tail(const struct runaway_audit *a, uint64_t after_seq, size_t limit,
		       struct json_writer *w);

/* A record's members that the history needs (tests and audit_load.c). */
int runaway_audit_load(struct runaway_audit *a, struct runaway_history *history,
		       bool *ret_torn_end);

#endif
