/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of the control protocol, as a client of somebody else's would send them. */
#include "fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char args[] = "chromium\0--headless\0\033[31m";
	static struct world w;

	if (!w.model) {
		world_init(&w, 1024, 16);
		world_cgroup(&w, 77, 1, "/ci.slice/job", RW_CG_MKDIR);
		world_orphan(&w, 500, "chrom\"\n\033", "smoke.sh", args, sizeof(args));
		world_burn(&w, 500, 1, 5);
		runaway_log_set_level(RUNAWAY_LOG_ERROR);
	}
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;
		_cleanup_free_ char *line = fuzz_copy(data, len);

		fuzz_ask(&w, line, len);
		data += end ? len + 1 : len;
		size -= end ? len + 1 : len;
	}
	return 0;
}
