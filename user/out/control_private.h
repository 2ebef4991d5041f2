/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_CONTROL_PRIVATE_H
#define RUNAWAY_OUT_CONTROL_PRIVATE_H

/* Between the files of the control socket; nobody else includes it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "out/control.h"

/* ---- control_request.c: from a line to a call, from a call to an answer ---- */

/* What the calls of all clients share. */
struct control_env {
	const struct runaway_view *view;
	const struct runaway_control_ops *ops;
	void *ctx;
	/*
	 * store.verify reads the whole store. So that callers cannot take the daemon's loop for
	 * themselves, the last answer is given again until twenty times its cost has passed.
	 */
	char *verify_json; /* owned; NULL: never asked */
	uint64_t verify_again_ns;
	uint64_t last_token; /* of calls that the daemon answers itself */
};

struct control_client;

/* One validated call. */
struct control_call {
	struct control_env *env;
	const cJSON *params; /* checked against the method's table; NULL: none given */
	const char *code;    /* set by runaway_control_fail() */
	char *message;	     /* owned */
};

enum control_param_type { PARAM_UINT, PARAM_BOOL, PARAM_STRING };

struct control_param {
	const char *name;
	enum control_param_type type;
	bool required;
	uint64_t min, max; /* of the value; of a string's bytes */
};

#define CONTROL_PARAMS_MAX 6

struct control_method {
	const char *name;
	enum runaway_role least;
	/* Writes the result. 0, or what runaway_control_fail() returned. NULL: the daemon answers.
	 */
	int (*run)(struct control_call *call, struct json_writer *w);
	struct control_param param[CONTROL_PARAMS_MAX]; /* ended by a NULL name */
};

/* Notes the error of a call; returns -1, so that a method can return it. */
int runaway_control_fail(struct control_call *call, const char *code, const char *fmt, ...)
	_printf_(3, 4);

/* Longest answer: a bound on what one request may cost in memory. */
#define CONTROL_ANSWER_MAX ((size_t)16 * 1024 * 1024)

/*
 * Answers one line (newline not included) of a client: appends a line to its `out`, or notes in
 * `waiting` that the answer comes later.
 */
void runaway_control_answer(struct control_env *env, struct control_client *c, const char *line,
			    size_t len);
/* The answer that a client waits for; it waits no longer. */
void runaway_control_answer_later(struct control_client *c, const char *code, const char *text);
/* Appends an error whose request is not known: id null. */
void runaway_control_error_line(const char *code, const char *message, struct strbuf *out);

/* ---- control_methods.c, control_workflow.c ---- */
const struct control_method *runaway_control_method(const char *name); /* NULL: no such */
extern const struct control_method runaway_control_workflow[];	       /* ended by a NULL name */

/* ---- control_client.c: one connection ---- */
struct control_client {
	int fd;		 /* owned */
	uint32_t events; /* what epoll is asked for */
	struct runaway_peer peer;
	uint64_t waiting;  /* token of the answer that is to come; 0: none */
	cJSON *waiting_id; /* owned: the request's id; NULL: it had none */
	struct strbuf in;
	size_t scanned; /* bytes of `in` known to hold no newline */
	bool skipping;	/* the rest of a line that was too long */
	bool eof;	/* the peer sends no more */
	bool broken;	/* to be dropped */
	struct strbuf out;
	size_t sent;	    /* bytes of `out` already written */
	uint64_t active_ns; /* last byte either way, CLOCK_MONOTONIC */
	struct control_client *prev, *next;
};

/* A client with more than this unread is not served until it reads. */
#define CONTROL_QUEUE_HIGH ((size_t)256 * 1024)
/* Lines answered for one client before the next one has its turn. */
#define CONTROL_TURN 8

void runaway_control_client_read(struct control_client *c, uint64_t now_ns);
/* Answers at most CONTROL_TURN lines, and after the first none that begins after until_ns. */
void runaway_control_client_serve(struct control_client *c, struct control_env *env,
				  uint64_t until_ns);
/* Bytes are left that another turn would look at, and there is room for answers. */
bool runaway_control_client_pending(const struct control_client *c);
void runaway_control_client_write(struct control_client *c, uint64_t now_ns);
size_t runaway_control_client_queued(const struct control_client *c);
/* Nothing left to do for a peer that has gone or must go. */
bool runaway_control_client_over(const struct control_client *c);
/* What epoll should wait for now. */
uint32_t runaway_control_client_wants(const struct control_client *c);
void runaway_control_client_free(struct control_client *c);

#endif
