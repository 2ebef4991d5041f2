/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroup tree as folders: what is found in it. */

#include "sensor/harness.h"

static uint64_t inode(const struct rig *g, const char *name)
{
	char path[1024];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", g->root, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static const struct rw_cgroup_ev *found(const struct rig *g, uint64_t id)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->rec[i].cgroup.cgroup_id == id)
			return &g->rec[i].cgroup;
	return NULL;
}

static void snapshot(struct rig *g)
{
	g->s.cgroup_tree = g->root;
	assert_int_equal(sensor_cgroups_snapshot(&g->s), 0);
	g->s.cgroup_tree = NULL;
	for (size_t i = 0; i < g->count; i++) {
		assert_int_equal(g->rec[i].hdr.type, RW_CGROUP);
		assert_int_equal(g->rec[i].cgroup.op, RW_CG_FOUND);
	}
}

static void test_snapshot(void **state)
{
	struct rig *g = *state;
	const struct rw_cgroup_ev *ev;

	rig_folder(g, "system.slice/ssh.service");
	rig_folder(g, "user.slice");
	rig_text(g, "system.slice/cgroup.procs", "1\n");
	rig_text(g, "cpu.stat", "usage_usec 1\n");
	snapshot(g);
	assert_int_equal(g->count, 4);
	ev = found(g, inode(g, "."));
	assert_non_null(ev);
	assert_int_equal(ev->level, 0);
	assert_int_equal(ev->parent_id, 0);
	assert_string_equal(ev->path, "/");
	assert_int_equal(ev->path_len, 2);
	ev = found(g, inode(g, "system.slice/ssh.service"));
	assert_non_null(ev);
	assert_int_equal(ev->level, 2);
	assert_int_equal(ev->parent_id, inode(g, "system.slice"));
	assert_string_equal(ev->path, "/system.slice/ssh.service");
	assert_int_equal(ev->path_len, sizeof("/system.slice/ssh.service"));
	ev = found(g, inode(g, "user.slice"));
	assert_non_null(ev);
	assert_int_equal(ev->parent_id, inode(g, "."));
}

static void test_parents_come_first(void **state)
{
	struct rig *g = *state;

	rig_folder(g, "a/b/c/d/e");
	rig_folder(g, "a/z/y");
	rig_folder(g, "b/a");
	snapshot(g);
	assert_int_equal(g->count, 10);
	for (size_t i = 0; i < g->count; i++) {
		bool known = g->rec[i].cgroup.parent_id == 0;

		for (size_t j = 0; j < i; j++)
			known |= g->rec[j].cgroup.cgroup_id == g->rec[i].cgroup.parent_id;
		assert_true(known);
	}
}

static void test_links_are_not_followed(void **state)
{
	struct rig *g = *state;
	char path[64];

	/* As the v1 names `cpu` and `cpuacct` for one folder. */
	rig_folder(g, "cpu,cpuacct");
	snprintf(path, sizeof(path), "%s/cpu", g->root);
	assert_int_equal(symlink("cpu,cpuacct", path), 0);
	snprintf(path, sizeof(path), "%s/out", g->root);
	assert_int_equal(symlink("/", path), 0);
	snapshot(g);
	assert_int_equal(g->count, 2);
}

static void test_hostile_names(void **state)
{
	static const char name[] = "a\n\x1b[2J\"\\\xff b";
	struct rig *g = *state;
	const struct rw_cgroup_ev *ev;

	rig_folder(g, name);
	snapshot(g);
	ev = found(g, inode(g, name));
	assert_non_null(ev);
	assert_int_equal(ev->path[0], '/');
	assert_string_equal(ev->path + 1, name);
}

/* Unknown is told as unknown: a cut path would be another cgroup's. */
static void test_a_path_that_does_not_fit(void **state)
{
	struct rig *g = *state;
	char fits[RW_PATH_MAX], longer[RW_PATH_MAX + 1];

	memset(fits, 'x', sizeof(fits));
	fits[200] = fits[400] = '/';
	fits[RW_PATH_MAX - 2] = '\0'; /* with its '/' and NUL: 512 */
	rig_folder(g, fits);
	memcpy(longer, fits, sizeof(fits));
	longer[RW_PATH_MAX - 2] = 'x';
	longer[RW_PATH_MAX - 1] = '\0';
	rig_folder(g, longer);
	snapshot(g);
	assert_int_equal(g->count, 5);
	assert_int_equal(found(g, inode(g, fits))->path_len, RW_PATH_MAX);
	assert_string_equal(found(g, inode(g, fits))->path + 1, fits);
	assert_int_equal(found(g, inode(g, longer))->path_len, 0);
	assert_int_equal(found(g, inode(g, longer))->path[0], 0);
}

static void test_no_tree(void **state)
{
	struct rig *g = *state;

	assert_int_equal(sensor_cgroups_snapshot(&g->s), 0);
	g->s.cgroup_tree = (char *)"/nonexistent";
	assert_int_equal(sensor_cgroups_snapshot(&g->s), -ENOENT);
	g->s.cgroup_tree = NULL;
	assert_int_equal(g->count, 0);
}

static size_t told;

static void count_only(void *ctx, const struct rw_hdr *rec, size_t len)
{
	(void)ctx;
	(void)rec;
	(void)len;
	told++;
}

static void test_a_tree_of_many(void **state)
{
	struct rig *g = *state;

	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "job%d/inner", i);
		rig_folder(g, name);
	}
	told = 0;
	g->s.sink = count_only;
	snapshot(g);
	assert_int_equal(told, 1 + 2 * 300);
}

/* Each is removed as soon as it is told of. */
static void remove_at_once(void *ctx, const struct rw_hdr *rec, size_t len)
{
	const struct rw_cgroup_ev *ev = (const struct rw_cgroup_ev *)rec;
	struct rig *g = ctx;
	char path[sizeof(g->root) + RW_PATH_MAX];

	rig_sink(ctx, rec, len);
	snprintf(path, sizeof(path), "%s%s", g->root, ev->path);
	if (ev->level > 0)
		assert_int_equal(rmdir(path), 0);
}

static void test_removed_while_it_is_read(void **state)
{
	struct rig *g = *state;

	rig_folder(g, "a");
	rig_folder(g, "b");
	g->s.sink = remove_at_once;
	snapshot(g);
	assert_int_equal(g->count, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_snapshot),
		T(test_parents_come_first),
		T(test_links_are_not_followed),
		T(test_hostile_names),
		T(test_a_path_that_does_not_fit),
		T(test_no_tree),
		T(test_a_tree_of_many),
		T(test_removed_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
