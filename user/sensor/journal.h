/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_SENSOR_JOURNAL_H
#define RUNAWAY_SENSOR_JOURNAL_H

/*
 * What a daemon leaves for the one that follows it. The rings keep what nobody
 * has read yet; what was read, and can be asked of nobody again (dead origins,
 * their arguments, how they ended), is written here before it leaves the ring.
 *
 * A file in the form of a recording (RW_META first). It grows by records and is
 * made anew from what the model knows when it has grown enough. All up to the last
 * RW_COMMIT is true; what follows it was cut off by the writer's end, and is still
 * in the rings. It lives as long as the boot whose id is in it: nothing is synced.
 */

#include <stdbool.h>

#include "sensor/sensor.h"

#define RUNAWAY_JOURNAL_NAME "lineage.journal"
/* CPUs whose sequences a commit holds; on larger machines it holds none. */
#define RUNAWAY_COMMIT_CPUS 2048

struct runaway_journal;

struct runaway_journal_info {
	bool failing;	    /* the last write was refused: what is kept gets old */
	int error;	    /* why: negative errno; 0: it is not failing */
	uint64_t bytes;	    /* of the file */
	uint64_t made;	    /* times that it was made anew */
	uint64_t errors;    /* writes that were refused */
	uint64_t recalled;  /* records that were read at the start */
	char why_empty[80]; /* why nothing was recalled; "" when something was */
};

/*
 * Opens the journal in a folder (made if it is not there) for this daemon alone.
 * What is of another boot, or no journal, is thrown away, a torn end is cut off.
 * 0; -EBUSY when another daemon writes it; -errno.
 */
int runaway_journal_open(int dir_fd, const char *boot_id, struct runaway_journal **ret);
void runaway_journal_close(struct runaway_journal *j);
/* Removes it. 0; -ENOENT; -EBUSY when a daemon writes it; -errno. */
int runaway_journal_remove(int dir_fd);

/* The last commit of what was found; NULL: nothing was. */
const struct rw_commit *runaway_journal_last(const struct runaway_journal *j);
/* Feeds what was found to the sink, up to that commit; nothing is added meanwhile. */
int runaway_journal_recall(struct runaway_journal *j, runaway_sink_fn sink, void *ctx);
/* Is that going on? */
bool runaway_journal_recalling(const struct runaway_journal *j);

/* Adds a record; it counts with the next commit. */
void runaway_journal_add(struct runaway_journal *j, const struct rw_hdr *rec, size_t len);
/* Anything added since the last commit? */
bool runaway_journal_dirty(const struct runaway_journal *j);
/* Writes all that was added. 0 or a negative errno, which is remembered and counted. */
int runaway_journal_commit(struct runaway_journal *j, const struct rw_commit *c);

/* Has it grown, or failed, so that it should be made anew? */
bool runaway_journal_wants_renewal(const struct runaway_journal *j, uint64_t now_ns);
/*
 * Between begin and end, what is added goes to a new file. end() puts it in the
 * place of the old one with a commit; on failure the old one stays.
 */
int runaway_journal_begin(struct runaway_journal *j, uint64_t now_ns);
int runaway_journal_end(struct runaway_journal *j, const struct rw_commit *c);

void runaway_journal_info(const struct runaway_journal *j, struct runaway_journal_info *ret);

#endif
