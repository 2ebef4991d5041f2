/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_SENSOR_RECORDS_H
#define RUNAWAY_SENSOR_RECORDS_H

/* Reading a file of records: what recordings and the journal have in common. */

#include <stdio.h>

#include "sensor/sensor.h"

/*
 * Feeds the records of a stream that stands at its beginning, up to the byte
 * `limit`. 0 at the end; -EBADMSG when it holds no records or damaged ones, -ENODATA
 * when the last one is torn, -EIO, -ENOMEM; *ret_offset (may be NULL) is where.
 */
int sensor_records_read(FILE *f, uint64_t limit, runaway_sink_fn sink, void *ctx,
			uint64_t *ret_offset);

#endif
