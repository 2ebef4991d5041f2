/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An accident, a daemon, or not to be told. */

#include "model/harness.h"

struct daemon_case {
	const char *what;
	int status;	 /* wait status of the origin */
	uint64_t late_s; /* the origin exits this long after the fork */
	bool own_session;
	enum runaway_daemonised want;
	enum runaway_daemonised of_a_job; /* with CI markers */
};

static const struct daemon_case cases[] = {
	{ "setsid, exit 0 at once", 0, 0, true, RUNAWAY_DAEMONISED_YES,
	  RUNAWAY_DAEMONISED_UNKNOWN },
	{ "setsid, exit 0 within five seconds", 0, 4, true, RUNAWAY_DAEMONISED_YES,
	  RUNAWAY_DAEMONISED_UNKNOWN },
	{ "setsid, but the origin worked on", 0, 6, true, RUNAWAY_DAEMONISED_NO,
	  RUNAWAY_DAEMONISED_NO },
	{ "killed", 9, 0, true, RUNAWAY_DAEMONISED_NO, RUNAWAY_DAEMONISED_NO },
	{ "crashed", 11 | 0x80, 0, true, RUNAWAY_DAEMONISED_NO, RUNAWAY_DAEMONISED_NO },
	{ "failed", 1 << 8, 0, true, RUNAWAY_DAEMONISED_NO, RUNAWAY_DAEMONISED_NO },
	{ "nohup: no session of its own", 0, 0, false, RUNAWAY_DAEMONISED_NO,
	  RUNAWAY_DAEMONISED_NO },
};

/* The verdict on p if it had the markers of a CI job. */
static enum runaway_daemonised of_a_job(const struct world *w, struct runaway_proc *p)
{
	struct runaway_ci job = { .runner = "gitea" };
	enum runaway_daemonised d;

	p->ci = &job;
	d = runaway_proc_daemonised(w->m, p);
	p->ci = NULL;
	return d;
}

/* Times matter here: the child starts when it is forked. */
static void fork_at(struct world *w, struct rw_id origin, struct rw_id child, uint32_t sid)
{
	struct rw_fork r = { .hdr = hdr(w, RW_FORK, sizeof(r)),
			     .id = child,
			     .origin = origin,
			     .parent = origin,
			     .pgid = sid,
			     .sid = sid,
			     .comm = "thing" };

	FEED(w, r);
}

static void exit_at(struct world *w, struct rw_id who, int status)
{
	struct rw_exit r = { .hdr = hdr(w, RW_EXIT, sizeof(r)), .id = who, .exit_code = status };

	FEED(w, r);
}

static void move_to(struct world *w, struct rw_id who, struct rw_id from, struct rw_id to,
		    uint32_t sid)
{
	struct rw_reparent r = { .hdr = hdr(w, RW_REPARENT, sizeof(r)),
				 .id = who,
				 .old_parent = from,
				 .reaper = to,
				 .pgid = sid,
				 .sid = sid,
				 .via = RW_VIA_HOOK };

	FEED(w, r);
}

static void move_at(struct world *w, struct rw_id who, struct rw_id from, uint32_t sid)
{
	move_to(w, who, from, rw_id(1), sid);
}

static void test_how_the_origin_ended(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rw_id origin, child;
		struct world w;

		world_new(&w);
		boot(&w);
		origin = (struct rw_id){ .pid = 10, .start_ns = w.now_ns };
		fork_at(&w, rw_id(1), origin, 10);
		w.now_ns += 100 * SEC; /* it may live long before it forks */
		child = (struct rw_id){ .pid = 11, .start_ns = w.now_ns };
		fork_at(&w, origin, child, 10);
		assert_int_equal(runaway_proc_daemonised(w.m, runaway_model_find_pid(w.m, 11)),
				 RUNAWAY_DAEMONISED_NO);
		w.now_ns += cases[i].late_s * SEC;
		exit_at(&w, origin, cases[i].status);
		move_at(&w, child, origin, cases[i].own_session ? 11 : 9);
		if (runaway_proc_daemonised(w.m, runaway_model_find_pid(w.m, 11)) != cases[i].want)
			fail_msg("%s", cases[i].what);
		if (of_a_job(&w, runaway_model_find_pid(w.m, 11)) != cases[i].of_a_job)
			fail_msg("of a job: %s", cases[i].what);
		world_free(&w);
	}
}

/* A forks B, B makes a session and forks C, B exits: C is in the session of the dead B. */
static void test_double_fork_in_a_dead_session(void **state)
{
	for (int crashed = 0; crashed < 2; crashed++) {
		struct rw_id b, c, d;
		struct world w;

		(void)state;
		world_new(&w);
		boot(&w);
		b = (struct rw_id){ .pid = 20, .start_ns = w.now_ns };
		fork_at(&w, rw_id(1), b, 20);
		c = (struct rw_id){ .pid = 21, .start_ns = w.now_ns };
		fork_at(&w, b, c, 20);
		d = (struct rw_id){ .pid = 22, .start_ns = w.now_ns };
		fork_at(&w, c, d, 20);
		exit_at(&w, b, crashed ? 9 : 0);
		move_at(&w, c, b, 20);
		exit_at(&w, c, 0);
		move_at(&w, d, c, 20);
		assert_int_equal(runaway_proc_daemonised(w.m, runaway_model_find_pid(w.m, 22)),
				 crashed ? RUNAWAY_DAEMONISED_NO : RUNAWAY_DAEMONISED_YES);
		assert_int_equal(of_a_job(&w, runaway_model_find_pid(w.m, 22)),
				 crashed ? RUNAWAY_DAEMONISED_NO : RUNAWAY_DAEMONISED_UNKNOWN);
		world_free(&w);
	}
}

/*
 * A runtime joins a container: S, a subreaper, forks B, B makes a session, forks
 * the step C and exits. S looks after C, a job's step or not. Then S ends: killed, C is
 * nobody's; done, it is as meant, as far as a job's is.
 */
static void test_supervisor_that_is_killed(void **state)
{
	static const struct {
		int status;
		enum runaway_daemonised want, of_a_job;
	} ends[] = {
		{ 9, RUNAWAY_DAEMONISED_NO, RUNAWAY_DAEMONISED_NO },
		{ 11 | 0x80, RUNAWAY_DAEMONISED_NO, RUNAWAY_DAEMONISED_NO },
		{ 0, RUNAWAY_DAEMONISED_YES, RUNAWAY_DAEMONISED_UNKNOWN },
		{ 1 << 8, RUNAWAY_DAEMONISED_YES, RUNAWAY_DAEMONISED_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct rw_id s, b, c;
		struct runaway_proc *p;
		struct world w;

		world_new(&w);
		boot(&w);
		s = (struct rw_id){ .pid = 20, .start_ns = w.now_ns };
		fork_at(&w, rw_id(1), s, 20);
		b = (struct rw_id){ .pid = 21, .start_ns = w.now_ns };
		fork_at(&w, s, b, 21);
		c = (struct rw_id){ .pid = 22, .start_ns = w.now_ns };
		fork_at(&w, b, c, 21);
		exit_at(&w, b, 0);
		move_to(&w, c, b, s, 21);
		p = runaway_model_find_pid(w.m, 22);
		assert_int_equal(runaway_proc_daemonised(w.m, p), RUNAWAY_DAEMONISED_YES);
		assert_int_equal(of_a_job(&w, p), RUNAWAY_DAEMONISED_YES);
		exit_at(&w, s, ends[i].status);
		move_at(&w, c, s, 21);
		assert_int_equal(p->orphan->hop_count, 2);
		assert_int_equal(runaway_proc_daemonised(w.m, p), ends[i].want);
		assert_int_equal(of_a_job(&w, p), ends[i].of_a_job);
		world_free(&w);
	}
}

/* A step's script leads the step's session, leaves a browser in it and ends well. */
static void test_a_script_that_leads_a_session_is_no_daemon(void **state)
{
	struct world w;
	struct runaway_proc *p;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "runner");
	EXECS(&w, 10, "step.sh", "sh\0bin", "sh\0step.sh", "");
	find(&w, 10)->sid = 10;
	forks(&w, 10, 11, "step.sh");
	EXECS(&w, 11, "chromium", "chromium\0bin", "chromium", "");
	/* Starts are small numbers here: the exit is told to be soon after. */
	w.now_ns = START(11);
	exits(&w, 10, 0);
	p = find(&w, 11);
	p->sid = 10;
	assert_int_equal(runaway_proc_daemonised(w.m, p), RUNAWAY_DAEMONISED_NO);
	find(&w, 10)->execed = false;
	assert_int_equal(runaway_proc_daemonised(w.m, p), RUNAWAY_DAEMONISED_YES);
	world_free(&w);
}

static void test_names_on_the_list(void **state)
{
	static const char *const always[] = {
		"chrome_crashpad", "chrome_crashpad_", "crashhelper", "containerd-shim", "conmon",
		"tmux: server",	   "SCREEN",	       "tini",	      "gpg-agent",	 "(sd-pam)",
		"dbus-broker-lau", "systemd",	       "dockerd",
	};
	/* Found, when a CI job lost them. */
	static const char *const services[] = {
		"sshd",	  "nginx",    "apache2",      "httpd",	   "master", "postgres",
		"mysqld", "mariadbd", "redis-server", "memcached", "ccache", "distccd",
	};
	static const char *const no[] = { "",	  "chrome", "chromium",
					  "node", "sshdx",  "tmux: other",
					  "gpg",  "make",   "python3" };
	struct runaway_proc p = { .id = { .pid = 5 }, .sid = 4 };
	struct world w;

	(void)state;
	world_new(&w);
	for (size_t i = 0; i < ARRAY_SIZE(always) + ARRAY_SIZE(services); i++) {
		bool service = i >= ARRAY_SIZE(always);

		snprintf(p.comm, sizeof(p.comm), "%s",
			 service ? services[i - ARRAY_SIZE(always)] : always[i]);
		assert_int_equal(runaway_proc_daemonised(w.m, &p), RUNAWAY_DAEMONISED_YES);
		assert_int_equal(runaway_proc_is_service(&p), service);
		assert_int_equal(of_a_job(&w, &p),
				 service ? RUNAWAY_DAEMONISED_NO : RUNAWAY_DAEMONISED_YES);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		snprintf(p.comm, sizeof(p.comm), "%s", no[i]);
		p.sid = 5;
		assert_int_equal(runaway_proc_daemonised(w.m, &p), RUNAWAY_DAEMONISED_UNKNOWN);
		p.sid = 4;
		assert_int_equal(runaway_proc_daemonised(w.m, &p), RUNAWAY_DAEMONISED_NO);
	}
	p.flags = RW_TF_NS_INIT;
	assert_int_equal(runaway_proc_daemonised(w.m, &p), RUNAWAY_DAEMONISED_YES);
	world_free(&w);
}

/* A database of a job: lost with its origin it is found, started as a daemon it is one. */
static void test_a_service_of_a_job(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rw_id origin, child;
		struct runaway_proc *p;
		struct world w;

		world_new(&w);
		boot(&w);
		origin = (struct rw_id){ .pid = 10, .start_ns = w.now_ns };
		fork_at(&w, rw_id(1), origin, 10);
		child = (struct rw_id){ .pid = 11, .start_ns = w.now_ns };
		fork_at(&w, origin, child, 10);
		w.now_ns += cases[i].late_s * SEC;
		exit_at(&w, origin, cases[i].status);
		move_at(&w, child, origin, cases[i].own_session ? 11 : 9);
		p = runaway_model_find_pid(w.m, 11);
		copy_comm(p->comm, "postgres");
		assert_int_equal(runaway_proc_daemonised(w.m, p), RUNAWAY_DAEMONISED_YES);
		if (of_a_job(&w, p) != cases[i].want)
			fail_msg("%s", cases[i].what);
		world_free(&w);
	}
}

/* The configuration's own list asks for nothing else. */
/* "CI=true" and no more: nobody's job. A marker of the user's own is one. */
static void test_markers_that_name_no_job(void **state)
{
	static const struct {
		const char *markers;
		size_t len;
		bool job;
	} rows[] = {
		{ "CI=true", 8, false },       { "CI=true\0NODE_NAME=x", 20, false },
		{ "CI=woodpecker", 14, true }, { "CI=true\0GITHUB_RUN_ID=7", 24, true },
		{ "MY_JOB=7", 9, true },
	};
	const char *const own[] = { "MY_JOB", NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct runaway_ci *ci;

		assert_int_equal(runaway_ci_parse(rows[i].markers, rows[i].len, own, &ci), 0);
		if (ci_names_job(ci) != rows[i].job)
			fail_msg("row %zu", i);
		runaway_ci_unref(ci);
	}
}

static void test_the_users_list_excuses_jobs(void **state)
{
	static const char *const by_design[] = { "postgr*", NULL };
	const struct runaway_model_config config = {
		.limits = { .processes = 100, .cgroups = 100, .series = 10 },
		.by_design = by_design,
	};
	struct runaway_proc p = { .comm = "postgres", .id = { .pid = 5 }, .sid = 4 };
	struct world w;

	(void)state;
	world_new(&w);
	assert_int_equal(of_a_job(&w, &p), RUNAWAY_DAEMONISED_NO);
	assert_int_equal(runaway_model_configure(w.m, &config), 0);
	assert_int_equal(of_a_job(&w, &p), RUNAWAY_DAEMONISED_YES);
	world_free(&w);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(runaway_daemonised_name(RUNAWAY_DAEMONISED_NO), "no");
	assert_string_equal(runaway_daemonised_name(RUNAWAY_DAEMONISED_UNKNOWN), "unknown");
	assert_string_equal(runaway_daemonised_name(RUNAWAY_DAEMONISED_YES), "yes");
	assert_string_equal(runaway_reaper_name(RUNAWAY_REAPER_NS_INIT), "namespace_init");
	assert_string_equal(runaway_reaper_name(RUNAWAY_REAPER_INIT), "init");
	assert_string_equal(runaway_reaper_name(RUNAWAY_REAPER_SUBREAPER), "subreaper");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_the_origin_ended),
		cmocka_unit_test(test_double_fork_in_a_dead_session),
		cmocka_unit_test(test_supervisor_that_is_killed),
		cmocka_unit_test(test_a_script_that_leads_a_session_is_no_daemon),
		cmocka_unit_test(test_names_on_the_list),
		cmocka_unit_test(test_a_service_of_a_job),
		cmocka_unit_test(test_markers_that_name_no_job),
		cmocka_unit_test(test_the_users_list_excuses_jobs),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
