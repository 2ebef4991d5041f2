/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/ration.h"

#include "base/macros.h"

bool runaway_ration_take(struct runaway_ration *r, uint64_t now_ns)
{
	const uint64_t second = now_ns / NSEC_PER_SEC, passed = second - r->second;

	r->second = second;
	r->spent -= (uint32_t)MIN(passed, (uint64_t)r->spent);
	if (r->spent == RUNAWAY_RATION_AT_ONCE) {
		r->refused++;
		return false;
	}
	r->spent++;
	return true;
}
