/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sensor's own health: what works, what was lost, what is full. */
#include "out/metrics_writer.h"

/* Records that the kernel side makes, by the word of the label `event`. */
static const struct {
	uint16_t type;
	const char *name;
} events[] = {
	{ RW_FORK, "fork" },	     { RW_EXEC, "exec" },	  { RW_EXIT, "exit" },
	{ RW_CHILDREN, "children" }, { RW_REPARENT, "reparent" }, { RW_CGROUP, "cgroup" },
	{ RW_TASK, "task" },	     { RW_CPU, "cpu" },		  { RW_FREE, "free" },
	{ RW_SIGNAL, "signal" },
};

static const struct runaway_sensor_stats *stats(const struct exposition *e)
{
	return e->view->sensor ? runaway_sensor_stats(e->view->sensor) : NULL;
}

static void write_monitor_up(struct exposition *e)
{
	const struct runaway_runtime *r = e->view->runtime;

	runaway_metrics_u64(e, r->scan_ok && r->events_ok, NULL);
}

static void write_sensor_up(struct exposition *e)
{
	const struct runaway_runtime *r = e->view->runtime;

	runaway_metrics_u64(e, r->events_ok, "component", "bpf", NULL);
	runaway_metrics_u64(e, r->scan_ok, "component", "scan", NULL);
	runaway_metrics_u64(e, r->cgroup_ok, "component", "cgroup", NULL);
	runaway_metrics_u64(e, r->store_ok, "component", "store", NULL);
	runaway_metrics_u64(e, r->gate.alive, "component", "gate", NULL);
}

static void write_build_info(struct exposition *e)
{
	const struct runaway_runtime *r = e->view->runtime;
	const struct runaway_features *f =
		e->view->sensor ? runaway_sensor_features(e->view->sensor) : NULL;

	runaway_metrics_u64(e, 1, "version", r->version, "commit", r->commit, "libbpf",
			    f ? f->libbpf : NULL, NULL);
}

static void write_sensor_info(struct exposition *e)
{
	const struct runaway_features *f;

	if (!e->view->sensor)
		return;
	f = runaway_sensor_features(e->view->sensor);
	runaway_metrics_u64(e, 1, "scan", f->scan, "reparent_hook", f->reparent_hook, "cgroup_mode",
			    runaway_cgroup_source_name(f->cgroups), "gate_guard",
			    runaway_gate_view_guard(&e->view->runtime->gate), NULL);
}

static void write_received(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	for (size_t i = 0; s && i < ARRAY_SIZE(events); i++)
		runaway_metrics_u64(e, s->received[events[i].type], "event", events[i].name, NULL);
}

static void write_lost(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	for (size_t i = 0; s && i < ARRAY_SIZE(events); i++)
		runaway_metrics_u64(e, s->kernel.dropped[events[i].type], "event", events[i].name,
				    NULL);
}

static void write_gaps(struct exposition *e)
{
	if (stats(e))
		runaway_metrics_u64(e, stats(e)->sequence_gaps, NULL);
}

static void write_read_faults(struct exposition *e)
{
	if (stats(e))
		runaway_metrics_u64(e, stats(e)->kernel.read_faults, NULL);
}

static void write_refused(struct exposition *e)
{
	const struct runaway_model_counters *c = runaway_model_counters(e->view->model);

	runaway_metrics_u64(e, c->malformed + (stats(e) ? stats(e)->malformed : 0), "reason",
			    "malformed", NULL);
	runaway_metrics_u64(e, c->unknown_process, "reason", "unknown_process", NULL);
	runaway_metrics_u64(e, c->processes_full, "reason", "processes_full", NULL);
	runaway_metrics_u64(e, c->cgroups_full, "reason", "cgroups_full", NULL);
}

static void write_misses(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	for (size_t i = 0; s && i < s->prog_count && i < RUNAWAY_PROGS_MAX; i++)
		runaway_metrics_u64(e, s->prog[i].misses, "program", s->prog[i].name, NULL);
}

static void write_rescans(struct exposition *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(runaway_rescan_names); i++)
		runaway_metrics_u64(e, e->view->runtime->rescans_by_reason[i], "reason",
				    runaway_rescan_names[i], NULL);
}

static void write_map_entries(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	for (size_t i = 0; s && i < s->map_count && i < ARRAY_SIZE(s->map); i++)
		runaway_metrics_u64(e, s->map[i].entries, "map", s->map[i].name, NULL);
}

static void write_map_capacity(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	for (size_t i = 0; s && i < s->map_count && i < ARRAY_SIZE(s->map); i++)
		runaway_metrics_u64(e, s->map[i].capacity, "map", s->map[i].name, NULL);
}

static void write_map_errors(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	for (size_t i = 0; s && i < s->map_count && i < ARRAY_SIZE(s->map); i++)
		runaway_metrics_u64(e, s->map[i].errors, "map", s->map[i].name, NULL);
	if (s)
		runaway_metrics_u64(e, s->kernel.map_errors, "map", "other", NULL);
}

static void write_map_swept(struct exposition *e)
{
	if (stats(e))
		runaway_metrics_u64(e, stats(e)->swept, NULL);
}

static void write_scan_success(struct exposition *e)
{
	const struct runaway_sensor_stats *s = stats(e);

	if (s && s->scan_last_ns)
		runaway_metrics_ns(e, runaway_model_realtime(e->view->model, s->scan_last_ns),
				   NULL);
}

static void write_scans(struct exposition *e)
{
	if (stats(e))
		runaway_metrics_u64(e, stats(e)->scans, NULL);
}

static void write_scan_failures(struct exposition *e)
{
	if (stats(e))
		runaway_metrics_u64(e, stats(e)->scan_failures, NULL);
}

static void write_scan_overruns(struct exposition *e)
{
	if (stats(e))
		runaway_metrics_u64(e, stats(e)->scan_overruns, NULL);
}

static void write_scan_duration(struct exposition *e)
{
	runaway_metrics_histogram(e, &e->view->runtime->scan_duration);
}

static void write_event_latency(struct exposition *e)
{
	runaway_metrics_histogram(e, &e->view->runtime->event_latency);
}

static void write_detection_delay(struct exposition *e)
{
	runaway_metrics_histogram(e, &e->view->runtime->detection_delay);
}

const struct metrics_family runaway_metrics_sensor[] = {
	{ "runaway_monitor_up", METRICS_GAUGE, "1 while both scans and kernel events work.",
	  write_monitor_up },
	{ "runaway_sensor_up", METRICS_GAUGE,
	  "1 while this component works; the gate is 0 when off.", write_sensor_up },
	{ "runaway_build_info", METRICS_GAUGE, "Version of the running daemon.", write_build_info },
	{ "runaway_sensor_info", METRICS_GAUGE, "Variants in use on this kernel.",
	  write_sensor_info },
	{ "runaway_events_received_total", METRICS_COUNTER, "Records read from the kernel's rings.",
	  write_received },
	{ "runaway_events_lost_total", METRICS_COUNTER,
	  "Records that the kernel side could not write, the ring being full.", write_lost },
	{ "runaway_event_sequence_gaps_total", METRICS_COUNTER,
	  "Records missing by their sequence numbers.", write_gaps },
	{ "runaway_kernel_read_faults_total", METRICS_COUNTER,
	  "Kernel or user memory that a program could not read.", write_read_faults },
	{ "runaway_records_refused_total", METRICS_COUNTER, "Records that did not enter the model.",
	  write_refused },
	{ "runaway_program_misses_total", METRICS_COUNTER,
	  "Runs of a BPF program that the kernel skipped.", write_misses },
	{ "runaway_rescans_total", METRICS_COUNTER,
	  "Scans that wrote every process, by what asked for them.", write_rescans },
	{ "runaway_map_entries", METRICS_GAUGE,
	  "Entries of a BPF map in use; bytes queued for a ring.", write_map_entries },
	{ "runaway_map_capacity", METRICS_GAUGE, "Entries that a BPF map holds; bytes for a ring.",
	  write_map_capacity },
	{ "runaway_map_errors_total", METRICS_COUNTER, "Updates that a BPF map refused.",
	  write_map_errors },
	{ "runaway_map_swept_total", METRICS_COUNTER,
	  "Map entries removed whose process or thread had ended unnoticed.", write_map_swept },
	{ "runaway_scan_last_success_timestamp_seconds", METRICS_GAUGE,
	  "When the last good scan ended.", write_scan_success },
	{ "runaway_scans_total", METRICS_COUNTER, "Task walks begun.", write_scans },
	{ "runaway_scan_failures_total", METRICS_COUNTER, "Task walks that failed.",
	  write_scan_failures },
	{ "runaway_scan_overruns_total", METRICS_COUNTER,
	  "Task walks that took longer than the interval.", write_scan_overruns },
	{ "runaway_scan_duration_seconds", METRICS_HISTOGRAM, "Duration of a task walk.",
	  write_scan_duration },
	{ "runaway_event_latency_seconds", METRICS_HISTOGRAM,
	  "From a reparenting in the kernel to the model knowing of it.", write_event_latency },
	{ "runaway_detection_delay_seconds", METRICS_HISTOGRAM,
	  "From a lane's condition holding for its time to the finding.", write_detection_delay },
	{ 0 },
};
