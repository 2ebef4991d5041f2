/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "out/metrics.h"

#define DEFAULT_NAME "host_runaway_process.prom"
#define FILE_MODE    0644 /* the collector runs as another user */

/* The file to write: `path`, or the default name in it when it is a folder. */
static char *target_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return runaway_path_join(path, DEFAULT_NAME);
	return strdup(path);
}

int runaway_textfile_write(const struct runaway_view *v, const char *path)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_free_ char *target = target_of(path);
	struct runaway_runtime runtime = *v->runtime;
	struct runaway_view now = *v;

	if (!target)
		return -ENOMEM;
	/* The file tells of itself: of this write, not of the one before. */
	runtime.textfile_last_write_realtime_ns = runaway_real_ns();
	now.runtime = &runtime;
	runaway_metrics_write(&now, METRICS_TEXT, &out);
	if (out.error)
		return out.error;
	return runaway_write_file_atomic(target, out.data, out.len, FILE_MODE);
}
