/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording, through the model, the lanes and the incidents to all that is told of them:
 * the records of the kernel have the same form.
 */
#include "fuzz/world.h"

#include "sensor/records.h"

static void take(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct world *w = ctx;

	if (runaway_model_apply(w->model, rec, len) == 0 && rec->type == RW_TICK)
		runaway_engine_tick(w->engine, w->model);
}

static void ask_all(struct world *w)
{
	static const char *const lines[] = {
		"{\"id\":1,\"method\":\"status\"}",
		"{\"id\":1,\"method\":\"doctor\"}",
		"{\"id\":1,\"method\":\"proc.orphans\"}",
		"{\"id\":1,\"method\":\"finding.list\"}",
		"{\"id\":1,\"method\":\"incident.list\"}",
		"{\"id\":1,\"method\":\"lane.list\"}",
		"{\"id\":1,\"method\":\"cgroup.top\"}",
		"{\"id\":1,\"method\":\"proc.tree\",\"params\":{\"pid\":12}}",
		"{\"id\":1,\"method\":\"proc.show\",\"params\":{\"pid\":12}}",
	};
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t n = 0; n < ARRAY_SIZE(lines); n++)
		fuzz_ask(w, lines[n], strlen(lines[n]));
	runaway_metrics_write(&w->view, METRICS_OPENMETRICS, &b);
	MUST(b.error == 0 && b.len > 0);
}

size_t fuzz_rounds = 250;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *copy = fuzz_copy(data, size);
	FILE *f = size ? fmemopen(copy, size, "r") : NULL;
	uint64_t at;
	struct world w;

	runaway_log_set_level(RUNAWAY_LOG_ERROR);
	if (!f)
		return 0;
	world_init(&w, 256, 16);
	(void)sensor_records_read(f, UINT64_MAX, take, &w, &at);
	fclose(f);
	ask_all(&w);
	world_free(&w);
	return 0;
}
