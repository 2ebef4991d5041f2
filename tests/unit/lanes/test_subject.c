/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings that outlive the daemon, subjects that are no trees, lanes that are only tried. */

#include "harness.h"

#define BROWSER "orphan_browser_smoke_runaway_process"
#define GENERIC "orphan_generic_cpu_runaway"
#define CI_LOAD "ci_runner_load_saturation"

static struct runaway_subject subject_of(const struct actor *a)
{
	return (struct runaway_subject){
		.kind = RUNAWAY_SUBJECT_ORPHAN_TREE,
		.id = { .pid = a->id.pid, .start_ns = a->id.start_ns },
	};
}

/* A new daemon with an empty model. */
static void restart(struct world *w)
{
	world_stop(w);
	w->opened = w->ended = 0;
	world_start(w);
}

static void tell_browser(struct world *w, const struct actor *root, const char *args, size_t len)
{
	tell_scan(w, RW_SCAN_RESYNC);
	tell_procfs(w, root, RW_PROCFS_EXE, CHROMIUM, sizeof(CHROMIUM) - 1);
	tell_procfs(w, root, RW_PROCFS_ARGS, args, len);
}

static void a_finding_goes_on_after_a_restart(void **s)
{
	(void)s;
	static const char args[] = "chromium\0--headless=new";
	struct world w;
	struct browser b;
	struct runaway_subject subject;
	uint64_t since_ns;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 200);
	since_ns = runaway_engine_findings(w.engine)->since_ns;
	restart(&w);
	subject = subject_of(b.root);
	assert_int_equal(runaway_engine_adopt(w.engine, BROWSER, &subject, since_ns, "inc_1"), 0);
	assert_int_equal(runaway_engine_adopt(w.engine, BROWSER, &subject, since_ns, "inc_1"), 0);
	assert_int_equal(runaway_engine_adopt(w.engine, "gone", &subject, since_ns, "x"), -ENOENT);
	tell_browser(&w, b.root, args, sizeof(args));
	run(&w, 300);
	assert_int_equal(w.opened, 0);
	assert_int_equal(w.ended, 0);
	assert_int_equal(runaway_engine_findings(w.engine)->since_ns, since_ns);
	assert_string_equal(runaway_engine_findings(w.engine)->incident_id, "inc_1");
	b.renderer->rate = 0;
	run(&w, 63);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_CLEARED);
	world_stop(&w);
}

/* It led a session of its own: without its origin the generic lane would not take it anew. */
static void what_a_restart_forgot_ends_nothing(void **s)
{
	(void)s;
	struct world w;
	struct actor *job;
	struct runaway_subject subject;

	world_new(&w);
	job = stranger(&w, &w.actor[0], "worker");
	job->rate = 1;
	subject = subject_of(job);
	assert_int_equal(runaway_engine_adopt(w.engine, GENERIC, &subject, 1, "inc_1"), 0);
	tell_scan(&w, RW_SCAN_RESYNC);
	run(&w, 600);
	assert_int_equal(w.opened, 0);
	assert_int_equal(w.ended, 0);
	world_stop(&w);
}

static void a_subject_that_died_meanwhile_is_gone(void **s)
{
	(void)s;
	struct world w;
	struct runaway_subject subject = {
		.kind = RUNAWAY_SUBJECT_ORPHAN_TREE,
		.id = { .pid = 999, .start_ns = 5 },
	};

	world_new(&w);
	assert_int_equal(runaway_engine_adopt(w.engine, BROWSER, &subject, 7, "inc_1"), 0);
	/* A loss is not healed yet: what is missing proves nothing. */
	RECORD(&w, rw_loss, RW_LOSS);
	rw_loss.events = 1;
	feed(&w, &rw_loss);
	run(&w, 1);
	assert_int_equal(w.ended, 0);
	burn(&w, 1);
	tell_scan(&w, RW_SCAN_RESYNC);
	run(&w, 1);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_GONE);
	world_stop(&w);
}

static void findings_stand_oldest_first(void **s)
{
	(void)s;
	struct world w;
	struct runaway_subject a = { .kind = RUNAWAY_SUBJECT_ORPHAN_TREE,
				     .id = { .pid = 9, .start_ns = 9 } };
	struct runaway_subject b = { .kind = RUNAWAY_SUBJECT_HOST };

	world_new(&w);
	assert_int_equal(runaway_engine_adopt(w.engine, BROWSER, &a, 500, ""), 0);
	assert_int_equal(runaway_engine_adopt(w.engine, CI_LOAD, &b, 100, NULL), 0);
	assert_int_equal(runaway_engine_findings(w.engine)->since_ns, 100);
	assert_int_equal(runaway_engine_adopt(w.engine, CI_LOAD, &a, 1, ""), -ENOENT);
	world_stop(&w);
}

/* ---- other subjects ---- */

static void a_process_lane_sees_processes(void **s)
{
	(void)s;
	struct world w;
	struct actor *busy;

	world_new(&w);
	world_lanes(&w, "[{\"lane_id\":\"busy\",\"subject\":\"process\","
			"\"match\":{\"comm_any\":[\"step*\"]},"
			"\"trigger\":{\"cpu_cores_min\":0.5,\"for_s\":3},"
			"\"clear\":{\"for_s\":0}}]");
	busy = spawn(&w, &w.actor[1]);
	busy->rate = 0.9;
	run(&w, 10);
	assert_int_equal(w.opened, 1);
	busy->rate = 0;
	run(&w, 2);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_CLEARED);
	world_stop(&w);
}

static void a_cgroup_lane_sees_cgroups(void **s)
{
	(void)s;
	struct world w;

	world_new(&w);
	world_lanes(&w, "[{\"lane_id\":\"job\",\"subject\":\"cgroup\","
			"\"match\":{\"cgroup_any\":[\"/ci/*\"]},"
			"\"trigger\":{\"cpu_cores_min\":0.5,\"for_s\":0}}]");
	tell_cgroup(&w, 8, "/ci/job-1");
	for (int i = 1; i <= 5; i++) {
		RECORD(&w, rw_cgroup_cpu, RW_CGROUP_CPU);

		burn(&w, 1);
		rw_cgroup_cpu.cgroup_id = 8;
		rw_cgroup_cpu.cpu_ns = (uint64_t)i * NSEC_PER_SEC;
		rw_cgroup_cpu.hdr.time_ns = w.now_ns;
		feed(&w, &rw_cgroup_cpu);
		look(&w);
	}
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, "job/cgroup:8");
	world_stop(&w);
}

static void trying_lanes_opens_nothing(void **s)
{
	(void)s;
	struct world w;
	struct browser b;
	struct lane_set set = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct json_writer jw;
	_cleanup_cjson_ cJSON *json = NULL;
	const cJSON *first;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 121);
	assert_int_equal(runaway_lane_set_builtin(&set), 0);
	json_init(&jw, &out, false);
	assert_int_equal(runaway_engine_try(&set, w.model, &jw), 0);
	assert_int_equal(runaway_json_parse(out.data, out.len, &json, NULL), 0);
	assert_int_equal(cJSON_GetArraySize(json), 2); /* the tree, and the host */
	first = cJSON_GetArrayItem(json, 0);
	assert_string_equal(runaway_json_str(first, "lane_id", ""), BROWSER);
	assert_true(runaway_json_true(first, "matched", false));
	assert_true(runaway_json_true(first, "crossed", false));
	assert_false(runaway_json_true(cJSON_GetArrayItem(json, 1), "crossed", true));
	assert_int_equal(w.opened, 0);
	strbuf_free(&out);
	runaway_lane_set_free(&set);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_finding_goes_on_after_a_restart),
		cmocka_unit_test(what_a_restart_forgot_ends_nothing),
		cmocka_unit_test(a_subject_that_died_meanwhile_is_gone),
		cmocka_unit_test(findings_stand_oldest_first),
		cmocka_unit_test(a_process_lane_sees_processes),
		cmocka_unit_test(a_cgroup_lane_sees_cgroups),
		cmocka_unit_test(trying_lanes_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
