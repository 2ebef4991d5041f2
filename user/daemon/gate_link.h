/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_DAEMON_GATE_LINK_H
#define RUNAWAY_DAEMON_GATE_LINK_H

/*
 * The daemon's end of the socket to runaway-gate: starts the process while there
 * still is privilege, asks, and hears when it ends. Nothing here blocks but the
 * start. Frames and their bounds: gate/wire.h; messages: docs/gate.md.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/json.h"

struct gate_link;

/*
 * What came of a request: 0 and the answer (valid during the call), or -EPIPE: the gate has ended
 * (what it did, its audit says). Any other error: the connection was given up, and the gate may
 * still be at it: -ETIMEDOUT, -EBADMSG or -EMSGSIZE (it does not speak the protocol), -ENOMEM,
 * -ECANCELED (closed from here).
 */
typedef void (*gate_answer_fn)(void *ctx, int err, const cJSON *answer);

struct gate_link_config {
	const char *program;	/* path of runaway-gate */
	int folder_fd;		/* of the gate's own folder */
	const char *hello;	/* members of the first message, as a JSON object */
	unsigned int timeout_s; /* of the start */
};

/*
 * Starts the gate and waits until it has answered the first message: its answer is
 * in *ret_answer (cJSON_Delete()). 0; -ENOENT (no such program), -ETIMEDOUT, -EPIPE (it ended),
 * -EBADMSG, else what fork and the like say.
 */
int gate_link_start(const struct gate_link_config *c, struct gate_link **ret, cJSON **ret_answer);
/* Closes the socket, at which the gate ends. Requests that wait are answered with -ECANCELED. */
void gate_link_close(struct gate_link *l);

/* To poll for input, then run. */
int gate_link_fd(const struct gate_link *l);
/* Reads, writes, times out. False once the gate has ended or broke the protocol. */
bool gate_link_run(struct gate_link *l);
bool gate_link_alive(const struct gate_link *l);
pid_t gate_link_pid(const struct gate_link *l);
/* Requests that wait for an answer. */
size_t gate_link_waiting(const struct gate_link *l);

/*
 * Asks. `members` is a JSON object to which type and id are added; NULL: none. fn is called exactly
 * once, never within this function. 0, -EPIPE (it has ended), -EMSGSIZE, -ENOMEM (also: too many
 * wait for an answer); then fn is not called.
 */
int gate_link_ask(struct gate_link *l, const char *type, const char *members, gate_answer_fn fn,
		  void *ctx);
/* The same for what must find room whatever else waits: to disarm. */
int gate_link_ask_urgent(struct gate_link *l, const char *type, const char *members,
			 gate_answer_fn fn, void *ctx);
/*
 * Closes the connection for good, at which the gate ends. It is dead from now on; who waits is
 * answered with -ECANCELED by gate_link_run(), for which the descriptor becomes readable.
 */
void gate_link_give_up(struct gate_link *l);

#endif
