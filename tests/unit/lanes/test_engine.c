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

/* Its driver is killed at once: the time of its condition is counted from here. */
static struct browser lost_browser(struct world *w)
{
	struct browser b = start_browser(w, HEADLESS);

	w->started_ns = w->now_ns;
	die(w, b.script, KILLED(9));
	return b;
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

/* One second without its core, of sixty: it is added at the end, and nothing starts anew. */
static void a_lapse_is_added_and_starts_nothing_anew(void **s)
{
	(void)s;
	struct world w;
	struct browser b;

	world_new(&w);
	b = lost_browser(&w);
	run(&w, 150);
	b.renderer->rate = 0;
	run(&w, 1);
	b.renderer->rate = 0.93;
	run(&w, 29);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
	assert_true(w.condition_s == 120);
	world_stop(&w);
}

/* A tenth of for_s is six seconds. The seventh is too many: 60 s from where it burns again. */
static void more_than_a_tenth_is_no_lapse(void **s)
{
	(void)s;
	struct world w;
	struct browser b;

	world_new(&w);
	b = lost_browser(&w);
	run(&w, 150);
	for (int i = 0; i < 7; i++) {
		b.renderer->rate = 0;
		run(&w, 1);
		b.renderer->rate = 0.93;
		if (i < 6)
			run(&w, 1);
	}
	/* The last second below the limit was the 163rd. */
	run(&w, 60);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
	assert_true(w.condition_s == 164);
	world_stop(&w);
}

/* Who is none of the lane's for a tick has no lapse: what was held is forgotten. */
static void a_subject_of_another_lane_has_no_lapse(void **s)
{
	(void)s;
	static const char *const by_design[] = { CHROMIUM, NULL };
	struct runaway_model_config config = {
		.limits = { .processes = 4096, .cgroups = 256, .series = 16 },
	};
	struct world w;
	struct browser b;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	die(&w, b.script, KILLED(9));
	run(&w, 150);
	config.by_design = by_design;
	assert_int_equal(runaway_model_configure(w.model, &config), 0);
	run(&w, 1);
	config.by_design = NULL;
	assert_int_equal(runaway_model_configure(w.model, &config), 0);
	run(&w, 60);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
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
		cmocka_unit_test(a_lapse_is_added_and_starts_nothing_anew),
		cmocka_unit_test(more_than_a_tenth_is_no_lapse),
		cmocka_unit_test(a_subject_of_another_lane_has_no_lapse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
