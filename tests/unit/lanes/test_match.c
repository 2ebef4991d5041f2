/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which subjects a lane takes: each list, what is unknown, and what is hostile. */

#include "harness.h"

/* Does a lane with this `match` take the actor? */
static bool takes(const struct world *w, const struct actor *a, const char *match)
{
	char text[1024];
	_cleanup_cjson_ cJSON *json = NULL;
	_cleanup_(runaway_lane_free) struct lane l = { 0 };
	char *path = NULL, *why = NULL;

	snprintf(text, sizeof(text),
		 "{\"lane_id\":\"x\",\"match\":%s,\"trigger\":{\"cpu_cores_min\":1}}", match);
	assert_int_equal(runaway_json_parse(text, strlen(text), &json, NULL), 0);
	if (runaway_lane_parse(json, &l, &path, &why))
		fail_msg("%s: %s", path, why);
	return runaway_lane_matches_proc(&l, w->model, proc_of(w, a));
}

static struct actor *orphan_with(struct world *w, const char *exe, const char *args)
{
	struct actor *a, *driver = spawn(w, &w->actor[1]);

	exec_as(w, driver, "/usr/bin/node", "node|run.js|--job=4711",
		"CI=true|GITEA_ACTIONS=true|GITHUB_RUN_ID=4711");
	a = spawn(w, driver);
	exec_as(w, a, exe, args, "");
	burn(w, 10);
	die(w, driver, KILLED(9));
	look(w);
	return a;
}

static void each_list_is_held_against_its_own(void **s)
{
	(void)s;
	struct world w;
	struct actor *a;
	static const struct {
		const char *match;
		bool want;
	} rows[] = {
		{ "{}", true },
		{ "{\"exe_any\":[\"*/chromium\"]}", true },
		{ "{\"exe_any\":[\"chromium\"]}", false }, /* the whole value */
		{ "{\"exe_any\":[\"*/firefox\",\"/usr/*/chromium\"]}", true },
		{ "{\"comm_any\":[\"chrom[ie]um\"]}", true },
		{ "{\"args_any\":[\"--remote-debugging-port=*\"]}", true },
		{ "{\"args_any\":[\"--remote\"]}", false },
		{ "{\"args_any\":[\"*headless*file*\"]}", false }, /* one argument at a time */
		{ "{\"origin_any\":[\"node\"]}", true },
		{ "{\"origin_any\":[\"/usr/bin/node\"]}", true },
		{ "{\"origin_any\":[\"--job=*\"]}", true },
		{ "{\"origin_any\":[\"step.sh\"]}", true }, /* its origin's origin */
		{ "{\"origin_any\":[\"GITHUB_RUN_ID=4711\"]}", true },
		{ "{\"origin_any\":[\"gitea\"]}", true },     /* the runner */
		{ "{\"origin_any\":[\"chromium\"]}", false }, /* itself is no ancestor */
		{ "{\"cgroup_any\":[\"/\"]}", true },
		{ "{\"daemonised_any\":[\"no\"]}", true },
		{ "{\"daemonised_any\":[\"yes\",\"unknown\"]}", false },
		{ "{\"exe_any\":[\"*/chromium\"],\"comm_any\":[\"node\"]}", false }, /* all */
		{ "{\"not\":{\"exe_any\":[\"*/chromium\"]}}", false },
		{ "{\"not\":{\"comm_any\":[\"x\"],\"args_any\":[\"--headless*\"]}}", false },
		{ "{\"not\":{\"origin_any\":[\"node\"]}}", false },
		{ "{\"not\":{\"cgroup_any\":[\"/\"]}}", false },
		{ "{\"not\":{\"daemonised_any\":[\"no\"]}}", false },
		{ "{\"not\":{\"comm_any\":[\"x\"],\"origin_any\":[\"y\"]}}", true },
	};

	world_new(&w);
	a = orphan_with(&w, CHROMIUM, HEADLESS);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (takes(&w, a, rows[i].match) != rows[i].want)
			fail_msg("%s: not %d", rows[i].match, rows[i].want);
	world_stop(&w);
}

/* Neither the list that asks nor the one that excludes. */
static void unknown_matches_nothing(void **s)
{
	(void)s;
	struct world w;
	struct actor *a;

	world_new(&w);
	a = stranger(&w, &w.actor[0], "worker");
	tell_scan(&w, RW_SCAN_RESYNC);
	look(&w);
	assert_true(takes(&w, a, "{}"));
	assert_false(takes(&w, a, "{\"exe_any\":[\"*\"]}"));
	assert_false(takes(&w, a, "{\"args_any\":[\"*\"]}"));
	assert_false(takes(&w, a, "{\"origin_any\":[\"*\"]}")); /* nor is the reaper its origin */
	assert_true(takes(&w, a,
			  "{\"not\":{\"exe_any\":[\"*\"],\"args_any\":[\"*\"],"
			  "\"origin_any\":[\"*\"]}}"));
	world_stop(&w);
}

/* A title written over the arguments is one string with spaces in it. */
static void a_rewritten_title_is_taken_apart(void **s)
{
	(void)s;
	static const char title[] = "/usr/lib/chromium/chromium --type=renderer --headless=new";
	static const char real[] = "sh\0-c\0chromium --headless=new";
	struct world w;
	struct actor *a;

	world_new(&w);
	a = stranger(&w, &w.actor[0], "chromium");
	tell_scan(&w, RW_SCAN_RESYNC);
	tell_procfs(&w, a, RW_PROCFS_ARGS, title, sizeof(title));
	assert_true(takes(&w, a, "{\"args_any\":[\"--headless=*\"]}"));
	assert_true(takes(&w, a, "{\"args_any\":[\"*--type=renderer *\"]}")); /* the whole, too */
	assert_false(takes(&w, a, "{\"not\":{\"args_any\":[\"--type=*\"]}}"));

	/* Several arguments are what they are: a command inside of one is not taken apart. */
	tell_procfs(&w, a, RW_PROCFS_ARGS, real, sizeof(real));
	assert_false(takes(&w, a, "{\"args_any\":[\"--headless=*\"]}"));
	world_stop(&w);
}

static void hostile_bytes_are_only_bytes(void **s)
{
	(void)s;
	static const char args[] = "\xff\xfe[*\\\0\n\033[31m\0\0\0--headless";
	struct world w;
	struct actor *a;

	world_new(&w);
	a = stranger(&w, &w.actor[0], "a\xff\n[");
	tell_scan(&w, RW_SCAN_RESYNC);
	tell_procfs(&w, a, RW_PROCFS_ARGS, args, sizeof(args));
	assert_true(takes(&w, a, "{\"args_any\":[\"--headless\"]}"));
	takes(&w, a, "{\"comm_any\":[\"a*\"]}");
	assert_false(takes(&w, a, "{\"args_any\":[\"x\"]}"));
	world_stop(&w);
}

static void kinds_do_not_mix(void **s)
{
	(void)s;
	struct world w;
	struct actor *a;
	struct lane l = { .subject = RUNAWAY_SUBJECT_ORPHAN_TREE };
	struct runaway_cgroup cg = { .path = (char *)"/ci/job-1",
				     .names = { .unit = (char *)"runner.service" } };

	world_new(&w);
	a = orphan_with(&w, CHROMIUM, HEADLESS);
	assert_true(runaway_lane_matches_proc(&l, w.model, proc_of(&w, a)));
	assert_false(runaway_lane_matches_proc(&l, w.model, proc_of(&w, &w.actor[0])));
	assert_false(runaway_lane_matches_cgroup(&l, &cg));
	l.subject = RUNAWAY_SUBJECT_PROCESS;
	assert_true(runaway_lane_matches_proc(&l, w.model, proc_of(&w, &w.actor[0])));
	l.subject = RUNAWAY_SUBJECT_CGROUP;
	assert_false(runaway_lane_matches_proc(&l, w.model, proc_of(&w, a)));
	assert_true(runaway_lane_matches_cgroup(&l, &cg));
	assert_int_equal(runaway_glob_list_add(&l.match.cgroup_any, "runner.*"), 0);
	assert_true(runaway_lane_matches_cgroup(&l, &cg));
	assert_int_equal(runaway_glob_list_add(&l.not.cgroup_any, "/ci/*"), 0);
	assert_false(runaway_lane_matches_cgroup(&l, &cg));
	cg.path = NULL;
	cg.names.unit = NULL;
	assert_false(runaway_lane_matches_cgroup(&l, &cg));
	runaway_lane_free(&l);
	world_stop(&w);
}

/* The automation flags of every driver, and the look-alikes that are none. */
static void the_browser_lane_knows_its_browsers(void **s)
{
	(void)s;
	static const struct {
		const char *exe, *args;
		bool want;
	} rows[] = {
		{ CHROMIUM, "chromium|--headless", true },
		{ "/opt/google/chrome/chrome", "chrome|--enable-automation", true },
		{ "/home/ci/.cache/puppeteer/chrome/linux-1/chrome-linux64/chrome",
		  "chrome|--remote-debugging-port=0", true },
		{ "/home/ci/.cache/ms-playwright/chromium_headless_shell-1/chrome-linux/"
		  "headless_shell",
		  "headless_shell|--remote-debugging-pipe", true },
		{ "/x/chrome-headless-shell-linux64/chrome-headless-shell", "c|--headless", true },
		{ "/opt/microsoft/msedge/msedge", "msedge|--test-type=webdriver", true },
		{ "/usr/lib/firefox-esr/firefox-esr", "firefox-esr|-marionette", true },
		{ "/x/firefox/firefox", "firefox|-no-remote|-juggler-pipe", true },
		{ "/x/bin/MiniBrowser", "MiniBrowser|--inspector-pipe", true },
		{ "/usr/bin/chromedriver", "chromedriver|--port=37411", true },
		{ "/opt/geckodriver", "geckodriver|--port|4444", true },
		{ "/opt/edge/msedgedriver", "msedgedriver|--port=9515", true },
		{ "/usr/bin/chromedriver", "chromedriver|--version", false },
		{ "/usr/bin/python3", "python3|-m|http.server|--port=8000", false },
		{ CHROMIUM, "chromium|https://example.org/--port=1", false },
		{ CHROMIUM, "chromium|https://example.org", false },
		{ CHROMIUM, "chromium|--type=renderer|--headless", false },
		{ "/usr/lib/firefox/firefox", "firefox|-contentproc|-headless", false },
		{ "/usr/lib/chromium/chrome_crashpad_handler", "c|--headless", false },
		{ "/usr/bin/node", "node|--headless", false },
		{ CHROMIUM, "chromium|--headless-mode-is-fun", false },
	};
	_cleanup_(runaway_lane_set_free) struct lane_set set = { 0 };
	const struct lane *l;

	assert_int_equal(runaway_lane_set_builtin(&set), 0);
	l = runaway_lane_set_find(&set, "orphan_browser_smoke_runaway_process");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;
		struct actor *a;

		world_new(&w);
		a = orphan_with(&w, rows[i].exe, rows[i].args);
		if (runaway_lane_matches_proc(l, w.model, proc_of(&w, a)) != rows[i].want)
			fail_msg("%s %s: not %d", rows[i].exe, rows[i].args, rows[i].want);
		world_stop(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_list_is_held_against_its_own),
		cmocka_unit_test(unknown_matches_nothing),
		cmocka_unit_test(a_rewritten_title_is_taken_apart),
		cmocka_unit_test(hostile_bytes_are_only_bytes),
		cmocka_unit_test(kinds_do_not_mix),
		cmocka_unit_test(the_browser_lane_knows_its_browsers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
