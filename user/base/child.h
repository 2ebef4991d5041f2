/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_CHILD_H
#define RUNAWAY_BASE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Reaps a child that has been told to end, for which it gets so many ms. False: it lives
 * still. One that is stopped or frozen does, and nobody of ours could end it sooner; when
 * it goes on it ends, and whoever is its parent then reaps it. True as well when there is
 * no such child, or pid <= 0.
 */
bool runaway_child_reap(pid_t pid, unsigned int limit_ms);

#endif
