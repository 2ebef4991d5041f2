// SPDX-License-Identifier: GPL-2.0-or-later
/* Where no guard is to be had: said so, and never pretended. */
#include "gate/gate_test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "gate/guard.h"

static struct runaway_guard_config nothing(void)
{
	return (struct runaway_guard_config){
		.uid = geteuid() ? geteuid() : 65534,
		.gid = geteuid() ? getegid() : 65534,
		.cgroup_ssid = -1,
		.only = RUNAWAY_GUARD_ONLY_NOTHING,
	};
}

static void bad_configurations(_unused_ void **state)
{
	struct runaway_guard_config c = nothing();
	struct runaway_guard *g = NULL;

	c.uid = 0;
	assert_int_equal(runaway_guard_open(&c, &g), -EINVAL);
	c = nothing();
	c.n_subjects = ARRAY_SIZE(c.subjects) + 1;
	assert_int_equal(runaway_guard_open(&c, &g), -EINVAL);
	c = nothing();
	c.n_subjects = 1;
	assert_int_equal(runaway_guard_open(&c, &g), -EINVAL);
	c = nothing();
	c.cgroup = "/proc";
	assert_int_equal(runaway_guard_open(&c, &g), -EINVAL);
	c.cgroup = "/nonexistent";
	assert_int_equal(runaway_guard_open(&c, &g), -ENOENT);
	assert_null(g);
}

static void the_tier_without_one(_unused_ void **state)
{
	struct runaway_guard_config c = nothing();
	_cleanup_guard_ struct runaway_guard *none = NULL, *confined = NULL;

	assert_int_equal(runaway_guard_open(&c, &none), 0);
	assert_int_equal(runaway_guard_tier(none), RUNAWAY_GUARD_NONE);
	assert_non_null(strstr(runaway_guard_why(none), "no kernel guard"));
	c.actuator_confined = true;
	assert_int_equal(runaway_guard_open(&c, &confined), 0);
	assert_int_equal(runaway_guard_tier(confined), RUNAWAY_GUARD_SECCOMP);
	assert_false(runaway_guard_enforced(none) || runaway_guard_enforced(confined));
}

static void nothing_is_pretended(_unused_ void **state)
{
	struct runaway_guard_config c = nothing();
	_cleanup_guard_ struct runaway_guard *g = NULL;
	struct runaway_guard_target target = { .tgid = getpid() };
	struct runaway_guard_report report;
	struct runaway_guard_counts counts;
	struct rw_gate_witness w;
	int fds[RW_GATE_HOOKS];

	assert_int_equal(runaway_guard_open(&c, &g), 0);
	assert_int_equal(runaway_guard_authorise(g, &target), RUNAWAY_GUARD_NOT_CHECKED);
	assert_int_equal(runaway_guard_revoke(g, getpid()), -ENOENT);
	assert_int_equal(runaway_guard_witness_next(g, &w), 0);
	assert_int_equal(runaway_guard_witness_fd(g), -1);
	assert_int_equal(runaway_guard_links(g, fds, ARRAY_SIZE(fds)), 0);
	assert_int_equal(runaway_guard_self_test(g, &report), 0);
	assert_false(report.passed);
	assert_int_equal(report.n, 0);
	assert_int_equal(runaway_guard_counts(g, &counts), 0);
	for (int i = 0; i < RW_GATE_HOOKS; i++)
		assert_int_equal(counts.hooks[i].decided, 0);
}

/* First process of a pid namespace of its own, child of a subreaper; then a zombie. */
static void a_child(struct runaway_guard *g)
{
	struct rw_gate_identity id;
	siginfo_t gone;
	long pid;
	int hold[2];
	char c;

	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(runaway_guard_identify(g, (pid_t)pid, &id), 0);
	assert_int_equal(id.flags, RW_GATE_ID_INIT | RW_GATE_ID_PARENT_REAPER);
	assert_int_equal(id.parent_tgid, getpid());
	close(hold[0]);
	close(hold[1]);
	assert_int_equal(waitid(P_PID, (id_t)pid, &gone, WEXITED | WNOWAIT), 0);
	assert_int_equal(runaway_guard_identify(g, (pid_t)pid, &id), 0);
	assert_true(id.flags & RW_GATE_ID_ZOMBIE);
	assert_int_equal(id.exe_ino, 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &gone, WEXITED), 0);
	assert_int_equal(runaway_guard_identify(g, (pid_t)pid, &id), -ESRCH);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* Iterators need privilege; with it the kernel says about us what we know. */
static void identities(_unused_ void **state)
{
	struct runaway_guard_config c = nothing();
	_cleanup_guard_ struct runaway_guard *g = NULL;
	struct rw_gate_identity id;
	int r;

	assert_int_equal(runaway_guard_open(&c, &g), 0);
	r = runaway_guard_identify(g, getpid(), &id);
	if (r == -ENOTSUP)
		return;
	assert_int_equal(r, 0);
	assert_int_equal(id.tgid, getpid());
	assert_int_equal(id.parent_tgid, getppid());
	assert_int_equal(id.uid, getuid());
	assert_true(id.start_boottime_ns > 0 && id.exec_id > 0 && id.exe_ino > 0);
	assert_int_equal(id.flags & (RW_GATE_ID_KTHREAD | RW_GATE_ID_INIT | RW_GATE_ID_ZOMBIE), 0);
	assert_memory_equal(id.comm, "test_guard", sizeof("test_guard"));
	a_child(g);
	assert_int_equal(runaway_guard_identify(g, 0, &id), -ESRCH);
	assert_int_equal(runaway_guard_identify(g, -1, &id), -ESRCH);
	assert_int_equal(runaway_guard_identify(g, 1 << 29, &id), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(the_tier_without_one),
		cmocka_unit_test(nothing_is_pretended),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
