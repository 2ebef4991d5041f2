/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that holds CAP_KILL. Read to the end: there is nothing more to it. */
#include "gate/actuator.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/macros.h"
#include "gate/actuator_priv.h"
#include "gate/confine.h"

static_assert(SIGTERM == 15, "the only signal there is");

#define ALWAYS(name) { .nr = SYS_##name }

/* All that it may ask the kernel for. */
const struct runaway_syscall runaway_actuator_syscalls[] = {
	{ .nr = SYS_pidfd_send_signal,
	  .checks = 3,
	  .check = { { 1, UINT64_MAX, SIGTERM }, /* the signal */
		     { 2, UINT64_MAX, 0 },	 /* no siginfo */
		     { 3, UINT64_MAX, 0 } } },	 /* no flags: the process, not its group */
	/* where the kernel answers it by a system call */
	{ .nr = SYS_clock_gettime, .checks = 1, .check = { { 0, UINT64_MAX, CLOCK_BOOTTIME } } },
	ALWAYS(recvmsg),
	ALWAYS(sendmsg),
	ALWAYS(close),
	ALWAYS(exit_group),
	ALWAYS(restart_syscall),
	ALWAYS(rt_sigreturn),
};
const size_t runaway_actuator_syscalls_count = ARRAY_SIZE(runaway_actuator_syscalls);

/* Asked last: it may have been stopped since the request was made, for hours. */
static int send_sigterm(int pidfd, uint64_t deadline_ns)
{
	struct timespec t;

	if (clock_gettime(CLOCK_BOOTTIME, &t) < 0 ||
	    (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec > deadline_ns)
		return -ETIME;
	return syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 ? -errno : 0;
}

/* One message and its descriptors. 1, or 0 at the end of the connection or after an error. */
static int receive(int sock, struct runaway_actuator_request *r,
		   int fds[static RUNAWAY_ACTUATOR_FDS], size_t *ret_count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * RUNAWAY_ACTUATOR_FDS)];
	} control;
	struct iovec part = { .iov_base = r, .iov_len = sizeof(*r) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*r) || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return 0;
	*ret_count = 0;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*ret_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *ret_count * sizeof(int));
	}
	return 1;
}

static bool reply(int sock, uint32_t number, int err)
{
	struct runaway_actuator_answer a = { .number = number, .err = err };
	struct iovec part = { .iov_base = &a, .iov_len = sizeof(a) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	return sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(a);
}

static bool serve(int sock, const struct runaway_actuator_request *r, const int *fds, size_t count)
{
	int err = -EINVAL;

	if (r->job == RUNAWAY_ACTUATOR_KEEP)
		return true;
	if (r->job == RUNAWAY_ACTUATOR_SIGNAL && count == 1)
		err = send_sigterm(fds[0], r->deadline_boot_ns);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return reply(sock, r->number, err);
}

_noreturn_ void runaway_actuator_main(int sock, uid_t uid, gid_t gid, uint64_t keep_caps)
{
	int fds[RUNAWAY_ACTUATOR_FDS];
	struct runaway_actuator_request r;
	size_t count;

	(void)prctl(PR_SET_NAME, "rw-gate-actuate");
	/* 0: no thread or process more; no byte to any file; descriptors for one message and the
	 * guard's links. */
	if (runaway_confine_drop(uid, gid, keep_caps) < 0 ||
	    runaway_confine_limit(RLIMIT_NPROC, 0) < 0 ||
	    runaway_confine_limit(RLIMIT_FSIZE, 0) < 0 ||
	    runaway_confine_limit(RLIMIT_CORE, 0) < 0 ||
	    runaway_confine_limit(RLIMIT_NOFILE, 3 * RUNAWAY_ACTUATOR_FDS) < 0 ||
	    runaway_confine_syscalls(runaway_actuator_syscalls, runaway_actuator_syscalls_count) <
		    0 ||
	    runaway_actuator_probe() > 0 || !reply(sock, 0, 0))
		_exit(1);
	while (receive(sock, &r, fds, &count) && serve(sock, &r, fds, count))
		;
	_exit(0);
}
