/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_LANDLOCK_H
#define RUNAWAY_BASE_LANDLOCK_H

/*
 * From now on this process, and what it forks, can signal nobody who was not forked under
 * the same rule: the kernel's Landlock, ABI 6 (Linux 6.12). It covers SIGIO by F_SETOWN
 * as well, and it cannot be undone. Sets no_new_privs. 1: in force; 0: this kernel has it
 * not; or a negative errno.
 */
int runaway_landlock_scope_signals(void);

#endif
