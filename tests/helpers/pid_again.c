/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pid_again ROUNDS BURN_MS: as often, a child burns CPU for that long and ends, and its number
 * is given to another child at once: before the kernel is done with the first one. Prints how
 * often that worked.
 */
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "helper.h"

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) != pid)
		if (errno != EINTR)
			die("waitpid");
}

/* A child with the number that it asks for; -1: somebody else has it. */
static pid_t fork_as(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc == 3 ? number(argv[1], 1000) : 1, worked = 0;
	unsigned long burn_ms = argc == 3 ? number(argv[2], 60000) : 100;

	limit_life();
	for (unsigned long i = 0; i < rounds; i++) {
		pid_t first = fork(), second;

		if (first < 0)
			die("fork");
		if (first == 0) {
			burn_us(burn_ms * 1000);
			_exit(0);
		}
		reap(first);
		second = fork_as(first);
		if (second == 0)
			_exit(0);
		if (second < 0 && errno != EEXIST)
			die("clone3");
		if (second < 0)
			continue;
		worked++;
		reap(second);
	}
	printf("%lu\n", worked);
	return 0;
}
