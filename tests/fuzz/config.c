/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration: refused with a reason, or taken and written again as one that is taken. */
#include "fuzz/fuzz.h"

#include "daemon/config.h"

static void check_written(const struct config *c)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *error = NULL;
	struct json_writer w;
	struct config again;

	json_init(&w, &b, false);
	config_write(&w, c);
	MUST(b.error == 0);
	if (config_parse("again", b.data, b.len, &again, &error) < 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	config_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_copy(data, size), *same = fuzz_copy(data, size);
	_cleanup_free_ char *error = NULL, *other = NULL;
	struct lane_set lanes;
	struct config c;

	if (config_parse("fuzz", text, size, &c, &error) == 0) {
		check_written(&c);
		config_free(&c);
	} else {
		MUST(error && *error);
	}
	if (config_parse_lanes("fuzz", same, size, &lanes, &other) == 0)
		runaway_lane_set_free(&lanes);
	return 0;
}
