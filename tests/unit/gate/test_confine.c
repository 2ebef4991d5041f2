/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the gate's processes cannot ask the kernel for: every number there is, tried behind
 * the filter, in a process of its own.
 */
#include "gate/gate_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fs.h"
#include "base/landlock.h"
#include "gate/actuator_priv.h"
#include "gate/state.h"

#define NUMBERS 1024 /* Linux has some 470 */

/* Written by the child, read by the test. */
static struct shared {
	int err[NUMBERS]; /* errno of each call, 0: let through, -1: not tried */
	int other[64];
	size_t tried;
} *shared;

static int start(_unused_ void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED ? -1 : runaway_digest_init();
}

/* Not _exit(): a sanitizer does things before it that no filter lets through. */
static void leave(int status)
{
	(void)syscall(SYS_exit_group, status);
}

/* Ends as that signal (negative) or with that status. */
static int in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka's handlers would go on with the next test in here. */
		for (int sig = 1; sig < NSIG; sig++)
			(void)signal(sig, SIG_DFL);
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
			fn();
		leave(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool listed(const struct runaway_syscall *list, size_t count, long nr)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].nr == (uint32_t)nr)
			return true;
	return false;
}

/*
 * uretprobe and uprobe pass every filter by the kernel's own decision, and end whoever
 * calls them outside of a probe. Nobody can do anything with them.
 */
static bool passes_all_filters(long nr)
{
#ifdef __x86_64__
	return nr == 335 || nr == 336;
#else
	return nr < 0;
#endif
}

/* Arguments with which no call does anything, should one be let through. */
static void try_all(const struct runaway_syscall *list, size_t count)
{
	for (long nr = 0; nr < NUMBERS; nr++)
		shared->err[nr] = -1;
	shared->tried = 0;
	if (runaway_confine_syscalls(list, count) < 0)
		leave(98);
	for (long nr = 0; nr < NUMBERS; nr++) {
		if (listed(list, count, nr) || passes_all_filters(nr))
			continue;
		shared->err[nr] = syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L) == -1 ? errno : 0;
		shared->tried++;
	}
	leave(0);
}

static void try_as_actuator(void)
{
	try_all(runaway_actuator_syscalls, runaway_actuator_syscalls_count);
}

static void try_as_authoriser(void)
{
	try_all(runaway_authoriser_syscalls, runaway_authoriser_syscalls_count);
}

static void expect_all_refused(const char *who, size_t at_most)
{
	for (long nr = 0; nr < NUMBERS; nr++)
		if (shared->err[nr] != -1)
			assert_int_equal(shared->err[nr], EPERM);
	assert_true(shared->tried > NUMBERS - at_most);
	print_message("# %s: %zu of %d system calls tried, all refused\n", who, shared->tried,
		      NUMBERS);
}

static void actuator_has_eight_calls(_unused_ void **state)
{
	assert_int_equal(runaway_actuator_syscalls_count, 8);
	assert_int_equal(in_child(try_as_actuator), 0);
	expect_all_refused("actuator", 11);
}

static void authoriser_cannot_signal(_unused_ void **state)
{
	static const long never[] = { SYS_kill,
				      SYS_tkill,
				      SYS_tgkill,
				      SYS_rt_sigqueueinfo,
				      SYS_rt_tgsigqueueinfo,
				      SYS_pidfd_send_signal,
				      SYS_clone,
				      SYS_clone3,
				      SYS_execve,
				      SYS_execveat,
				      SYS_ptrace,
				      SYS_fcntl,
				      SYS_ioctl,
				      SYS_socket,
				      SYS_connect,
				      SYS_io_uring_setup,
				      SYS_prlimit64,
				      SYS_pidfd_getfd,
				      SYS_setresuid,
				      SYS_capset,
				      SYS_prctl,
				      SYS_unlinkat,
				      SYS_renameat,
				      SYS_ftruncate };

	assert_int_equal(in_child(try_as_authoriser), 0);
	expect_all_refused("authoriser", 60);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_int_equal(shared->err[never[i]], EPERM);
}

/* ---- arguments ---- */

static void result(size_t i, long r)
{
	shared->other[i] = r == -1 ? errno : 0;
}

/* The probes stand alone: nothing of the actuator's start is around them. */
static void probe(void)
{
	if (runaway_confine_syscalls(runaway_actuator_syscalls, runaway_actuator_syscalls_count) <
	    0)
		leave(98);
	result(0, syscall(SYS_pidfd_send_signal, -1, SIGTERM, NULL, 0));
	result(1, syscall(SYS_pidfd_send_signal, -1, SIGKILL, NULL, 0));
	for (unsigned int bit = 0; bit < 32; bit++)
		result(2 + bit, syscall(SYS_pidfd_send_signal, -1, SIGTERM, NULL, 1UL << bit));
	result(34, syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &(struct timespec){ 0 }));
	result(35, syscall(SYS_clock_gettime, CLOCK_REALTIME, &(struct timespec){ 0 }));
	leave((int)runaway_actuator_probe());
}

static void only_sigterm_without_info_or_flags(_unused_ void **state)
{
	assert_int_equal(in_child(probe), 0);
	assert_int_equal(shared->other[0], EBADF);
	assert_int_equal(shared->other[1], EPERM);
	for (size_t bit = 0; bit < 32; bit++)
		assert_int_equal(shared->other[2 + bit], EPERM);
	assert_int_equal(shared->other[34], 0);
	assert_int_equal(shared->other[35], EPERM);
}

/* Without a filter the probes find the doors open: they can tell. */
static void probe_unconfined(void)
{
	leave(runaway_actuator_probe() > 20 ? 0 : 1);
}

static void probes_notice_open_doors(_unused_ void **state)
{
	assert_int_equal(in_child(probe_unconfined), 0);
}

static void try_authoriser_arguments(void)
{
	if (runaway_confine_syscalls(runaway_authoriser_syscalls,
				     runaway_authoriser_syscalls_count) < 0)
		leave(98);
	result(0, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	result(1, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY));
	result(2, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR));
	result(3, syscall(SYS_openat, AT_FDCWD, "/nonexistent/x", O_CREAT));
	result(4, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_TRUNC));
	result(5, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_APPEND));
	result(6, syscall(SYS_openat, AT_FDCWD, "/nonexistent", O_TMPFILE));
	result(7, syscall(SYS_mmap, NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	result(8, syscall(SYS_mprotect, NULL, 4096, PROT_EXEC | PROT_READ));
	result(9, syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, NULL, 0));
	result(10, syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, NULL, 0));
	result(11, syscall(SYS_pidfd_open, getpid(), O_NONBLOCK));
	result(12, syscall(SYS_clock_adjtime, 1, NULL));
	result(13, syscall(SYS_bpf, 2 | 1L << 32, NULL, 0));
	leave(0);
}

static void authoriser_opens_for_reading_only(_unused_ void **state)
{
	assert_int_equal(in_child(try_authoriser_arguments), 0);
	assert_int_equal(shared->other[0], 0);
	for (size_t i = 1; i <= 13; i++)
		assert_int_equal(shared->other[i], EPERM);
}

/* ---- other architectures ---- */

#ifdef __x86_64__
static void call_as_i386(void)
{
	if (runaway_confine_syscalls(runaway_actuator_syscalls, runaway_actuator_syscalls_count) <
	    0)
		leave(98);
	__asm__ volatile("int $0x80" : : "a"(20 /* getpid */) : "memory");
	leave(0);
}

static void call_as_x32(void)
{
	if (runaway_confine_syscalls(runaway_actuator_syscalls, runaway_actuator_syscalls_count) <
	    0)
		leave(98);
	(void)syscall(0x40000000 | SYS_getpid);
	leave(0);
}

static void foreign_calls_kill(_unused_ void **state)
{
	assert_int_equal(in_child(call_as_x32), -SIGSYS);
	/* Where the kernel has no i386 at all the instruction itself is a fault. */
	assert_true(in_child(call_as_i386) < 0);
}
#endif

/* ---- bounds ---- */

static void too_long(void)
{
	static struct runaway_syscall many[1024];

	leave(runaway_confine_syscalls(many, ARRAY_SIZE(many)) == -E2BIG ? 0 : 1);
}

static void lists_are_bounded(_unused_ void **state)
{
	assert_int_equal(in_child(too_long), 0);
}

/* ---- users ---- */

static void drop_all(void)
{
	uid_t uid = geteuid() ? geteuid() : 65534;
	gid_t gid = geteuid() ? getegid() : 65534;

	if (runaway_confine_drop(uid, gid, 0) < 0 || geteuid() == 0 || getegid() != gid ||
	    setresuid(0, 0, 0) == 0)
		leave(1);
	if (runaway_confine_limit(RLIMIT_NPROC, 0) < 0 || fork() >= 0)
		leave(2);
	leave(runaway_confine_limit(RLIMIT_NPROC, 1) == -EPERM ? 0 : 3);
}

static void drop_to_root(void)
{
	leave(runaway_confine_drop(0, 1, 0) == -EINVAL && runaway_confine_drop(1, 0, 0) == -EINVAL
		      ? 0
		      : 1);
}

static void never_root(_unused_ void **state)
{
	assert_int_equal(in_child(drop_all), 0);
	assert_int_equal(in_child(drop_to_root), 0);
}

/* Who is not root cannot be given a capability by asking for it. */
static void ask_for_more(void)
{
	uid_t uid = geteuid() ? geteuid() : 65534;
	gid_t gid = getegid() ? getegid() : 65534;

	if (runaway_confine_drop(uid, gid, 0) < 0)
		leave(1);
	leave(runaway_confine_drop(uid, gid, 1 << 5) == -EPERM ? 0 : 2);
}

static void no_way_back(_unused_ void **state)
{
	assert_int_equal(in_child(ask_for_more), 0);
}

/* ---- Landlock ---- */

static void scope(void)
{
	int r = runaway_landlock_scope_signals();

	if (r == 0)
		leave(77);
	/* Its parent is outside, itself it may still signal. */
	leave(r == 1 && kill(getppid(), 0) < 0 && errno == EPERM && kill(getpid(), 0) == 0 ? 0 : 1);
}

/* From 6.12 on, unless it was switched off at boot: by the kernel's number and its list of LSMs. */
static bool kernel_scopes_signals(void)
{
	_cleanup_strbuf_ struct strbuf lsm = STRBUF_INIT;
	unsigned int major, minor;
	struct utsname name;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	if (major < 6 || (major == 6 && minor < 12))
		return false;
	return runaway_read_file(AT_FDCWD, "/sys/kernel/security/lsm", 4096, &lsm) == 0 &&
	       strstr(lsm.data, "landlock");
}

static void landlock_where_there_is_one(_unused_ void **state)
{
	int r = in_child(scope);

	print_message("# Landlock's signal scope: %s\n",
		      r == 77 ? "not in this kernel" : "in force");
	assert_true(r == 0 || (r == 77 && !kernel_scopes_signals()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actuator_has_eight_calls),
		cmocka_unit_test(authoriser_cannot_signal),
		cmocka_unit_test(only_sigterm_without_info_or_flags),
		cmocka_unit_test(probes_notice_open_doors),
		cmocka_unit_test(authoriser_opens_for_reading_only),
#ifdef __x86_64__
		cmocka_unit_test(foreign_calls_kill),
#endif
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(never_root),
		cmocka_unit_test(no_way_back),
		cmocka_unit_test(landlock_where_there_is_one),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
