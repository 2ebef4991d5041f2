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

enum runaway_role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_OWNER };
const char *runaway_role_name(enum runaway_role r);

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

#endif
