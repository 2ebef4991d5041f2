/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_BUILTIN_H
#define RUNAWAY_LANES_BUILTIN_H

#include "lanes/lane.h"

/* Private to the room. The built-in lane of that id; -ENOENT when there is none, -ENOMEM. */
int runaway_lane_builtin(const char *lane_id, struct lane *ret);

#endif
