/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_STATE_H
#define RUNAWAY_GATE_STATE_H

/* The authoriser: what it holds, and what its files do for each other. */

#include <poll.h>

#include "base/json.h"
#include "base/ration.h"
#include "gate/actuator.h"
#include "gate/audit.h"
#include "gate/confine.h"
#include "gate/guard.h"
#include "gate/judge.h"
#include "gate/look.h"

/* A file of this name in the gate's folder disarms. While it is there no release is good. */
#define RUNAWAY_DISARM_FILE "disarm"

struct runaway_gate {
	struct runaway_gate_config config;
	struct runaway_gate_self self;
	struct runaway_history history;
	struct runaway_audit audit;
	struct runaway_actuator actuator;
	struct runaway_guard *guard;
	int folder;  /* to look for the disarm file */
	int signals; /* signalfd: SIGUSR2, SIGTERM, SIGINT */
	bool landlocked;
	bool stop; /* SIGTERM came */

	/* Kernel's records of a SIGTERM let through, and the audit's of one sent: as many, each of
	 * an INTENT, or the gate closes. Only where the kernel guard records them. */
	uint64_t witnessed, sent_under_guard;
	bool witness_differs;
	uint64_t kernel_denied; /* calls of ours that the kernel guard refused */

	uint64_t requests, signals_sent, refusals[RUNAWAY_REASON_COUNT];
	/* What a daemon that was taken over may have written into the audit, so that a flood does
	 * not fill the disk, nor what it tells of take the place of what was seen here. */
	struct runaway_ration refusals_seen, refusals_told, self_tests_asked;

	uint64_t self_test_boot_ns, self_test_real_ns;
	struct runaway_guard_report self_test;
};

/* ---- hello.c ---- */

/* Reads and checks the configuration; *ret_why (static) says what is wrong. 0 or -EINVAL, -ENOMEM.
 */
int runaway_gate_config_read(const cJSON *message, struct runaway_gate_config *ret,
			     const char **ret_why);
void runaway_gate_config_free(struct runaway_gate_config *c);

/* ---- gate.c ---- */

/* Why the gate itself would not act now: switch, audit, guard, actuator. Asks all of them. */
enum runaway_reason runaway_gate_closed(struct runaway_gate *g);
/* Takes what signals have come: SIGUSR2 disarms, SIGTERM and SIGINT stop. */
void runaway_gate_take_signals(struct runaway_gate *g);
/* By `by`. Disarmed it is in any case: NONE, or DISARM_NOT_DURABLE when the audit cannot say so. */
enum runaway_reason runaway_gate_disarm(struct runaway_gate *g, const char *by, const char *why);
bool runaway_gate_disarm_file(const struct runaway_gate *g);
/* Takes the kernel's records that are new. */
void runaway_gate_drain(struct runaway_gate *g);
/* … and compares. */
void runaway_gate_reconcile(struct runaway_gate *g);
/* Runs the guard's self-test and records what it found. */
void runaway_gate_self_test(struct runaway_gate *g);
/* First record of a run. 0 or a negative errno. */
int runaway_gate_record_start(struct runaway_gate *g);

/* ---- apply.c ---- */

enum runaway_outcome {
	RUNAWAY_OUTCOME_REFUSED, /* nothing was sent */
	RUNAWAY_OUTCOME_GONE,	 /* it had ended: nothing was sent */
	RUNAWAY_OUTCOME_SIGNALLED,
	RUNAWAY_OUTCOME_UNKNOWN, /* the actuator did not answer */
};

const char *runaway_outcome_name(enum runaway_outcome outcome);

struct runaway_target_result {
	enum runaway_reason reason; /* NONE: may be signalled, or was */
	enum runaway_outcome outcome;
	uint64_t audit_seq; /* of its INTENT; 0: none */
	bool user_ns;	    /* as it was seen: not in the initial user namespace */
};

/* One request to check or to apply, and what became of it. */
struct runaway_act {
	struct runaway_plan plan;
	struct runaway_approval approval;
	struct runaway_facts facts;
	enum runaway_reason condition[RUNAWAY_JUDGED];
	struct runaway_target_result target[RUNAWAY_TARGETS_MAX];
	int pidfd[RUNAWAY_TARGETS_MAX];
	enum runaway_reason refused; /* the first reason of all; NONE: at least one target may be */
};

/* Reads the documents, asks the clocks, judges conditions and targets. Holds the targets. */
void runaway_act_judge(struct runaway_gate *g, const cJSON *message, struct runaway_act *act);
/* Carries out what was judged: INTENT, authorisation, second look, signal, RESULT, for each. */
void runaway_act_carry_out(struct runaway_gate *g, struct runaway_act *act);
void runaway_act_end(struct runaway_act *act);

/* ---- refusal.c: counts, and records in the audit, what was refused ---- */

void runaway_refusal_of_act(struct runaway_gate *g, const struct runaway_act *act);
/* One of several targets, which the others do not wait for. */
void runaway_refusal_of_target(struct runaway_gate *g, const struct runaway_act *act, size_t i);
/* A message that is answered with an error; NULL: it was none. */
void runaway_refusal_of_message(struct runaway_gate *g, const cJSON *message,
				enum runaway_reason reason);
/* The daemon tells what it refused by itself: counted there, recorded here. NONE or BAD_MESSAGE. */
enum runaway_reason runaway_refusal_told(struct runaway_gate *g, const cJSON *message);

/* ---- answer.c ---- */

void runaway_answer_status(struct runaway_gate *g, struct json_writer *w);
void runaway_answer_act(const struct runaway_gate *g, const struct runaway_act *act, bool applied,
			struct json_writer *w);
void runaway_answer_look(struct runaway_gate *g, const cJSON *message, struct json_writer *w);
void runaway_answer_self_test(const struct runaway_gate *g, struct json_writer *w);

/* ---- request.c ---- */

/* Appends the answer's frame for one message's bytes. Always answers. */
void runaway_gate_answer(struct runaway_gate *g, const char *text, size_t len, struct strbuf *out);
/* Answer to hello, once everything stands. */
int runaway_gate_greet(struct runaway_gate *g, const char *id, struct strbuf *out);

/* ---- release.c ---- */

/* Ends the disarming in force, if an owner says so. NONE, or why not. */
enum runaway_reason runaway_gate_release(struct runaway_gate *g, const char *text);

/* ---- loop.c ---- */

/* Serves until the daemon closes the connection or a signal asks it to end. 0 or a negative errno.
 */
int runaway_gate_serve(struct runaway_gate *g, int sock);

/* ---- authoriser.c ---- */

extern const struct runaway_syscall runaway_authoriser_syscalls[];
extern const size_t runaway_authoriser_syscalls_count;

/* Gives up what the authoriser does not need. 0 or a negative errno. */
int runaway_authoriser_confine(struct runaway_gate *g, uid_t uid, gid_t gid);

#endif
