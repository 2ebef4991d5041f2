/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/view.h"

/* Scans missed in a row before the sensor counts as stalled: one may be an overrun. */
#define STALE_INTERVALS 3

const char *const runaway_rescan_names[4] = {
	[RESCAN_START] = "start",
	[RESCAN_LOSS] = "loss",
	[RESCAN_MISMATCH] = "mismatch",
	[RESCAN_PERIODIC] = "periodic",
};

void runaway_histogram_add(struct runaway_histogram *h, double v)
{
	/* NaN compares false with everything: it would land in +Inf and spoil the sum. */
	if (v != v)
		return;
	h->count++;
	h->sum += v;
	for (size_t i = 0; i < h->buckets && i < RUNAWAY_HIST_BUCKETS; i++) {
		if (v <= h->le[i]) {
			h->bucket[i]++;
			return;
		}
	}
}

bool runaway_view_scan_recent(const struct runaway_view *v, uint64_t now_ns, uint64_t *ret_age_ns)
{
	uint64_t last_ns = v->sensor ? runaway_sensor_stats(v->sensor)->scan_last_ns : 0;
	uint64_t age_ns = UINT64_MAX;

	if (last_ns)
		age_ns = now_ns > last_ns ? now_ns - last_ns : 0;
	if (ret_age_ns)
		*ret_age_ns = age_ns;
	return last_ns && age_ns <= STALE_INTERVALS * v->runtime->interval_ns;
}
