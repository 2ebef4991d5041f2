/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_CONFINE_H
#define RUNAWAY_GATE_CONFINE_H

/*
 * What a process of the gate gives up, for good: root, capabilities, resources, system
 * calls. No library stands behind the filter: it is a list to read.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * Becomes that user, with the capabilities of the mask (bit per capability) and no other
 * in any set, no groups, no_new_privs, not dumpable (nobody may trace it or look into it).
 * What is left is read back and compared. 0, -EINVAL for uid or gid 0, or a negative errno:
 * then the caller must end. As somebody who is not root already it stays who it is.
 */
int runaway_confine_drop(uid_t uid, gid_t gid, uint64_t caps);

/* Both limits of a resource, for good. 0 or a negative errno. */
int runaway_confine_limit(__rlimit_resource_t resource, rlim_t value);

#define RUNAWAY_SYSCALL_ARGS 3

/* A system call that is let through: when, for each i < checks, (arg[i] & mask) == value. */
struct runaway_syscall {
	uint32_t nr;
	unsigned int checks;
	struct {
		unsigned int arg; /* 0 to 5 */
		uint64_t mask, value;
	} check[RUNAWAY_SYSCALL_ARGS];
};

/*
 * From now on the calls of the list, and EPERM for all others. A call of a foreign
 * architecture (or of x32) kills the process. The same call may stand in the list more than
 * once: any of its lines lets it through. Needs no_new_privs. 0, -E2BIG, or a negative errno.
 */
int runaway_confine_syscalls(const struct runaway_syscall *allowed, size_t count);

#endif
