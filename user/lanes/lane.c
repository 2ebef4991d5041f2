/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the enums, the tables of keys, and what a lane owns. */

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "lanes/lane.h"
#include "lanes/tables.h"

/* A table of words has one word for each value and ends with NULL. */
#define CHECK_WORDS(words, max)                                                                    \
	static_assert(ARRAY_SIZE(words) == (size_t)(max) + 1, #words " against its enum")

const char *const runaway_subject_kind_words[] = {
	[RUNAWAY_SUBJECT_ORPHAN_TREE] = "orphan_tree",
	[RUNAWAY_SUBJECT_PROCESS] = "process",
	[RUNAWAY_SUBJECT_CGROUP] = "cgroup",
	[RUNAWAY_SUBJECT_HOST] = "host",
	[RUNAWAY_SUBJECT_MAX] = NULL,
};
CHECK_WORDS(runaway_subject_kind_words, RUNAWAY_SUBJECT_MAX);

const char *const runaway_classification_words[] = {
	[RUNAWAY_CLASS_RUNAWAY_PROCESS] = "host_resource_runaway_process",
	[RUNAWAY_CLASS_CAPACITY] = "host_resource_capacity",
	[RUNAWAY_CLASS_MAX] = NULL,
};
CHECK_WORDS(runaway_classification_words, RUNAWAY_CLASS_MAX);

const char *const runaway_policy_words[] = {
	[RUNAWAY_POLICY_GATED_SIGTERM] = "triage_packet_then_dry_run_then_gated_sigterm",
	[RUNAWAY_POLICY_TRIAGE_ONLY] = "capacity_triage_no_process_remediation",
	[RUNAWAY_POLICY_MAX] = NULL,
};
CHECK_WORDS(runaway_policy_words, RUNAWAY_POLICY_MAX);

const char *const runaway_severity_words[] = {
	[RUNAWAY_P0] = "P0", [RUNAWAY_P1] = "P1",	    [RUNAWAY_P2] = "P2",
	[RUNAWAY_P3] = "P3", [RUNAWAY_SEVERITY_MAX] = NULL,
};
CHECK_WORDS(runaway_severity_words, RUNAWAY_SEVERITY_MAX);

const char *const runaway_daemonised_words[] = {
	[RUNAWAY_DAEMONISED_NO] = "no",
	[RUNAWAY_DAEMONISED_UNKNOWN] = "unknown",
	[RUNAWAY_DAEMONISED_YES] = "yes",
	[RUNAWAY_DAEMONISED_YES + 1] = NULL,
};
CHECK_WORDS(runaway_daemonised_words, RUNAWAY_DAEMONISED_YES + 1);

const char *runaway_subject_kind_name(enum runaway_subject_kind k)
{
	return (unsigned int)k < RUNAWAY_SUBJECT_MAX ? runaway_subject_kind_words[k] : "unknown";
}

const char *runaway_classification_name(enum runaway_classification c)
{
	return (unsigned int)c < RUNAWAY_CLASS_MAX ? runaway_classification_words[c] : "unknown";
}

const char *runaway_policy_name(enum runaway_policy p)
{
	return (unsigned int)p < RUNAWAY_POLICY_MAX ? runaway_policy_words[p] : "unknown";
}

const char *runaway_severity_name(enum runaway_severity s)
{
	return (unsigned int)s < RUNAWAY_SEVERITY_MAX ? runaway_severity_words[s] : "unknown";
}

const struct match_key runaway_match_keys[MATCH_KEYS] = {
	{ "exe_any", offsetof(struct lane_match, exe_any) },
	{ "comm_any", offsetof(struct lane_match, comm_any) },
	{ "args_any", offsetof(struct lane_match, args_any) },
	{ "origin_any", offsetof(struct lane_match, origin_any) },
	{ "cgroup_any", offsetof(struct lane_match, cgroup_any) },
};

#define LIMIT(number)                                                                              \
	offsetof(struct lane_trigger, number##_min), offsetof(struct lane_numbers, number)
#define OWN_CLEAR     NULL, 0
#define CLEAR(number) #number "_max", offsetof(struct lane_clear, number##_max)

/* Bounds are what a number can be at all; a limit outside of them is a slip of the pen. */
const struct limit_key runaway_limit_keys[LIMIT_KEYS] = {
	{ "cpu_cores_min", LIMIT(cpu_cores), "cpu_cores", "cores", CLEAR(cpu_cores), KINDS_CPU,
	  0.001, 65536, "a number of cores from 0.001 to 65536", false },
	{ "age_s_min", LIMIT(age_s), "age_s", "s", OWN_CLEAR, KINDS_CPU, 0, 31536000,
	  "seconds from 0 to 31536000", true },
	{ "load5_per_core_min", LIMIT(load5_per_core), "load5_per_core", "ratio",
	  CLEAR(load5_per_core), KIND(HOST), 0.01, 10000, "a number from 0.01 to 10000", false },
	{ "ci_containers_min", LIMIT(ci_containers), "ci_containers", "containers", OWN_CLEAR,
	  KIND(HOST), 1, 1000000, "a number from 1 to 1000000", false },
	{ "ci_cpu_share_min", LIMIT(ci_cpu_share), "ci_cpu_share", "ratio", OWN_CLEAR, KIND(HOST),
	  0.001, 1, "a ratio from 0.001 to 1", false },
	{ "psi_cpu_some_avg60_min", LIMIT(psi_cpu_some_avg60), "psi_cpu_some_avg60", "ratio",
	  OWN_CLEAR, KIND(HOST), 0.001, 1, "a ratio from 0.001 to 1", false },
	{ "swap_used_ratio_min", LIMIT(swap_used_ratio), "swap_used_ratio", "ratio", OWN_CLEAR,
	  KIND(HOST), 0.001, 1, "a ratio from 0.001 to 1", false },
};
static_assert(LIMIT_KEYS <= RUNAWAY_EVIDENCE_MAX, "every limit has room in the evidence");

static void match_free(struct lane_match *m)
{
	for (size_t i = 0; i < MATCH_KEYS; i++)
		runaway_glob_list_free(list_of(m, &runaway_match_keys[i]));
}

void runaway_lane_free(struct lane *l)
{
	if (!l)
		return;
	free(l->lane_id);
	free(l->alertname);
	match_free(&l->match);
	match_free(&l->not);
	memset(l, 0, sizeof(*l));
}

void runaway_lane_set_free(struct lane_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		runaway_lane_free(&s->lane[i]);
	free(s->lane);
	*s = (struct lane_set){ 0 };
}

int runaway_lane_set_put(struct lane_set *s, struct lane *add)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->lane[i].lane_id, add->lane_id))
			continue;
		runaway_lane_free(&s->lane[i]);
		s->lane[i] = *add;
		*add = (struct lane){ 0 };
		return 0;
	}

	struct lane *grown = reallocarray(s->lane, s->count + 1, sizeof(*grown));
	if (!grown) {
		runaway_lane_free(add);
		return -ENOMEM;
	}
	s->lane = grown;
	s->lane[s->count++] = *add;
	*add = (struct lane){ 0 };
	return 0;
}

const struct lane *runaway_lane_set_find(const struct lane_set *s, const char *lane_id)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->lane[i].lane_id, lane_id))
			return &s->lane[i];
	return NULL;
}
