/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the documents hold. Keys stand in sorted order: a test checks the tables. */
#include "gate/document.h"

#include <string.h>

#include "gate/canonical.h"
#include "gate/key.h"
#include "gate/tables.h"

#define FIELD(kind_, key_, type, member)                                                           \
	{ .key = (key_),                                                                           \
	  .kind = FIELD_##kind_,                                                                   \
	  .offset = offsetof(type, member),                                                        \
	  .size = sizeof(((type *)NULL)->member) }
#define CONST(key_, text_) { .key = (key_), .kind = FIELD_CONST, .text = (text_) }
#define LIST(key_, type, member, count, fields_)                                                   \
	{ .key = (key_),                                                                           \
	  .kind = FIELD_LIST,                                                                      \
	  .offset = offsetof(type, member),                                                        \
	  .size = sizeof(((type *)NULL)->member[0]),                                               \
	  .fields = (fields_),                                                                     \
	  .max = sizeof(((type *)NULL)->member) / sizeof(((type *)NULL)->member[0]),               \
	  .count_offset = offsetof(type, count) }
#define END { .kind = FIELD_END }

#define T(kind, key, member) FIELD(kind, key, struct runaway_target, member)
static const struct field target_fields[] = {
	T(HEX, "args_sha256", args_sha256),
	T(U64, "cgroup_id", cgroup_id),
	T(TEXT, "cgroup_path", cgroup_path),
	T(TEXT, "comm", comm),
	T(TEXT, "exe", exe),
	T(U32, "exe_dev", exe_dev),
	T(U64, "exe_ino", exe_ino),
	T(U64, "exec_id", exec_id),
	T(U32, "parent_pid", parent_pid),
	T(U64, "parent_start_ns", parent_start_ns),
	T(U32, "pid", pid),
	T(TEXT, "reason", reason),
	T(U64, "start_ns", start_ns),
	T(U32, "uid", uid),
	END,
};

static const struct field target_element[] = {
	{ .key = "", .kind = FIELD_OBJECT, .fields = target_fields },
};

static const struct field check_element[] = {
	{ .key = "", .kind = FIELD_TEXT, .size = RUNAWAY_WORD },
};

#define P(kind, key, member) FIELD(kind, key, struct runaway_plan, member)
static const struct field post_check_fields[] = {
	LIST("checks", struct runaway_plan, post_check.check, post_check.count, check_element),
	P(U32, "grace_s", post_check.grace_s),
	END,
};

const struct field runaway_plan_fields[] = {
	P(TEXT, "action_policy", action_policy),
	P(TEXT, "boot_id", boot_id),
	P(TIME, "created_at", created_realtime_ns),
	P(U64, "created_boot_ns", created_boot_ns),
	P(BOOL, "drill", drill),
	P(TEXT, "expected_effect", expected_effect),
	P(TIME, "expires_at", expires_realtime_ns),
	P(U64, "expires_boot_ns", expires_boot_ns),
	P(TEXT, "host_label", host_label),
	P(TEXT, "incident_id", incident_id),
	P(TEXT, "lane_id", lane_id),
	P(TEXT, "nonce", nonce),
	/* Offsets of its members count from the plan. */
	{ .key = "post_check", .kind = FIELD_OBJECT, .fields = post_check_fields },
	P(TEXT, "requester", requester),
	P(U32, "requester_uid", requester_uid),
	P(TEXT, "rule", rule),
	P(HEX, "rule_sha256", rule_sha256),
	CONST("schema", "runaway_plan_v1"),
	CONST("signal", RUNAWAY_PLAN_SIGNAL),
	LIST("targets", struct runaway_plan, target, target_count, target_element),
	END,
};

#define A(kind, key, member) FIELD(kind, key, struct runaway_approval, member)
const struct field runaway_approval_fields[] = {
	A(TIME, "approved_at", approved_realtime_ns),
	A(U64, "approved_boot_ns", approved_boot_ns),
	A(U32, "approver_uid", approver_uid),
	A(TEXT, "boot_id", boot_id),
	A(I64, "clock_offset_ns", clock_offset_ns),
	A(U64, "deadline_boot_ns", deadline_boot_ns),
	A(HEX, "drill_key", drill_key),
	A(TEXT, "evidence_ref", evidence_ref),
	A(TEXT, "host_label", host_label),
	A(TEXT, "incident_id", incident_id),
	A(HEX, "key_id", key_id),
	A(TEXT, "nonce", nonce),
	A(TEXT, "owner", owner),
	A(HEX, "plan_sha256", plan_sha256),
	A(TEXT, "requester", requester),
	CONST("schema", "runaway_approval_v1"),
	A(HEX, "signature", signature),
	A(BOOL, "two_person", two_person),
	A(TIME, "window_end", window_end_realtime_ns),
	A(TIME, "window_start", window_start_realtime_ns),
	END,
};

#define R(kind, key, member) FIELD(kind, key, struct runaway_release, member)
const struct field runaway_release_fields[] = {
	R(TEXT, "boot_id", boot_id),
	R(TIME, "created_at", created_realtime_ns),
	R(U64, "created_boot_ns", created_boot_ns),
	R(U64, "disarm_seq", disarm_seq),
	R(TEXT, "host_label", host_label),
	R(HEX, "key_id", key_id),
	R(TEXT, "owner", owner),
	CONST("schema", "runaway_release_v1"),
	R(HEX, "signature", signature),
	R(U32, "uid", uid),
	R(TEXT, "why", why),
	END,
};

int runaway_plan_write(const struct runaway_plan *plan, struct strbuf *out)
{
	return canonical_write(runaway_plan_fields, plan, out);
}

int runaway_plan_read(const char *text, size_t len, struct runaway_plan *ret)
{
	return canonical_read(runaway_plan_fields, text, len, ret, sizeof(*ret));
}

int runaway_approval_write(const struct runaway_approval *approval, struct strbuf *out)
{
	return canonical_write(runaway_approval_fields, approval, out);
}

int runaway_approval_read(const char *text, size_t len, struct runaway_approval *ret)
{
	return canonical_read(runaway_approval_fields, text, len, ret, sizeof(*ret));
}

int runaway_release_write(const struct runaway_release *release, struct strbuf *out)
{
	return canonical_write(runaway_release_fields, release, out);
}

int runaway_release_read(const char *text, size_t len, struct runaway_release *ret)
{
	return canonical_read(runaway_release_fields, text, len, ret, sizeof(*ret));
}

/* ---- signatures ---- */

/* What is signed: a word that no other use of the key begins with, then the text with no
 * signature in it. */
struct signed_kind {
	const char *word;
	const struct field *fields;
	size_t size, key_id, signature; /* offsets, of the last two */
};

static const struct signed_kind approvals = {
	.word = "runaway-approval-v1\n",
	.fields = runaway_approval_fields,
	.size = sizeof(struct runaway_approval),
	.key_id = offsetof(struct runaway_approval, key_id),
	.signature = offsetof(struct runaway_approval, signature),
};

static const struct signed_kind releases = {
	.word = "runaway-release-v1\n",
	.fields = runaway_release_fields,
	.size = sizeof(struct runaway_release),
	.key_id = offsetof(struct runaway_release, key_id),
	.signature = offsetof(struct runaway_release, signature),
};

static int to_sign(const struct signed_kind *kind, const void *document, struct strbuf *out)
{
	union {
		struct runaway_approval approval;
		struct runaway_release release;
	} unsigned_;

	memcpy(&unsigned_, document, kind->size);
	((char *)&unsigned_)[kind->signature] = '\0';
	strbuf_adds(out, kind->word);
	return canonical_write(kind->fields, &unsigned_, out);
}

static int sign(const struct signed_kind *kind, void *document,
		const unsigned char secret[static RUNAWAY_SECRET_BYTES])
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *bytes = document;
	int err;

	runaway_key_id_of_secret(secret, bytes + kind->key_id);
	err = to_sign(kind, document, &b);
	if (err == 0)
		runaway_key_sign(b.data, b.len, secret, bytes + kind->signature);
	return err;
}

static bool verify(const struct signed_kind *kind, const void *document, const char *public_hex)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *bytes = document;

	return to_sign(kind, document, &b) == 0 &&
	       runaway_key_verify(b.data, b.len, bytes + kind->signature, public_hex);
}

int runaway_approval_sign(struct runaway_approval *approval,
			  const unsigned char secret[static RUNAWAY_SECRET_BYTES])
{
	return sign(&approvals, approval, secret);
}

int runaway_release_sign(struct runaway_release *release,
			 const unsigned char secret[static RUNAWAY_SECRET_BYTES])
{
	return sign(&releases, release, secret);
}

bool runaway_approval_verify(const struct runaway_approval *approval, const char *public_hex)
{
	return verify(&approvals, approval, public_hex);
}

bool runaway_release_verify(const struct runaway_release *release, const char *public_hex)
{
	return verify(&releases, release, public_hex);
}
