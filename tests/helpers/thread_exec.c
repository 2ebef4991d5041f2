/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread_exec: forks a child, then a thread that is not the leader executes this
 * program again with the argument "after". The kernel gives the new image the
 * leader's pid and start time: same identity, no exit, no orphan. Prints
 * "before CHILD" and, from the new image, "after CHILD"; ends when stdin ends.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "helper.h"

static pid_t child;

static void *exec_self(void *arg)
{
	char text[16];
	char *argv[] = { "thread_exec", "after", text, NULL };

	(void)arg;
	snprintf(text, sizeof(text), "%d", child);
	execv("/proc/self/exe", argv);
	die("execv");
	return NULL;
}

static void wait_for_end(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	pthread_t t;
	char line[8];

	limit_life();
	if (argc == 3 && !strcmp(argv[1], "after")) {
		child = (pid_t)number(argv[2], 1UL << 22);
		printf("after %d\n", child);
		fflush(stdout);
		wait_for_end();
		return 0;
	}
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		limit_life();
		for (;;)
			pause();
	}
	printf("before %d\n", child);
	fflush(stdout);
	/* Unbuffered, so that the new image finds the rest of stdin. */
	if (read(STDIN_FILENO, line, 1) != 1)
		return 1;
	if (pthread_create(&t, NULL, exec_self, NULL))
		die("pthread_create");
	pthread_join(t, NULL);
	return 1; /* exec does not return */
}
