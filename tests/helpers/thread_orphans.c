/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread_orphans ROUNDS BATCH [THREADS]: in each round a process starts THREADS
 * (default 8) threads, each of which forks a child that stays, then the process
 * ends by exit_group while all its threads live. Some of the children leave it
 * at the exit of a thread that is not the last one.
 *
 * Prints "PARENT CHILD CHILD ..." for each round. After each BATCH rounds it
 * prints "batch" and waits for a line on stdin; then that batch's orphans end
 * (their pipe is closed: nobody signals anybody).
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helper.h"

#define THREADS_MAX 64

struct shared {
	pthread_barrier_t forked;
	pid_t child[THREADS_MAX];
};

static struct shared *shared;
static int hold[2]; /* children live until the write end is closed */

static void child_stays(void)
{
	char c;

	close(hold[1]);
	limit_life();
	while (read(hold[0], &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static void *thread_main(void *arg)
{
	size_t i = (size_t)arg;
	pid_t pid = fork();

	if (pid == 0)
		child_stays();
	/* A thread's own name, which is not the process's. */
	prctl(PR_SET_NAME, "a thread");
	shared->child[i] = pid;
	pthread_barrier_wait(&shared->forked);
	pause();
	return NULL;
}

static void parent_main(size_t threads)
{
	pthread_barrier_init(&shared->forked, NULL, (unsigned int)threads + 1);
	for (size_t i = 0; i < threads; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, thread_main, (void *)i))
			die("pthread_create");
	}
	pthread_barrier_wait(&shared->forked);
	_exit(0); /* exit_group */
}

static void round_once(size_t threads)
{
	pid_t parent = fork();

	if (parent < 0)
		die("fork");
	if (parent == 0)
		parent_main(threads);
	if (waitpid(parent, NULL, 0) != parent)
		die("waitpid");
	printf("%d", parent);
	for (size_t i = 0; i < threads; i++) {
		if (shared->child[i] <= 0)
			die("a child was not forked");
		printf(" %d", shared->child[i]);
	}
	putchar('\n');
}

static void batch_ends(void)
{
	char line[16];

	puts("batch");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		_exit(0);
	close(hold[0]);
	close(hold[1]);
}

int main(int argc, char **argv)
{
	unsigned long rounds, batch;
	size_t threads;

	if (argc < 3)
		return 2;
	rounds = number(argv[1], 1000000);
	batch = number(argv[2], 1000);
	threads = argc > 3 ? number(argv[3], THREADS_MAX) : 8;
	limit_life();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		die("mmap");
	for (unsigned long i = 0; i < rounds; i++) {
		if (i % batch == 0 && pipe(hold))
			die("pipe");
		round_once(threads);
		if ((i + 1) % batch == 0 || i + 1 == rounds)
			batch_ends();
	}
	return 0;
}
