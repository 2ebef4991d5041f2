/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories told to the model in records, and what the lanes make of them. */

#include "harness.h"

#define BROWSER "orphan_browser_smoke_runaway_process"
#define GENERIC "orphan_generic_cpu_runaway"
#define CI_LOAD "ci_runner_load_saturation"

static char *key_of(const char *lane, const struct actor *a, char key[static 192])
{
	snprintf(key, 192, "%s/orphan_tree:%u:%llu", lane, a->id.pid,
		 (unsigned long long)a->id.start_ns);
	return key;
}

/* The root idles, a grandchild burns: 120 s of age, then 60 s of it, and not a tick earlier. */
static void orphaned_browser_opens_on_its_tick(void **s)
{
	(void)s;
	struct world w;
	struct browser b;
	char key[192];

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	run(&w, 300);
	assert_int_equal(w.opened, 0); /* its driver lives */

	w.started_ns = w.now_ns;
	die(&w, b.script, KILLED(9));
	run(&w, 179);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, key_of(BROWSER, b.root, key));
	assert_true(w.condition_s == 120);
	assert_int_equal(runaway_engine_open_count(w.engine, BROWSER, RUNAWAY_P1), 1);
	assert_int_equal(runaway_engine_open_count(w.engine, BROWSER, RUNAWAY_P2), 0);
	assert_int_equal(runaway_engine_open_count(w.engine, GENERIC, RUNAWAY_SEVERITY_MAX), 0);
	/* All of the 180 s count, those before it opened, too. */
	assert_true(fabs(runaway_engine_lane_cpu_seconds(w.engine, BROWSER) - 180 * 0.96) < 0.1);

	run(&w, 600);
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.ended, 0);

	/* It calms down: 60 s of it, three looks at least. */
	b.renderer->rate = 0.05;
	run(&w, 60);
	assert_int_equal(w.ended, 0);
	run(&w, 1);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_CLEARED);
	assert_null(runaway_engine_findings(w.engine));
	world_stop(&w);
}

static void the_end_of_the_tree_ends_the_finding(void **s)
{
	(void)s;
	struct world w;
	struct browser b;
	char key[192];
	double burned;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 200);
	assert_int_equal(w.opened, 1);
	burned = runaway_engine_lane_cpu_seconds(w.engine, BROWSER);
	die(&w, b.renderer, KILLED(15));
	die(&w, b.zygote, KILLED(15));
	die(&w, b.root, EXITED(0));
	run(&w, 1);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_GONE);
	assert_string_equal(w.ended_key, key_of(BROWSER, b.root, key));
	run(&w, 5);
	assert_int_equal(w.ended, 1);
	assert_true(runaway_engine_lane_cpu_seconds(w.engine, BROWSER) >= burned);
	world_stop(&w);
}

/* Started before the sensor: nobody saw the origin, and it is found all the same. */
static void orphan_of_unknown_origin_is_found(void **s)
{
	(void)s;
	struct world w;
	struct actor *root;
	static const char args[] = "chromium\0--headless=new\0--remote-debugging-port=0";

	world_new(&w);
	root = stranger(&w, &w.actor[0], "chromium");
	tell_scan(&w, RW_SCAN_RESYNC);
	tell_procfs(&w, root, RW_PROCFS_EXE, CHROMIUM, sizeof(CHROMIUM) - 1);
	tell_procfs(&w, root, RW_PROCFS_ARGS, args, sizeof(args));
	root->rate = 0.8;
	run(&w, 185);
	assert_int_equal(w.opened, 1);
	assert_memory_equal(w.opened_key, BROWSER, sizeof(BROWSER) - 1);
	world_stop(&w);
}

static void never(struct world *w)
{
	run(w, 1200);
	assert_int_equal(w->opened, 0);
	world_stop(w);
}

static void a_crash_handler_is_an_orphan_by_design(void **s)
{
	(void)s;
	struct world w;
	struct browser b;
	struct actor *middle, *handler;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	b.renderer->rate = 0;
	middle = spawn(&w, b.root);
	handler = spawn(&w, middle);
	exec_as(&w, handler, "/usr/lib/chromium/chrome_crashpad_handler",
		"chrome_crashpad_handler|--monitor-self|--database=/tmp/x", "");
	die(&w, middle, EXITED(0));
	handler->rate = 1;
	never(&w);
}

static void a_browser_with_a_living_driver_is_none(void **s)
{
	(void)s;
	struct world w;

	world_new(&w);
	start_browser(&w, HEADLESS);
	never(&w);
}

/* Somebody's own browser, left behind by a desktop: no lane takes it. */
static void a_desktop_browser_is_left_alone(void **s)
{
	(void)s;
	struct world w;
	struct browser b;

	world_new(&w);
	tell_cgroup(&w, 7,
		    "/user.slice/user-1000.slice/user@1000.service/app.slice/"
		    "app-gnome-chromium-1234.scope");
	w.actor[1].cgroup_id = 7;
	b = start_browser(&w, "chromium|https://example.org");
	die(&w, b.script, KILLED(9));
	never(&w);
}

/* The same from a terminal: not the browser lane's, but an orphan that burns is still told. */
static void a_browser_without_automation_is_never_the_browser_lanes(void **s)
{
	(void)s;
	struct world w;
	struct browser b;

	world_new(&w);
	b = start_browser(&w, "chromium|https://example.org");
	die(&w, b.script, KILLED(9));
	run(&w, 500);
	assert_int_equal(w.opened, 1);
	assert_memory_equal(w.opened_key, GENERIC, sizeof(GENERIC) - 1);
	world_stop(&w);
}

static void a_daemon_made_on_purpose_is_none(void **s)
{
	(void)s;
	struct world w;
	struct actor *starter, *daemon;

	world_new(&w);
	starter = spawn(&w, &w.actor[1]);
	daemon = spawn(&w, starter);
	daemon->pgid = daemon->sid = daemon->id.pid;
	exec_as(&w, daemon, "/usr/local/bin/worker", "worker|--forever", "");
	die(&w, starter, EXITED(0));
	daemon->rate = 2;
	never(&w);
}

static void an_idle_job_in_its_own_session_is_none(void **s)
{
	(void)s;
	struct world w;
	struct actor *shell, *job;

	world_new(&w);
	shell = spawn(&w, &w.actor[1]);
	job = spawn(&w, shell);
	job->pgid = job->sid = job->id.pid;
	exec_as(&w, job, "/bin/bash", "bash|-c|sleep infinity", "");
	burn(&w, 5);
	die(&w, shell, KILLED(1));
	job->rate = 0.01;
	never(&w);
}

static void the_generic_lane_takes_the_rest(void **s)
{
	(void)s;
	struct world w;
	struct actor *make, *burner;
	const char *ids[4];
	char key[192];

	world_new(&w);
	make = spawn(&w, &w.actor[1]);
	exec_as(&w, make, "/usr/bin/make", "make|-j8", "");
	burner = spawn(&w, make);
	exec_as(&w, burner, "/usr/lib/gcc/cc1plus", "cc1plus|-quiet|x.cc", "");
	burner->rate = 1;
	burn(&w, 5);
	die(&w, make, KILLED(9));
	run(&w, 419);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, key_of(GENERIC, burner, key));
	assert_int_equal(runaway_engine_lanes_of(w.engine, w.model, proc_of(&w, burner), ids, 4),
			 1);
	assert_string_equal(ids[0], GENERIC);
	assert_int_equal(runaway_engine_lanes_of(w.engine, w.model, proc_of(&w, burner), ids, 0),
			 1);
	world_stop(&w);
}

#define MARKERS "CI=true|GITEA_ACTIONS=true|GITHUB_RUN_ID=4711"

static struct actor *ci_burner(struct world *w)
{
	struct actor *job = spawn(w, &w->actor[1]);

	exec_as(w, job, "/usr/bin/stress", "stress|--cpu", MARKERS);
	job->rate = 3;
	w->others = 1;
	w->load5 = 2 * 1.6;
	return job;
}

static void ci_load_opens_the_capacity_lane_alone(void **s)
{
	(void)s;
	struct world w;
	struct actor *job;

	world_new(&w);
	job = ci_burner(&w);
	run(&w, 200);
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, CI_LOAD "/host");
	assert_int_equal(runaway_engine_findings(w.engine)->subject.id.pid, 0);
	assert_true(runaway_engine_lane_cpu_seconds(w.engine, CI_LOAD) == 0);

	w.load5 = 2 * 1.2; /* between the limits */
	run(&w, 300);
	assert_int_equal(w.ended, 0);
	w.load5 = 2;
	job->rate = 1;
	run(&w, 122);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_CLEARED);
	world_stop(&w);
}

static void load_of_others_is_not_the_runners(void **s)
{
	(void)s;
	struct world w;

	world_new(&w);
	ci_burner(&w)->rate = 1;
	w.others = 1.5;
	never(&w);
}

static void a_lane_can_be_switched_off_and_replaced(void **s)
{
	(void)s;
	struct world w;
	struct browser b;
	double burned;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 200);
	assert_int_equal(w.opened, 1);
	burned = runaway_engine_lane_cpu_seconds(w.engine, BROWSER);

	/* Other numbers under the same id: the finding goes on. */
	world_lanes(&w, "[{\"lane_id\":\"" BROWSER "\",\"severity\":\"P0\","
			"\"match\":{\"comm_any\":[\"chrom*\"]},"
			"\"trigger\":{\"cpu_cores_min\":0.4,\"for_s\":1}}]");
	run(&w, 5);
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.ended, 0);
	assert_int_equal(runaway_engine_open_count(w.engine, BROWSER, RUNAWAY_P0), 1);

	world_lanes(&w, "[{\"lane_id\":\"" BROWSER "\",\"enabled\":false}]");
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_LANE_OFF);
	assert_true(runaway_engine_lane_cpu_seconds(w.engine, BROWSER) >= burned);
	/* Now nobody but the generic lane takes it: it is 205 s old, 300 and 120 are asked for. */
	run(&w, 300);
	assert_int_equal(w.opened, 2);
	assert_memory_equal(w.opened_key, GENERIC, sizeof(GENERIC) - 1);
	/* And back: the generic lane lets go of it. */
	world_lanes(&w, "[]");
	run(&w, 1);
	assert_int_equal(w.ended, 2);
	assert_int_equal(w.why, FINDING_ADOPTED);
	world_stop(&w);
}

static void by_design_from_now_on_ends_it(void **s)
{
	(void)s;
	static const char *const by_design[] = { CHROMIUM, NULL };
	const struct runaway_model_config config = {
		.limits = { .processes = 4096, .cgroups = 256, .series = 16 },
		.by_design = by_design,
	};
	struct world w;
	struct browser b;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 200);
	assert_int_equal(w.opened, 1);
	assert_int_equal(runaway_model_configure(w.model, &config), 0);
	run(&w, 2);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_ADOPTED);
	world_stop(&w);
}

/* The daemon is stopped for an hour and goes on: an hour between two looks is not watching. */
static void a_stopped_daemon_opens_nothing_on_its_own(void **s)
{
	(void)s;
	struct world w;
	struct browser b;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 119);
	burn(&w, 3600);
	look(&w);
	assert_int_equal(w.opened, 0);
	b.renderer->rate = 0;
	run(&w, 10);
	assert_int_equal(w.opened, 0);
	world_stop(&w);
}

/* ---- restart ---- */

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
		cmocka_unit_test(orphaned_browser_opens_on_its_tick),
		cmocka_unit_test(the_end_of_the_tree_ends_the_finding),
		cmocka_unit_test(orphan_of_unknown_origin_is_found),
		cmocka_unit_test(a_crash_handler_is_an_orphan_by_design),
		cmocka_unit_test(a_browser_with_a_living_driver_is_none),
		cmocka_unit_test(a_desktop_browser_is_left_alone),
		cmocka_unit_test(a_browser_without_automation_is_never_the_browser_lanes),
		cmocka_unit_test(a_daemon_made_on_purpose_is_none),
		cmocka_unit_test(an_idle_job_in_its_own_session_is_none),
		cmocka_unit_test(the_generic_lane_takes_the_rest),
		cmocka_unit_test(ci_load_opens_the_capacity_lane_alone),
		cmocka_unit_test(load_of_others_is_not_the_runners),
		cmocka_unit_test(a_lane_can_be_switched_off_and_replaced),
		cmocka_unit_test(by_design_from_now_on_ends_it),
		cmocka_unit_test(a_stopped_daemon_opens_nothing_on_its_own),
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
