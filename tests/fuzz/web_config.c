/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exporters' web configuration: YAML, of which the least part is known. */
#include "fuzz/fuzz.h"

#include "out/web_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *why = NULL;
	struct runaway_web_config *c = NULL;
	static char path[32], file[64];
	static int folder = -1;

	if (folder < 0) {
		folder = fuzz_folder(path);
		snprintf(file, sizeof(file), "%s/web.yml", path);
	}
	fuzz_write(folder, "web.yml", data, size);
	if (runaway_web_config_read(file, &c, &why) == 0)
		runaway_web_config_free(c);
	else
		MUST(why && *why);
	unlinkat(folder, "web.yml", 0);
	return 0;
}
