/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_GATE_H
#define RUNAWAY_DAEMON_GATE_H

/*
 * The daemon's side of the path of a signal. It plans, keeps the record and looks
 * afterwards; whether anything is signalled is the gate's own decision
 * (docs/gate.md). Private to this room.
 */

#include "base/ration.h"
#include "daemon/gate_link.h"
#include "gate/document.h"
#include "gate/reason.h"
#include "incident/incident.h"
#include "out/control.h"
#include "runaway/wire.h"

struct daemon;
struct gate_config;

/* A post-check that is to be made by itself. */
struct due_check {
	char incident_id[40];
	uint64_t at_ns; /* CLOCK_BOOTTIME */
};

/* A process of an open incident's tree: who signals it is noted. */
struct watched {
	struct runaway_id id;
	char incident_id[40];
	unsigned int notes; /* of its incident, at the last look */
};

/* A drill that is going on: its finding is not the engine's. */
struct drill {
	struct runaway_finding finding;
	char key[RUNAWAY_KEY_HEX]; /* throw-away public key */
	struct drill *next;
};

struct daemon_gate {
	struct gate_link *link; /* NULL: not enabled, or it could not be started */
	int folder_fd;		/* of its folder, with the audit; -1 */
	uint64_t asked_ns;	/* CLOCK_BOOTTIME of the last status request */
	bool asking;
	char *status_json; /* what it last told of itself; NULL: nothing yet */
	struct due_check *due;
	size_t due_count;
	struct watched *watched;
	size_t watched_count, watched_cap;
	bool watching;		    /* the kernel side was told of somebody */
	struct early_signal *early; /* that came before the store was open; owned */
	size_t early_count;
	struct runaway_ration refusals; /* that are written down */
	unsigned int telling;		/* of them, that the gate has not answered yet */
	uint64_t untold;		/* that were counted alone */
	unsigned int audits;		/* reads of its audit that wait for an answer */
	struct drill *drills;
	struct lane *drill_lane; /* owned; made with the first drill */
};

/* ---- gate.c: the process ---- */

/* Starts it if the configuration says so; while privileged. 0 or a negative errno (logged). */
int gate_start(struct daemon *d);
/* Its socket is readable. */
void gate_run(struct daemon *d);
/* Each tick: figures, post-checks that are due, whom to watch. */
void gate_tick(struct daemon *d);
/* A child has ended. */
void gate_reap(struct daemon *d);
void gate_stop(struct daemon *d);
bool gate_works(const struct daemon *d);
/* Asks for its state now. */
void gate_ask_status(struct daemon *d);
/* What it told of itself becomes what is shown. */
void gate_take_status(struct daemon *d, const cJSON *s);
/* What opening found: incidents that were being acted on when the daemon ended. */
void gate_resume(struct daemon *d);

/* ---- workflow.c: calls ---- */

/* A call, kept until it is answered. */
struct pending_call {
	struct daemon *d;
	uint64_t token;
	struct runaway_peer peer;
	const char *method;	 /* static: "incident.apply" */
	char actor[96];		 /* "alice (uid 1001)" */
	char name[RUNAWAY_WORD]; /* "alice" */
	char incident_id[40];	 /* "" when the call is about none */
	char plan_sha256[RUNAWAY_SHA256_HEX];
	void *data; /* of the one who answers; free()d with the call */
};

/* Answers and frees the call. */
void call_fail(struct pending_call *c, const char *code, const char *fmt, ...) _printf_(3, 4);
/* "gate_refused" with the reason's word in front: the daemon's own refusal, and an event. */
void call_refuse(struct pending_call *c, enum runaway_reason reason);
/* … with more to say of it than the reason's own text. */
void call_refuse_saying(struct pending_call *c, enum runaway_reason reason, const char *fmt, ...)
	_printf_(3, 4);
/* The role is not enough: also an event. */
void call_deny(struct pending_call *c, const char *fmt, ...) _printf_(2, 3);
/* No gate is there to be asked. */
void call_refuse_disabled(struct pending_call *c);
/* b holds the result. */
void call_result(struct pending_call *c, struct strbuf *b);
/* Did the gate do what it was asked? If not, the call has failed with what it said. */
bool call_answered(struct pending_call *c, int err, const cJSON *answer);
/* The incident's summary. */
void call_done(struct pending_call *c);

/* The incident of the call; NULL when there is none (answered then). */
const struct incident *call_incident(struct pending_call *c);
/* Is the plan that the call names the incident's newest one? The document; NULL: answered. */
const char *call_plan(struct pending_call *c, const struct incident *i);
void daemon_call(void *ctx, const struct runaway_call *call);
/* A call for which the caller's role was not enough: answered already. */
void daemon_denied(void *ctx, const struct runaway_call *call);
struct incident_step call_step(const struct pending_call *c, enum incident_status to,
			       const char *reason);
/* Why a step could not be made, as the call's answer. */
void call_step_failed(struct pending_call *c, int err);

/* ---- gate_calls.c ---- */

void call_status(struct pending_call *c);
void call_audit(struct pending_call *c, const cJSON *params);
void call_disarm(struct pending_call *c, const cJSON *params);
void call_release(struct pending_call *c, const cJSON *params);
/* SIGUSR2. */
void gate_disarm_by_signal(struct daemon *d);

/* ---- refusal.c ---- */

/* All texts are valid during the call. */
struct refusal {
	enum runaway_reason reason;
	const char *call;	 /* the method that was asked for */
	const char *actor;	 /* "alice (uid 1001)" */
	const char *incident_id; /* as it was given: there may be none of that id */
	const char *plan_sha256; /* as it was given; may be "" */
	const char *why;
};
/* Counted, told to the incident and, by the gate, to its audit. */
void refusal_by_daemon(struct daemon *d, const struct refusal *r);
/* The gate has counted and recorded it: told to the incident. */
void refusal_by_gate(struct daemon *d, const struct refusal *r);

/* ---- plan.c ---- */
void call_dry_run(struct pending_call *c);
/* What an approver needs to look at, and to write the approval; "approve" asks first whether the
 * caller may. */
void call_show_plan(struct pending_call *c, bool approve);
/*
 * May a plan be made for this lane at all? In code: no configuration changes it. A
 * capacity lane, or one whose policy names no remediation, never yields a plan.
 */
bool plan_lane_allowed(const struct lane *l);
/* Does the rule still match the subject of the incident, as the plan has it? */
bool plan_rule_matches(const struct daemon *d, const struct incident *i,
		       const struct runaway_plan *plan);
/* The finding of an incident, also of a drill; NULL: it is over. */
const struct runaway_finding *plan_finding(const struct daemon *d, const char *incident_id);
/*
 * The part of a document (as the incident keeps it) under its last key: what was
 * digested or signed, byte for byte. malloc'ed; NULL: it has no such part, or no memory.
 */
char *plan_embedded(const char *document, const char *key);

/* ---- approve.c ---- */
/* False: the call is answered, the role does not do. */
bool call_may_approve(struct pending_call *c, const struct incident *i);
void call_approve(struct pending_call *c, const char *text);
/* Approvals whose window is open now. */
uint64_t approve_authorized(const struct daemon *d);

/* ---- apply.c ---- */
void call_explain(struct pending_call *c);
void call_apply(struct pending_call *c);
/* What became of a plan at the gate. */
struct gate_outcome {
	const char *outcome; /* "refused", "signalled" or "unknown" */
	const char *why;     /* a sentence */
	bool used;	     /* an INTENT was written: approval and plan are used up by it */
};
/* An incident that is acting goes on as the outcome says. No effect on any other. */
void apply_conclude(struct daemon *d, const char *incident_id, const struct gate_outcome *o,
		    const cJSON *answer);

/* ---- resume.c ---- */
/*
 * What the gate's audit says of a plan: "signalled"; "refused" when there is no INTENT or its
 * RESULT says so; "unknown" for an INTENT alone, or an audit that cannot be read. `over`: the gate
 * that was asked has ended, so that nothing is added to it any more.
 */
struct gate_outcome gate_audit_outcome(const struct daemon *d, const char *plan_sha256, bool over);

/* ---- action_tree.c ---- */

/* Processes that belong together, and the cgroup of their root. */
struct tree_ids {
	struct runaway_id *id; /* owned */
	size_t count;
	uint64_t cgroup_id;
};
void tree_ids_free(struct tree_ids *t);
/*
 * Whom the incident's newest action was about: the targets of its plan, the members of the tree
 * when the gate was asked, and what they forked since that lives. 0 with the action's document;
 * -ENOENT: there was none; -EBADMSG, -ENOMEM.
 */
int action_tree(const struct daemon *d, const struct incident *i, struct tree_ids *ret,
		cJSON **ret_action);

/* ---- post_check.c ---- */
void call_post_check(struct pending_call *c);
/* Makes it by itself after the grace time. */
void post_check_schedule(struct daemon *d, const char *incident_id, uint64_t at_ns);
void post_check_tick(struct daemon *d);

/* What they and their surroundings cost now: members of "before" and "after". */
void post_check_measure(const struct daemon *d, const struct tree_ids *tree, struct json_writer *w);

/* ---- health.c ---- */

struct health_result {
	char name[RUNAWAY_WORD];
	bool ok;
	char detail[128];
};
/* results are valid during the call. */
typedef void (*health_fn)(void *ctx, const struct health_result *results, size_t count);
struct health;
int health_open(struct health **ret);
void health_close(struct health *h); /* who waits is answered with no result */
int health_fd(const struct health *h);
void health_run(struct health *h);
/*
 * Makes all checks of the configuration at once, each within two seconds. fn is called
 * exactly once, within this function when there is nothing to ask. 0 or a negative
 * errno, and then fn is not called.
 */
int health_ask(struct health *h, const struct gate_config *g, health_fn fn, void *ctx);
void health_write(struct json_writer *w, const struct health_result *results, size_t count);

/* ---- signals.c ---- */
/* Each tick: who belongs to an open incident now, so that the kernel side looks at them. */
void signals_update(struct daemon *d);
/* The living members of an incident's tree, as of the last tick. 0 or -ENOMEM. */
int signals_members(const struct daemon *d, const struct incident *i, struct tree_ids *ret);
void signals_seen(void *ctx, const struct rw_signal *rec);
/* The incidents that go on are known: notes what was sent while there was no daemon. */
void signals_adopt(struct daemon *d);

/* ---- drill.c ---- */
void call_drill_open(struct pending_call *c, const cJSON *params);
void drill_tick(struct daemon *d);
void drill_free(struct daemon *d);

#endif
