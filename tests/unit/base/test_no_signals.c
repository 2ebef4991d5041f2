/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tried by a process of its own, on its parent, in forms that would do nothing. */
#include "base/base_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/no_signals.h"

/* What the call returned, as an errno. */
static int tried(long nr, long a, long b, long c, long d)
{
	return syscall(nr, a, b, c, d, 0) < 0 ? errno : 0;
}

/* How many of them were not refused. */
static int count_open(pid_t other, int sock)
{
	const int results[] = {
		tried(SYS_kill, other, 0, 0, 0),
		tried(SYS_kill, -1, 0, 0, 0),
		tried(SYS_tkill, other, 0, 0, 0),
		tried(SYS_tgkill, other, other, 0, 0),
		tried(SYS_rt_sigqueueinfo, other, 0, 0, 0),
		tried(SYS_rt_tgsigqueueinfo, other, other, 0, 0),
		tried(SYS_pidfd_send_signal, -1, 0, 0, 0),
		tried(SYS_pidfd_getfd, -1, 0, 0, 0),
		tried(SYS_process_vm_writev, other, 0, 0, 0),
		tried(SYS_io_uring_setup, 0, 0, 0, 0),
		tried(SYS_fcntl, sock, F_SETOWN, other, 0),
		tried(SYS_fcntl, sock, F_SETOWN | 1L << 32, other, 0),
		tried(SYS_fcntl, sock, F_SETSIG, SIGKILL, 0),
		tried(SYS_fcntl, sock, F_SETOWN_EX, 0, 0),
		tried(SYS_fcntl, sock, F_SETLEASE, F_UNLCK, 0),
		tried(SYS_fcntl, sock, F_NOTIFY, 0, 0),
		tried(SYS_ioctl, sock, 0x8901, 0, 0),
		tried(SYS_ioctl, sock, 0x8902, 0, 0),
		tried(SYS_prlimit64, other, RLIMIT_CPU, 0, 0),
#ifndef __SANITIZE_ADDRESS__
		tried(SYS_ptrace, -1, other, 0, 0),
#endif
#ifdef __x86_64__
		tried(SYS_getpid | 0x40000000L, 0, 0, 0, 0),
#endif
	};
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(results); i++)
		n += results[i] != EPERM;
	return n;
}

/* What a process does all day goes on. */
static int count_closed(int sock)
{
	struct rlimit limit;

	return (tried(SYS_tgkill, getpid(), getpid(), 0, 0) != 0) +
	       (getrlimit(RLIMIT_CPU, &limit) != 0) + (fcntl(sock, F_GETFL) < 0) +
	       (fcntl(sock, F_GETFD) < 0) + (raise(0) != 0) + (getppid() <= 1);
}

static int run_child(int (*job)(void))
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(job());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int try_all(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 || count_closed(fds[0]) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || runaway_no_signals() < 0)
		return 100;
	return count_open(getppid(), fds[0]) + 50 * count_closed(fds[0]);
}

static void every_way_is_refused(_unused_ void **state)
{
	int status = run_child(try_all);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int end_by_abort(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || runaway_no_signals() < 0)
		return 100;
	abort();
}

static void it_may_end_itself(_unused_ void **state)
{
	int status = run_child(end_by_abort);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_is_refused),
		cmocka_unit_test(it_may_end_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
