// SPDX-License-Identifier: GPL-2.0-or-later
/* The self-test's pair without a guard: what it tries it really does, or a refusal means nothing.
 */
#include "gate/gate_test.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/child.h"
#include "base/clock.h"
#include "gate/guard_priv.h"

static uid_t other_user(void)
{
	return geteuid() ? geteuid() : 65534;
}

static int start(void **state)
{
	struct guard_pair *p = calloc(1, sizeof(*p));
	sigset_t set;

	/* As runaway-gate does for its signalfd: it must not pass on to the victim. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*state = p;
	return guard_pair_start(p, NULL, other_user(), geteuid() ? getegid() : 65534);
}

static int stop(void **state)
{
	guard_pair_stop(*state);
	free(*state);
	return 0;
}

static int err_of_try(struct guard_pair *p, enum guard_try what, int sig)
{
	int err = -1;

	assert_int_equal(guard_pair_try(p, what, sig, &err), 0);
	return err;
}

static bool becomes(_Atomic uint32_t *n, uint32_t value)
{
	uint64_t end = runaway_mono_ns() + 10 * NSEC_PER_SEC;

	while (atomic_load(n) != value && runaway_mono_ns() < end)
		poll(NULL, 0, 1);
	return atomic_load(n) == value;
}

static void signals_arrive(void **state)
{
	struct guard_pair *p = *state;

	assert_int_equal(err_of_try(p, GUARD_TRY_PIDFD, 0), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_PIDFD, SIGTERM), 0);
	assert_true(becomes(&p->shared->terms, 1));
	assert_int_equal(err_of_try(p, GUARD_TRY_QUEUE, SIGTERM), 0);
	assert_true(becomes(&p->shared->terms, 2));
	assert_int_equal(err_of_try(p, GUARD_TRY_TGKILL, SIGTERM), 0);
	assert_true(becomes(&p->shared->terms, 3));
	assert_int_equal(atomic_load(&p->shared->others), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_PIDFD, SIGUSR1), 0);
	assert_true(becomes(&p->shared->others, 1));
}

static void ways_round_are_open(void **state)
{
	struct guard_pair *p = *state;

	assert_int_equal(err_of_try(p, GUARD_TRY_FORK, 0), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_EXEC, 0), ENOEXEC);
	assert_int_equal(err_of_try(p, GUARD_TRY_SETOWN, 0), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_IOCTL, 0), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_PTRACE, 0), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_OPEN, 0), 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_RLIMIT, 0), 0);
	/* And the victim is none the worse for it. */
	assert_int_equal(err_of_try(p, GUARD_TRY_PIDFD, SIGTERM), 0);
	assert_true(becomes(&p->shared->terms, 1));
}

static void it_has_no_privilege(void **state)
{
	struct guard_pair *p = *state;
	char path[64], line[256];
	unsigned long long caps = ~0ULL;
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)p->prober);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "CapPrm:", 7) == 0)
			caps = strtoull(line + 7, NULL, 16);
	assert_int_equal(caps, 0);
}

static void unknown_attempts(void **state)
{
	assert_int_equal(err_of_try(*state, GUARD_TRIES, 0), EINVAL);
}

/* A dead victim is told by the attempts, a dead prober by its silence. */
static void the_dead_are_noticed(void **state)
{
	struct guard_pair *p = *state;
	int err, fd = (int)syscall(SYS_pidfd_open, p->victim, 0);
	struct pollfd gone = { .fd = fd, .events = POLLIN };

	assert_true(fd >= 0);
	assert_int_equal(err_of_try(p, GUARD_TRY_PIDFD, SIGKILL), 0);
	assert_int_equal(poll(&gone, 1, 10000), 1);
	close(fd);
	close(p->sock);
	p->sock = -1;
	assert_int_equal(guard_pair_try(p, GUARD_TRY_PIDFD, 0, &err), -EIO);
}

static void nobody_stays(_unused_ void **state)
{
	struct guard_pair p;
	struct pollfd gone = { .events = POLLIN };

	assert_int_equal(guard_pair_start(&p, NULL, other_user(), geteuid() ? getegid() : 65534),
			 0);
	gone.fd = (int)syscall(SYS_pidfd_open, p.victim, 0);
	assert_true(gone.fd >= 0);
	guard_pair_stop(&p);
	assert_int_equal(poll(&gone, 1, 10000), 1);
	close(gone.fd);
}

/* The authoriser ends all the same, and they when they go on. */
static void a_stopped_prober_is_not_waited_for(_unused_ void **state)
{
	struct guard_pair p;
	pid_t prober;
	struct pollfd gone = { .events = POLLIN };

	assert_int_equal(guard_pair_start(&p, NULL, other_user(), geteuid() ? getegid() : 65534),
			 0);
	prober = p.prober;
	gone.fd = (int)syscall(SYS_pidfd_open, p.victim, 0);
	assert_true(gone.fd >= 0);
	assert_int_equal(kill(prober, SIGSTOP), 0);
	guard_pair_stop(&p);
	assert_int_equal(poll(&gone, 1, 0), 0);
	assert_int_equal(kill(prober, SIGCONT), 0);
	assert_int_equal(poll(&gone, 1, 10000), 1);
	assert_true(runaway_child_reap(prober, 10000));
	close(gone.fd);
}

static void no_such_cgroup(_unused_ void **state)
{
	struct guard_pair p;

	assert_int_equal(guard_pair_start(&p, "/nonexistent", other_user(), getegid()), -ENOENT);
	assert_int_equal(p.sock, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(signals_arrive, start, stop),
		cmocka_unit_test_setup_teardown(ways_round_are_open, start, stop),
		cmocka_unit_test_setup_teardown(it_has_no_privilege, start, stop),
		cmocka_unit_test_setup_teardown(unknown_attempts, start, stop),
		cmocka_unit_test_setup_teardown(the_dead_are_noticed, start, stop),
		cmocka_unit_test(nobody_stays),
		cmocka_unit_test(a_stopped_prober_is_not_waited_for),
		cmocka_unit_test(no_such_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
