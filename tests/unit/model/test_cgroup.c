/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cgroups: paths, places in the tree, members, life and death. */

#include "model/harness.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct runaway_cgroup *cg(const struct world *w, uint64_t n)
{
	return runaway_model_cgroup(w->m, n);
}

static void test_paths_and_names(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_MKDIR, 2, 1, 0, "/docker/" HEX);
	assert_string_equal(cg(&w, 2)->names.container_id, HEX);
	assert_string_equal(cg(&w, 2)->names.runtime, "docker");
	cgroup_ev(&w, RW_CG_MKDIR, 3, 1, 0, NULL);
	assert_null(cg(&w, 3)->path);
	cgroup_ev(&w, RW_CG_FOUND, 3, 1, 0, "/late.service");
	assert_string_equal(cg(&w, 3)->names.unit, "late.service");
	cgroup_ev(&w, RW_CG_FOUND, 4, 1, 0, "no slash");
	assert_null(cg(&w, 4)->path);
	world_free(&w);
}

static void test_rename_moves_what_is_below(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_MKDIR, 2, 0, 0, "/a");
	cgroup_ev(&w, RW_CG_MKDIR, 3, 2, 0, "/a/b.service");
	cgroup_ev(&w, RW_CG_MKDIR, 4, 3, 0, "/a/b.service/c");
	cgroup_ev(&w, RW_CG_MKDIR, 5, 0, 0, "/ab");
	cgroup_ev(&w, RW_CG_RENAME, 2, 0, 0, "/z");
	assert_string_equal(cg(&w, 2)->path, "/z");
	assert_string_equal(cg(&w, 3)->path, "/z/b.service");
	assert_string_equal(cg(&w, 4)->path, "/z/b.service/c");
	assert_string_equal(cg(&w, 5)->path, "/ab");
	cgroup_ev(&w, RW_CG_RENAME, 3, 2, 0, "/z/d.scope");
	assert_string_equal(cg(&w, 3)->names.unit, "d.scope");
	assert_string_equal(cg(&w, 4)->names.unit, "d.scope");
	world_free(&w);
}

static void test_cpu_goes_up_the_tree(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 10, "/");
	cgroup_ev(&w, RW_CG_MKDIR, 2, 1, 0, "/a");
	cgroup_ev(&w, RW_CG_MKDIR, 3, 2, 0, "/a/b");
	cgroup_cpu(&w, 3, 100);
	cgroup_cpu(&w, 2, 20);
	cgroup_cpu(&w, 3, 90); /* back: nothing */
	assert_int_equal(cg(&w, 3)->total_cpu_ns, 100);
	assert_int_equal(cg(&w, 2)->own_cpu_ns, 20);
	assert_int_equal(cg(&w, 2)->total_cpu_ns, 120);
	assert_int_equal(cg(&w, 1)->total_cpu_ns, 130);
	/* Removed and released: what it burned stays with its ancestors. */
	cgroup_ev(&w, RW_CG_RMDIR, 3, 2, 0, NULL);
	assert_int_not_equal(cg(&w, 3)->removed_ns, 0);
	cgroup_ev(&w, RW_CG_RELEASE, 3, 2, 150, NULL);
	assert_int_equal(cg(&w, 2)->total_cpu_ns, 170);
	w.now_ns += 10 * SEC;
	tick(&w);
	tick(&w);
	assert_non_null(cg(&w, 3)); /* its series is still scraped */
	w.now_ns += 200 * SEC;
	tick(&w);
	assert_null(cg(&w, 3));
	assert_int_equal(cg(&w, 1)->total_cpu_ns, 180);
	world_free(&w);
}

/* Whoever ran in it may be somebody's origin for weeks; its name goes with the story, not before.
 */
static void test_lineage_keeps_its_name(void **state)
{
	struct rw_cgroup_ev moved;
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_MKDIR, 5, 1, 0, "/job");
	cgroup_ev(&w, RW_CG_MKDIR, 6, 1, 0, "/else");
	task(&w, 1, 0, "init", 0);
	forks(&w, 1, 10, "smoke.sh");
	forks(&w, 10, 11, "browser");
	moved = (struct rw_cgroup_ev){ .hdr = hdr(&w, RW_CGROUP, sizeof(moved)),
				       .op = RW_CG_ATTACH,
				       .cgroup_id = 6,
				       .id = rw_id(11) };
	FEED(&w, moved);
	moved = (struct rw_cgroup_ev){ .hdr = hdr(&w, RW_CGROUP, sizeof(moved)),
				       .op = RW_CG_ATTACH,
				       .cgroup_id = 6,
				       .id = rw_id(1) };
	FEED(&w, moved);
	dies(&w, 10, 9, 0);
	cgroup_ev(&w, RW_CG_RENAME, 5, 1, 0, "/job-done");
	cgroup_ev(&w, RW_CG_RMDIR, 5, 1, 0, NULL);
	cgroup_ev(&w, RW_CG_RELEASE, 5, 1, 0, NULL);
	w.now_ns += 1000 * SEC;
	tick(&w);
	tick(&w);
	assert_non_null(cg(&w, 5));
	assert_false(cg(&w, 5)->has_series); /* a name only */
	assert_int_equal(cg(&w, 5)->members, 0);
	assert_string_equal(runaway_proc_cgroup_path(w.m, find(&w, 11)->origin), "/job-done");
	dies(&w, 11, 0, 0);
	tick(&w);
	tick(&w);
	assert_null(cg(&w, 5));
	assert_non_null(cg(&w, 6)); /* nobody removed it */
	world_free(&w);
}

static void test_its_place_may_be_told_late(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_cpu(&w, 3, 100);
	assert_null(cg(&w, 3)->path);
	cgroup_ev(&w, RW_CG_FOUND, 3, 1, 0, "/a");
	assert_int_equal(cg(&w, 1)->total_cpu_ns, 100);
	cgroup_cpu(&w, 3, 150);
	assert_int_equal(cg(&w, 1)->total_cpu_ns, 150);
	/* No circle, whatever a record says. */
	cgroup_ev(&w, RW_CG_FOUND, 1, 3, 0, "/");
	assert_int_equal(cg(&w, 1)->parent_id, 0);
	cgroup_ev(&w, RW_CG_FOUND, 9, 9, 0, "/self");
	assert_int_equal(cg(&w, 9)->parent_id, 0);
	world_free(&w);
}

static void test_rates_of_what_ran(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_FOUND, 2, 1, 50 * SEC, "/a");
	tick(&w);
	w.now_ns += 2 * SEC - 2 * MSEC;
	cgroup_cpu(&w, 2, 53 * SEC);
	tick(&w);
	assert_true(cg(&w, 2)->cores > 1.49 && cg(&w, 2)->cores < 1.51);
	assert_true(cg(&w, 1)->cores > 1.49);
	w.now_ns += SEC;
	tick(&w);
	assert_true(cg(&w, 2)->cores == 0);
	assert_null(w.m->cgroup_hot);
	/* Long idle, then busy for one interval: the rate is of that interval. */
	w.now_ns += 50 * SEC;
	tick(&w);
	w.now_ns += SEC - 2 * MSEC;
	cgroup_cpu(&w, 2, 54 * SEC);
	tick(&w);
	assert_true(cg(&w, 2)->cores > 0.99);
	world_free(&w);
}

static void test_members_and_ci_containers(void **state)
{
	struct world w;
	struct rw_cgroup_ev r;

	(void)state;
	world_new(&w);
	boot(&w);
	cgroup_ev(&w, RW_CG_MKDIR, 5, 0, 0, "/docker/" HEX);
	cgroup_ev(&w, RW_CG_MKDIR, 6, 0, 0, "/docker/GITEA-ACTIONS-TASK-1-WORKFLOW-a-JOB-b-c");
	cgroup_ev(&w, RW_CG_MKDIR, 7, 6, 0, "/docker/GITEA-ACTIONS-TASK-1-WORKFLOW-a-JOB-b-c/init");
	assert_int_equal(w.m->ci_containers, 1);
	forks(&w, 1, 10, "sh");
	assert_int_equal(cg(&w, 5)->members, 2);
	EXECS(&w, 10, "sh", "sh\0bin", "sh", "GITHUB_ACTIONS=true\0GITHUB_RUN_ID=7\0");
	assert_int_equal(cg(&w, 5)->ci_members, 1);
	assert_int_equal(w.m->ci_containers, 2);
	r = (struct rw_cgroup_ev){ .hdr = hdr(&w, RW_CGROUP, sizeof(r)),
				   .op = RW_CG_ATTACH,
				   .cgroup_id = 8,
				   .id = rw_id(10) };
	FEED(&w, r);
	assert_int_equal(find(&w, 10)->cgroup_id, 8);
	assert_int_equal(cg(&w, 5)->ci_members, 0);
	assert_int_equal(w.m->ci_containers, 1);
	assert_int_equal(cg(&w, 8)->members, 1);
	dies(&w, 10, 0, 0);
	assert_int_equal(cg(&w, 8)->members, 0);
	cgroup_ev(&w, RW_CG_RMDIR, 6, 0, 0, NULL);
	assert_int_equal(w.m->ci_containers, 0);
	tick(&w);
	assert_int_equal(runaway_model_host(w.m)->ci_containers, 0);
	world_free(&w);
}

static void test_the_limit(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 100, 5, 2);
	for (uint64_t i = 1; i <= 20; i++) {
		cgroup_ev(&w, RW_CG_MKDIR, i, 0, 0, "/x");
		cgroup_cpu(&w, i, 5);
	}
	assert_int_equal(HASH_CNT(hh, w.m->cgroups), 5);
	assert_int_equal(runaway_model_counters(w.m)->cgroups_full, 30);
	world_free(&w);
}

/* A scan in which the whole tree was told, from one to the other. */
static void tree_told(struct world *w, uint64_t from, uint64_t to)
{
	w->now_ns += SEC;
	scan_begin(w);
	for (uint64_t i = from; i <= to; i++)
		cgroup_ev(w, RW_CG_FOUND, i, 1, 0, "/again");
	scan_end(w, RW_SCAN_CGROUPS, runaway_model_living(w->m));
}

static void test_the_tree_read_again(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	cgroup_ev(&w, RW_CG_MKDIR, 2, 1, 0, "/lost-its-end");
	cgroup_ev(&w, RW_CG_MKDIR, 3, 1, 0, "/stays");
	cgroup_cpu(&w, 4, 100); /* its making was lost: no path */
	assert_null(cg(&w, 4)->path);
	tree_told(&w, 3, 4);
	assert_int_not_equal(cg(&w, 2)->removed_ns, 0);
	assert_int_equal(cg(&w, 3)->removed_ns, 0);
	assert_string_equal(cg(&w, 4)->path, "/again");
	assert_int_equal(cg(&w, 4)->parent_id, 1);
	/* What was thought to be gone is there after all, and stays. */
	tree_told(&w, 2, 4);
	assert_int_equal(cg(&w, 2)->removed_ns, 0);
	w.now_ns += 2 * REMOVED_LINGER_NS;
	tick(&w);
	assert_non_null(cg(&w, 2));
	assert_null(w.m->cgroup_going);
	/* Made while the tree was read: nobody could have found it. */
	scan_begin(&w);
	cgroup_ev(&w, RW_CG_MKDIR, 5, 1, 0, "/new");
	scan_end(&w, RW_SCAN_CGROUPS, runaway_model_living(w.m));
	assert_int_equal(cg(&w, 5)->removed_ns, 0);
	world_free(&w);
}

/* The record of its release was lost: what the kernel side has no account of any more is released.
 */
static void test_a_release_that_was_lost(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	for (uint64_t i = 2; i <= 5; i++)
		cgroup_ev(&w, RW_CG_MKDIR, i, 1, 0, "/a");
	cgroup_ev(&w, RW_CG_RMDIR, 2, 1, 0, NULL);
	cgroup_ev(&w, RW_CG_RMDIR, 3, 1, 0, NULL);
	/* That nothing is told of proves nothing; nor does a scan after which changes alone are. */
	for (int i = 0; i < 2; i++) {
		w.now_ns += SEC;
		scan_begin(&w);
		scan_end(&w, i == 0 ? RW_SCAN_RESYNC : 0, 0);
		if (i == 1)
			cgroup_cpu(&w, 4, 1);
	}
	w.now_ns += SEC;
	scan_begin(&w);
	assert_false(cg(&w, 2)->released);
	scan_end(&w, RW_SCAN_RESYNC, 0);
	cgroup_cpu(&w, 3, 100); /* somebody in it has not been released */
	cgroup_cpu(&w, 4, 2);
	w.now_ns += SEC;
	cgroup_ev(&w, RW_CG_MKDIR, 6, 1, 0, "/later");
	cgroup_ev(&w, RW_CG_RMDIR, 6, 1, 0, NULL);
	scan_begin(&w);
	assert_true(cg(&w, 2)->released);
	assert_false(cg(&w, 3)->released);
	assert_false(cg(&w, 4)->released);
	assert_false(cg(&w, 5)->released);
	assert_false(cg(&w, 6)->released);
	/* That it was removed is learned later, from the tree. */
	scan_end(&w, 0, 0);
	tree_told(&w, 3, 4);
	scan_begin(&w);
	assert_true(cg(&w, 5)->released);
	w.now_ns += 2 * SERIES_LINGER_NS;
	tick(&w);
	tick(&w);
	assert_null(cg(&w, 2));
	assert_null(cg(&w, 5));
	assert_non_null(cg(&w, 3));
	world_free(&w);
}

static void test_room_for_those_turned_away(void **state)
{
	struct world w;

	(void)state;
	world_new_limits(&w, 100, 32, 2);
	for (uint64_t i = 1; i <= 40; i++)
		cgroup_ev(&w, RW_CG_MKDIR, i, 0, 0, "/x");
	scan_begin(&w);
	scan_end(&w, 0, 0);
	assert_false(runaway_model_wants_resync(w.m));
	for (uint64_t i = 1; i <= 20; i++)
		cgroup_ev(&w, RW_CG_RELEASE, i, 0, 0, NULL);
	w.now_ns += 2 * SERIES_LINGER_NS;
	tick(&w);
	scan_begin(&w);
	scan_end(&w, 0, 0);
	assert_true(runaway_model_wants_resync(w.m));
	assert_string_equal(runaway_model_resync_reason(w.m), "room");
	world_free(&w);
}

static void test_many_come_and_go(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	cgroup_ev(&w, RW_CG_FOUND, 1, 0, 0, "/");
	for (uint64_t i = 2; i < 20002; i++) {
		cgroup_ev(&w, RW_CG_MKDIR, i, 1, 0, "/job");
		cgroup_cpu(&w, i, 1000);
		cgroup_ev(&w, RW_CG_RMDIR, i, 1, 1000, NULL);
		cgroup_ev(&w, RW_CG_RELEASE, i, 1, 2000, NULL);
		if (i % 100 == 0)
			tick(&w);
	}
	w.now_ns += 300 * SEC;
	tick(&w);
	w.now_ns += 300 * SEC;
	tick(&w);
	assert_int_equal(HASH_CNT(hh, w.m->cgroups), 1);
	assert_int_equal(w.m->series_used, 0);
	assert_int_equal(cg(&w, 1)->total_cpu_ns, 20000 * 2000);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_and_names),
		cmocka_unit_test(test_rename_moves_what_is_below),
		cmocka_unit_test(test_cpu_goes_up_the_tree),
		cmocka_unit_test(test_lineage_keeps_its_name),
		cmocka_unit_test(test_its_place_may_be_told_late),
		cmocka_unit_test(test_rates_of_what_ran),
		cmocka_unit_test(test_members_and_ci_containers),
		cmocka_unit_test(test_the_limit),
		cmocka_unit_test(test_the_tree_read_again),
		cmocka_unit_test(test_a_release_that_was_lost),
		cmocka_unit_test(test_room_for_those_turned_away),
		cmocka_unit_test(test_many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
