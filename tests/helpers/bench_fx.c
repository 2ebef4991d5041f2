/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_fx COUNT CHUNKS PROGRAM: for each line on stdin makes CHUNKS times COUNT
 * processes that exit at once and as many that run PROGRAM, one after the other,
 * and prints the nanoseconds that one of each took in each chunk:
 * "FORK EXEC FORK EXEC ...".
 *
 * Forks and execs take turns chunk by chunk, so that both meet the same host.
 */
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "helper.h"

#define WARM_UP 200

static void reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("a child failed");
}

static void fork_one(const char *program)
{
	pid_t pid = fork();

	(void)program;
	if (pid < 0)
		die("fork");
	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void exec_one(const char *program)
{
	char *const argv[] = { (char *)program, NULL };
	pid_t pid;

	errno = posix_spawn(&pid, program, NULL, NULL, argv, environ);
	if (errno)
		die("posix_spawn");
	reap(pid);
}

static uint64_t each_ns(void (*one)(const char *), const char *program, unsigned long count)
{
	uint64_t started = now_ns(CLOCK_MONOTONIC);

	for (unsigned long i = 0; i < count; i++)
		one(program);
	return (now_ns(CLOCK_MONOTONIC) - started) / count;
}

int main(int argc, char **argv)
{
	unsigned long count, chunks;
	const char *program;
	char line[16];

	if (argc != 4) {
		fprintf(stderr, "usage: bench_fx COUNT CHUNKS PROGRAM\n");
		return 2;
	}
	count = number(argv[1], 1000000);
	chunks = number(argv[2], 1000);
	program = argv[3];
	if (!count || !chunks)
		return 2;
	while (fgets(line, sizeof(line), stdin)) {
		each_ns(fork_one, program, WARM_UP);
		each_ns(exec_one, program, WARM_UP);
		for (unsigned long i = 0; i < chunks; i++) {
			printf("%llu ", (unsigned long long)each_ns(fork_one, program, count));
			printf("%llu ", (unsigned long long)each_ns(exec_one, program, count));
		}
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
