/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_MATCH_H
#define RUNAWAY_LANES_MATCH_H

/* Private to the room: a subject as it stands in the model now, and which lanes take it. */

#include "lanes/engine.h"

struct subject_view {
	struct runaway_subject id;	     /* key "" until runaway_subject_key() */
	const struct runaway_proc *proc;     /* root; NULL for cgroup and host */
	const struct runaway_cgroup *cgroup; /* NULL for the others */
	struct lane_numbers numbers;
	uint64_t cpu_ns; /* since orphaned; orphan_tree only, else 0 */
};

typedef void (*subject_fn)(void *ctx, struct subject_view *s);

/* Every subject of the kinds in the bit set (KIND() of tables.h). */
void runaway_subjects_each(const struct runaway_model *m, unsigned int kinds, subject_fn fn,
			   void *ctx);
/* Makes id.key from the rest of id, once. */
void runaway_subject_key(struct runaway_subject *s);

/*
 * As runaway_lane_matches_proc(). origin_lost: what was known of the origin may
 * have gone with a restart, so that a missing origin is no longer held against
 * the subject.
 */
bool runaway_lane_matches_again(const struct lane *l, const struct runaway_model *m,
				const struct runaway_proc *p, bool origin_lost);

/* Does the lane take the subject, `fallback` honoured? Does not look at l->enabled. */
bool runaway_lane_takes(const struct lane_set *set, const struct lane *l,
			const struct runaway_model *m, const struct subject_view *s,
			bool origin_lost);

#endif
