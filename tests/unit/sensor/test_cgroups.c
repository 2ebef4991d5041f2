/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hierarchy is whose, and that plain folders are none. */

#include "sensor/harness.h"

static void test_no_tree(void **state)
{
	struct rig *g = *state;
	enum runaway_cgroup_source source = RUNAWAY_CGROUPS_V1;
	char *tree = (char *)"untouched";

	/* Plain folders with the right names are no cgroup file systems. */
	rig_folder(g, "unified");
	rig_folder(g, "cpuacct");
	rig_folder(g, "cpu");
	assert_int_equal(sensor_cgroups_detect(g->root, &source, &tree), 0);
	assert_int_equal(source, RUNAWAY_CGROUPS_NONE);
	assert_null(tree);
	assert_int_equal(sensor_cgroups_detect("/nonexistent", &source, &tree), 0);
	assert_int_equal(source, RUNAWAY_CGROUPS_NONE);
	assert_null(tree);
}

static void test_hierarchy_ids(void **state)
{
	static const char text[] = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
				   "cpuset\t3\t1\t1\ncpu\t1\t9\t1\ncpuacct\t2\t9\t1\n"
				   "perf_event\t0\t1\t1\ngarbage\ncpux 7\n\n9\t9\n";
	struct rig *g = *state;

	assert_int_equal(sensor_cgroups_hierarchy(g->root, "cpu"), -ENOENT);
	rig_text(g, "cgroups", text);
	assert_int_equal(sensor_cgroups_hierarchy(g->root, "cpu"), 1);
	assert_int_equal(sensor_cgroups_hierarchy(g->root, "cpuacct"), 2);
	assert_int_equal(sensor_cgroups_hierarchy(g->root, "perf_event"), 0);
	assert_int_equal(sensor_cgroups_hierarchy(g->root, "cp"), -ENOENT);
	assert_int_equal(sensor_cgroups_hierarchy(g->root, "garbage"), -ENOENT);
	assert_int_equal(sensor_cgroups_hierarchy(g->root, ""), -ENOENT);
}

static void test_names_of_sources(void **state)
{
	(void)state;
	assert_string_equal(runaway_cgroup_source_name(RUNAWAY_CGROUPS_NONE), "none");
	assert_string_equal(runaway_cgroup_source_name(RUNAWAY_CGROUPS_V2), "v2");
	assert_string_equal(runaway_cgroup_source_name(RUNAWAY_CGROUPS_HYBRID), "hybrid");
	assert_string_equal(runaway_cgroup_source_name(RUNAWAY_CGROUPS_V1), "v1");
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_tree),
		T(test_hierarchy_ids),
		cmocka_unit_test(test_names_of_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
