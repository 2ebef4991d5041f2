/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host, its processes and its cgroups. */
#include "out/metrics_writer.h"

#include <math.h>
#include <string.h>

static const struct runaway_host_state *host(const struct exposition *e)
{
	return runaway_model_host(e->view->model);
}

static const struct runaway_model_counters *counters(const struct exposition *e)
{
	return runaway_model_counters(e->view->model);
}

/* A figure of the host, absent while it is not known. */
static void host_double(struct exposition *e, double v)
{
	if (host(e)->known && !isnan(v))
		runaway_metrics_double(e, v, NULL);
}

struct cgroup_row {
	char *labels; /* escaped, owned */
	uint64_t cpu_ns;
};

struct cgroup_rows {
	struct cgroup_row *row;
	size_t count, cap;
	uint64_t without;
	bool failed;
};

static void cgroup_add(void *ctx, struct runaway_cgroup *cg)
{
	struct cgroup_rows *rows = ctx;
	char *labels;

	if (!cg->has_series) {
		rows->without++;
		return;
	}
	if (rows->count == rows->cap) {
		size_t cap = rows->cap ? rows->cap * 2 : 256;
		struct cgroup_row *row = reallocarray(rows->row, cap, sizeof(*row));

		if (!row) {
			rows->failed = true;
			return;
		}
		rows->row = row;
		rows->cap = cap;
	}
	labels = runaway_metrics_labels("cgroup", cg->path ? cg->path : "_unknown", NULL);
	if (labels)
		rows->row[rows->count++] = (struct cgroup_row){ labels, cg->series_cpu_ns };
	else
		rows->failed = true;
}

static int cgroup_compare(const void *a, const void *b)
{
	const struct cgroup_row *x = a, *y = b;

	return strcmp(x->labels, y->labels);
}

/* A path that was removed and made again is one series: the sum of both. */
static void write_cgroup_cpu(struct exposition *e)
{
	struct cgroup_rows rows = { 0 };

	runaway_model_each_cgroup(e->view->model, cgroup_add, &rows);
	if (rows.failed)
		e->out->error = -ENOMEM;
	if (rows.count)
		qsort(rows.row, rows.count, sizeof(*rows.row), cgroup_compare);
	for (size_t i = 0; i < rows.count;) {
		const char *labels = rows.row[i].labels;
		uint64_t cpu_ns = 0;

		for (; i < rows.count && strcmp(rows.row[i].labels, labels) == 0; i++)
			cpu_ns += rows.row[i].cpu_ns;
		runaway_metrics_ns_at(e, labels, cpu_ns);
	}
	runaway_metrics_ns(e, counters(e)->other_cgroup_cpu_ns, "cgroup", "_other", NULL);
	e->dropped += rows.without;
	for (size_t i = 0; i < rows.count; i++)
		free(rows.row[i].labels);
	free(rows.row);
}

static void write_short_lived(struct exposition *e)
{
	host_double(e, host(e)->short_lived_seconds);
}

static void write_unattributed(struct exposition *e)
{
	host_double(e, host(e)->unattributed_seconds);
}

static void write_steal(struct exposition *e)
{
	host_double(e, host(e)->steal_seconds);
}

static void write_processes(struct exposition *e)
{
	runaway_metrics_u64(e, runaway_model_living(e->view->model), NULL);
}

static void write_remembered(struct exposition *e)
{
	runaway_metrics_u64(e, runaway_model_remembered(e->view->model), NULL);
}

static void write_forks(struct exposition *e)
{
	runaway_metrics_u64(e, counters(e)->forks, NULL);
}

static void write_execs(struct exposition *e)
{
	runaway_metrics_u64(e, counters(e)->execs, NULL);
}

static void write_exits(struct exposition *e)
{
	runaway_metrics_u64(e, counters(e)->exits, NULL);
}

static void write_load5(struct exposition *e)
{
	host_double(e, host(e)->load5_per_core);
}

static void write_swap(struct exposition *e)
{
	host_double(e, host(e)->swap_used_ratio);
}

static void write_ci_containers(struct exposition *e)
{
	if (host(e)->known)
		runaway_metrics_u64(e, host(e)->ci_containers, NULL);
}

static void write_pressure_of(struct exposition *e, const char *resource, const double v[3])
{
	static const char *const windows[3] = { "10s", "60s", "300s" };

	for (size_t i = 0; host(e)->known && i < ARRAY_SIZE(windows); i++) {
		if (!isnan(v[i]))
			runaway_metrics_double(e, v[i], "resource", resource, "window", windows[i],
					       NULL);
	}
}

static void write_pressure(struct exposition *e)
{
	write_pressure_of(e, "cpu", host(e)->psi_cpu_some);
	write_pressure_of(e, "memory", host(e)->psi_memory_some);
	write_pressure_of(e, "io", host(e)->psi_io_some);
}

static void write_pressure_full(struct exposition *e)
{
	write_pressure_of(e, "memory", host(e)->psi_memory_full);
	write_pressure_of(e, "io", host(e)->psi_io_full);
}

const struct metrics_family runaway_metrics_model[] = {
	{ "runaway_cgroup_cpu_seconds_total", METRICS_COUNTER,
	  "CPU of a cgroup with all its descendants, short-lived processes included.",
	  write_cgroup_cpu },
	{ "runaway_short_lived_cpu_seconds_total", METRICS_COUNTER,
	  "CPU of processes that no scan saw alive.", write_short_lived },
	{ "runaway_cpu_unattributed_seconds_total", METRICS_COUNTER,
	  "CPU that the host counted and no process was charged with.", write_unattributed },
	{ "runaway_host_steal_seconds_total", METRICS_COUNTER,
	  "CPU that the hypervisor gave to others.", write_steal },
	{ "runaway_processes", METRICS_GAUGE, "Living processes.", write_processes },
	{ "runaway_remembered_processes", METRICS_GAUGE,
	  "Dead processes kept because a living descendant needs their story.", write_remembered },
	{ "runaway_process_forks_total", METRICS_COUNTER, "Processes forked.", write_forks },
	{ "runaway_process_execs_total", METRICS_COUNTER, "Programs executed.", write_execs },
	{ "runaway_process_exits_total", METRICS_COUNTER, "Processes that ended.", write_exits },
	{ "runaway_host_load5_per_core", METRICS_GAUGE,
	  "Load average of five minutes divided by the CPUs.", write_load5 },
	{ "runaway_host_swap_used_ratio", METRICS_GAUGE, "Share of the swap in use.", write_swap },
	{ "runaway_active_ci_containers", METRICS_GAUGE, "Living containers of CI runners.",
	  write_ci_containers },
	{ "runaway_host_pressure_ratio", METRICS_GAUGE,
	  "Share of time in which some task waited for the resource.", write_pressure },
	{ "runaway_host_pressure_full_ratio", METRICS_GAUGE,
	  "Share of time in which all tasks waited for the resource.", write_pressure_full },
	{ 0 },
};
