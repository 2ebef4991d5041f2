/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile: makes one orphan for each hostile name below. Each one executes this
 * program again with hostile arguments, sets a hostile comm, and burns a tenth of
 * a core. Prints "PID NAME" for each; they end with SIGTERM.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "helper.h"

#define BURN_US	 2000
#define PAUSE_US 18000
#define BIG_ARG	 (128 * 1024 - 1) /* MAX_ARG_STRLEN with its NUL */
#define BIG_ARGS 16		  /* 2 MiB in all */

struct shape {
	const char *name;
	const char *comm;
	const char *arg;
};

static const struct shape shapes[] = {
	{ "newline", "a\nb 1\n# HELP x", "line one\nrunaway_up 1\n\r\n\ttab" },
	{ "quote", "q\"},{\"x\":1}", "--x=\"quoted\",} \" 1" },
	{ "backslash", "b\\n\\\"\\", "\\\\server\\\" \\x1b \\u0000 \\" },
	{ "ansi", "\x1b[31;1mred\x1b[", "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\x1b[H\x1b]0;title\x07" },
	{ "utf8", "\xff\xfe\xc3\x28\xed\xa0\x80", "\xc0\xaf \xf5\x80\x80\x80 \xe2\x82 \x80" },
	{ "controls", "\x01\x02\x7f\x08\x0b", "\x9b\x33\x31m \xc2\x9b\x33\x31m \x7f\x07\x08" },
	{ "bidi", "\xe2\x80\xaegpj", "\xe2\x80\xae\xe2\x80\xa8\xe2\x80\xa9 \xef\xbb\xbf" },
	{ "percent", "%s%n%x%p", "%s%s%s%n%n %2$*1$s" },
	{ "empty", "", "" },
	{ "blank", "   ", "   \t  " },
	{ "big", "big", NULL },
};

static const struct shape *shape_named(const char *name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	exit(2);
}

/* argv[0] must stay ours in the first image only; the second one may be anything. */
static void exec_shape(const struct shape *s)
{
	static char big[BIG_ARG + 1];
	struct rlimit stack = { RLIM_INFINITY, RLIM_INFINITY };
	char *argv[BIG_ARGS + 4] = { (char *)s->comm, (char *)"burn", (char *)s->name };
	size_t n = 3;

	if (s->arg) {
		argv[n++] = (char *)s->arg;
	} else {
		memset(big, 'A', BIG_ARG);
		/* The kernel lets arguments take a quarter of the stack. */
		if (setrlimit(RLIMIT_STACK, &stack))
			die("setrlimit");
		for (size_t i = 0; i < BIG_ARGS; i++)
			argv[n++] = big;
	}
	execv("/proc/self/exe", argv);
	die("execv");
}

static void burn_for_ever(const struct shape *s)
{
	limit_life();
	if (prctl(PR_SET_NAME, s->comm, 0, 0, 0))
		die("prctl");
	for (;;) {
		burn_us(BURN_US);
		usleep(PAUSE_US);
	}
}

static pid_t make(const struct shape *s)
{
	int report[2];
	pid_t origin, orphan;

	if (pipe(report))
		die("pipe");
	origin = fork();
	if (origin < 0)
		die("fork");
	if (origin == 0) {
		orphan = fork();
		if (orphan == 0) {
			close(report[0]);
			close(report[1]);
			close(STDOUT_FILENO); /* its reader waits for the end */
			setpgid(0, 0);	      /* a subject of its own */
			exec_shape(s);
		}
		if (write(report[1], &orphan, sizeof(orphan)) != sizeof(orphan))
			die("write");
		for (;;)
			pause();
	}
	if (read(report[0], &orphan, sizeof(orphan)) != sizeof(orphan) || orphan < 0)
		die("orphan");
	kill(origin, SIGKILL);
	waitpid(origin, NULL, 0);
	close(report[0]);
	close(report[1]);
	return orphan;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "burn"))
		burn_for_ever(shape_named(argv[2]));
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		printf("%d %s\n", make(&shapes[i]), shapes[i].name);
		fflush(stdout);
	}
	return 0;
}
