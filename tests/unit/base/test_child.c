// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/base_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/child.h"

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	return pid;
}

static void one_that_ends(_unused_ void **state)
{
	pid_t pid = start();

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(runaway_child_reap(pid, 10000));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void one_that_stands_still(_unused_ void **state)
{
	uint64_t started = runaway_mono_ns();
	pid_t pid = start();

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_false(runaway_child_reap(pid, 20));
	assert_true(runaway_mono_ns() - started >= 20 * NSEC_PER_MSEC);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(runaway_child_reap(pid, 10000));
}

static void nobody(_unused_ void **state)
{
	assert_true(runaway_child_reap(0, 10000));
	assert_true(runaway_child_reap(-1, 10000));
	/* Somebody else's: there is nothing to wait for. */
	assert_true(runaway_child_reap(1, 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_ends),
		cmocka_unit_test(one_that_stands_still),
		cmocka_unit_test(nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
