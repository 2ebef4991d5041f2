/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The authoriser's end of the connection to the actuator. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "gate/actuator_priv.h"

/* One whose connection is closed ends at once, or it is frozen. */
#define END_MS 200

static int receive_answer(int fd, struct runaway_actuator_answer *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof(*ret), 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*ret) ? 0 : -EIO;
}

static int await_ready(int fd)
{
	struct runaway_actuator_answer a;
	int err = receive_answer(fd, &a);

	return err == 0 && (a.number != 0 || a.err != 0) ? -EIO : err;
}

/* Its one descriptor is number 0: there is nothing else it could ever write to. */
static _noreturn_ void become_actuator(int sock, uid_t uid, gid_t gid, uint64_t keep_caps)
{
	if (dup2(sock, 0) < 0 || close_range(1, ~0U, 0) < 0)
		_exit(1);
	runaway_actuator_main(0, uid, gid, keep_caps);
}

int runaway_actuator_start(struct runaway_actuator *a, uid_t uid, gid_t gid, uint64_t keep_caps)
{
	const struct timeval patience = { .tv_sec = RUNAWAY_ACTUATOR_ANSWER_S };
	int fd[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become_actuator(fd[1], uid, gid, keep_caps);
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return -EAGAIN;
	}
	*a = (struct runaway_actuator){ .fd = fd[0], .pid = pid };
	if (setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    await_ready(fd[0]) < 0) {
		runaway_actuator_stop(a);
		return -EPERM;
	}
	return 0;
}

void runaway_actuator_stop(struct runaway_actuator *a)
{
	if (a->fd >= 0)
		close(a->fd);
	runaway_child_reap(a->pid, END_MS);
	*a = (struct runaway_actuator){ .fd = -1 };
}

bool runaway_actuator_alive(struct runaway_actuator *a)
{
	struct pollfd p = { .fd = a->fd };

	if (a->fd >= 0 && poll(&p, 1, 0) == 1) {
		log_error("the actuator (pid %d) has ended: nothing can be signalled", a->pid);
		runaway_actuator_stop(a);
	}
	return a->fd >= 0;
}

static int request(struct runaway_actuator *a, const struct runaway_actuator_request *r,
		   const int *fds, size_t count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * RUNAWAY_ACTUATOR_FDS)];
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)r, .iov_len = sizeof(*r) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * count) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	return sendmsg(a->fd, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*r) ? 0 : -EPIPE;
}

int runaway_actuator_keep(struct runaway_actuator *a, const int *fds, size_t count)
{
	const struct runaway_actuator_request r = { .job = RUNAWAY_ACTUATOR_KEEP };

	if (count == 0)
		return 0;
	return count > RUNAWAY_ACTUATOR_FDS ? -E2BIG : request(a, &r, fds, count);
}

int runaway_actuator_signal(struct runaway_actuator *a, int pidfd, uint64_t deadline_boot_ns)
{
	const struct runaway_actuator_request r = { .job = RUNAWAY_ACTUATOR_SIGNAL,
						    .number = ++a->number,
						    .deadline_boot_ns = runaway_boot_timer_ns(
							    deadline_boot_ns) };
	struct runaway_actuator_answer answer;
	int err = request(a, &r, &pidfd, 1);

	if (err == 0)
		err = receive_answer(a->fd, &answer);
	if (err < 0)
		return err;
	return answer.number == r.number ? answer.err : -EIO;
}
