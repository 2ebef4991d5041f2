/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_mk COUNT [FOLDER GROUPS]: COUNT paused children, each spread over the
 * cgroups FOLDER/g0 to FOLDER/g<GROUPS-1>, which must exist. Prints "ready"; when
 * stdin ends it kills them and waits for them. They die with it in any case.
 *
 * A child is born in its cgroup: moving 10,000 there one by one would wait for
 * an RCU grace period each time.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "helper.h"

#define GROUPS_MAX 10000
#define COUNT_MAX  200000

static int group_fd[GROUPS_MAX];
static pid_t child_pid[COUNT_MAX];

static void open_groups(const char *folder, unsigned long groups)
{
	char path[4096];

	for (unsigned long i = 0; i < groups; i++) {
		snprintf(path, sizeof(path), "%s/g%lu", folder, i);
		group_fd[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (group_fd[i] < 0)
			die(path);
	}
}

static pid_t fork_into(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (unsigned long long)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void child(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;)
		pause();
}

static void end_children(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		kill(child_pid[i], SIGKILL);
	while (wait(NULL) >= 0 || errno == EINTR)
		;
}

int main(int argc, char **argv)
{
	unsigned long count, groups = 0;
	pid_t self = getpid(), pid;

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: bench_mk COUNT [FOLDER GROUPS]\n");
		return 2;
	}
	count = number(argv[1], COUNT_MAX);
	if (argc == 4)
		groups = number(argv[3], GROUPS_MAX);
	limit_life();
	if (groups)
		open_groups(argv[2], groups);
	for (unsigned long i = 0; i < count; i++) {
		pid = fork_into(groups ? group_fd[i % groups] : -1);
		if (pid < 0)
			die("clone3");
		if (pid == 0)
			child(self);
		child_pid[i] = pid;
	}
	ready_until_closed();
	end_children(count);
	return 0;
}
