/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A group whose root ends, or is no more the oldest: it is one subject all the same. */

#include "harness.h"

#define GENERIC "orphan_generic_cpu_runaway"

static char *key_of(const struct actor *a, char key[static 192])
{
	snprintf(key, 192, GENERIC "/orphan_tree:%u:%llu", a->id.pid,
		 (unsigned long long)a->id.start_ns);
	return key;
}

struct team {
	struct actor *suite, *first, *second;
};

/* Two workers of one suite, in its process group: together they burn 1.2 cores. */
static struct team start_team(struct world *w)
{
	struct team t;

	t.suite = spawn(w, &w->actor[1]);
	exec_as(w, t.suite, "/usr/bin/python3", "python3|suite.py", "");
	burn(w, 6);
	t.first = spawn(w, t.suite);
	exec_as(w, t.first, "/usr/bin/worker", "worker|1", "");
	burn(w, 1);
	t.second = spawn(w, t.suite);
	exec_as(w, t.second, "/usr/bin/worker", "worker|2", "");
	t.first->rate = t.second->rate = 0.6;
	return t;
}

static void the_finding_goes_on_with_the_next_root(void **s)
{
	(void)s;
	struct runaway_finding *f;
	struct world w;
	struct team t;
	char key[192];

	world_new(&w);
	t = start_team(&w);
	die(&w, t.suite, KILLED(9));
	run(&w, 420);
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, key_of(t.first, key));
	f = runaway_engine_findings(w.engine);
	strcpy(f->incident_id, "the one");
	die(&w, t.first, KILLED(11));
	run(&w, 100);
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.ended, 0);
	f = runaway_engine_findings(w.engine);
	assert_non_null(f);
	assert_null(f->hh.next);
	assert_string_equal(f->key, key_of(t.second, key));
	assert_int_equal(f->subject.id.pid, t.second->id.pid);
	assert_string_equal(f->incident_id, "the one");
	/* 420 s of both, 100 s of one, and nothing of it twice. */
	assert_true(fabs(runaway_engine_lane_cpu_seconds(w.engine, GENERIC) -
			 (420 * 1.2 + 100 * 0.6)) < 2);
	die(&w, t.second, KILLED(15));
	run(&w, 1);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_GONE);
	assert_string_equal(w.ended_key, key_of(t.second, key));
	world_stop(&w);
}

static void so_do_hold_time_and_age(void **s)
{
	(void)s;
	struct world w;
	struct team t;
	char key[192];

	world_new(&w);
	t = start_team(&w);
	w.started_ns = w.now_ns;
	die(&w, t.suite, KILLED(9));
	run(&w, 380); /* pending for 80 s of 120 */
	die(&w, t.first, KILLED(11));
	run(&w, 39);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, key_of(t.second, key));
	assert_true(w.condition_s == 300);
	world_stop(&w);
}

/* Left behind a minute after the first: the group is as old as its first root was. */
static void a_younger_orphan_has_the_age_of_its_group(void **s)
{
	(void)s;
	struct actor *shell, *late;
	struct world w;
	struct team t;
	char key[192];

	world_new(&w);
	shell = spawn(&w, &w.actor[1]);
	t = start_team(&w);
	late = spawn(&w, shell);
	late->pgid = t.first->pgid;
	exec_as(&w, late, "/usr/bin/worker", "worker|3", "");
	late->rate = 0.7;
	die(&w, t.suite, KILLED(9));
	die(&w, t.second, KILLED(9));
	run(&w, 60);
	die(&w, shell, KILLED(9));
	run(&w, 260);
	die(&w, t.first, KILLED(9));
	run(&w, 99);
	assert_int_equal(w.opened, 0);
	run(&w, 1);
	assert_int_equal(w.opened, 1);
	assert_string_equal(w.opened_key, key_of(late, key));
	world_stop(&w);
}

/* A step's older process of the same program is orphaned under an open finding. */
static void an_older_orphan_ends_no_finding(void **s)
{
	(void)s;
	struct actor *shell, *older;
	struct world w;
	struct team t;
	char key[192];

	world_new(&w);
	shell = spawn(&w, &w.actor[1]);
	older = spawn(&w, shell);
	exec_as(&w, older, "/usr/bin/worker", "worker|0", "");
	burn(&w, 10);
	t = start_team(&w);
	older->pgid = t.first->pgid;
	die(&w, t.suite, KILLED(9));
	run(&w, 420);
	assert_int_equal(w.opened, 1);
	die(&w, shell, KILLED(9));
	run(&w, 10);
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.ended, 0);
	assert_string_equal(runaway_engine_findings(w.engine)->key, key_of(t.first, key));
	world_stop(&w);
}

/* What is left of a browser is none of its lane's: renderers are judged by what they are. */
static void a_root_of_another_kind_is_no_heir(void **s)
{
	(void)s;
	struct actor *helper;
	struct world w;
	struct browser b;

	world_new(&w);
	b = start_browser(&w, HEADLESS);
	helper = spawn(&w, b.script);
	helper->pgid = helper->sid = b.root->pgid;
	exec_as(&w, helper, CHROMIUM, "chromium|--type=utility", "");
	helper->rate = 0.8;
	die(&w, b.script, KILLED(9));
	run(&w, 200);
	assert_int_equal(w.opened, 1);
	die(&w, b.renderer, KILLED(9));
	die(&w, b.zygote, KILLED(9));
	die(&w, b.root, KILLED(9));
	run(&w, 1);
	assert_int_equal(w.ended, 1);
	assert_int_equal(w.why, FINDING_GONE);
	assert_null(runaway_engine_findings(w.engine));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_finding_goes_on_with_the_next_root),
		cmocka_unit_test(so_do_hold_time_and_age),
		cmocka_unit_test(a_younger_orphan_has_the_age_of_its_group),
		cmocka_unit_test(an_older_orphan_ends_no_finding),
		cmocka_unit_test(a_root_of_another_kind_is_no_heir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
