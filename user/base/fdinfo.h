/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_FDINFO_H
#define RUNAWAY_BASE_FDINFO_H

/* What the kernel tells of a descriptor in /proc/self/fdinfo. */

#include <stdint.h>

/*
 * Runs of a BPF program that the kernel skipped; fd is the opened fdinfo of the program's own
 * descriptor, and needs no right. 0; -ENOENT where the kernel does not count: before 5.12
 * (9ed9e9ba2337), which skips no run of a tracepoint's or fmod_ret program; -EBADF for fd -1; or
 * another negative errno.
 */
int runaway_prog_misses(int fd, uint64_t *ret_misses);

#endif
