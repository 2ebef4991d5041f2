/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread_orphans ROUNDS BATCH [THREADS [HOW]]: in each round a process starts THREADS
 * (default 8) threads, each of which forks a child that stays, then the process ends
 * while all its threads live. Some of the children leave it at the exit of a thread
 * that is not the last one. HOW it ends:
 *   exit    by exit_group, while the threads run on all CPUs (the default)
 *   kill    by SIGKILL
 *   leader  its leader exits and the rest lives on; later by SIGKILL
 *   exec    a thread that is not the leader executes this program; later by SIGKILL
 *
 * Prints "PARENT CHILD CHILD ..." for each round. After each BATCH rounds it prints, with
 * `leader` and `exec`, "alive" and waits for a line on stdin: so far nobody is an orphan.
 * Then it prints "batch" and waits for a line again; then that batch's orphans end (their
 * pipe is closed: nobody signals them).
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "helper.h"

#define THREADS_MAX 64
#define BATCH_MAX   1000

enum how { HOW_EXIT, HOW_KILL, HOW_LEADER, HOW_EXEC };

struct shared {
	pthread_barrier_t forked;
	pid_t child[THREADS_MAX];
};

static struct shared *shared;
static int hold[2];  /* children live until the write end is closed */
static int ready[2]; /* a byte from each parent that does not end by itself */
static enum how how;
static pid_t parents[BATCH_MAX];

static void child_stays(void)
{
	char c;

	close(hold[1]);
	limit_life();
	while (read(hold[0], &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* The CPUs in turn, as far as this process may use them. */
static void pin(size_t i)
{
	cpu_set_t may, one;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(may), &may))
		die("sched_getaffinity");
	for (i %= (size_t)CPU_COUNT(&may), i++; i; i--)
		do
			cpu++;
		while (!CPU_ISSET(cpu, &may));
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

/*
 * Threads that sleep leave one after the other when they are told to; those that run on several
 * CPUs leave at once, and then the one that hands its child on is often not the last one.
 */
static void *thread_main(void *arg)
{
	size_t i = (size_t)arg;
	pid_t pid = fork();

	if (pid == 0)
		child_stays();
	/* A thread's own name, which is not the process's. */
	prctl(PR_SET_NAME, "a thread");
	if (how == HOW_EXIT)
		pin(i);
	shared->child[i] = pid;
	pthread_barrier_wait(&shared->forked);
	if (how == HOW_EXIT)
		for (;;)
			;
	pause();
	return NULL;
}

static void is_ready(int fd)
{
	if (write(fd, "r", 1) != 1)
		die("write");
}

static void *exec_main(void *arg)
{
	char fd[16];
	char *argv[] = { "thread_orphans", "ready", fd, NULL };

	(void)arg;
	snprintf(fd, sizeof(fd), "%d", ready[1]);
	execv("/proc/self/exe", argv);
	die("execv");
	return NULL;
}

/* All children are there: the end, or what comes before it. */
static void parent_goes_on(void)
{
	pthread_t t;

	if (how == HOW_EXIT)
		_exit(0); /* exit_group */
	if (how == HOW_EXEC) {
		if (pthread_create(&t, NULL, exec_main, NULL))
			die("pthread_create");
	} else {
		is_ready(ready[1]);
	}
	if (how == HOW_LEADER)
		syscall(SYS_exit, 0); /* this thread alone */
	for (;;)
		pause();
}

static void parent_main(size_t threads)
{
	limit_life();
	pthread_barrier_init(&shared->forked, NULL, (unsigned int)threads + 1);
	for (size_t i = 0; i < threads; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, thread_main, (void *)i))
			die("pthread_create");
	}
	pthread_barrier_wait(&shared->forked);
	parent_goes_on();
}

static void parent_ends(pid_t parent)
{
	if (how != HOW_EXIT && kill(parent, SIGKILL))
		die("kill");
	if (waitpid(parent, NULL, 0) != parent)
		die("waitpid");
}

static void round_once(size_t threads, pid_t *ret)
{
	pid_t parent = fork();
	char c;

	if (parent < 0)
		die("fork");
	if (parent == 0)
		parent_main(threads);
	if (how != HOW_EXIT && read(ready[0], &c, 1) != 1)
		die("a parent");
	if (how == HOW_EXIT || how == HOW_KILL)
		parent_ends(parent);
	*ret = parent;
	printf("%d", parent);
	for (size_t i = 0; i < threads; i++) {
		if (shared->child[i] <= 0)
			die("a child was not forked");
		printf(" %d", shared->child[i]);
	}
	putchar('\n');
}

static void say_and_wait(const char *what)
{
	char line[16];

	puts(what);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		_exit(0);
}

static void batch_ends(size_t count)
{
	if (how == HOW_LEADER || how == HOW_EXEC) {
		say_and_wait("alive");
		for (size_t i = 0; i < count; i++)
			parent_ends(parents[i]);
	}
	say_and_wait("batch");
	close(hold[0]);
	close(hold[1]);
}

static enum how how_of(const char *word)
{
	static const char *const words[] = { "exit", "kill", "leader", "exec" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(word, words[i]))
			return (enum how)i;
	fprintf(stderr, "not a way to end: %s\n", word);
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned long rounds, batch, n = 0;
	size_t threads;

	if (argc == 3 && !strcmp(argv[1], "ready")) {
		is_ready((int)number(argv[2], 1000000));
		for (;;)
			pause(); /* the alarm is inherited by an exec */
	}
	if (argc < 3)
		return 2;
	rounds = number(argv[1], 1000000);
	batch = number(argv[2], BATCH_MAX);
	threads = argc > 3 ? number(argv[3], THREADS_MAX) : 8;
	how = argc > 4 ? how_of(argv[4]) : HOW_EXIT;
	if (!batch || !threads)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED || pipe(ready))
		die("start");
	for (unsigned long i = 0; i < rounds; i++) {
		if (n == 0 && pipe(hold))
			die("pipe");
		round_once(threads, &parents[n++]);
		if (n == batch || i + 1 == rounds) {
			batch_ends(n);
			n = 0;
		}
	}
	return 0;
}
