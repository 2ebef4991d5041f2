/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_STEP_H
#define RUNAWAY_LANES_STEP_H

#include "lanes/engine.h"

/* Private to the room. Do the numbers cross every limit of the lane now, whatever its hold time? */
bool runaway_lane_crossed(const struct lane *lane, const struct lane_numbers *n);

#endif
