/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_OUT_HARNESS_H
#define RUNAWAY_TEST_OUT_HARNESS_H

/*
 * A small world, made of records only: model, lanes, incidents and a sensor
 * whose figures the test sets. Time goes on only when the test says so.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "base/clock.h"
#include "base/digest.h"
#include "out/http.h"
#include "out/metrics.h"
#include "out/view.h"

/* ---- a sensor that needs no kernel: this program's own definition ---- */
struct runaway_sensor {
	struct runaway_features features;
	struct runaway_sensor_stats stats;
	struct runaway_continuity continuity;
};

const struct runaway_continuity *runaway_sensor_continuity(const struct runaway_sensor *s)
{
	return &s->continuity;
}

const char *runaway_pins_name(enum runaway_pins p)
{
	static const char *const names[] = { "none", "made", "adopted", "replaced" };

	return names[p];
}

const struct runaway_features *runaway_sensor_features(const struct runaway_sensor *s)
{
	return &s->features;
}

const struct runaway_sensor_stats *runaway_sensor_stats(const struct runaway_sensor *s)
{
	return &s->stats;
}

const char *runaway_cgroup_source_name(enum runaway_cgroup_source s)
{
	static const char *const names[] = { "none", "v2", "hybrid", "v1" };

	return names[s];
}

struct world {
	struct runaway_model *model;
	struct lane_engine *engine;
	struct incident_store *store;
	struct runaway_sensor sensor;
	struct runaway_runtime runtime;
	struct runaway_view view;
	struct runaway_journal *journal; /* in a folder that is gone */
	int journal_fd;
	uint64_t now_ns;
	uint64_t generation;
	uint64_t series_dropped;
};

#define WORLD_START_NS	  (1000 * NSEC_PER_SEC)
#define WORLD_REALTIME_NS (UINT64_C(1700000000) * NSEC_PER_SEC)

static void world_opened(void *ctx, struct runaway_finding *f)
{
	struct world *w = ctx;
	struct incident *i;

	if (runaway_incident_open(w->store, f, w->model, &i) == 0)
		snprintf(f->incident_id, sizeof(f->incident_id), "%s", i->incident_id);
}

static void world_ended(void *ctx, struct runaway_finding *f, enum finding_end why)
{
	struct world *w = ctx;

	runaway_incident_self_clear(w->store, f->incident_id, why, w->model);
}

static inline void world_apply(struct world *w, void *rec, size_t len, uint16_t type)
{
	struct rw_hdr *h = rec;

	h->type = type;
	h->len = (uint32_t)len;
	h->time_ns = w->now_ns;
	assert_int_equal(runaway_model_apply(w->model, h, len), 0);
}

/* A lane that opens at once: what the tests of this room need. */
static const char world_lane[] =
	"{\"lane_id\":\"quick\",\"alertname\":\"Quick\",\"severity\":\"P1\","
	"\"classification\":\"host_resource_runaway_process\","
	"\"action_policy\":\"triage_packet_then_dry_run_then_gated_sigterm\","
	"\"subject\":\"orphan_tree\",\"match\":{\"daemonised_any\":[\"no\",\"unknown\",\"yes\"]},"
	"\"trigger\":{\"cpu_cores_min\":0.5,\"age_s_min\":0,\"for_s\":0},"
	"\"clear\":{\"cpu_cores_max\":0.1,\"for_s\":1}}";

static inline void world_lanes(struct world *w)
{
	struct lane_set set;
	struct lane lane;
	cJSON *json;
	char *path = NULL, *why = NULL;

	assert_int_equal(runaway_lane_set_builtin(&set), 0);
	assert_int_equal(runaway_json_parse(world_lane, strlen(world_lane), &json, NULL), 0);
	assert_int_equal(runaway_lane_parse(json, &lane, &path, &why), 0);
	cJSON_Delete(json);
	assert_int_equal(runaway_lane_set_put(&set, &lane), 0);
	assert_int_equal(runaway_engine_set_lanes(w->engine, &set), 0);
}

static inline void world_journal(struct world *w)
{
	char dir[] = "/tmp/rw-out-XXXXXX";

	assert_non_null(mkdtemp(dir));
	w->journal_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(runaway_journal_open(w->journal_fd, "boot", &w->journal), 0);
	assert_int_equal(unlinkat(w->journal_fd, RUNAWAY_JOURNAL_NAME, 0), 0);
	assert_int_equal(rmdir(dir), 0);
}

static inline void world_sensor(struct world *w)
{
	struct runaway_sensor *s = &w->sensor;

	s->features = (struct runaway_features){
		.counts_misses = true,
		.btf = true,
		.fentry_reparent = true,
		.scan = "iter_task",
		.reparent_hook = "fentry",
		.cgroups = RUNAWAY_CGROUPS_V2,
		.release = "6.1.0-test",
		.libbpf = "1.1",
	};
	s->stats.scans = 1;
	s->stats.scan_last_ns = runaway_boot_ns();
	s->stats.scan_duration_ns = 2 * NSEC_PER_MSEC;
	s->stats.map[0] = (struct runaway_map_stat){ "procs", 3, 65536, 0 };
	s->stats.map[1] = (struct runaway_map_stat){ "events", 128, 1 << 20, 2 };
	s->stats.map_count = 2;
	strcpy(s->stats.prog[0].name, "rw_fork");
	s->stats.prog[0].misses = 7;
	s->stats.prog_count = 1;
	s->stats.received[RW_FORK] = 11;
	s->stats.kernel.dropped[RW_EXEC] = 5;
}

static inline void world_runtime(struct world *w)
{
	static const double le[] = { 0.001, 0.01, 0.1, 1, 10 };
	struct runaway_histogram h = { .le = le, .buckets = ARRAY_SIZE(le) };

	w->runtime = (struct runaway_runtime){
		.version = "1.2.3",
		.commit = "abc",
		.started_realtime_ns = WORLD_REALTIME_NS,
		.started_boot_ns = runaway_boot_ns(),
		.interval_ns = NSEC_PER_SEC,
		.scan_ok = true,
		.events_ok = true,
		.cgroup_ok = true,
		.store_ok = true,
		.config_last_reload_ok = 1,
		.config_last_reload_realtime_ns = WORLD_REALTIME_NS,
		.uid = 65534,
		.detection_delay = h,
		.event_latency = h,
		.scan_duration = h,
	};
}

static inline void world_meta(struct world *w)
{
	struct rw_meta meta = {
		.realtime_offset_ns = WORLD_REALTIME_NS - WORLD_START_NS,
		.ncpu = 4,
		.hz = 100,
		.boot_id = "7f0c2c5e-1c3a-4c52-9a6e-0e3b1d1c0001",
		.host = "testhost",
		.release = "6.1.0-test",
	};

	world_apply(w, &meta, sizeof(meta), RW_META);
}

static inline void world_init(struct world *w, uint32_t processes, uint32_t series)
{
	struct runaway_model_config config = {
		.limits = { .processes = processes, .cgroups = 4096, .series = series },
	};
	struct incident_store_config store = {
		.host_label = "testhost",
		.env = "test",
		.boot_id = "7f0c2c5e-1c3a-4c52-9a6e-0e3b1d1c0001",
		.memory_only = true,
	};
	static const struct lane_engine_ops ops = { world_opened, world_ended };

	*w = (struct world){ .now_ns = WORLD_START_NS };
	assert_int_equal(runaway_digest_init(), 0);
	assert_int_equal(runaway_model_new(&config, &w->model), 0);
	assert_int_equal(runaway_engine_new(&ops, w, &w->engine), 0);
	assert_int_equal(runaway_store_open(&store, &w->store), 0);
	world_lanes(w);
	world_sensor(w);
	world_journal(w);
	world_runtime(w);
	w->view = (struct runaway_view){
		.model = w->model,
		.engine = w->engine,
		.store = w->store,
		.sensor = &w->sensor,
		.journal = w->journal,
		.runtime = &w->runtime,
		.host_label = "testhost",
		.env = "test",
		.series_dropped = &w->series_dropped,
	};
	world_meta(w);
}

static inline void world_free(struct world *w)
{
	runaway_engine_free(w->engine);
	runaway_store_close(w->store);
	runaway_model_free(w->model);
	runaway_journal_close(w->journal);
	close(w->journal_fd);
}

/* ---- processes: the start time follows from the pid, so that tests can name an identity ---- */
static inline struct rw_id world_id(uint32_t pid)
{
	return (struct rw_id){ .pid = pid, .start_ns = pid ? 100 * NSEC_PER_SEC + pid : 0 };
}

static inline struct runaway_proc *world_proc(const struct world *w, uint32_t pid)
{
	return runaway_model_find_pid(w->model, pid);
}

static inline void world_comm(char dst[static RW_COMM_LEN], const char *comm)
{
	memset(dst, 0, RW_COMM_LEN);
	memcpy(dst, comm, MIN(strlen(comm), (size_t)RW_COMM_LEN - 1));
}

struct task {
	uint32_t pid, ppid;
	const char *comm;
	uint64_t cpu_ns, cgroup_id;
	uint32_t flags;
};

static inline void world_task(struct world *w, struct task t)
{
	struct rw_task r = {
		.id = world_id(t.pid),
		.parent = world_id(t.ppid),
		.cgroup_id = t.cgroup_id,
		.cpu_ns = t.cpu_ns,
		.rss_bytes = 4096,
		.pgid = t.pid,
		.sid = t.pid,
		.flags = t.flags | RW_TF_NEW,
		.threads = 1,
	};

	world_comm(r.comm, t.comm);
	world_apply(w, &r, sizeof(r), RW_TASK);
}

static inline void world_fork(struct world *w, uint32_t pid, uint32_t origin, const char *comm)
{
	struct rw_fork r = {
		.id = world_id(pid),
		.origin = world_id(origin),
		.parent = world_id(origin),
		.pgid = pid,
		.sid = 1,
	};

	world_comm(r.comm, comm);
	world_apply(w, &r, sizeof(r), RW_FORK);
}

/* path_leaf_first and args as on the wire; sizes with every NUL. */
static inline void world_exec(struct world *w, uint32_t pid, const char *comm, const char *path,
			      size_t path_len, const char *args, size_t args_len)
{
	size_t len = sizeof(struct rw_exec) + path_len + args_len;
	struct rw_exec *r = calloc(1, len);

	assert_non_null(r);
	r->id = world_id(pid);
	r->exec_id = 2;
	r->exe_ino = 42;
	r->path_len = (uint16_t)path_len;
	r->args_len = (uint16_t)args_len;
	r->args_total = (uint32_t)args_len;
	world_comm(r->comm, comm);
	memcpy(r->data, path, path_len);
	memcpy(r->data + path_len, args, args_len);
	world_apply(w, r, len, RW_EXEC);
	free(r);
}

static inline void world_exit(struct world *w, uint32_t pid, int32_t code)
{
	struct rw_exit r = { .id = world_id(pid), .exit_code = code };

	memcpy(r.comm, world_proc(w, pid)->comm, RW_COMM_LEN);

	world_apply(w, &r, sizeof(r), RW_EXIT);
}

static inline void world_release(struct world *w, uint32_t pid, uint64_t cpu_ns)
{
	struct rw_free r = { .id = world_id(pid), .cpu_ns = cpu_ns };

	memcpy(r.comm, world_proc(w, pid)->comm, RW_COMM_LEN);

	world_apply(w, &r, sizeof(r), RW_FREE);
}

static inline void world_reparent(struct world *w, uint32_t pid, uint32_t from, uint32_t to)
{
	struct rw_reparent r = {
		.id = world_id(pid),
		.old_parent = world_id(from),
		.reaper = world_id(to),
		.pgid = pid,
		.sid = 1,
		.reaper_flags = RW_TF_NS_INIT,
		.via = RW_VIA_HOOK,
		.reaper_comm = "init",
	};

	world_apply(w, &r, sizeof(r), RW_REPARENT);
}

static inline void world_cgroup(struct world *w, uint64_t id, uint64_t parent, const char *path,
				uint16_t op)
{
	struct rw_cgroup_ev r = { .cgroup_id = id, .parent_id = parent, .op = op, .level = 1 };

	snprintf(r.path, sizeof(r.path), "%s", path);
	r.path_len = (uint16_t)(strlen(r.path) + 1);
	world_apply(w, &r, sizeof(r), RW_CGROUP);
}

static inline void world_cgroup_cpu(struct world *w, uint64_t id, uint64_t cpu_ns)
{
	struct rw_cgroup_cpu r = { .cgroup_id = id, .cpu_ns = cpu_ns };

	world_apply(w, &r, sizeof(r), RW_CGROUP_CPU);
}

static inline void world_scan_begin(struct world *w)
{
	struct rw_scan r = { .generation = ++w->generation };

	world_apply(w, &r, sizeof(r), RW_SCAN_BEGIN);
}

static inline void world_host(struct world *w)
{
	struct rw_host r = {
		.load5_milli = 2000,
		.mem_total_bytes = 1 << 30,
		.ncpu = 4,
		.psi_cpu_some = { 100, 200, 300 },
		.psi_memory_some = { RW_UNKNOWN_U64, RW_UNKNOWN_U64, RW_UNKNOWN_U64 },
		.psi_memory_full = { RW_UNKNOWN_U64, RW_UNKNOWN_U64, RW_UNKNOWN_U64 },
		.psi_io_some = { RW_UNKNOWN_U64, RW_UNKNOWN_U64, RW_UNKNOWN_U64 },
		.psi_io_full = { RW_UNKNOWN_U64, RW_UNKNOWN_U64, RW_UNKNOWN_U64 },
	};

	world_apply(w, &r, sizeof(r), RW_HOST);
}

/* Ends the scan, judges, observes; then a second goes by. */
static inline void world_tick(struct world *w)
{
	struct rw_scan end = { .generation = w->generation };
	struct rw_tick tick = { .realtime_ns = WORLD_REALTIME_NS + w->now_ns - WORLD_START_NS };

	world_apply(w, &end, sizeof(end), RW_SCAN_END);
	world_host(w);
	world_apply(w, &tick, sizeof(tick), RW_TICK);
	runaway_engine_tick(w->engine, w->model);
	for (struct runaway_finding *f = runaway_engine_findings(w->engine); f; f = f->hh.next)
		runaway_incident_observe(w->store, f, w->model);
	w->now_ns += NSEC_PER_SEC;
}

/*
 * init, and an orphan `pid` that its killed parent pid + 1 left behind and that
 * burns a core. Names are the caller's, hostile ones too.
 */
static inline void world_orphan(struct world *w, uint32_t pid, const char *comm,
				const char *origin_comm, const char *args, size_t args_len)
{
	if (!world_proc(w, 1))
		world_task(w, (struct task){ .pid = 1, .comm = "init", .flags = RW_TF_NS_INIT });
	world_fork(w, pid + 1, 1, origin_comm);
	world_fork(w, pid, pid + 1, "fork");
	world_exec(w, pid, comm, "chromium\0chromium\0lib\0usr\0", 26, args, args_len);
	world_exit(w, pid + 1, 9);
	world_reparent(w, pid, pid + 1, 1);
	world_release(w, pid + 1, 0);
}

/* `ticks` seconds in which the orphans first, first + 2, … burn a core each. */
static inline void world_burn(struct world *w, uint32_t first, uint32_t count, unsigned int ticks)
{
	for (unsigned int t = 0; t < ticks; t++) {
		world_scan_begin(w);
		for (uint32_t i = 0; i < count; i++) {
			const struct runaway_proc *p = world_proc(w, first + 2 * i);
			struct rw_cpu r = { .id = world_id(first + 2 * i) };

			assert_non_null(p);
			r.cpu_ns = p->cpu_ns + NSEC_PER_SEC;
			world_apply(w, &r, sizeof(r), RW_CPU);
		}
		world_tick(w);
	}
}

/* A document as text, parsed: fails the test when it is no JSON. */
static inline cJSON *world_parse(struct strbuf *b)
{
	cJSON *json = NULL;

	assert_int_equal(b->error, 0);
	assert_int_equal(runaway_json_parse(b->data, b->len, &json, NULL), 0);
	return json;
}

#endif
