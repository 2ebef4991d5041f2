/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of /proc: stat, status, cmdline, environ, cgroup, loadavg, meminfo, stat, pressure; 0xff
 * between. */
#include "fuzz/fuzz.h"

#include "sensor/harness.h"

static const char *const files[] = { "10/stat",	     "10/status",	"10/cmdline",  "10/environ",
				     "10/cgroup",    "loadavg",		"meminfo",     "stat",
				     "pressure/cpu", "pressure/memory", "pressure/io", "cgroups" };
static const char *const names[] = { "CI", "GITHUB_RUN_ID", NULL };

size_t fuzz_rounds = 250;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig *g;
	char comm[RW_COMM_LEN];
	struct proc_stat st;
	void *state;

	if (!g) {
		MUST(rig_setup(&state) == 0);
		g = state;
		runaway_log_set_level(RUNAWAY_LOG_ERROR);
		g->s.marker_names = names;
	}
	g->count = 0;
	for (size_t n = 0; n < ARRAY_SIZE(files); n++) {
		_cleanup_free_ char *part = NULL;
		size_t len;

		part = fuzz_part(&data, &size, &len);
		rig_file(g, files[n], part, len);
	}
	if (sensor_proc_stat(&g->s, 10, &st) == 0) {
		struct rw_id id = { .pid = 10, .start_ns = st.start_ns };

		(void)sensor_proc_is(&g->s, id);
		sensor_snapshot_add(&g->s, id);
		sensor_snapshot_enrich(&g->s);
		sensor_enrich_flush(&g->s);
	}
	(void)sensor_proc_reaper_flags(&g->s, 10, comm);
	(void)sensor_cgroups_hierarchy(g->root, "cpu");
	if (sensor_host_open(&g->s) == 0)
		sensor_host_read(&g->s);
	sensor_host_close(&g->s);
	return 0;
}
