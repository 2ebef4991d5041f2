/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host must offer, told one by one, each with the way to mend it. The
 * checks read the view and, where only the kernel knows, /proc/self.
 */
#include "out/documents.h"

#include <inttypes.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "out/web_config.h"

#define DETAIL_SIZE 256

struct check {
	const struct runaway_view *v;
	bool ok;
	const char *mend; /* the row's, or a better one */
	char detail[DETAIL_SIZE];
};

struct check_row {
	const char *name;
	void (*run)(struct check *c);
	const char *mend; /* shown when it fails; NULL: the check has its own */
};

static _printf_(3, 4) void verdict(struct check *c, bool ok, const char *fmt, ...)
{
	va_list ap;

	c->ok = ok;
	va_start(ap, fmt);
	vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
}

static const struct runaway_features *features(const struct check *c)
{
	return c->v->sensor ? runaway_sensor_features(c->v->sensor) : NULL;
}

static const struct runaway_sensor_stats *stats(const struct check *c)
{
	return c->v->sensor ? runaway_sensor_stats(c->v->sensor) : NULL;
}

static void check_btf(struct check *c)
{
	const struct runaway_features *f = features(c);

	if (!f)
		verdict(c, false, "no sensor is loaded");
	else if (f->btf)
		verdict(c, true, "kernel %s has BTF", f->release);
	else
		verdict(c, false, "kernel %s offers no /sys/kernel/btf/vmlinux", f->release);
}

static void check_programs(struct check *c)
{
	const struct runaway_sensor_stats *s = stats(c);

	if (!s)
		verdict(c, false, "no program is loaded");
	else
		verdict(c, c->v->runtime->events_ok, "%zu programs loaded, events %s",
			s->prog_count, c->v->runtime->events_ok ? "arrive" : "do not arrive");
}

static void check_reparent_hook(struct check *c)
{
	const struct runaway_features *f = features(c);

	if (!f)
		verdict(c, false, "no sensor is loaded");
	else if (f->fentry_reparent)
		verdict(c, true, "%s: reparenting is seen as it happens", f->reparent_hook);
	else
		verdict(c, true, "%s: reparenting is read again after each exit (%s)",
			f->reparent_hook, f->why_no_fentry);
}

static void check_hot_pass(struct check *c)
{
	const struct runaway_features *f = features(c);

	if (!f)
		verdict(c, false, "no sensor is loaded");
	else if (f->hot_pass)
		verdict(c, true, "most scans of a host with many tasks visit those that ran");
	else
		verdict(c, true, "left out, each scan visits every task (%s)", f->why_no_hot);
}

/* Where it is not, 5.19 and newer let a daemon without privileges call bpf(). */
static void check_walk_file(struct check *c)
{
	const struct runaway_features *f = features(c);

	if (!f)
		verdict(c, false, "no sensor is loaded");
	else if (!f->why_walk_by_bpf[0])
		verdict(c, true, "tasks and cgroups are read as files, without bpf()");
	else
		verdict(c, c->v->runtime->scan_ok,
			"tasks and cgroups are read by bpf(), which kernels before 5.19 refuse "
			"(no file for them: %s)",
			f->why_walk_by_bpf);
}

/* Did it find this gap? Then that is the verdict. */
static bool has_gap(struct check *c, enum runaway_gap g)
{
	const struct runaway_features *f = features(c);

	if (!f || !runaway_features_has_gap(f, g))
		return false;
	verdict(c, false, "%s", runaway_gap_what(g));
	c->mend = runaway_gap_mend(g);
	return true;
}

static void check_cgroups(struct check *c)
{
	const struct runaway_features *f = features(c);

	if (!f)
		verdict(c, false, "no sensor is loaded");
	else if (!has_gap(c, RUNAWAY_GAP_NO_CGROUPS) && !has_gap(c, RUNAWAY_GAP_CGROUP_PART))
		verdict(c, true, "cgroup tree: %s", runaway_cgroup_source_name(f->cgroups));
}

static void check_cgroup_namespace(struct check *c)
{
	if (!has_gap(c, RUNAWAY_GAP_CGROUP_NAMESPACE))
		verdict(c, true, "paths of cgroups are those of the host");
}

static void check_scan(struct check *c)
{
	const struct runaway_sensor_stats *s = stats(c);
	uint64_t age_ns;
	bool recent = runaway_view_scan_recent(c->v, runaway_boot_ns(), &age_ns);

	if (s && runaway_features_blind(features(c)))
		verdict(c, false, "%" PRIu64 " scans, none of which saw all of the host",
			s->scan_failures);
	else if (!s || age_ns == UINT64_MAX)
		verdict(c, false, "no scan has succeeded yet");
	else
		verdict(c, recent && c->v->runtime->scan_ok,
			"last good scan %.1f s ago took %.2f ms for %" PRIu64 " tasks",
			(double)age_ns / 1e9, (double)s->scan_duration_ns / 1e6, s->scan_tasks);
}

/* The kernel side's counters go on over a restart: what an earlier daemon told is no news. */
static uint64_t since_then(uint64_t total, uint64_t told_before)
{
	return total - MIN(total, told_before);
}

static void check_losses(struct check *c)
{
	const struct runaway_model_counters *m = runaway_model_counters(c->v->model);
	const struct runaway_sensor_stats *s = stats(c);
	uint64_t dropped = 0;

	for (size_t i = 0; s && i < RW_KERNEL_TYPES; i++)
		dropped += s->kernel.dropped[i];
	if (s)
		dropped = since_then(dropped, s->told_before[0] + s->told_before[1]);
	verdict(c, !dropped && !m->lost_events,
		"%" PRIu64 " records dropped, %" PRIu64 " lineage events lost, %" PRIu64
		" sequence gaps",
		dropped, m->lost_events, s ? s->sequence_gaps : 0);
}

static void check_misses(struct check *c)
{
	const struct runaway_sensor_stats *s = stats(c);
	uint64_t misses = 0;

	if (s && !features(c)->counts_misses) {
		verdict(c, true, "not counted: kernels before 5.12 skip no program run");
		return;
	}
	for (size_t i = 0; s && i < s->prog_count; i++)
		misses += s->prog[i].misses;
	if (s)
		misses = since_then(misses, s->told_before[2]);
	verdict(c, misses == 0, "%" PRIu64 " program runs were skipped by the kernel", misses);
}

static void check_capacity(struct check *c)
{
	const struct runaway_sensor_stats *s = stats(c);
	const struct runaway_model_counters *m = runaway_model_counters(c->v->model);
	uint64_t refused = m->processes_full + m->cgroups_full;

	if (s)
		refused += since_then(s->kernel.procs_full + s->kernel.threads_full +
					      s->kernel.cgroups_full,
				      s->told_before[3]);
	verdict(c, refused == 0, "%" PRIu64 " processes, threads or cgroups did not fit", refused);
}

static void check_pid_namespace(struct check *c)
{
	if (!has_gap(c, RUNAWAY_GAP_PID_NAMESPACE) && !has_gap(c, RUNAWAY_GAP_PROCFS))
		verdict(c, true, "walk and /proc show the host's processes");
}

static void check_privileges(struct check *c)
{
	const struct runaway_runtime *r = c->v->runtime;

	verdict(c, r->cap_effective == 0 && r->uid != 0, "uid %u, CapEff %016" PRIx64, r->uid,
		r->cap_effective);
}

static void check_memlock(struct check *c)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) < 0)
		verdict(c, false, "RLIMIT_MEMLOCK cannot be read");
	else if (l.rlim_cur == RLIM_INFINITY)
		verdict(c, c->v->sensor != NULL, "RLIMIT_MEMLOCK is unlimited");
	else
		verdict(c, c->v->sensor != NULL, "RLIMIT_MEMLOCK is %" PRIu64 " bytes, maps are %s",
			(uint64_t)l.rlim_cur, c->v->sensor ? "loaded" : "not loaded");
}

static void check_store(struct check *c)
{
	struct store_info i;

	runaway_store_info(c->v->store, &i);
	verdict(c, c->v->runtime->store_ok && !i.degraded,
		"%s: %" PRIu64 " events, %" PRIu64 " write errors, %" PRIu64 " lines wait",
		c->v->runtime->state_dir ? c->v->runtime->state_dir : "in memory", i.chain_length,
		i.write_errors, i.pending_lines);
}

static void check_chain(struct check *c)
{
	struct store_info i;

	runaway_store_info(c->v->store, &i);
	verdict(c, i.chain_ok && i.bad_lines == 0,
		"hash chain of %" PRIu64 " events, %" PRIu64 " bad lines, %" PRIu64
		" torn lines set aside",
		i.chain_length, i.bad_lines, i.torn_lines);
}

static void check_continuity(struct check *c)
{
	const struct runaway_continuity *k = c->v->sensor ? runaway_sensor_continuity(c->v->sensor)
							  : NULL;
	struct runaway_journal_info i = { .failing = true, .error = -ENOENT };

	if (c->v->journal)
		runaway_journal_info(c->v->journal, &i);
	if (i.failing)
		verdict(c, false, "the journal cannot be written: %s", runaway_strerror(i.error));
	else if (!k || k->pins == RUNAWAY_PINS_NONE)
		verdict(c, true,
			"journal of %" PRIu64 " bytes; nothing is pinned: what happens "
			"while no daemon runs is not seen",
			i.bytes);
	else
		verdict(c, true, "journal of %" PRIu64 " bytes; pins %s%s%s", i.bytes,
			runaway_pins_name(k->pins), k->why[0] ? ": " : "", k->why);
}

static void check_listener(struct check *c)
{
	const char *address = c->v->runtime->listen_address;
	const struct runaway_web_config *web = c->v->runtime->web;

	verdict(c, true, "%s%s%s%s", address ? address : "off by configuration",
		web && web->cert ? ", TLS" : "",
		web && web->client_ca ? ", client certificates" : "",
		web && web->n_users ? ", passwords" : "");
}

static void check_textfile(struct check *c)
{
	const struct runaway_runtime *r = c->v->runtime;
	char when[RUNAWAY_RFC3339_LEN];

	if (!r->textfile_path)
		verdict(c, true, "off by configuration");
	else if (!r->textfile_last_write_realtime_ns)
		verdict(c, false, "%s has not been written yet", r->textfile_path);
	else
		verdict(c, true, "%s written at %s", r->textfile_path,
			runaway_rfc3339(r->textfile_last_write_realtime_ns, when));
}

static void check_config(struct check *c)
{
	const struct runaway_runtime *r = c->v->runtime;

	verdict(c, r->config_last_reload_ok != 0, "%s, last reload %s",
		r->config_path ? r->config_path : "built-in defaults",
		r->config_last_reload_ok ? "succeeded" : "failed: the one before is in force");
}

static void check_gate(struct check *c)
{
	const struct runaway_gate_view *g = &c->v->runtime->gate;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_gate_view_say(g, &b);
	verdict(c, !g->enabled || (g->alive && g->armed && !g->recursion_misses), "%s",
		b.data ? b.data : "out of memory");
}

static const struct check_row checks[] = {
	{ "btf", check_btf,
	  "run a kernel built with CONFIG_DEBUG_INFO_BTF=y (every Debian kernel since 11 is)" },
	{ "programs", check_programs,
	  "start as root or with CAP_BPF and CAP_PERFMON; the log names the program that failed" },
	{ "reparent_hook", check_reparent_hook, "see programs" },
	{ "hot_pass", check_hot_pass, "see programs" },
	{ "walk_file", check_walk_file,
	  "start with CAP_SYS_ADMIN, or mount a BPF file system at /sys/fs/bpf in which the daemon "
	  "may make a file at its start" },
	{ "cgroups", check_cgroups, "see programs" },
	{ "cgroup_namespace", check_cgroup_namespace, NULL },
	{ "scan", check_scan,
	  "see pid_namespace, then the log for the scan's error; raise sample_interval_ms if "
	  "scans overrun" },
	{ "events", check_losses,
	  "the rings were full: give the daemon CPU (systemd: CPUWeight=), or shorten "
	  "sample_interval_ms; a rescan has repaired what was missed" },
	{ "program_misses", check_misses,
	  "the kernel skipped programs that were already running on that CPU; scans repair it" },
	{ "capacity", check_capacity,
	  "raise limits.processes or limits.cgroups in the configuration and restart" },
	{ "pid_namespace", check_pid_namespace, NULL },
	{ "privileges", check_privileges,
	  "start as root: the daemon then becomes `nobody` without capabilities after loading" },
	{ "memlock", check_memlock,
	  "kernels before 5.11 charge maps to RLIMIT_MEMLOCK: systemd `LimitMEMLOCK=infinity`" },
	{ "store", check_store,
	  "free space in the state directory and make it writable to the daemon's user" },
	{ "chain", check_chain,
	  "run `runawayctl store verify`: it names the file and line that was changed" },
	{ "gate", check_gate,
	  "see `runawayctl gate status` and the log; after a disarming: `runawayctl gate release`; "
	  "after its end: restart the daemon" },
	{ "continuity", check_continuity,
	  "free space in the runtime directory and make it writable to the daemon's user" },
	{ "metrics_listener", check_listener, "set web.listen_address to a free address" },
	{ "textfile", check_textfile,
	  "make the folder of textfile.path exist and writable to the daemon's user" },
	{ "config", check_config,
	  "run `runawayctl config check FILE`, mend the file, then `runawayctl config reload`" },
};

void runaway_doc_doctor(const struct runaway_view *v, struct json_writer *w, bool *ret_ok)
{
	bool ok = true;

	json_object_begin(w);
	json_key(w, "checks");
	json_array_begin(w);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct check c = { .v = v, .mend = checks[i].mend };

		checks[i].run(&c);
		ok = ok && c.ok;
		json_object_begin(w);
		json_kv_string(w, "name", checks[i].name);
		json_kv_bool(w, "ok", c.ok);
		json_kv_string(w, "detail", c.detail);
		json_kv_string(w, "mend", c.ok ? NULL : c.mend);
		json_object_end(w);
	}
	json_array_end(w);
	json_kv_bool(w, "ok", ok);
	json_object_end(w);
	*ret_ok = ok;
}
