/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_SHAPES_H
#define RUNAWAY_TESTS_SHAPES_H

/*
 * What the shapes of reparenting share. Whoever plays a part says so with a letter over a
 * socket, and the kernel says who it was: pids of the reader's namespace, wherever the
 * speaker lives. Whoever stays does so until the batch is over.
 */

#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "helper.h"

static int mouth, ears, hold_r, hold_w;
static pid_t met[128]; /* who spoke, by letter */

static inline void stage_open(void)
{
	int sock[2], hold[2], one = 1;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sock) || pipe(hold) ||
	    setsockopt(sock[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)))
		die("stage");
	ears = sock[0];
	mouth = sock[1];
	hold_r = hold[0];
	hold_w = hold[1];
}

static inline void tell(char letter)
{
	if (write(mouth, &letter, 1) != 1)
		die("tell");
}

/* Waits until all of them have spoken. */
static inline void meet(const char *letters)
{
	union {
		char room[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	size_t left = strlen(letters);
	char letter;

	while (left--) {
		struct iovec iov = { .iov_base = &letter, .iov_len = 1 };
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		struct cmsghdr *c;
		struct ucred who;

		if (recvmsg(ears, &msg, 0) != 1 || letter <= 0)
			die("meet");
		c = CMSG_FIRSTHDR(&msg);
		if (!c || c->cmsg_type != SCM_CREDENTIALS)
			die("no credentials");
		memcpy(&who, CMSG_DATA(c), sizeof(who));
		met[(int)letter] = who.pid;
	}
}

/* Until the batch is over. */
static inline void stay(void)
{
	char c;

	close(hold_w);
	limit_life();
	while (read(hold_r, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static inline pid_t spawn(void (*part)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		part();
		_exit(0);
	}
	return pid;
}

static inline pid_t spawn_ns(int flags, void (*part)(void))
{
	struct clone_args args = { .flags = (unsigned int)flags, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		die("clone3");
	if (pid == 0) {
		part();
		_exit(0);
	}
	return pid;
}

/* Ended, whoever reaps it: its children have been handed on by then. */
static inline void wait_dead(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return;
	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			die("poll");
	close(fd);
}

static inline void end(pid_t pid, int signum)
{
	if (kill(pid, signum))
		die("kill");
	wait_dead(pid);
}

#endif
