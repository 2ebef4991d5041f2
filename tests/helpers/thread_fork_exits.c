/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread_fork_exits: a thread that is not the leader forks a child and exits;
 * its process lives on, so the child is no orphan. Prints the child's pid once
 * the thread is gone; ends when stdin ends.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "helper.h"

static void *forker(void *ret)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		limit_life();
		for (;;)
			pause();
	}
	*(pid_t *)ret = pid;
	return NULL;
}

int main(void)
{
	pid_t child = 0;
	pthread_t t;
	char c;

	limit_life();
	if (pthread_create(&t, NULL, forker, &child) || pthread_join(t, NULL))
		die("pthread");
	printf("%d\n", child);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
