/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec_again PROCESSES BURN_MS: each of them burns that much and then executes this program again
 * and again. Writes "ready" when all of them do; ends, and they with it, when stdin does.
 */
#include <signal.h>
#include <sys/prctl.h>

#include "helper.h"

static void again(void)
{
	usleep(2000);
	execl("/proc/self/exe", "exec_again", (char *)NULL);
	die("execl");
}

static void start_one(unsigned long burn_ms, int ready)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		die("prctl");
	limit_life(); /* both are kept by an exec */
	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) < burn_ms * 1000000)
		;
	if (write(ready, "r", 1) != 1)
		die("write");
	close(ready);
	again();
}

int main(int argc, char **argv)
{
	unsigned long count, burn_ms;
	int ready[2];
	char c;

	if (argc == 1)
		again();
	if (argc != 3 || pipe(ready))
		return 2;
	count = number(argv[1], 1000);
	burn_ms = number(argv[2], 60000);
	for (unsigned long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			start_one(burn_ms, ready[1]);
	}
	for (unsigned long i = 0; i < count; i++)
		if (read(ready[0], &c, 1) != 1)
			die("read");
	ready_until_closed();
	return 0;
}
