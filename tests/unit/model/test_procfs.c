/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc tells of those that ran before us. */

#include "model/harness.h"

#define PROCFS(w, pid, what, text) procfs(w, pid, what, text, sizeof(text) - 1)

static void test_arguments_are_redacted_and_own(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	forks(&w, 1, 10, "sh");
	EXECS(&w, 10, "chromium", "chromium\0bin", "chromium", "");
	forks(&w, 10, 11, "chromium");
	/* A renderer never execs: its own title says more than its zygote's arguments. */
	PROCFS(&w, 11, RW_PROCFS_ARGS, "chromium --type=renderer --token=x\0\0");
	assert_string_equal(find(&w, 11)->image->args, "chromium --type=renderer --token=***");
	assert_string_equal(find(&w, 11)->image->exe, "/bin/chromium");
	assert_string_equal(find(&w, 10)->image->args, "chromium");
	/* What was seen at exec stands against what a process writes over itself. */
	PROCFS(&w, 10, RW_PROCFS_ARGS, "innocent\0");
	assert_string_equal(find(&w, 10)->image->args, "chromium");
	PROCFS(&w, 11, RW_PROCFS_ARGS, "");
	assert_string_equal(find(&w, 11)->image->args, "chromium --type=renderer --token=***");
	world_free(&w);
}

static void test_exe_is_shared_by_those_that_share_the_image(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	boot(&w);
	task(&w, 10, 1, "x", 0);
	PROCFS(&w, 10, RW_PROCFS_EXE, "/opt/x (deleted)");
	assert_string_equal(find(&w, 10)->image->exe, "/opt/x");
	PROCFS(&w, 10, RW_PROCFS_EXE, "/other");
	assert_string_equal(find(&w, 10)->image->exe, "/opt/x");
	world_free(&w);
}

static void test_cgroup_text_where_the_id_says_little(void **state)
{
	struct world w;
	struct runaway_cgroup_names n;

	(void)state;
	world_new(&w);
	boot(&w);
	task(&w, 10, 1, "x", 0);
	assert_null(runaway_proc_cgroup_path(w.m, find(&w, 10)));
	cgroup_ev(&w, RW_CG_FOUND, 5, 0, 0, "/");
	assert_string_equal(runaway_proc_cgroup_path(w.m, find(&w, 10)), "/");
	PROCFS(&w, 10, RW_PROCFS_CGROUP, "3:pids:/system.slice/x.service\n0::/\n");
	assert_string_equal(runaway_proc_cgroup_path(w.m, find(&w, 10)), "/system.slice/x.service");
	assert_int_equal(runaway_proc_cgroup_names(w.m, find(&w, 10), &n), 0);
	assert_string_equal(n.unit, "x.service");
	runaway_cgroup_names_free(&n);
	PROCFS(&w, 10, RW_PROCFS_CGROUP, "rubbish");
	assert_string_equal(runaway_proc_cgroup_path(w.m, find(&w, 10)), "/");
	world_free(&w);
}

static void test_what_is_not_known_is_refused(void **state)
{
	struct world w;
	struct rw_procfs r = { .hdr = { .type = RW_PROCFS, .len = sizeof(r) },
			       .id = rw_id(1),
			       .what = 77 };

	(void)state;
	world_new(&w);
	boot(&w);
	assert_int_equal(runaway_model_apply(w.m, &r.hdr, sizeof(r)), -EBADMSG);
	r.id = rw_id(99);
	r.what = RW_PROCFS_ARGS;
	assert_int_equal(runaway_model_apply(w.m, &r.hdr, sizeof(r)), 0);
	assert_int_equal(runaway_model_counters(w.m)->unknown_process, 1);
	world_free(&w);
}

/* The callback reads /proc at once: its records come in while the orphan's is being applied. */
static void read_at_once(void *ctx, const struct runaway_proc *p)
{
	struct world *w = ctx;

	w->orphans_told++;
	procfs(w, p->id.pid, RW_PROCFS_ARGS, "told\0", 5);
	procfs(w, p->id.pid, RW_PROCFS_CGROUP, "0::/told\n", 9);
}

static void test_records_may_come_from_the_callback(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	runaway_model_on_orphan(w.m, read_at_once, &w);
	orphaned_browser(&w);
	assert_int_equal(w.orphans_told, 1);
	assert_string_equal(find(&w, 12)->cgroup_path, "/told");
	for (uint32_t i = 100; i < 200; i++)
		task(&w, i, 1, "found", 0);
	tick(&w);
	tick(&w);
	assert_int_equal(w.orphans_told, 101);
	assert_string_equal(find(&w, 150)->image->args, "told");
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments_are_redacted_and_own),
		cmocka_unit_test(test_exe_is_shared_by_those_that_share_the_image),
		cmocka_unit_test(test_cgroup_text_where_the_id_says_little),
		cmocka_unit_test(test_what_is_not_known_is_refused),
		cmocka_unit_test(test_records_may_come_from_the_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
