// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is refused before the gate is asked: a role that is missing, another plan's digest, an
 * approval by who asked for the plan. It is counted by its reason, is an event of its incident,
 * and the gate, whose audit the daemon cannot change, writes it down.
 */

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

/* Events of one incident, of which signals need their part: see signals.c. */
#define NOTES_MAX 100
/* Told and not answered yet: what people ask for has to find room in the link. */
#define TELLING_MAX 16

static void note_in_incident(struct daemon *d, const struct refusal *r)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct incident_step what = {
		.realtime_ns = runaway_real_ns(),
		.actor = r->actor,
		.reason = r->why,
		.remediation = REMEDIATION_MAX,
	};
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "call", r->call);
	json_kv_string(&w, "plan_sha256", r->plan_sha256);
	json_kv_string(&w, "refused", runaway_reason_name(r->reason));
	json_object_end(&w);
	what.data = b.error ? NULL : b.data;
	if (runaway_incident_notes(d->store, r->incident_id) < NOTES_MAX)
		(void)runaway_incident_note(d->store, r->incident_id, "refused", &what);
}

static void on_told(void *ctx, int err _unused_, const cJSON *answer _unused_)
{
	struct daemon *d = ctx;

	d->gate.telling--;
}

static void tell_gate(struct daemon *d, const struct refusal *r)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "reason", runaway_reason_name(r->reason));
	json_kv_string(&w, "call", r->call);
	json_kv_string(&w, "actor", r->actor);
	json_kv_string(&w, "incident_id", r->incident_id);
	json_kv_string(&w, "plan_sha256", r->plan_sha256);
	json_kv_u64_string(&w, "untold", d->gate.untold);
	json_object_end(&w);
	if (d->gate.telling == TELLING_MAX || b.error ||
	    gate_link_ask(d->gate.link, "refused", b.data, on_told, d) < 0)
		d->gate.untold++;
	else
		d->gate.telling++;
}

void refusal_by_gate(struct daemon *d, const struct refusal *r)
{
	if (runaway_ration_take(&d->gate.refusals, runaway_boot_ns()))
		note_in_incident(d, r);
}

void refusal_by_daemon(struct daemon *d, const struct refusal *r)
{
	d->runtime.gate.refused_here[r->reason]++;
	if (!runaway_ration_take(&d->gate.refusals, runaway_boot_ns())) {
		d->gate.untold++;
		return;
	}
	log_info("%s of %s is refused: %s: %s", r->call, r->actor, runaway_reason_name(r->reason),
		 r->why);
	note_in_incident(d, r);
	if (gate_works(d))
		tell_gate(d, r);
}
