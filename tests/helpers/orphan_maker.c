/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * orphan_maker [PERMILLE]: for each line on stdin makes one orphan that burns
 * that share of a core (default 0: it pauses), and prints
 * "ORIGIN ORPHAN MONOTONIC_NS": the time just before its origin was killed.
 * Orphans end with SIGTERM; those that pause also when stdin ends.
 *
 * The origin is killed, not ended by exit 0, and the orphan makes no session of
 * its own: an accident, not a daemon.
 */
#include <signal.h>
#include <sys/wait.h>

#include "helper.h"

#define SLICE_US 10000

static void orphan_main(unsigned long permille, int hold)
{
	char c;

	limit_life();
	if (!permille) {
		while (read(hold, &c, 1) > 0)
			;
		_exit(0);
	}
	for (;;) {
		burn_us(SLICE_US * permille / 1000);
		if (permille < 1000)
			usleep((useconds_t)(SLICE_US * (1000 - permille) / 1000));
	}
}

static void origin_main(unsigned long permille, int report, const int hold[2])
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(hold[1]);
		orphan_main(permille, hold[0]);
	}
	if (write(report, &pid, sizeof(pid)) != sizeof(pid))
		die("write");
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned long permille = argc > 1 ? number(argv[1], 1000) : 0;
	int report[2], hold[2];
	char line[16];

	limit_life();
	if (pipe(report) || pipe(hold))
		die("pipe");
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t at;
		pid_t origin = fork(), orphan;

		if (origin < 0)
			die("fork");
		if (origin == 0)
			origin_main(permille, report[1], hold);
		if (read(report[0], &orphan, sizeof(orphan)) != sizeof(orphan))
			die("read");
		at = now_ns(CLOCK_MONOTONIC);
		kill(origin, SIGKILL);
		if (waitpid(origin, NULL, 0) != origin)
			die("waitpid");
		printf("%d %d %llu\n", origin, orphan, (unsigned long long)at);
		fflush(stdout);
	}
	return 0;
}
