/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/gate_test.h"

#include <signal.h>
#include <sys/wait.h>

#include "gate/look.h"

static const char hybrid[] = "9:name=systemd:/user.slice\n"
			     "4:memory:/docker/4711\n"
			     "2:cpu,cpuacct:/ci:job/7\n"
			     "1::\n"
			     "0::/system.slice/x.service\n";

static int path_of(const char *text, const char *controller, const char *expected)
{
	char path[32] = "unset";
	int err = runaway_cgroup_path(text, controller, path, sizeof(path));

	assert_string_equal(path, err == 0 ? expected : "unset");
	return err;
}

static void paths_of_cgroups(_unused_ void **state)
{
	assert_int_equal(path_of(hybrid, "memory", "/docker/4711"), 0);
	assert_int_equal(path_of(hybrid, "cpu", "/ci:job/7"), 0);
	assert_int_equal(path_of(hybrid, "cpuacct", "/ci:job/7"), 0);
	assert_int_equal(path_of(hybrid, "name=systemd", "/user.slice"), 0);
	assert_int_equal(path_of(hybrid, "cpua", ""), -ENOENT);
	assert_int_equal(path_of(hybrid, "pids", ""), -ENOENT);
	assert_int_equal(path_of("0::/a b\n", "", "/a b"), 0);
	assert_int_equal(path_of("0::/without newline", "", "/without newline"), 0);
	assert_int_equal(path_of("5:abc:/x\n5:abd:/y", "abd", "/y"), 0);
	assert_int_equal(path_of("5:abc:/x", "abd", ""), -ENOENT);
	assert_int_equal(path_of("", "", ""), -ENOENT);
	assert_int_equal(path_of("nothing\n0:\n:\n", "", ""), -ENOENT);
	/* No byte is kept that a plan cannot hold. */
	assert_int_equal(path_of("0::/\xff\xc3(\n", "", "/\xef\xbf\xbd\xef\xbf\xbd("), 0);
	assert_int_equal(path_of("0::/\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n", "", ""),
			 -ENAMETOOLONG);
	assert_int_equal(path_of("0::/0123456789012345678901234567890\n", "", ""), -ENAMETOOLONG);
}

static void held_processes(_unused_ void **state)
{
	int pidfd = -1;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_int_equal(runaway_look_hold((uint32_t)pid, &pidfd), RUNAWAY_REASON_NONE);
	assert_false(runaway_look_ended(pidfd));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(runaway_look_ended(pidfd));
	close(pidfd);
	assert_int_equal(runaway_look_hold((uint32_t)pid, &pidfd), RUNAWAY_REASON_TARGET_GONE);
	assert_int_equal(runaway_look_hold(0, &pidfd), RUNAWAY_REASON_TARGET_NO_PIDFD);
}

static void the_gate_itself(_unused_ void **state)
{
	struct runaway_gate_self self;

	assert_int_equal(runaway_look_at_self("", 77, &self), 0);
	assert_int_equal(self.daemon_pid, getppid());
	assert_int_equal(self.authoriser_pid, getpid());
	assert_int_equal(self.actuator_pid, 77);
	assert_int_equal(strlen(self.boot_id), 36);
	assert_int_equal(self.cgroup_path[0], '/');
	/* Up to the init of whatever the test runs in. */
	assert_true(getppid() == 1 || self.ancestor_count > 0);
	assert_int_equal(runaway_look_at_self("no such controller", 77, &self), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_cgroups),
		cmocka_unit_test(held_processes),
		cmocka_unit_test(the_gate_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
