/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_OUT_METRICS_H
#define RUNAWAY_OUT_METRICS_H

/* The exposition: every family of the interface, from the view. */

#include "base/strbuf.h"
#include "out/view.h"

enum metrics_format {
	METRICS_TEXT,	     /* text/plain; version=0.0.4; charset=utf-8 */
	METRICS_OPENMETRICS, /* application/openmetrics-text; version=1.0.0; charset=utf-8 */
};

/* From an Accept header (NULL: none): OpenMetrics only when asked for with a higher quality. */
enum metrics_format runaway_metrics_negotiate(const char *accept);
const char *runaway_metrics_content_type(enum metrics_format f);

/* Appends the whole exposition. An error is out->error. */
void runaway_metrics_write(const struct runaway_view *v, enum metrics_format f, struct strbuf *out);

/*
 * Writes the textfile: temporary file beside it, fsync, rename. `path` may be a
 * folder: then host_runaway_process.prom in it. 0 or negative errno.
 */
int runaway_textfile_write(const struct runaway_view *v, const char *path);

#endif
