/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/metrics_writer.h"

static const struct metrics_family *const tables[] = {
	runaway_metrics_sensor,	   runaway_metrics_findings, runaway_metrics_model,
	runaway_metrics_incidents, runaway_metrics_gate,     runaway_metrics_self,
};

static void write_families(struct exposition *e)
{
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct metrics_family *f = tables[t]; f->name; f++) {
			e->family = f;
			e->headed = false;
			f->write(e);
		}
	}
	if (e->format == METRICS_OPENMETRICS)
		strbuf_adds(e->out, "# EOF\n");
}

void runaway_metrics_write(const struct runaway_view *v, enum metrics_format f, struct strbuf *out)
{
	struct exposition e = { .view = v, .format = f, .out = out };
	int err;

	runaway_metrics_read_self(&e.self);
	err = runaway_out_group_index_init(&e.groups, v->model);
	if (!err)
		err = runaway_metrics_findings_init(&e);
	if (err)
		out->error = err;
	else
		write_families(&e);
	runaway_metrics_findings_free(&e);
	runaway_out_group_index_free(&e.groups);
}
