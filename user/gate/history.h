/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_HISTORY_H
#define RUNAWAY_GATE_HISTORY_H

/*
 * What the gate did since boot, read from its audit at start and added to with each
 * INTENT. An INTENT counts as a signal whatever came of it: better one too few.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate/document.h"

#define RUNAWAY_HISTORY_MAX 8192 /* about 6 MiB; then nothing more is signalled until boot */

struct runaway_intent {
	uint64_t seq; /* of its audit record */
	uint64_t boot_ns;
	uint64_t start_ns; /* of the target */
	uint32_t pid;
	bool drill;
	bool answered; /* its RESULT is in the audit */
	char incident_id[RUNAWAY_WORD];
	char lane_id[RUNAWAY_WORD * 2];
	char plan_sha256[RUNAWAY_SHA256_HEX];
	char nonce[RUNAWAY_WORD]; /* of the approval */
};

struct runaway_history {
	struct runaway_intent *intent; /* oldest first */
	size_t count, room;
};

void runaway_history_free(struct runaway_history *h);
/* 0, -ENOSPC when there are RUNAWAY_HISTORY_MAX, -ENOMEM. */
int runaway_history_add(struct runaway_history *h, const struct runaway_intent *intent);
/* The RESULT of the INTENT with that number. False: there is none without a RESULT. */
bool runaway_history_answer(struct runaway_history *h, uint64_t seq);
/* INTENTs without a RESULT: nobody knows what came of them. */
size_t runaway_history_unknown(const struct runaway_history *h);

bool runaway_history_has_nonce(const struct runaway_history *h, const char *nonce);
bool runaway_history_has_target(const struct runaway_history *h, const char *plan_sha256,
				uint32_t pid, uint64_t start_ns);
/* Is there an INTENT of that number, for that process? */
bool runaway_history_is_of(const struct runaway_history *h, uint64_t seq, uint32_t pid,
			   uint64_t start_ns);
/* INTENTs of the lane (drills apart) at or after that moment. */
size_t runaway_history_since(const struct runaway_history *h, const char *lane_id, bool drill,
			     uint64_t boot_ns);
/* The newest of any lane (drills apart); NULL when there is none. */
const struct runaway_intent *runaway_history_last(const struct runaway_history *h, bool drill);

#endif
