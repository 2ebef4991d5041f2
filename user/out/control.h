/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_CONTROL_H
#define RUNAWAY_OUT_CONTROL_H

/*
 * The control socket: a line of JSON each way,
 *   {"id":1,"method":"incident.list","params":{…}}
 *   {"id":1,"result":…} or {"id":1,"error":{"code":"not_found","message":"…"}}
 * at most 1 MiB a line. The peer's credentials come from the kernel and give its
 * role. Methods are a table; each names the least role that may call it.
 *
 * Error codes and the client's exit status: "usage" 2, "denied" 3, "gate_refused" 4,
 * "not_found" 5, "failed" 1.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "out/view.h"

#define RUNAWAY_CONTROL_LINE_MAX (1024 * 1024)
/* The message of "not_found" where an incident is asked for. */
#define RUNAWAY_CONTROL_NO_INCIDENT "no incident has the id \"%s\" (incident list shows whole ids)"

enum runaway_role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_OWNER };
const char *runaway_role_name(enum runaway_role r);

/* Who calls, by the kernel's word, as of the connection. */
struct runaway_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* no identity by itself */
	enum runaway_role role;
};

/* A call that the daemon answers itself, at once or later: what changes an incident, the gate. */
struct runaway_call {
	const char *method; /* "incident.apply" … (control_workflow.c) */
	struct runaway_peer peer;
	const cJSON
		*params; /* checked against the method's table; NULL: none; valid during the call */
	uint64_t token;	 /* for runaway_control_reply(); never 0 */
};

struct runaway_control_ops {
	/* Role of a peer. root is operator unless configured otherwise. */
	enum runaway_role (*role)(void *ctx, uid_t uid, gid_t gid, pid_t pid);
	/* Re-read the configuration. 0, or -EINVAL with *ret_error (malloc'ed). */
	int (*reload)(void *ctx, char **ret_error);
	/* Validate text; 0 or -EINVAL with *ret_error. */
	int (*check)(void *ctx, const char *name, const char *text, size_t len, char **ret_error);
	/* Write the configuration in force. */
	void (*show)(void *ctx, struct json_writer *w);
	/* Lanes of a configuration text ({"lanes":[…]} or one lane or an array) for lane.test.
	 * 0 or -EINVAL with *ret_error. */
	int (*lanes_from)(void *ctx, const char *name, const char *text, size_t len,
			  struct lane_set *ret, char **ret_error);
	/*
	 * Takes a call over. It is answered by exactly one runaway_control_reply() with its token,
	 * within this function or later; until then the client is not served further.
	 */
	void (*call)(void *ctx, const struct runaway_call *call);
	/*
	 * A call that it would have taken was denied, for the caller's role is not enough: for the
	 * record. Its parameters are not checked, there is no token. NULL: nobody wants to know.
	 */
	void (*denied)(void *ctx, const struct runaway_call *call);
};

struct runaway_control_config {
	const char *path;	     /* unix socket; an old one nobody listens on is replaced */
	mode_t mode;		     /* 0666: the role decides, not the file mode */
	unsigned int max_clients;    /* 64 */
	unsigned int idle_timeout_s; /* 60 */
};

struct runaway_control;

/* 0, -EADDRINUSE when a living daemon listens there, other negative errno. */
int runaway_control_open(const struct runaway_control_config *c, const struct runaway_view *v,
			 const struct runaway_control_ops *ops, void *ctx,
			 struct runaway_control **ret);
void runaway_control_close(struct runaway_control *c);	 /* removes the socket */
int runaway_control_fd(const struct runaway_control *c); /* an epoll fd: poll for input, then run */
void runaway_control_run(struct runaway_control *c);
/*
 * Answers a call. `code` NULL: `text` is the result as JSON; else one of the error codes, and
 * `text` the message. No effect when the client has gone or the token was answered.
 */
void runaway_control_reply(struct runaway_control *c, uint64_t token, const char *code,
			   const char *text);

#endif
