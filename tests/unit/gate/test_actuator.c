/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real actuator, on children of this test. */
#include "gate/gate_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "gate/actuator.h"

static struct runaway_actuator a;

static uint64_t cap_kill(void)
{
	return geteuid() ? 0 : UINT64_C(1) << 5;
}

static int fresh(_unused_ void **state)
{
	return runaway_actuator_start(&a, geteuid() ? geteuid() : 65534,
				      geteuid() ? getegid() : 65534, cap_kill());
}

static int done(_unused_ void **state)
{
	runaway_actuator_stop(&a);
	return 0;
}

static pid_t sleeper(int *ret_pidfd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* The actuator ends when its connection does: nobody else may hold it. */
		(void)close_range(3, ~0U, 0);
		for (;;)
			pause();
	}
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*ret_pidfd >= 0);
	return pid;
}

static int ask(int pidfd)
{
	return runaway_actuator_signal(&a, pidfd, runaway_boot_ns() + 60 * NSEC_PER_SEC);
}

static void sends_sigterm(_unused_ void **state)
{
	int pidfd, status;
	pid_t pid = sleeper(&pidfd);

	assert_int_equal(ask(pidfd), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(ask(pidfd), -ESRCH);
	close(pidfd);
}

static void other_descriptors_do_nothing(_unused_ void **state)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(ask(fd), -EBADF);
	assert_int_equal(ask(-1), -EPIPE);
	assert_int_equal(ask(fd), -EBADF);
}

static uint64_t status_of(pid_t pid, const char *key, int base)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char path[64], word[32];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_int_equal(runaway_read_file(AT_FDCWD, path, 65536, &b), 0);
	snprintf(word, sizeof(word), "\n%s:", key);
	at = strstr(b.data, word);
	assert_non_null(at);
	return strtoull(at + strlen(word), NULL, base);
}

static void holds_one_capability_and_is_not_root(_unused_ void **state)
{
	assert_true(status_of(a.pid, "CapEff", 16) == cap_kill());
	assert_true(status_of(a.pid, "CapPrm", 16) == cap_kill());
	assert_true(status_of(a.pid, "CapInh", 16) == 0);
	assert_true(status_of(a.pid, "CapAmb", 16) == 0);
	if (geteuid() == 0)
		assert_true(status_of(a.pid, "CapBnd", 16) == 0);
	assert_true(status_of(a.pid, "Uid", 10) != 0);
	assert_true(status_of(a.pid, "Gid", 10) != 0);
	assert_true(status_of(a.pid, "NoNewPrivs", 10) == 1);
	assert_true(status_of(a.pid, "Seccomp", 10) == 2);
	assert_true(status_of(a.pid, "Threads", 10) == 1);
}

/* ---- messages that the authoriser would not send ---- */

static void send_raw(const void *data, size_t len, const int *fds, size_t count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, sizeof(int) * count);
	}
	assert_int_equal(sendmsg(a.fd, &m, MSG_NOSIGNAL), len);
}

static int answer_to(uint32_t job, const int *fds, size_t count)
{
	const struct runaway_actuator_request r = { .job = job, .number = 7 };
	struct runaway_actuator_answer answer = { 0 };

	send_raw(&r, sizeof(r), fds, count);
	assert_int_equal(recv(a.fd, &answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(answer.number, 7);
	return answer.err;
}

static void odd_requests_send_nothing(_unused_ void **state)
{
	int pidfd, status;
	pid_t pid = sleeper(&pidfd);
	const int two[] = { pidfd, pidfd };

	assert_int_equal(answer_to(RUNAWAY_ACTUATOR_SIGNAL, NULL, 0), -EINVAL);
	assert_int_equal(answer_to(RUNAWAY_ACTUATOR_SIGNAL, two, 2), -EINVAL);
	assert_int_equal(answer_to(0, two, 1), -EINVAL);
	assert_int_equal(answer_to(3, two, 1), -EINVAL);
	assert_int_equal(answer_to(UINT32_MAX, two, 1), -EINVAL);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(ask(pidfd), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pidfd);
}

static void ends_at(const void *data, size_t len, const int *fds, size_t count)
{
	char byte;

	send_raw(data, len, fds, count);
	assert_int_equal(recv(a.fd, &byte, 1, 0), 0);
	done(NULL);
	fresh(NULL);
}

static void messages_of_another_size_end_it(_unused_ void **state)
{
	const struct runaway_actuator_request r = { .job = RUNAWAY_ACTUATOR_SIGNAL };
	char big[64] = { 2 };
	int many[64];

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = 0;
	ends_at(&r, sizeof(r) - 1, NULL, 0);
	ends_at(big, sizeof(big), NULL, 0);
	ends_at("x", 1, NULL, 0);
	ends_at(&r, sizeof(r), many, ARRAY_SIZE(many));
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 128; fd++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", a.pid, fd);
		n += readlink(path, (char[8]){ 0 }, 8) > 0;
	}
	return n;
}

static void keeps_what_it_is_given(_unused_ void **state)
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int fds[] = { fd, fd, fd };
	int many[RUNAWAY_ACTUATOR_FDS + 1] = { 0 };

	assert_int_equal(runaway_actuator_keep(&a, fds, 0), 0);
	assert_int_equal(runaway_actuator_keep(&a, fds, 3), 0);
	assert_int_equal(runaway_actuator_keep(&a, many, ARRAY_SIZE(many)), -E2BIG);
	/* Whatever comes with a request is closed behind it. */
	for (int i = 0; i < 200; i++)
		assert_int_equal(ask(fd), -EBADF);
	if (geteuid() == 0)
		assert_int_equal(open_descriptors(), 1 + 3);
}

static void a_dead_actuator_sends_nothing(_unused_ void **state)
{
	int pidfd;
	pid_t pid = sleeper(&pidfd);

	assert_int_equal(kill(a.pid, SIGKILL), 0);
	assert_int_equal(waitpid(a.pid, NULL, 0), a.pid);
	assert_int_equal(ask(pidfd), -EPIPE);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pidfd);
	a.pid = 0;
}

/* It was asked and does not answer any more: nobody can say what it did. */
static void an_actuator_that_dies_while_asked(_unused_ void **state)
{
	int pidfd;
	pid_t pid = sleeper(&pidfd), killer;

	assert_int_equal(kill(a.pid, SIGSTOP), 0);
	killer = fork();
	if (killer == 0) {
		usleep(100000);
		kill(a.pid, SIGKILL);
		_exit(0);
	}
	assert_int_equal(ask(pidfd), -EIO);
	waitpid(killer, NULL, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pidfd);
}

/* ---- too late ---- */

static void behind_the_deadline_nothing_is_sent(_unused_ void **state)
{
	int pidfd;
	pid_t pid = sleeper(&pidfd);

	assert_int_equal(runaway_actuator_signal(&a, pidfd, 0), -ETIME);
	assert_int_equal(runaway_actuator_signal(&a, pidfd, runaway_boot_ns() - 1), -ETIME);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(ask(pidfd), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pidfd);
}

/* Stopped as it was asked: nobody waits for it, and what it reads when it goes on is over. */
static void a_frozen_actuator_sends_nothing_later(_unused_ void **state)
{
	const struct timeval patience = { .tv_usec = 300000 };
	const pid_t actuator = a.pid;
	uint64_t begun_ns;
	int pidfd, status;
	pid_t pid = sleeper(&pidfd);

	assert_int_equal(setsockopt(a.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(kill(actuator, SIGSTOP), 0);
	assert_int_equal(waitpid(actuator, &status, WUNTRACED), actuator);
	begun_ns = runaway_boot_ns();
	assert_int_equal(runaway_actuator_signal(&a, pidfd, begun_ns + 200 * NSEC_PER_MSEC), -EIO);
	/* Not at all, as long as it is stopped: how long is not the point. */
	runaway_actuator_stop(&a);
	assert_int_equal(a.fd, -1);
	assert_int_equal(waitpid(actuator, &status, WNOHANG), 0);
	assert_int_equal(kill(actuator, SIGCONT), 0);
	assert_int_equal(waitpid(actuator, &status, 0), actuator);
	assert_true(WIFEXITED(status));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pidfd);
}

static void does_not_start_as_root(_unused_ void **state)
{
	struct runaway_actuator b = { .fd = -1 };

	assert_int_equal(runaway_actuator_start(&b, 0, 0, 0), -EPERM);
	assert_int_equal(b.fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends_sigterm),
		TEST(other_descriptors_do_nothing),
		TEST(holds_one_capability_and_is_not_root),
		TEST(odd_requests_send_nothing),
		TEST(messages_of_another_size_end_it),
		TEST(keeps_what_it_is_given),
		TEST(a_dead_actuator_sends_nothing),
		TEST(an_actuator_that_dies_while_asked),
		TEST(behind_the_deadline_nothing_is_sent),
		TEST(a_frozen_actuator_sends_nothing_later),
		cmocka_unit_test(does_not_start_as_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
