/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_TABLES_H
#define RUNAWAY_LANES_TABLES_H

/*
 * Private to the room: the keys of a lane as data, so that the parser, the
 * writer, the match and the step all read the same list.
 */

#include <stddef.h>

#include "lanes/engine.h"
#include "lanes/lane.h"

/* Bit sets of enum runaway_subject_kind. */
#define KIND(k)	  (1u << RUNAWAY_SUBJECT_##k)
#define KINDS_CPU (KIND(ORPHAN_TREE) | KIND(PROCESS) | KIND(CGROUP))

/* A list of globs of struct lane_match. */
struct match_key {
	const char *name;
	size_t offset; /* of the struct glob_list */
};
#define MATCH_KEYS 5
extern const struct match_key runaway_match_keys[MATCH_KEYS];

/* A limit of struct lane_trigger, with the number that it is held against. */
struct limit_key {
	const char *name;	/* "cpu_cores_min" */
	size_t offset;		/* in struct lane_trigger */
	size_t number_offset;	/* in struct lane_numbers */
	const char *metric;	/* of the evidence */
	const char *unit;	/* of the evidence */
	const char *clear_name; /* key of the clear limit; NULL: the trigger's own limit */
	size_t clear_offset;	/* in struct lane_clear, when clear_name is set */
	unsigned int kinds;	/* subjects that have this number */
	double min, max;	/* range, both ends included */
	const char *allowed;	/* the range in words */
	bool grows;		/* never falls while the subject lives: has no calm */
};
#define LIMIT_KEYS 7
extern const struct limit_key runaway_limit_keys[LIMIT_KEYS];

static inline double *limit_of(struct lane_trigger *t, const struct limit_key *k)
{
	return (double *)((char *)t + k->offset);
}

static inline double limit_get(const struct lane_trigger *t, const struct limit_key *k)
{
	return *(const double *)((const char *)t + k->offset);
}

static inline double number_get(const struct lane_numbers *n, const struct limit_key *k)
{
	return *(const double *)((const char *)n + k->number_offset);
}

static inline double *clear_of(struct lane_clear *c, const struct limit_key *k)
{
	return (double *)((char *)c + k->clear_offset);
}

static inline double clear_get(const struct lane_clear *c, const struct limit_key *k)
{
	return *(const double *)((const char *)c + k->clear_offset);
}

static inline struct glob_list *list_of(struct lane_match *m, const struct match_key *k)
{
	return (struct glob_list *)((char *)m + k->offset);
}

static inline const struct glob_list *list_get(const struct lane_match *m,
					       const struct match_key *k)
{
	return (const struct glob_list *)((const char *)m + k->offset);
}

/* Words of the enums, NULL-terminated, index is the enum. */
extern const char *const runaway_subject_kind_words[];
extern const char *const runaway_classification_words[];
extern const char *const runaway_policy_words[];
extern const char *const runaway_severity_words[];
extern const char *const runaway_daemonised_words[];

#endif
