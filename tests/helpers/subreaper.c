/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subreaper FD: becomes a child subreaper and forks a process that forks another
 * one and exits: the grandchild falls to us (first hop). At a line on stdin we
 * exit: it falls to the next reaper (second hop). Prints "ORIGIN GRANDCHILD".
 * The grandchild ends when the pipe FD ends.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helper.h"

static void grandchild_stays(int hold)
{
	char c;

	limit_life();
	while (read(hold, &c, 1) > 0)
		;
	_exit(0);
}

static void origin_main(int report, int hold)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		grandchild_stays(hold);
	if (write(report, &pid, sizeof(pid)) != sizeof(pid))
		die("write");
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t origin, grandchild;
	int report[2];
	char line[8];

	if (argc != 2)
		return 2;
	limit_life();
	if (pipe(report) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		die("subreaper");
	origin = fork();
	if (origin < 0)
		die("fork");
	if (origin == 0)
		origin_main(report[1], (int)number(argv[1], 1024));
	if (read(report[0], &grandchild, sizeof(grandchild)) != sizeof(grandchild) ||
	    waitpid(origin, NULL, 0) != origin)
		die("origin");
	printf("%d %d\n", origin, grandchild);
	fflush(stdout);
	return read(STDIN_FILENO, line, 1) == 1 ? 0 : 1;
}
