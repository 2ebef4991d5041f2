// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes that count whatever reaches them. */

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "attack.h"

static _Atomic unsigned int *counts;

static void on_signal(int sig)
{
	atomic_fetch_add(&counts[sig], 1);
}

_Noreturn void victim_main(int go, int page)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	char text[2][16], c;
	ssize_t n;

	limit_life();
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
	if (counts == MAP_FAILED)
		die("mmap");
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGALRM && sig != SIGCHLD)
			sigaction(sig, &sa, NULL);
	atomic_fetch_add(&counts[0], 1); /* ready */
	do
		n = read(go, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0);
	snprintf(text[0], sizeof(text[0]), "%d", go);
	snprintf(text[1], sizeof(text[1]), "%d", page);
	execl("/proc/self/exe", "gate_attack", "victim", text[0], text[1], (char *)NULL);
	_exit(1);
}

static void await_ready(const struct victim *v, unsigned int times)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + 20000000000ULL;

	while (atomic_load(&v->got[0]) < times) {
		if (now_ns(CLOCK_MONOTONIC) > end) {
			errno = ETIMEDOUT;
			die("victim");
		}
		usleep(500);
	}
}

static void join(const char *cgroup, pid_t pid)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%d", (int)pid) < 0 || fclose(f))
		die(path);
}

void victim_start(struct victim *v, pid_t pid, const char *cgroup)
{
	pid_t tids[] = { pid };
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = pid ? (uintptr_t)tids : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	int page = memfd_create("victim", 0), fds[2];

	if (page < 0 || ftruncate(page, 4096) || pipe(fds))
		die("victim");
	fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	v->got = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
	if (v->got == MAP_FAILED)
		die("mmap");
	v->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (v->pid < 0)
		die("clone3");
	if (v->pid == 0) {
		close(fds[1]);
		victim_main(fds[0], page);
	}
	setpgid(v->pid, v->pid);
	v->go = fds[1];
	close(fds[0]);
	close(page);
	await_ready(v, 1);
	if (cgroup)
		join(cgroup, v->pid);
}

void victim_exec(struct victim *v)
{
	if (write(v->go, "x", 1) != 1)
		die("write");
	await_ready(v, 2);
}

void victim_stop(struct victim *v)
{
	close(v->go);
	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	munmap(v->got, 4096);
}

unsigned int victim_signals(const struct victim *v)
{
	unsigned int sum = 0;

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		sum += atomic_load(&v->got[sig]);
	return sum;
}

/* State letter in /proc: Z and X are dead, T and t stopped. */
static char state_of(pid_t pid)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 'X';
	if (fscanf(f, "%*d %*s %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state;
}

bool victim_disturbed(const struct victim *v)
{
	char state = state_of(v->pid);

	return victim_signals(v) || (state != 'S' && state != 'R' && state != 'D');
}
