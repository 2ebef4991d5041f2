/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leader_exits_first: forks a child from the main thread, starts a second
 * thread, and lets the main thread exit. The process lives on with a zombie
 * leader; the child now belongs to the other thread: nothing is an orphan and
 * nothing has exited. Prints the child's pid, perhaps before the leader is gone:
 * the reader looks at /proc for that. Ends when stdin ends.
 */
#include <pthread.h>
#include <signal.h>

#include "helper.h"

static pid_t child_pid;

static void *second(void *arg)
{
	char c;

	(void)arg;
	printf("%d\n", child_pid);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	kill(child_pid, SIGKILL);
	_exit(0);
}

int main(void)
{
	pthread_t t;

	limit_life();
	child_pid = fork();
	if (child_pid < 0)
		die("fork");
	if (child_pid == 0) {
		limit_life();
		for (;;)
			pause();
	}
	if (pthread_create(&t, NULL, second, NULL))
		die("pthread_create");
	pthread_exit(NULL);
}
