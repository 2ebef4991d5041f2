/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marked COUNT LIVE: makes COUNT orphans one after the other, of which the last LIVE
 * live at any time, each with the truth in its name: the n-th has the comm "c<n>" and
 * its origin, which is killed, had "o<n>". Prints "N ORIGIN ORPHAN" for each one, and ends
 * with stdin. The names are what a sensor has to tell although the numbers come back.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helper.h"

#define LIVE_MAX 1000

static int hold[LIVE_MAX]; /* write ends; closed, the orphan ends */

static void set_name(char kind, unsigned long n)
{
	char name[16];

	snprintf(name, sizeof(name), "%c%lu", kind, n);
	if (prctl(PR_SET_NAME, name))
		die("prctl");
}

static void orphan_main(unsigned long n, int held, int told)
{
	char c = 0;

	set_name('c', n);
	limit_life();
	if (write(told, &c, 1) != 1)
		die("write");
	close(told);
	while (read(held, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static void origin_main(unsigned long n, int held, int told)
{
	pid_t pid;
	char c;
	int named[2];

	set_name('o', n);
	limit_life();
	if (pipe(named))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(named[0]);
		close(told);
		orphan_main(n, held, named[1]);
	}
	/* Named before anybody hears of it. */
	close(named[1]);
	if (read(named[0], &c, 1) != 1 || write(told, &pid, sizeof(pid)) != sizeof(pid))
		die("told");
	for (;;)
		pause();
}

static void make(unsigned long n, size_t slot, size_t live)
{
	int told[2], held[2];
	pid_t origin, orphan;

	if (hold[slot] >= 0)
		close(hold[slot]);
	if (pipe(told) || pipe(held))
		die("pipe");
	origin = fork();
	if (origin < 0)
		die("fork");
	if (origin == 0) {
		close(told[0]);
		close(held[1]);
		for (size_t i = 0; i < live; i++)
			if (i != slot && hold[i] >= 0)
				close(hold[i]);
		origin_main(n, held[0], told[1]);
	}
	close(told[1]);
	close(held[0]);
	hold[slot] = held[1];
	if (read(told[0], &orphan, sizeof(orphan)) != sizeof(orphan))
		die("read");
	close(told[0]);
	kill(origin, SIGKILL);
	if (waitpid(origin, NULL, 0) != origin)
		die("waitpid");
	printf("%lu %d %d\n", n, origin, orphan);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned long count;
	size_t live;
	char c;

	if (argc != 3)
		return 2;
	count = number(argv[1], 100000000);
	live = number(argv[2], LIVE_MAX);
	if (!live)
		return 2;
	/* Its orphans fall to it, and it reaps them. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		die("prctl");
	for (size_t i = 0; i < live; i++)
		hold[i] = -1;
	for (unsigned long n = 0; n < count; n++) {
		make(n, n % live, live);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	puts("done");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
