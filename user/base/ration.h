/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_RATION_H
#define RUNAWAY_BASE_RATION_H

/*
 * What strangers cause to be written is rationed: so many at once, one a second in the long
 * run. All zeros is a full ration.
 */

#include <stdbool.h>
#include <stdint.h>

#define RUNAWAY_RATION_AT_ONCE 60

struct runaway_ration {
	uint64_t second;  /* of `now_ns`, to which `spent` belongs */
	uint32_t spent;	  /* of RUNAWAY_RATION_AT_ONCE; one comes back each second */
	uint64_t refused; /* how often there was none left */
};

/* Takes one. `now_ns`: a clock that does not go back. False when none is left: counted. */
bool runaway_ration_take(struct runaway_ration *r, uint64_t now_ns);

#endif
