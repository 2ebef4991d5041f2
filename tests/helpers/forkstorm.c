/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forkstorm COUNT MIN_US MAX_US [PARALLEL]: forks COUNT children that each burn
 * between MIN_US and MAX_US and exit, at most PARALLEL at a time (default 2), and
 * reaps them all. Prints what it did. No threads: every clone is a process.
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

static void child(unsigned long i, unsigned long min_us, unsigned long max_us)
{
	/* Spread over the range without a random source: the storm is the same each time. */
	unsigned long span = max_us - min_us + 1;

	burn_us(min_us + i * 7919 % span);
	_exit(0);
}

static void storm(unsigned long count, unsigned long min_us, unsigned long max_us,
		  unsigned long parallel)
{
	unsigned long running = 0;

	for (unsigned long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			child(i, min_us, max_us);
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
	if (max_us < min_us || !parallel)
		return 2;
	limit_life();
	storm(count, min_us, max_us, parallel);
	if (getrusage(RUSAGE_CHILDREN, &u))
		die("getrusage");
	printf("forks=%lu children_cpu_us=%lld\n", count,
	       (long long)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
		       u.ru_stime.tv_usec);
	return 0;
}
