/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd COUNT [THREADS]: forks COUNT children with THREADS (default 1) threads each, all
 * of which sleep, prints "ready", and ends when stdin does. The children die with it.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "helper.h"

static void *thread_sleeps(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* Little stacks: there may be a hundred thousand of them. */
static void start_threads(unsigned long count)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (unsigned long i = 0; i < count; i++)
		if (pthread_create(&t, &attr, thread_sleeps, NULL))
			die("pthread_create");
}

static void sleep_for_ever(pid_t parent, unsigned long threads, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	limit_life();
	start_threads(threads - 1);
	if (write(ready, "r", 1) != 1)
		die("write");
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? number(argv[1], 100000) : 0;
	unsigned long threads = argc > 2 ? number(argv[2], 1000) : 1;
	pid_t parent = getpid();
	int ready[2];
	char c;

	if (!count || !threads)
		return 2;
	limit_life();
	if (pipe(ready))
		die("pipe");
	for (unsigned long i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			sleep_for_ever(parent, threads, ready[1]);
	}
	for (unsigned long i = 0; i < count; i++)
		if (read(ready[0], &c, 1) != 1)
			die("read");
	ready_until_closed();
	return 0;
}
