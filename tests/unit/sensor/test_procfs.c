/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read from /proc: hostile names, identity, and what never gets out of an environment. */

#include "sensor/harness.h"

static const char *const names[] = { "CI", "GITHUB_RUN_ID", NULL };

/* ---- stat ---- */

static void test_stat(void **state)
{
	struct rig *g = *state;
	struct proc_stat st;

	rig_stat(g, 10, "bash", 'S', 4, 123456);
	assert_int_equal(sensor_proc_stat(&g->s, 10, &st), 0);
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.ppid, 4);
	assert_int_equal(st.pgid, 7);
	assert_int_equal(st.sid, 8);
	assert_int_equal(st.cpu_ns, 300 * TICK_NS);
	assert_int_equal(st.start_ns, 123456 * TICK_NS);
}

/* The name is the process's own choice. */
static void test_stat_with_hostile_names(void **state)
{
	static const char *const hostile[] = {
		"",
		")",
		"(",
		"a b c",
		") R 1 2 3 4",
		"\n",
		"x) Z 99 99 99",
		"))))))))))))))",
		"\xff\xfe(\x1b[2J",
		"a)\n7 (b) S 1",
		"%s",
		"((((((((((((((",
	};
	struct rig *g = *state;
	struct proc_stat st;

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		rig_stat(g, 10, hostile[i], 'R', 4242, 77);
		assert_int_equal(sensor_proc_stat(&g->s, 10, &st), 0);
		assert_int_equal(st.state, 'R');
		assert_int_equal(st.ppid, 4242);
		assert_int_equal(st.start_ns, 77 * TICK_NS);
	}
}

static void test_stat_that_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"10 (bash",
		"10 (bash)",
		"10 (bash) S",
		"10 (bash) S x",
		"(((",
		")",
		"10 (bash) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
	};
	const struct proc_stat before = { .state = '?', .ppid = 99, .start_ns = 5 };
	struct rig *g = *state;
	struct proc_stat st = before;

	assert_int_equal(sensor_proc_stat(&g->s, 11, &st), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_text(g, "10/stat", bad[i]);
		assert_int_equal(sensor_proc_stat(&g->s, 10, &st), -EBADMSG);
	}
	/* Longer than any that the kernel writes. */
	char longest[5000];

	memset(longest, ')', sizeof(longest));
	rig_file(g, "10/stat", longest, sizeof(longest));
	assert_true(sensor_proc_stat(&g->s, 10, &st) < 0);
	assert_memory_equal(&st, &before, sizeof(st));
}

/* ---- identity ---- */

static void test_identity_is_the_start_cut_to_ticks(void **state)
{
	struct rig *g = *state;
	struct rw_id id = { .pid = 10 };

	rig_stat(g, 10, "bash", 'S', 4, 500);
	id.start_ns = 500 * TICK_NS;
	assert_true(sensor_proc_is(&g->s, id));
	id.start_ns = 501 * TICK_NS - 1;
	assert_true(sensor_proc_is(&g->s, id));
	id.start_ns = 501 * TICK_NS;
	assert_false(sensor_proc_is(&g->s, id));
	id.start_ns = 500 * TICK_NS - 1;
	assert_false(sensor_proc_is(&g->s, id));
	id.start_ns = 0;
	assert_false(sensor_proc_is(&g->s, id));
	id = rig_id(11, 500);
	assert_false(sensor_proc_is(&g->s, id));
}

/* ---- reapers ---- */

static void test_pid_one_of_a_namespace(void **state)
{
	static const struct {
		const char *line;
		bool init;
	} cases[] = {
		{ "NSpid:\t1", true },
		{ "NSpid:\t105023\t25\t1", true },
		{ "NSpid:\t105023\t25\t1\t", true },
		{ "NSpid:\t105023", false },
		{ "NSpid:\t105023\t11", false },
		{ "NSpid:\t1\t21", false },
		{ "NSpid:\t1\t2", false },
		{ "NSpid:\t", false },
		{ "NSpid:", false },
		{ "NStgid:\t1", false },
		{ "Name:\tNSpid:\t1", false },
	};
	struct rig *g = *state;
	char comm[RW_COMM_LEN], text[256];

	rig_text(g, "10/comm", "tini\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "Name:\ttini\nPid:\t10\n%s\nThreads:\t1\n",
			 cases[i].line);
		rig_text(g, "10/status", text);
		assert_int_equal(sensor_proc_reaper_flags(&g->s, 10, comm),
				 cases[i].init ? RW_TF_NS_INIT : 0);
		assert_string_equal(comm, "tini");
	}
}

static void test_reaper_that_cannot_be_read(void **state)
{
	struct rig *g = *state;
	char comm[RW_COMM_LEN];

	memset(comm, 'x', sizeof(comm));
	assert_int_equal(sensor_proc_reaper_flags(&g->s, 10, comm), 0);
	for (size_t i = 0; i < sizeof(comm); i++)
		assert_int_equal(comm[i], 0);
	/* A name of the full length, one with a newline inside, one too long to be one. */
	rig_text(g, "10/comm", "exactly15bytes!\n");
	sensor_proc_reaper_flags(&g->s, 10, comm);
	assert_string_equal(comm, "exactly15bytes!");
	rig_text(g, "10/comm", "two\nlines\n");
	sensor_proc_reaper_flags(&g->s, 10, comm);
	assert_string_equal(comm, "two\nlines");
	rig_text(g, "10/comm", "kworker/u8:2-events_unbound\n");
	sensor_proc_reaper_flags(&g->s, 10, comm);
	assert_string_equal(comm, "kworker/u8:2-ev");
}

/* ---- arguments ---- */

static void snapshot_one(struct rig *g, struct rw_id id)
{
	sensor_snapshot_add(&g->s, id);
	sensor_snapshot_enrich(&g->s);
}

static const struct rw_procfs *told(const struct rig *g, uint32_t what)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->rec[i].hdr.type == RW_PROCFS && g->rec[i].procfs.what == what)
			return &g->rec[i].procfs;
	return NULL;
}

static void test_arguments(void **state)
{
	static const char args[] = "sh\0-c\0echo \"\n\x1b[2J\xff\"";
	struct rig *g = *state;
	const struct rw_procfs *r;

	g->s.marker_names = names;
	rig_stat(g, 10, "sh", 'S', 1, 50);
	rig_file(g, "10/cmdline", args, sizeof(args));
	snapshot_one(g, rig_id(10, 50));
	assert_int_equal(g->count, 1);
	r = told(g, RW_PROCFS_ARGS);
	assert_non_null(r);
	assert_int_equal(r->id.pid, 10);
	assert_int_equal(r->id.start_ns, rig_id(10, 50).start_ns);
	assert_int_equal(r->bytes, sizeof(args));
	assert_int_equal(r->hdr.len, sizeof(*r) + sizeof(args));
	assert_memory_equal(r->data, args, sizeof(args));
}

static void test_long_arguments_are_cut(void **state)
{
	struct rig *g = *state;
	char args[3 * RW_ARGS_MAX];
	const struct rw_procfs *r;

	g->s.marker_names = names;
	for (size_t i = 0; i < sizeof(args); i++)
		args[i] = (char)('a' + i % 26);
	rig_stat(g, 10, "sh", 'S', 1, 50);
	rig_file(g, "10/cmdline", args, sizeof(args));
	snapshot_one(g, rig_id(10, 50));
	r = told(g, RW_PROCFS_ARGS);
	assert_non_null(r);
	assert_int_equal(r->bytes, RW_ARGS_MAX);
	assert_memory_equal(r->data, args, RW_ARGS_MAX);
}

static void test_nothing_about_another_process(void **state)
{
	struct rig *g = *state;

	g->s.marker_names = names;
	rig_file(g, "10/cmdline", "other", 6);
	rig_file(g, "10/environ", "CI=true", 8);
	rig_text(g, "10/cgroup", "0::/other\n");
	/* No stat at all, then the stat of one that took the pid over. */
	snapshot_one(g, rig_id(10, 50));
	rig_stat(g, 10, "sh", 'S', 1, 51);
	snapshot_one(g, rig_id(10, 50));
	runaway_sensor_enrich(&g->s, rig_id(10, 50), false);
	sensor_enrich_flush(&g->s);
	assert_int_equal(g->count, 0);
}

static void test_kernel_threads_have_no_arguments(void **state)
{
	struct rig *g = *state;

	g->s.marker_names = names;
	rig_stat(g, 2, "kthreadd", 'S', 0, 0);
	rig_file(g, "2/cmdline", "", 0);
	rig_file(g, "2/environ", "", 0);
	snapshot_one(g, rig_id(2, 0));
	assert_int_equal(g->count, 0);
	assert_int_equal(g->s.snapshot_count, 0);
}

/* ---- environment ---- */

static void environment(struct rig *g, const void *env, size_t len)
{
	g->s.marker_names = names;
	g->count = 0;
	rig_stat(g, 10, "sh", 'S', 1, 50);
	rig_file(g, "10/environ", env, len);
	snapshot_one(g, rig_id(10, 50));
}

static void test_only_listed_names_get_out(void **state)
{
	static const char env[] = "SECRET=hunter2\0CI=true\0XCI=1\0CIX=2\0ci=3\0CI\0 CI=4\0"
				  "GITHUB_RUN_ID=4711\0GITHUB_RUN_ID2=5\0GITHUB_TOKEN=ghs_hunter2\0"
				  "=CI=6\0\0CI =7\0PATH=/bin:CI=8";
	static const char wanted[] = "CI=true\0GITHUB_RUN_ID=4711";
	struct rig *g = *state;
	const struct rw_procfs *r;

	environment(g, env, sizeof(env));
	assert_int_equal(g->count, 1);
	r = told(g, RW_PROCFS_MARKERS);
	assert_non_null(r);
	assert_int_equal(r->bytes, sizeof(wanted));
	assert_memory_equal(r->data, wanted, sizeof(wanted));
	assert_null(memmem(g->rec[0].room, g->rec[0].len, "hunter2", 7));
}

static void test_environment_without_a_last_nul(void **state)
{
	struct rig *g = *state;
	const struct rw_procfs *r;

	/* The process may have written over it. */
	environment(g, "A=1\0CI=yes", 10);
	r = told(g, RW_PROCFS_MARKERS);
	assert_non_null(r);
	assert_int_equal(r->bytes, sizeof("CI=yes"));
	assert_memory_equal(r->data, "CI=yes", sizeof("CI=yes"));
}

static void test_an_empty_value_is_one(void **state)
{
	struct rig *g = *state;

	environment(g, "CI=", 4);
	assert_non_null(told(g, RW_PROCFS_MARKERS));
	assert_int_equal(told(g, RW_PROCFS_MARKERS)->bytes, 4);
	environment(g, "HOME=/\0USER=x", 14);
	assert_int_equal(g->count, 0);
}

static void test_bounds_of_markers(void **state)
{
	struct rig *g = *state;
	const struct rw_procfs *r;
	char env[4096];
	size_t n = 0;

	/* The longest value that is kept, and one that is a byte longer. */
	memset(env, 'v', sizeof(env));
	memcpy(env, "CI=", 3);
	env[RW_MARKER_VALUE - 1] = '\0';
	environment(g, env, RW_MARKER_VALUE);
	assert_int_equal(told(g, RW_PROCFS_MARKERS)->bytes, RW_MARKER_VALUE);
	env[RW_MARKER_VALUE - 1] = 'v';
	env[RW_MARKER_VALUE] = '\0';
	environment(g, env, RW_MARKER_VALUE + 1);
	assert_int_equal(g->count, 0);

	/* More than fits: whole variables only. */
	while (n + 101 < sizeof(env)) {
		memset(env + n, 'w', 100);
		memcpy(env + n, "CI=", 3);
		env[n + 100] = '\0';
		n += 101;
	}
	environment(g, env, n);
	r = told(g, RW_PROCFS_MARKERS);
	assert_non_null(r);
	assert_int_equal(r->bytes, RW_MARKERS_MAX / 101 * 101);
	assert_int_equal(r->data[r->bytes - 1], 0);
}

/* ---- cgroup text, and what is asked for later ---- */

static void test_cgroup_text_comes_whole(void **state)
{
	static const char text[] = "9:name=systemd:/\n1:cpu:/a b/\xff\n0::/x.scope\n";
	struct rig *g = *state;
	const struct rw_procfs *r;

	rig_stat(g, 10, "sh", 'S', 1, 50);
	rig_text(g, "10/cgroup", text);
	rig_file(g, "10/cmdline", "sh", 3);
	runaway_sensor_enrich(&g->s, rig_id(10, 50), true);
	assert_int_equal(g->count, 0);
	sensor_enrich_flush(&g->s);
	assert_int_equal(g->count, 1);
	r = told(g, RW_PROCFS_CGROUP);
	assert_non_null(r);
	assert_int_equal(r->bytes, strlen(text));
	assert_memory_equal(r->data, text, strlen(text));

	/* Arguments too when they are not known; nothing twice. */
	g->count = 0;
	runaway_sensor_enrich(&g->s, rig_id(10, 50), false);
	sensor_enrich_flush(&g->s);
	sensor_enrich_flush(&g->s);
	assert_int_equal(g->count, 2);
	assert_non_null(told(g, RW_PROCFS_ARGS));
}

/* What the sink learns may make it ask for more. */
static void asks_again(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct rig *g = ctx;
	const struct rw_procfs *r = (const struct rw_procfs *)rec;

	if (r->id.pid < 50)
		runaway_sensor_enrich(&g->s, rig_id(r->id.pid + 1, 50), true);
	g->count++;
	assert_int_equal(rec->seq, g->count);
	assert_int_equal(len, rec->len);
}

static void test_asking_while_being_told(void **state)
{
	struct rig *g = *state;
	char name[32];

	g->s.sink = asks_again;
	for (uint32_t pid = 1; pid <= 50; pid++) {
		rig_stat(g, pid, "sh", 'S', 1, 50);
		snprintf(name, sizeof(name), "%u/cgroup", pid);
		rig_text(g, name, "0::/\n");
	}
	runaway_sensor_enrich(&g->s, rig_id(1, 50), true);
	sensor_enrich_flush(&g->s);
	assert_int_equal(g->count, 50);
	assert_int_equal(g->s.enrich_count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_stat),
		T(test_stat_with_hostile_names),
		T(test_stat_that_is_none),
		T(test_identity_is_the_start_cut_to_ticks),
		T(test_pid_one_of_a_namespace),
		T(test_reaper_that_cannot_be_read),
		T(test_arguments),
		T(test_long_arguments_are_cut),
		T(test_nothing_about_another_process),
		T(test_kernel_threads_have_no_arguments),
		T(test_only_listed_names_get_out),
		T(test_environment_without_a_last_nul),
		T(test_an_empty_value_is_one),
		T(test_bounds_of_markers),
		T(test_cgroup_text_comes_whole),
		T(test_asking_while_being_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
