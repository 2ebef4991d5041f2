/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_NO_SIGNALS_H
#define RUNAWAY_BASE_NO_SIGNALS_H

/*
 * From now on this process, and what it forks, is refused (EPERM) every system call that
 * sends a signal to another, arranges for one, or takes another process over: a seccomp
 * filter, on every kernel, against which not even the same user id helps. Its own threads
 * it may signal, for abort(3). Needs no_new_privs, cannot be undone. 0 or a negative errno.
 */
int runaway_no_signals(void);

#endif
