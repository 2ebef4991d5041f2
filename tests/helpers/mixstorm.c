/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mixstorm COUNT WORKERS STAY SEED: WORKERS processes fork COUNT short-lived ones
 * between them, of mixed kinds: plain, double forks, own sessions, with threads, by
 * vfork, with an exec. One in STAY (0: none) leaves behind an orphan that stays: its
 * origin is killed.
 *
 * Prints "made PROCESSES THREADS", a line "ORIGIN ORPHAN" for each one that stays, and
 * "ready"; ends, and they with it, when stdin does. It is a subreaper that reaps: no
 * zombie is left to a pid 1 that does not.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helper.h"

#define STAY_MAX 100000

enum said { SAID_STAYS, SAID_END };

/* Shorter than PIPE_BUF: written and read whole. */
struct report {
	enum said said;
	pid_t origin, orphan;
	unsigned long processes, threads;
};

struct worker {
	unsigned long left;		  /* processes still to be made */
	unsigned long processes, threads; /* made */
	unsigned long stay, since_stay;
	uint64_t random;
	int report, hold[2];
};

static pid_t stays[STAY_MAX][2];
static char self[256];

/* The same storm for the same seed: no other source of chance. */
static unsigned int roll(struct worker *w, unsigned int sides)
{
	w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(w->random >> 33) % sides;
}

static pid_t fork_counted(struct worker *w)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	w->processes++;
	return pid;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) != pid)
		if (errno != EINTR)
			die("waitpid");
}

static void plain(struct worker *w)
{
	pid_t pid = fork_counted(w);

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void own_session(struct worker *w)
{
	pid_t pid = fork_counted(w);

	if (pid == 0) {
		setsid();
		_exit(3);
	}
	reap(pid);
}

/* The grandchild is an orphan for the moment that it lives. */
static void twice(struct worker *w)
{
	pid_t pid = fork_counted(w);

	w->processes++;
	if (pid == 0) {
		if (fork() == 0)
			_exit(0);
		_exit(0);
	}
	reap(pid);
}

static void *thread_main(void *arg)
{
	return arg;
}

static void threads(struct worker *w)
{
	pid_t pid = fork_counted(w);

	w->threads += 2;
	if (pid == 0) {
		pthread_t t[2];

		for (int i = 0; i < 2; i++)
			if (pthread_create(&t[i], NULL, thread_main, NULL))
				die("pthread_create");
		/* One may still run: exit_group ends it. */
		pthread_join(t[0], NULL);
		_exit(0);
	}
	reap(pid);
}

static void by_vfork(struct worker *w)
{
	pid_t pid = vfork(); /* NOLINT: what is tried */

	if (pid == 0)
		_exit(0);
	w->processes++;
	reap(pid);
}

static void with_exec(struct worker *w)
{
	pid_t pid = fork_counted(w);

	if (pid == 0) {
		execl(self, "mixstorm", "nothing", (char *)NULL);
		_exit(1);
	}
	reap(pid);
}

static void orphan_stays(const struct worker *w)
{
	char c;

	close(w->hold[1]);
	close(w->report);
	limit_life();
	while (read(w->hold[0], &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* Its origin is killed, not ended: an accident. */
static void leave_one(struct worker *w)
{
	struct report r = { .said = SAID_STAYS };
	int told[2];

	if (pipe(told))
		die("pipe");
	r.origin = fork_counted(w);
	w->processes++;
	if (r.origin == 0) {
		pid_t pid = fork();

		if (pid == 0) {
			close(told[0]);
			close(told[1]);
			orphan_stays(w);
		}
		if (write(told[1], &pid, sizeof(pid)) != sizeof(pid))
			die("write");
		for (;;)
			pause();
	}
	if (read(told[0], &r.orphan, sizeof(r.orphan)) != sizeof(r.orphan) || r.orphan < 0)
		die("an orphan");
	close(told[0]);
	close(told[1]);
	kill(r.origin, SIGKILL);
	reap(r.origin);
	if (write(w->report, &r, sizeof(r)) != sizeof(r))
		die("report");
}

static void work(struct worker *w)
{
	struct report end = { .said = SAID_END };

	while (w->processes < w->left) {
		unsigned int kind = roll(w, 100);

		if (w->stay && ++w->since_stay == w->stay) {
			w->since_stay = 0;
			leave_one(w);
		} else if (kind < 50) {
			plain(w);
		} else if (kind < 65) {
			twice(w);
		} else if (kind < 75) {
			own_session(w);
		} else if (kind < 85) {
			threads(w);
		} else if (kind < 98) {
			by_vfork(w);
		} else {
			with_exec(w);
		}
	}
	end.processes = w->processes;
	end.threads = w->threads;
	if (write(w->report, &end, sizeof(end)) != sizeof(end))
		die("report");
	_exit(0);
}

static void start_worker(unsigned long i, unsigned long count, unsigned long stay,
			 unsigned long seed, int report, const int hold[2])
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		struct worker w = {
			.left = count,
			.stay = stay,
			.random = seed * 2654435761u + i,
			.report = report,
			.hold = { hold[0], hold[1] },
		};

		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		signal(SIGCHLD, SIG_DFL);
		work(&w);
	}
}

int main(int argc, char **argv)
{
	unsigned long count, workers, stay, seed, processes = 0, made_threads = 0, left = 0;
	int report[2], hold[2];
	struct report r;

	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (argc != 5)
		return 2;
	count = number(argv[1], 1000000000);
	workers = number(argv[2], 64);
	stay = number(argv[3], 1000000000);
	seed = number(argv[4], 1UL << 31);
	if (!workers || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	/* Orphans fall to us, and who falls to us is reaped by the kernel. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || signal(SIGCHLD, SIG_IGN) == SIG_ERR ||
	    pipe(report) || pipe(hold))
		die("start");
	for (unsigned long i = 0; i < workers; i++)
		start_worker(i, count / workers, stay, seed, report[1], hold);
	close(report[1]);
	while (read(report[0], &r, sizeof(r)) == sizeof(r)) {
		if (r.said == SAID_END) {
			processes += r.processes;
			made_threads += r.threads;
		} else if (left < STAY_MAX) {
			stays[left][0] = r.origin;
			stays[left++][1] = r.orphan;
		}
	}
	printf("made %lu %lu\n", processes + workers, made_threads);
	for (unsigned long i = 0; i < left; i++)
		printf("%d %d\n", stays[i][0], stays[i][1]);
	ready_until_closed();
	return 0;
}
