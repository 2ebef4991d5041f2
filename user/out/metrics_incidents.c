/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Incidents: how many, in which state, how they ended. */
#include "out/metrics_writer.h"

static void write_incidents(struct exposition *e)
{
	for (enum incident_status st = 0; st < INCIDENT_STATUS_MAX; st++) {
		for (enum runaway_severity sev = 0; sev < RUNAWAY_SEVERITY_MAX; sev++)
			runaway_metrics_u64(e, runaway_store_count(e->view->store, st, sev),
					    "status", runaway_incident_status_name(st), "severity",
					    runaway_severity_name(sev), NULL);
	}
}

static void write_stuck(struct exposition *e)
{
	uint64_t now_ns = runaway_model_realtime(e->view->model, runaway_model_now(e->view->model));

	runaway_metrics_u64(e, runaway_store_stuck(e->view->store, now_ns), NULL);
}

static void write_lane_opened(struct exposition *e, const struct lane *l)
{
	runaway_metrics_u64(e, runaway_store_opened_total(e->view->store, l->lane_id), "lane",
			    l->lane_id, NULL);
}

static void write_opened(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_opened);
}

static void write_lane_resolved(struct exposition *e, const struct lane *l)
{
	for (const char *const *p = runaway_resolution_paths(); *p; p++)
		runaway_metrics_u64(e, runaway_store_resolved_total(e->view->store, l->lane_id, *p),
				    "lane", l->lane_id, "path", *p, NULL);
}

static void write_resolved(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_resolved);
}

const struct metrics_family runaway_metrics_incidents[] = {
	{ "runaway_incidents", METRICS_GAUGE, "Incidents in the store.", write_incidents },
	{ "runaway_incidents_stuck", METRICS_GAUGE,
	  "Incidents not resolved and unchanged for an hour though their finding is over.",
	  write_stuck },
	{ "runaway_incidents_opened_total", METRICS_COUNTER, "Incidents opened.", write_opened },
	{ "runaway_incidents_resolved_total", METRICS_COUNTER, "Incidents resolved, by how.",
	  write_resolved },
	{ 0 },
};
