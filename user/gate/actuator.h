/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_ACTUATOR_H
#define RUNAWAY_GATE_ACTUATOR_H

/*
 * The only process of ours that holds CAP_KILL, and the only call that sends a signal:
 * SIGTERM, through a descriptor that somebody else opened and checked. It knows no plan,
 * no file and no name; it reads sixteen bytes and a descriptor, and answers with an errno.
 * All that it runs after its start is actuator.c; confine.c is what it gave up.
 *
 * Messages are fixed structs on a SOCK_SEQPACKET pair and not JSON: what holds the
 * capability parses nothing.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum runaway_actuator_job {
	/* Keep the descriptors that come with it (the kernel guard's links): no answer. */
	RUNAWAY_ACTUATOR_KEEP = 1,
	/* SIGTERM through the one pidfd that comes with it. */
	RUNAWAY_ACTUATOR_SIGNAL = 2,
};

struct runaway_actuator_request {
	uint32_t job;
	uint32_t number; /* repeated in the answer */
	/* CLOCK_BOOTTIME of its own time namespace: behind it nothing is sent. */
	uint64_t deadline_boot_ns;
};

struct runaway_actuator_answer {
	uint32_t number; /* 0: ready, the first answer of all */
	int32_t err;	 /* 0 or a negative errno */
};

#define RUNAWAY_ACTUATOR_FDS	  16 /* descriptors that may come with one message */
#define RUNAWAY_ACTUATOR_ANSWER_S 5  /* it answers at once or never */

struct runaway_actuator {
	int fd; /* -1: none */
	pid_t pid;
	uint32_t number;
};

/*
 * Forks it and waits until it has given up everything and has tried what it must not be
 * able to do. `keep_caps` is CAP_KILL's bit, or 0 in tests without privilege. 0 or a
 * negative errno: then there is no such process.
 */
int runaway_actuator_start(struct runaway_actuator *a, uid_t uid, gid_t gid, uint64_t keep_caps);
/* Closes the connection, at which it ends. Waits for that, but not for one that is frozen. */
void runaway_actuator_stop(struct runaway_actuator *a);

/* Is it there? One that has ended is stopped, and its fd -1. */
bool runaway_actuator_alive(struct runaway_actuator *a);

/* 0 or a negative errno. */
int runaway_actuator_keep(struct runaway_actuator *a, const int *fds, size_t count);

/*
 * Within ANSWER_S, and until that moment by runaway_boot_ns() only.
 * 0: sent. -ESRCH: gone. -EPERM: the kernel refused. -ETIME: past the deadline. -EPIPE: the
 * actuator is gone and no request reached it: nothing was sent. -EIO: no answer came, or not
 * to this request: whether it was sent is not known.
 */
int runaway_actuator_signal(struct runaway_actuator *a, int pidfd, uint64_t deadline_boot_ns);

#endif
