/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lanes, findings, orphans. Names of processes become labels here and nowhere
 * else: open findings only, one series a label set, at most ROWS_MAX, the rest
 * of a lane summed under "_other".
 */
#include "out/metrics_writer.h"

#include <string.h>

#define ROWS_MAX 100
#define OTHER	 "_other"

struct finding_row {
	char *labels; /* escaped, owned */
	bool cores_known, processes_known;
	double cpu_cores;
	double age_s; /* of the oldest */
	uint64_t processes;
};

static struct finding_row *row_find(struct exposition *e, const char *labels)
{
	for (size_t i = 0; i < e->row_count; i++) {
		if (strcmp(e->rows[i].labels, labels) == 0)
			return &e->rows[i];
	}
	return NULL;
}

static void row_merge(struct finding_row *into, const struct finding_row *r)
{
	into->cores_known |= r->cores_known;
	into->processes_known |= r->processes_known;
	into->cpu_cores += r->cpu_cores;
	into->processes += r->processes;
	into->age_s = MAX(into->age_s, r->age_s);
}

static char *labels_of(const char *lane, const char *comm, const char *origin_comm,
		       const char *cgroup)
{
	return runaway_metrics_labels("lane", lane, "comm", comm, "origin_comm", origin_comm,
				      "cgroup", cgroup, NULL);
}

/* Takes r->labels. `own` counts rows with names; afterwards only the lanes' _other rows come. */
static int row_add(struct exposition *e, const char *lane, struct finding_row r, size_t *own)
{
	struct finding_row *have = row_find(e, r.labels);

	if (!have && *own == ROWS_MAX) {
		free(r.labels);
		r.labels = labels_of(lane, OTHER, OTHER, OTHER);
		if (!r.labels)
			return -ENOMEM;
		e->dropped++;
		have = row_find(e, r.labels);
	} else if (!have) {
		(*own)++;
	}
	if (have) {
		row_merge(have, &r);
		free(r.labels);
	} else {
		e->rows[e->row_count++] = r;
	}
	return 0;
}

static int finding_add(struct exposition *e, const struct runaway_finding *f, size_t *own)
{
	uint64_t now_ns = runaway_model_now(e->view->model);
	const char *lane = f->lane->lane_id;
	struct finding_row r = { 0 };
	struct subject_now s;

	runaway_out_subject_now(e->view, &e->groups, f, &s);
	r.labels = labels_of(lane, s.comm, s.origin_comm, s.cgroup);
	if (!r.labels)
		return -ENOMEM;
	r.cores_known = s.known;
	r.cpu_cores = s.cpu_cores;
	r.processes_known = s.known && s.processes_known;
	r.processes = s.processes;
	r.age_s = now_ns > f->since_ns ? (double)(now_ns - f->since_ns) / 1e9 : 0;
	return row_add(e, lane, r, own);
}

int runaway_metrics_findings_init(struct exposition *e)
{
	const struct lane_set *lanes = runaway_engine_lanes(e->view->engine);
	size_t own = 0;

	/* Each lane can have one row more, its _other. */
	e->rows = calloc(ROWS_MAX + (lanes ? lanes->count : 0), sizeof(*e->rows));
	if (!e->rows)
		return -ENOMEM;
	for (const struct runaway_finding *f = runaway_engine_findings(e->view->engine); f;
	     f = f->hh.next) {
		int err = finding_add(e, f, &own);

		if (err)
			return err;
	}
	return 0;
}

void runaway_metrics_findings_free(struct exposition *e)
{
	for (size_t i = 0; i < e->row_count; i++)
		free(e->rows[i].labels);
	free(e->rows);
}

static void write_lane_findings(struct exposition *e, const struct lane *l)
{
	for (enum runaway_severity s = 0; s < RUNAWAY_SEVERITY_MAX; s++)
		runaway_metrics_u64(e, runaway_engine_open_count(e->view->engine, l->lane_id, s),
				    "lane", l->lane_id, "severity", runaway_severity_name(s), NULL);
}

static void write_findings(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_findings);
}

static void write_lane_groups(struct exposition *e, const struct lane *l)
{
	size_t n = 0;

	if (l->subject == RUNAWAY_SUBJECT_ORPHAN_TREE)
		n = runaway_engine_open_count(e->view->engine, l->lane_id, RUNAWAY_SEVERITY_MAX);
	runaway_metrics_u64(e, n, "lane", l->lane_id, NULL);
}

static void write_groups(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_groups);
}

static void write_lane_cpu(struct exposition *e, const struct lane *l)
{
	runaway_metrics_double(e, runaway_engine_lane_cpu_seconds(e->view->engine, l->lane_id),
			       "lane", l->lane_id, NULL);
}

static void write_orphan_cpu(struct exposition *e)
{
	runaway_metrics_each_lane(e, write_lane_cpu);
}

static void write_finding_cores(struct exposition *e)
{
	for (const struct finding_row *r = e->rows; r < e->rows + e->row_count; r++) {
		if (r->cores_known)
			runaway_metrics_double_at(e, r->labels, r->cpu_cores);
	}
}

static void write_finding_age(struct exposition *e)
{
	for (const struct finding_row *r = e->rows; r < e->rows + e->row_count; r++)
		runaway_metrics_double_at(e, r->labels, r->age_s);
}

static void write_finding_processes(struct exposition *e)
{
	for (const struct finding_row *r = e->rows; r < e->rows + e->row_count; r++) {
		if (r->processes_known)
			runaway_metrics_u64_at(e, r->labels, r->processes);
	}
}

static void write_reparented(struct exposition *e)
{
	const struct runaway_model_counters *c = runaway_model_counters(e->view->model);

	for (enum runaway_reaper r = 0; r < RUNAWAY_REAPER_MAX; r++)
		runaway_metrics_u64(
			e, c->orphans_by_reaper[r], "reaper",
			r == RUNAWAY_REAPER_UNKNOWN ? "unknown" : runaway_reaper_name(r), NULL);
}

const struct metrics_family runaway_metrics_findings[] = {
	{ "runaway_findings", METRICS_GAUGE, "Open findings of a lane.", write_findings },
	{ "runaway_orphan_groups", METRICS_GAUGE,
	  "Orphan trees with their process group that have an open finding of this lane.",
	  write_groups },
	{ "runaway_finding_cpu_cores", METRICS_GAUGE, "CPU that an open finding's subject uses.",
	  write_finding_cores },
	{ "runaway_finding_age_seconds", METRICS_GAUGE, "How long a finding has been open.",
	  write_finding_age },
	{ "runaway_finding_processes", METRICS_GAUGE, "Living processes of a finding's subject.",
	  write_finding_processes },
	{ "runaway_orphan_cpu_seconds_total", METRICS_COUNTER,
	  "CPU that the subjects of a lane's findings burned since they were orphaned.",
	  write_orphan_cpu },
	{ "runaway_orphans_reparented_total", METRICS_COUNTER,
	  "Processes that became orphans, by who took them.", write_reparented },
	{ 0 },
};
