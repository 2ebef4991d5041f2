/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_DOCUMENT_H
#define RUNAWAY_GATE_DOCUMENT_H

/*
 * The three documents that stand between a finding and a signal. Each has exactly one
 * text: JSON, keys sorted, no spaces, every key present, 64-bit values as decimal
 * strings, wall times RFC 3339 UTC with milliseconds. What is read is written again and
 * must be the same bytes, so a digest or a signature speaks of all of it.
 *
 * Strings are bounded and not owned by anybody. Text that is no valid UTF-8 is written
 * with U+FFFD in its place and so comes back changed: nothing is compared by such text
 * alone. Wall times lose what is below a millisecond.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/strbuf.h"

#define RUNAWAY_WORD	     64	 /* names and ids, NUL included */
#define RUNAWAY_SENTENCE     512 /* what people write */
#define RUNAWAY_PATH	     1024
#define RUNAWAY_TARGETS_MAX  8
#define RUNAWAY_CHECKS_MAX   8
#define RUNAWAY_DOCUMENT_MAX (48 * 1024) /* bytes of text; a frame has room for it */

#define RUNAWAY_KEY_HEX	      (64 + 1)	/* public Ed25519 key */
#define RUNAWAY_SIGNATURE_HEX (128 + 1) /* Ed25519 signature */
#define RUNAWAY_KEY_ID_HEX    (16 + 1)	/* head of the public key's SHA-256 */
#define RUNAWAY_SECRET_BYTES  64

/* The only policy that lets a plan be carried out, and the only signal. */
#define RUNAWAY_PLAN_POLICY "triage_packet_then_dry_run_then_gated_sigterm"
#define RUNAWAY_PLAN_SIGNAL "SIGTERM"
/* A plan without this check is refused: everything else may only be added to it. */
#define RUNAWAY_CHECK_TARGETS_GONE "targets_gone"

/* Whom, and why. What identifies it comes from the gate's `look`. */
struct runaway_target {
	uint32_t pid;
	uint64_t start_ns; /* start_boottime */
	uint64_t exec_id;
	uint64_t exe_ino;
	uint32_t exe_dev; /* kernel dev_t encoding: major << 20 | minor */
	uint32_t uid;
	uint64_t cgroup_id;
	uint32_t parent_pid; /* the reaper that has it now */
	uint64_t parent_start_ns;
	char args_sha256[RUNAWAY_SHA256_HEX]; /* of /proc/PID/cmdline, whole */
	char comm[RUNAWAY_WORD];
	char exe[RUNAWAY_PATH];		/* for people */
	char cgroup_path[RUNAWAY_PATH]; /* as the gate reads it in /proc/PID/cgroup */
	char reason[RUNAWAY_SENTENCE];	/* why this one was chosen */
};

/* What a dry-run says would be done. Schema "runaway_plan_v1". */
struct runaway_plan {
	char incident_id[RUNAWAY_WORD];
	char host_label[RUNAWAY_SENTENCE];
	char boot_id[RUNAWAY_WORD];
	char lane_id[RUNAWAY_WORD * 2];
	char action_policy[RUNAWAY_WORD];
	char rule[RUNAWAY_PATH]; /* the rule that matched and the figures, for people */
	char rule_sha256[RUNAWAY_SHA256_HEX]; /* of the lane in the configuration's form; may be ""
					       */
	char requester[RUNAWAY_WORD];
	uint32_t requester_uid;
	char expected_effect[RUNAWAY_SENTENCE];
	char nonce[RUNAWAY_WORD]; /* no two plans are the same */
	uint64_t created_realtime_ns, expires_realtime_ns;
	uint64_t created_boot_ns, expires_boot_ns;
	bool drill;
	struct {
		char check[RUNAWAY_CHECKS_MAX][RUNAWAY_WORD];
		size_t count;
		uint32_t grace_s; /* from the signal to the check */
	} post_check;
	struct runaway_target target[RUNAWAY_TARGETS_MAX];
	size_t target_count;
};

/* An owner's word for one plan, on one host, in one window, once. Schema "runaway_approval_v1". */
struct runaway_approval {
	char incident_id[RUNAWAY_WORD];
	char plan_sha256[RUNAWAY_SHA256_HEX]; /* of the plan's text */
	char host_label[RUNAWAY_SENTENCE];
	char boot_id[RUNAWAY_WORD];
	char owner[RUNAWAY_WORD]; /* who approves */
	uint32_t approver_uid;
	char requester[RUNAWAY_WORD]; /* of the plan */
	bool two_person;	      /* given under the rule that they are two */
	char evidence_ref[RUNAWAY_SENTENCE];
	char nonce[RUNAWAY_WORD]; /* used once */
	uint64_t window_start_realtime_ns, window_end_realtime_ns;
	uint64_t approved_realtime_ns, approved_boot_ns;
	/* CLOCK_BOOTTIME at the window's end, by the clocks as they stood at the approval. */
	uint64_t deadline_boot_ns;
	int64_t clock_offset_ns;	 /* CLOCK_REALTIME - CLOCK_BOOTTIME at the approval */
	char drill_key[RUNAWAY_KEY_HEX]; /* "" but for a drill: its throw-away public key */
	char key_id[RUNAWAY_KEY_ID_HEX]; /* "" when it is not signed */
	char signature[RUNAWAY_SIGNATURE_HEX];
};

/* An owner's word that ends one disarming. Schema "runaway_release_v1". */
struct runaway_release {
	char host_label[RUNAWAY_SENTENCE];
	char boot_id[RUNAWAY_WORD];
	char owner[RUNAWAY_WORD];
	uint32_t uid;
	char why[RUNAWAY_SENTENCE];
	uint64_t disarm_seq; /* audit record of the disarming that it ends, from the status */
	uint64_t created_realtime_ns, created_boot_ns;
	char key_id[RUNAWAY_KEY_ID_HEX];
	char signature[RUNAWAY_SIGNATURE_HEX];
};

/*
 * Appends the one text of the document. 0; -EINVAL when a count is over its bound, a time
 * before 1970-01-01T00:00:00.001Z or a digest is not one; -EMSGSIZE when it is longer than
 * RUNAWAY_DOCUMENT_MAX; -ENOMEM. On failure nothing is appended.
 */
int runaway_plan_write(const struct runaway_plan *plan, struct strbuf *out);
int runaway_approval_write(const struct runaway_approval *approval, struct strbuf *out);
int runaway_release_write(const struct runaway_release *release, struct strbuf *out);

/*
 * Reads a document; what it means is judged elsewhere. 0 or -EBADMSG (any other text than
 * the one that would be written), -EMSGSIZE, -ENOMEM; *ret is untouched then.
 */
int runaway_plan_read(const char *text, size_t len, struct runaway_plan *ret);
int runaway_approval_read(const char *text, size_t len, struct runaway_approval *ret);
int runaway_release_read(const char *text, size_t len, struct runaway_release *ret);

/*
 * Signs with an Ed25519 secret key (base/digest must have been started): key_id and
 * signature are filled in. 0, or what writing says.
 */
int runaway_approval_sign(struct runaway_approval *approval,
			  const unsigned char secret[static RUNAWAY_SECRET_BYTES]);
int runaway_release_sign(struct runaway_release *release,
			 const unsigned char secret[static RUNAWAY_SECRET_BYTES]);

/* Does the signature fit the document and this public key (hex)? */
bool runaway_approval_verify(const struct runaway_approval *approval, const char *public_hex);
bool runaway_release_verify(const struct runaway_release *release, const char *public_hex);

#endif
