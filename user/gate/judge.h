/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_JUDGE_H
#define RUNAWAY_GATE_JUDGE_H

/*
 * May it be done? Pure functions of what was read and asked before: no clock, no file, no
 * process. Everything that is not known to be right is a reason against it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/glob.h"
#include "gate/document.h"
#include "gate/history.h"
#include "gate/reason.h"
#include "runaway/gate.h"

#define RUNAWAY_KEYS_MAX      32
#define RUNAWAY_ANCESTORS_MAX 64

/* What `hello` says; docs/gate-protocol.md has each member's meaning. */
struct runaway_gate_config {
	char host_label[RUNAWAY_SENTENCE];
	bool require_signature, two_person, require_kernel_guard, require_clock_sync;
	struct {
		char owner[RUNAWAY_WORD];
		char public_hex[RUNAWAY_KEY_HEX];
		char id[RUNAWAY_KEY_ID_HEX];
	} key[RUNAWAY_KEYS_MAX];
	size_t key_count;
	struct glob_list protect; /* comm, path or last part of the path */
	uint32_t budget_per_hour, settle_s;
	uint32_t approval_max_age_s, plan_max_age_s, window_max_s, clock_tolerance_ms;
	int32_t cgroup_ssid;		      /* see runaway_guard_config */
	char cgroup_controller[RUNAWAY_WORD]; /* "" is v2 */
	char guard_cgroup[RUNAWAY_PATH];      /* "" is none */
};

/* What the gate knows of itself, so that it leaves itself alone. */
struct runaway_gate_self {
	char boot_id[RUNAWAY_WORD];
	uint32_t daemon_pid, authoriser_pid, actuator_pid;
	uint32_t ancestor[RUNAWAY_ANCESTORS_MAX];
	size_t ancestor_count;
	char cgroup_path[RUNAWAY_PATH];
};

struct runaway_gate_clocks {
	uint64_t real_ns, boot_ns;
	bool synchronised; /* as the kernel says; only asked where it is required */
};

enum runaway_document_state {
	RUNAWAY_DOCUMENT_MISSING,
	RUNAWAY_DOCUMENT_INVALID,
	RUNAWAY_DOCUMENT_READ,
};

/* Everything that a judgement rests on, taken at one moment. */
struct runaway_facts {
	const struct runaway_gate_config *config;
	const struct runaway_gate_self *self;
	const struct runaway_history *history;
	struct runaway_gate_clocks now;
	enum runaway_reason gate; /* why the gate itself would not act; NONE */
	bool rule_matches;	  /* the daemon's word, which can only forbid */
	enum runaway_document_state plan_state, approval_state;
	const struct runaway_plan *plan; /* NULL unless read */
	char plan_sha256[RUNAWAY_SHA256_HEX];
	const struct runaway_approval *approval; /* NULL unless read */
	enum runaway_reason signature;		 /* runaway_judge_signature()'s answer */
	/* The second look, the INTENT written: what this very act left in the history is no
	 * reason against it. */
	bool acting;
};

/* What was seen of a target behind its open pidfd. */
struct runaway_seen {
	enum runaway_reason failed; /* why there is nothing to compare; NONE */
	struct rw_gate_identity id;
	char args_sha256[RUNAWAY_SHA256_HEX];
	char cgroup_path[RUNAWAY_PATH];
};

/* Does the signature stand for the owner that the approval names? */
enum runaway_reason runaway_judge_signature(const struct runaway_gate_config *config,
					    const struct runaway_plan *plan,
					    const struct runaway_approval *approval);

/* Conditions in the order in which they are told: the first that fails is the answer's error. */
#define RUNAWAY_JUDGED 9
extern const enum runaway_condition runaway_judged[RUNAWAY_JUDGED];

/* NONE: the condition is met. Only for those of runaway_judged. */
enum runaway_reason runaway_judge_condition(const struct runaway_facts *f,
					    enum runaway_condition condition);
/* The first reason against it of all conditions, or NONE. */
enum runaway_reason runaway_judge(const struct runaway_facts *f);

/* May this target of the plan be signalled, as it was seen? The plan has been read. */
enum runaway_reason runaway_judge_target(const struct runaway_facts *f,
					 const struct runaway_target *planned,
					 const struct runaway_seen *seen);

#endif
