/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd COUNT: forks COUNT children that sleep, prints "ready", and ends when stdin
 * does. The children die with it.
 */
#include <signal.h>
#include <sys/prctl.h>

#include "helper.h"

static void sleep_for_ever(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	limit_life();
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 2 ? number(argv[1], 100000) : 0;
	pid_t parent = getpid();
	char c;

	if (!count)
		return 2;
	limit_life();
	for (unsigned long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			sleep_for_ever(parent);
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
