/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/documents.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "out/web_config.h"

static void write_daemon(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_runtime *r = v->runtime;
	uint64_t now_ns = runaway_boot_ns();

	json_kv_bool(w, "up", r->scan_ok && r->events_ok);
	json_kv_string(w, "version", r->version);
	json_kv_string(w, "commit", r->commit);
	json_kv_fixed(w, "uptime_s",
		      now_ns > r->started_boot_ns ? (double)(now_ns - r->started_boot_ns) / 1e9 : 0,
		      1);
	json_kv_time(w, "started_at", r->started_realtime_ns);
	json_kv_string(w, "host_label", v->host_label);
	json_kv_string(w, "env", v->env);
	json_kv_uint(w, "interval_ms", r->interval_ns / NSEC_PER_MSEC);
	json_kv_uint(w, "ticks", r->ticks);
	json_kv_uint(w, "uid", r->uid);
	json_key(w, "cap_effective");
	json_stringf(w, "%016" PRIx64, r->cap_effective);
	json_kv_bool(w, "privileges_dropped", r->cap_effective == 0 && r->uid != 0);
	json_kv_string(w, "listen_address", r->listen_address);
	json_kv_bool(w, "web_tls", r->web && r->web->cert);
	json_kv_bool(w, "web_authentication", r->web && (r->web->client_ca || r->web->n_users));
	json_kv_string(w, "state_dir", r->state_dir);
	json_kv_string(w, "runtime_dir", r->runtime_dir);
	json_kv_string(w, "pin_dir", r->pin_dir);
}

static void write_components(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_runtime *r = v->runtime;

	json_key(w, "components");
	json_object_begin(w);
	json_kv_bool(w, "bpf", r->events_ok);
	json_kv_bool(w, "scan", r->scan_ok);
	json_kv_bool(w, "cgroup", r->cgroup_ok);
	json_kv_bool(w, "store", r->store_ok);
	json_kv_bool(w, "gate", r->gate.alive);
	json_object_end(w);
}

static void write_features(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_features *f = v->sensor ? runaway_sensor_features(v->sensor) : NULL;

	json_key(w, "features");
	if (!f) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_kv_string(w, "release", f->release);
	json_kv_string(w, "libbpf", f->libbpf);
	json_kv_bool(w, "btf", f->btf);
	json_kv_string(w, "scan", f->scan);
	json_kv_string(w, "reparent_hook", f->reparent_hook);
	json_kv_string(w, "cgroup_mode", runaway_cgroup_source_name(f->cgroups));
	json_kv_bool(w, "fentry_reparent", f->fentry_reparent);
	json_kv_bool(w, "hot_pass", f->hot_pass);
	json_kv_string(w, "why_no_fentry", f->why_no_fentry[0] ? f->why_no_fentry : NULL);
	json_object_end(w);
}

/* What of the host it cannot see; empty: nothing. */
static void write_gaps(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_features *f = v->sensor ? runaway_sensor_features(v->sensor) : NULL;

	json_key(w, "gaps");
	json_array_begin(w);
	for (enum runaway_gap g = 0; f && g < RUNAWAY_GAP_MAX; g++) {
		if (!runaway_features_has_gap(f, g))
			continue;
		json_object_begin(w);
		json_kv_string(w, "check", runaway_gap_name(g));
		json_kv_string(w, "what", runaway_gap_what(g));
		json_kv_string(w, "mend", runaway_gap_mend(g));
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_journal(const struct runaway_view *v, struct json_writer *w)
{
	struct runaway_journal_info i;

	json_key(w, "journal");
	if (!v->journal) {
		json_null(w);
		return;
	}
	runaway_journal_info(v->journal, &i);
	json_object_begin(w);
	json_kv_bool(w, "failing", i.failing);
	json_kv_string(w, "why_failing", i.failing ? runaway_strerror(i.error) : NULL);
	json_kv_uint(w, "bytes", i.bytes);
	json_kv_uint(w, "made", i.made);
	json_kv_uint(w, "write_errors", i.errors);
	json_object_end(w);
}

/* What this start took over from an earlier daemon. */
static void write_continuity(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_continuity *c = v->sensor ? runaway_sensor_continuity(v->sensor)
						       : NULL;

	json_key(w, "continuity");
	if (!c) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	json_kv_string(w, "pins", runaway_pins_name(c->pins));
	json_kv_string(w, "why_replaced", c->why[0] ? c->why : NULL);
	json_kv_bool(w, "recalled", c->until_ns != 0);
	json_kv_uint(w, "recalled_processes", v->runtime->recalled_processes);
	runaway_out_write_boot_time(v, w, "recalled_until", c->until_ns);
	json_key(w, "down_s");
	if (c->until_ns)
		json_fixed(w, (double)c->down_ns / 1e9, 3);
	else
		json_null(w);
	json_kv_bool(w, "whole", c->whole);
	write_journal(v, w);
	json_object_end(w);
}

static void write_kernel_losses(const struct runaway_sensor_stats *s, struct json_writer *w)
{
	uint64_t dropped = 0, misses = 0;

	for (size_t i = 0; i < RW_KERNEL_TYPES; i++)
		dropped += s->kernel.dropped[i];
	for (size_t i = 0; i < s->prog_count; i++)
		misses += s->prog[i].misses;
	json_kv_uint(w, "records_dropped", dropped);
	json_kv_uint(w, "program_misses", misses);
	json_kv_uint(w, "sequence_gaps", s->sequence_gaps);
	json_kv_uint(w, "map_errors", s->kernel.map_errors);
	json_kv_uint(w, "read_faults", s->kernel.read_faults);
	json_kv_uint(w, "kernel_processes_full", s->kernel.procs_full);
	json_kv_uint(w, "kernel_threads_full", s->kernel.threads_full);
	json_kv_uint(w, "kernel_cgroups_full", s->kernel.cgroups_full);
	json_kv_uint(w, "sensor_malformed", s->malformed);
}

static void write_counters(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_model_counters *c = runaway_model_counters(v->model);

	json_key(w, "counters");
	json_object_begin(w);
	json_kv_uint(w, "forks", c->forks);
	json_kv_uint(w, "execs", c->execs);
	json_kv_uint(w, "exits", c->exits);
	json_kv_uint(w, "reparents", c->reparents);
	json_kv_uint(w, "events_lost", c->lost_events);
	json_kv_uint(w, "samples_lost", c->lost_samples);
	json_kv_uint(w, "malformed", c->malformed);
	json_kv_uint(w, "unknown_process", c->unknown_process);
	json_kv_uint(w, "processes_full", c->processes_full);
	json_kv_uint(w, "cgroups_full", c->cgroups_full);
	json_kv_uint(w, "lineage_cut", c->lineage_cut);
	json_kv_uint(w, "vanished", c->vanished);
	if (v->sensor)
		write_kernel_losses(runaway_sensor_stats(v->sensor), w);
	json_object_end(w);
}

static void write_scan(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_sensor_stats *s = v->sensor ? runaway_sensor_stats(v->sensor) : NULL;

	json_key(w, "scan");
	if (!s) {
		json_null(w);
		return;
	}
	json_object_begin(w);
	runaway_out_write_boot_time(v, w, "last_success_at", s->scan_last_ns);
	json_kv_fixed(w, "duration_ms", (double)s->scan_duration_ns / 1e6, 3);
	json_kv_uint(w, "tasks", s->scan_tasks);
	json_kv_uint(w, "processes", s->scan_processes);
	json_kv_uint(w, "scans", s->scans);
	json_kv_uint(w, "failures", s->scan_failures);
	json_kv_uint(w, "overruns", s->scan_overruns);
	json_key(w, "rescans");
	json_object_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(runaway_rescan_names); i++)
		json_kv_uint(w, runaway_rescan_names[i], v->runtime->rescans_by_reason[i]);
	json_object_end(w);
	json_object_end(w);
}

static void write_population(const struct runaway_view *v, struct json_writer *w)
{
	uint64_t orphans = 0;

	for (const struct runaway_proc *p = runaway_model_orphans(v->model); p; p = p->orphan_next)
		orphans++;
	json_kv_uint(w, "processes", runaway_model_living(v->model));
	json_kv_uint(w, "remembered", runaway_model_remembered(v->model));
	json_kv_uint(w, "orphans", orphans);
}

static void write_lanes(const struct runaway_view *v, struct json_writer *w)
{
	const struct lane_set *lanes = runaway_engine_lanes(v->engine);

	json_key(w, "lanes");
	json_array_begin(w);
	for (size_t i = 0; lanes && i < lanes->count; i++) {
		const struct lane *l = &lanes->lane[i];

		json_object_begin(w);
		json_kv_string(w, "lane_id", l->lane_id);
		json_kv_bool(w, "enabled", l->enabled);
		json_kv_uint(
			w, "open_findings",
			runaway_engine_open_count(v->engine, l->lane_id, RUNAWAY_SEVERITY_MAX));
		json_object_end(w);
	}
	json_array_end(w);
}

static void write_gate(const struct runaway_view *v, struct json_writer *w)
{
	json_key(w, "gate");
	json_object_begin(w);
	runaway_gate_view_write(&v->runtime->gate, w);
	json_object_end(w);
}

static void write_store(const struct runaway_view *v, struct json_writer *w)
{
	struct store_info i;

	runaway_store_info(v->store, &i);
	json_key(w, "store");
	json_object_begin(w);
	json_kv_string(w, "backend", "jsonl");
	json_kv_bool(w, "degraded", i.degraded);
	json_kv_bool(w, "chain_ok", i.chain_ok);
	json_kv_string(w, "chain_head", i.chain_head[0] ? i.chain_head : NULL);
	json_kv_uint(w, "events", i.chain_length);
	json_kv_uint(w, "write_errors", i.write_errors);
	json_kv_uint(w, "pending_lines", i.pending_lines);
	json_kv_uint(w, "torn_lines", i.torn_lines);
	json_kv_uint(w, "bad_lines", i.bad_lines);
	json_kv_uint(w, "opened_total", i.opened_total);
	json_kv_uint(w, "resolved_total", i.resolved_total);
	json_object_end(w);
}

static void write_config(const struct runaway_view *v, struct json_writer *w)
{
	const struct runaway_runtime *r = v->runtime;

	json_key(w, "config");
	json_object_begin(w);
	json_kv_string(w, "path", r->config_path);
	json_kv_bool(w, "last_reload_ok", r->config_last_reload_ok != 0);
	json_kv_time(w, "last_reload_at", r->config_last_reload_realtime_ns);
	json_object_end(w);
	json_key(w, "textfile");
	json_object_begin(w);
	json_kv_string(w, "path", r->textfile_path);
	json_kv_time(w, "last_write_at", r->textfile_last_write_realtime_ns);
	json_object_end(w);
}

void runaway_doc_status(const struct runaway_view *v, struct json_writer *w)
{
	json_object_begin(w);
	write_daemon(v, w);
	write_components(v, w);
	write_gaps(v, w);
	write_features(v, w);
	write_continuity(v, w);
	write_counters(v, w);
	write_population(v, w);
	write_scan(v, w);
	write_lanes(v, w);
	write_gate(v, w);
	write_store(v, w);
	write_config(v, w);
	json_object_end(w);
}
