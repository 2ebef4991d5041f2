/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takeover PID NR[:ARG,…]…: makes another process do these system calls, as somebody
 * who has taken it over could, and prints for each its errno (0: the kernel did it), or
 * "ended" when the process was ended for it. An argument is a number, @TEXT (a pointer
 * to that text), %SIG (a pointer to the siginfo of a queued signal), #N/N (a pointer to two
 * 64-bit numbers and zeros behind them) or $ (what the call before gave). The process goes
 * on with what it was doing.
 *
 * It is traced for that, which needs root; who traces is no part of what is tried.
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "helper.h"

#ifdef __x86_64__

#define ARGS	 6
#define ROOM	 256  /* of each argument that lies in memory */
#define RED_ZONE 8192 /* below the stack pointer: nothing of the process is there */

static pid_t pid;
static struct user_regs_struct before;
static long last;

static void peek(uint64_t at, void *to, size_t n)
{
	struct iovec here = { to, n }, there = { (void *)at, n };

	if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)n)
		die("process_vm_readv");
}

static void poke(uint64_t at, void *from, size_t n)
{
	struct iovec here = { from, n }, there = { (void *)at, n };

	if (process_vm_writev(pid, &here, 1, &there, 1, 0) != (ssize_t)n)
		die("process_vm_writev");
}

/* False: it has ended. */
static bool stopped(void)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFSTOPPED(status);
}

/* Stops it where its last instruction was a system call: that instruction is used again. */
static void attach(void)
{
	unsigned char code[2];

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL))
		die("attach");
	for (int i = 0; i < 1000; i++) {
		if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) || !stopped())
			die("interrupt");
		if (ptrace(PTRACE_GETREGS, pid, NULL, &before))
			die("registers");
		peek(before.rip - 2, code, 2);
		if (code[0] == 0x0f && code[1] == 0x05)
			return;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		usleep(1000);
	}
	errno = ETIMEDOUT;
	die("it makes no system call");
}

static uint64_t argument(const char *text, int n)
{
	uint64_t at = before.rsp - RED_ZONE + (uint64_t)n * ROOM;
	char data[ROOM] = "";

	if (*text == '@') {
		snprintf(data, sizeof(data), "%s", text + 1);
		poke(at, data, sizeof(data));
		return at;
	}
	if (*text == '%') {
		siginfo_t info = { .si_signo = (int)number(text + 1, 64), .si_code = SI_QUEUE };

		poke(at, &info, sizeof(info));
		return at;
	}
	if (*text == '#') {
		uint64_t two[ROOM / sizeof(uint64_t)] = { 0 };
		char *end;

		two[0] = strtoull(text + 1, &end, 0);
		if (*end == '/')
			two[1] = strtoull(end + 1, NULL, 0);
		poke(at, two, sizeof(two));
		return at;
	}
	return *text == '$' ? (uint64_t)last : (uint64_t)strtoll(text, NULL, 0);
}

/* What the system call gave; false when the process did not outlive it. */
static bool call(char *words, long *ret)
{
	struct user_regs_struct r = before;
	uint64_t arg[ARGS] = { 0 };
	char *save = NULL, *word = strtok_r(words, ":", &save);

	r.rip -= 2;
	r.rax = number(word, 1000);
	r.orig_rax = ~0ULL; /* nothing that was interrupted is begun again here */
	for (int n = 0; n < ARGS && (word = strtok_r(NULL, ",", &save)); n++)
		arg[n] = argument(word, n);
	r.rdi = arg[0], r.rsi = arg[1], r.rdx = arg[2];
	r.r10 = arg[3], r.r8 = arg[4], r.r9 = arg[5];
	if (ptrace(PTRACE_SETREGS, pid, NULL, &r))
		die("set");
	do {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			die("step");
		if (!stopped())
			return false;
		if (ptrace(PTRACE_GETREGS, pid, NULL, &r))
			return false;
	} while (r.rip != before.rip);
	*ret = (long)r.rax;
	return true;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	limit_life();
	pid = (pid_t)number(argv[1], INT32_MAX);
	attach();
	for (int i = 2; i < argc; i++) {
		long got = 0;

		if (!call(argv[i], &got)) {
			puts("ended");
			return 0;
		}
		last = got;
		printf("%ld\n", got < 0 && got > -4096 ? -got : 0);
	}
	if (ptrace(PTRACE_SETREGS, pid, NULL, &before) || ptrace(PTRACE_DETACH, pid, NULL, NULL))
		die("detach");
	return 0;
}

#else

int main(void)
{
	fputs("takeover: written for x86-64\n", stderr);
	return 2;
}

#endif
