/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forkstorm COUNT MIN_US MAX_US [PARALLEL]: forks COUNT children that each burn
 * between MIN_US and MAX_US and exit, at most PARALLEL at a time (default 2), and
 * reaps them all. PARALLEL 0 is one at a time by vfork: no memory is copied, which is
 * most of a fork's time under emulation. Prints what it did. No threads: every clone is
 * a process.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "helper.h"

static void reap_one(void)
{
	while (wait(NULL) < 0)
		if (errno != EINTR)
			die("wait");
}

static unsigned long spread(unsigned long i, unsigned long min_us, unsigned long max_us)
{
	/* Over the range without a random source: the storm is the same each time. */
	return min_us + i * 7919 % (max_us - min_us + 1);
}

/* A function of its own: what vfork's child shares with its parent is this frame only. */
static __attribute__((noinline)) void borrowing_child(unsigned long us)
{
	pid_t pid = vfork(); /* NOLINT: the parent is to stand still meanwhile */

	if (pid < 0)
		die("vfork");
	if (pid == 0) {
		burn_us(us);
		_exit(0);
	}
}

static void storm_of_vfork(unsigned long count, unsigned long min_us, unsigned long max_us)
{
	for (unsigned long i = 0; i < count; i++) {
		borrowing_child(spread(i, min_us, max_us));
		reap_one();
	}
}

static void storm(unsigned long count, unsigned long min_us, unsigned long max_us,
		  unsigned long parallel)
{
	unsigned long running = 0;

	for (unsigned long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			burn_us(spread(i, min_us, max_us));
			_exit(0);
		}
		if (++running == parallel) {
			reap_one();
			running--;
		}
	}
	while (running--)
		reap_one();
}

int main(int argc, char **argv)
{
	unsigned long count, min_us, max_us, parallel;
	struct rusage u;

	if (argc < 4) {
		fprintf(stderr, "usage: forkstorm COUNT MIN_US MAX_US [PARALLEL]\n");
		return 2;
	}
	count = number(argv[1], 10000000);
	min_us = number(argv[2], 1000000);
	max_us = number(argv[3], 1000000);
	parallel = argc > 4 ? number(argv[4], 1000) : 2;
	if (max_us < min_us)
		return 2;
	limit_life();
	if (parallel)
		storm(count, min_us, max_us, parallel);
	else
		storm_of_vfork(count, min_us, max_us);
	if (getrusage(RUSAGE_CHILDREN, &u))
		die("getrusage");
	printf("forks=%lu children_cpu_us=%lld\n", count,
	       (long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
		       u.ru_stime.tv_usec);
	return 0;
}
