/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Anybody may close the gate; an owner alone opens it again. */
#include <string.h>

#include "base/clock.h"
#include "gate/state.h"

#define REASON(id) RUNAWAY_REASON_##id

/* Time to carry a signed release from one screen to another. */
#define RELEASE_MAX_AGE_NS (600 * NSEC_PER_SEC)

static bool is_signed(const struct runaway_gate_config *c, const struct runaway_release *r)
{
	for (size_t i = 0; i < c->key_count; i++)
		if (strcmp(c->key[i].id, r->key_id) == 0)
			return strcmp(c->key[i].owner, r->owner) == 0 &&
			       runaway_release_verify(r, c->key[i].public_hex);
	return false;
}

/* A release speaks of one disarming, so that it is good once. */
static bool is_release(const struct runaway_gate *g, const struct runaway_release *r)
{
	uint64_t now = runaway_boot_ns();

	return r->owner[0] != '\0' && strcmp(r->host_label, g->config.host_label) == 0 &&
	       strcmp(r->boot_id, g->self.boot_id) == 0 && r->disarm_seq == g->audit.disarm_seq &&
	       r->created_boot_ns <= now && now - r->created_boot_ns <= RELEASE_MAX_AGE_NS &&
	       (!g->config.require_signature || is_signed(&g->config, r));
}

enum runaway_reason runaway_gate_release(struct runaway_gate *g, const char *text)
{
	struct runaway_release release;
	struct runaway_record r;

	if (runaway_gate_disarm_file(g))
		return REASON(DISARM_FILE);
	if (g->audit.disarm_seq == 0 || runaway_release_read(text, strlen(text), &release) < 0 ||
	    !is_release(g, &release))
		return REASON(RELEASE_INVALID);
	runaway_audit_begin(&g->audit, "release", &r);
	json_kv_string(&r.w, "owner", release.owner);
	json_kv_string(&r.w, "key_id", release.key_id);
	json_kv_uint(&r.w, "uid", release.uid);
	json_kv_string(&r.w, "why", release.why);
	json_kv_u64_string(&r.w, "disarm_seq", release.disarm_seq);
	if (runaway_audit_commit(&g->audit, &r) < 0)
		return REASON(AUDIT_FAILED);
	g->audit.disarm_seq = 0;
	g->audit.disarmed_by[0] = '\0';
	return REASON(NONE);
}
