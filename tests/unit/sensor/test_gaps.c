/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hides a part of the host, found from a procfs of links. */

#include "sensor/harness.h"

static void ns(const struct rig *g, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/self/ns", g->root);
	assert_int_equal(runaway_mkdir_p(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/self/ns/%s", g->root, name);
	(void)unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

/* The rig's own namespaces; a test then swaps one for something that is no namespace. */
static void own_namespaces(const struct rig *g)
{
	static const char *const names[] = { "pid", "cgroup", "user" };
	char target[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(target, sizeof(target), "/proc/self/ns/%s", names[i]);
		ns(g, names[i], target);
	}
}

/* A build in a container of somebody's cannot play the host. */
static void need_the_host(void)
{
	static const struct {
		const char *path;
		ino_t ino;
	} initial[] = {
		{ "/proc/self/ns/pid", 0xEFFFFFFC },
		{ "/proc/self/ns/cgroup", 0xEFFFFFFB },
		{ "/proc/self/ns/user", 0xEFFFFFFD },
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(initial); i++)
		if (stat(initial[i].path, &st) < 0 || st.st_ino != initial[i].ino)
			skip();
}

static uint32_t find(struct rig *g)
{
	g->s.features.gaps = 0;
	sensor_gaps_find(&g->s);
	return g->s.features.gaps;
}

static bool differs(struct rig *g, const char *name, enum runaway_gap gap)
{
	uint32_t before, after;

	own_namespaces(g);
	before = find(g);
	ns(g, name, "/proc/version");
	after = find(g);
	own_namespaces(g);
	return !(before & (1u << gap)) && after == (before | 1u << gap);
}

static void test_namespaces(void **state)
{
	struct rig *g = *state;

	need_the_host();
	/* Whole or not, the tree is the same before and after. */
	g->s.cgroup_tree = g->root;
	g->s.features.cgroups = RUNAWAY_CGROUPS_HYBRID;
	assert_true(differs(g, "pid", RUNAWAY_GAP_PID_NAMESPACE));
	assert_true(runaway_features_gap(&g->s.features) <= RUNAWAY_GAP_CGROUP_PART);
	assert_true(differs(g, "cgroup", RUNAWAY_GAP_CGROUP_NAMESPACE));
	assert_true(g->s.foreign_cgroup_ns);
	assert_false(sensor_gaps_user_namespace(&g->s));
	ns(g, "user", "/proc/version");
	assert_true(sensor_gaps_user_namespace(&g->s));
	g->s.cgroup_tree = NULL;
}

static void test_a_procfs_of_others(void **state)
{
	struct rig *g = *state;
	uint32_t gaps = find(g);

	assert_true(gaps & (1u << RUNAWAY_GAP_PROCFS));
	assert_false(gaps & (1u << RUNAWAY_GAP_PID_NAMESPACE));
	assert_true(runaway_features_blind(&g->s.features));
	assert_int_equal(runaway_features_gap(&g->s.features), RUNAWAY_GAP_PROCFS);
}

static void test_trees(void **state)
{
	struct rig *g = *state;
	uint32_t gaps;

	need_the_host();
	own_namespaces(g);
	gaps = find(g);
	assert_int_equal(gaps, 1u << RUNAWAY_GAP_NO_CGROUPS);
	assert_false(runaway_features_blind(&g->s.features));
	/* A folder that is no root of a hierarchy */
	g->s.cgroup_tree = g->root;
	g->s.features.cgroups = RUNAWAY_CGROUPS_V2;
	assert_int_equal(find(g), 1u << RUNAWAY_GAP_CGROUP_PART);
	/* Root of any procfs, like that of a hierarchy, is node 1. */
	g->s.cgroup_tree = (char *)"/proc";
	assert_int_equal(find(g), 0);
	assert_int_equal(runaway_features_gap(&g->s.features), RUNAWAY_GAP_MAX);
	/* The whole v2 tree tells every path: those of /proc are not needed. */
	ns(g, "cgroup", "/proc/version");
	assert_int_equal(find(g), 0);
	assert_true(g->s.foreign_cgroup_ns);
	g->s.features.cgroups = RUNAWAY_CGROUPS_V1;
	assert_int_equal(find(g), 1u << RUNAWAY_GAP_CGROUP_NAMESPACE);
	g->s.cgroup_tree = NULL;
}

/* Paths that are relative to some namespace are nobody's. */
static void test_relative_paths_are_not_told(void **state)
{
	struct rig *g = *state;
	struct rw_id id = { .pid = 42, .start_ns = 5000 * TICK_NS };

	rig_stat(g, 42, "sh", 'S', 1, 5000);
	rig_text(g, "42/cgroup", "0::/../other\n");
	g->s.foreign_cgroup_ns = true;
	runaway_sensor_enrich(&g->s, id, true);
	sensor_enrich_flush(&g->s);
	assert_int_equal(g->count, 0);
	g->s.foreign_cgroup_ns = false;
	runaway_sensor_enrich(&g->s, id, true);
	sensor_enrich_flush(&g->s);
	assert_int_equal(g->count, 1);
}

static void test_texts(void **state)
{
	(void)state;
	for (enum runaway_gap g = 0; g < RUNAWAY_GAP_MAX; g++) {
		assert_true(strlen(runaway_gap_name(g)) > 0);
		assert_true(strlen(runaway_gap_mend(g)) > 0);
		assert_true(strlen(runaway_gap_what(g)) > 0);
		/* doctor's detail holds 255 bytes */
		assert_true(strlen(runaway_gap_what(g)) < 256);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_namespaces, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_procfs_of_others, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_trees, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_relative_paths_are_not_told, rig_setup,
						rig_teardown),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
