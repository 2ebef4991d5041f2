/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_LOOK_H
#define RUNAWAY_GATE_LOOK_H

/* What the gate sees of a process, and of itself. Nothing here is believed from a message. */

#include "gate/guard.h"
#include "gate/judge.h"

/*
 * A descriptor that stands for this process and no other, whatever becomes of its pid.
 * NONE and *ret_pidfd (the caller closes it), or TARGET_GONE, TARGET_NO_PIDFD.
 */
enum runaway_reason runaway_look_hold(uint32_t pid, int *ret_pidfd);
/* Has the process behind it ended? Also when that cannot be told. */
bool runaway_look_ended(int pidfd);

/*
 * Reads what is behind an open pidfd: the kernel's snapshot, the digest of the arguments,
 * the cgroup's path. That the process lives afterwards says that all of it was its own.
 * ret->failed has the reason when it could not be read.
 */
void runaway_look(struct runaway_guard *g, const char *cgroup_controller, uint32_t pid, int pidfd,
		  struct runaway_seen *ret);

/*
 * Boot id, pids, the gate's own cgroup and ancestors. Called by the authoriser, whose
 * parent is the daemon. 0 or a negative errno.
 */
int runaway_look_at_self(const char *cgroup_controller, pid_t actuator_pid,
			 struct runaway_gate_self *ret);

/*
 * Path in the text of /proc/PID/cgroup ("" is v2), with U+FFFD for bytes that are no UTF-8. 0,
 * -ENOENT, -ENAMETOOLONG (at most RUNAWAY_PATH).
 */
int runaway_cgroup_path(const char *text, const char *controller, char *ret, size_t size);

#endif
