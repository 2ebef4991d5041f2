/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_ACTUATOR_PRIV_H
#define RUNAWAY_GATE_ACTUATOR_PRIV_H

/* What the actuator's files share, and its tests. */

#include "base/macros.h"
#include "gate/actuator.h"
#include "gate/confine.h"

extern const struct runaway_syscall runaway_actuator_syscalls[];
extern const size_t runaway_actuator_syscalls_count;

/* Never returns. `sock` is the only descriptor that the process has. */
_noreturn_ void runaway_actuator_main(int sock, uid_t uid, gid_t gid, uint64_t keep_caps);

/* How many of the calls that must fail with EPERM did not. Called behind the filter. */
unsigned int runaway_actuator_probe(void);

#endif
