// SPDX-License-Identifier: GPL-2.0-or-later
/* The process that was taken over, and how it is told what to try. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "attack.h"

#define RACERS 4

struct command {
	unsigned int what; /* enum order */
	unsigned int n;	   /* route, or how often */
	pid_t victim;
};

static int send_term(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 ? errno : 0;
}

struct race {
	pthread_barrier_t start;
	int pidfd;
	_Atomic int won;
};

static void *racer(void *arg)
{
	struct race *r = arg;

	pthread_barrier_wait(&r->start);
	if (send_term(r->pidfd) == 0)
		atomic_fetch_add(&r->won, 1);
	return NULL;
}

/* Several threads use one authorisation at once; how many got through. */
static int race(int pidfd)
{
	struct race r = { .pidfd = pidfd };
	pthread_t threads[RACERS];

	pthread_barrier_init(&r.start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++)
		if (pthread_create(&threads[i], NULL, racer, &r))
			die("pthread_create");
	for (int i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&r.start);
	return atomic_load(&r.won);
}

static struct answer flood(unsigned int n, pid_t victim, int pidfd)
{
	struct answer a = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		int err = flood_step(i, victim, pidfd);

		a.err += err == 0;
		if (err == 0 || err == EPERM)
			continue;
		a.other++;
		a.other_err = err;
	}
	return a;
}

static struct answer obey(const struct command *c, int pidfd)
{
	switch ((enum order)c->what) {
	case ORDER_ROUTE:
		return (struct answer){ .err = routes[c->n].go(c->victim, pidfd) };
	case ORDER_TERM:
		return (struct answer){ .err = send_term(pidfd) };
	case ORDER_RACE:
		return (struct answer){ .err = race(pidfd) };
	case ORDER_FLOOD:
		return flood(c->n, c->victim, pidfd);
	}
	return (struct answer){ .err = EINVAL };
}

_Noreturn void attacker_loop(int sock)
{
	struct answer answer;
	struct command c;
	int pidfd;

	limit_life();
	while (read(sock, &c, sizeof(c)) == (ssize_t)sizeof(c)) {
		pidfd = (int)syscall(SYS_pidfd_open, c.victim, 0);
		if (pidfd < 0) /* no victim: nothing of a flood is tried */
			answer = (struct answer){ errno, c.n, errno };
		else
			answer = obey(&c, pidfd);
		close(pidfd);
		if (write(sock, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
			break;
	}
	_exit(0);
}

void attacker_start(struct attacker *a)
{
	char text[16];
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks))
		die("socketpair");
	fcntl(socks[0], F_SETFD, FD_CLOEXEC);
	a->pid = fork();
	if (a->pid < 0)
		die("fork");
	if (a->pid == 0) {
		close(socks[0]);
		snprintf(text, sizeof(text), "%d", socks[1]);
		setenv(ATTACKER_SOCK, text, 1);
		attacker_loop(socks[1]);
	}
	close(socks[1]);
	a->sock = socks[0];
}

void attacker_order(const struct attacker *a, enum order what, unsigned int n, pid_t victim)
{
	struct command c = { what, n, victim };

	if (send(a->sock, &c, sizeof(c), MSG_NOSIGNAL) != (ssize_t)sizeof(c))
		die("attacker");
}

struct answer attacker_answer(const struct attacker *a)
{
	struct pollfd p = { .fd = a->sock, .events = POLLIN };
	struct answer answer;

	if (poll(&p, 1, 60000) <= 0 ||
	    read(a->sock, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		die("attacker does not answer");
	return answer;
}

int attacker_do(const struct attacker *a, enum order what, unsigned int n, pid_t victim)
{
	attacker_order(a, what, n, victim);
	return attacker_answer(a).err;
}

void attacker_stop(struct attacker *a)
{
	close(a->sock);
	waitpid(a->pid, NULL, 0);
}
