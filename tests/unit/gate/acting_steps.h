/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_GATE_ACTING_STEPS_H
#define RUNAWAY_TESTS_GATE_ACTING_STEPS_H

/* The steps on the way to a signal, wrapped: see acting.h. */

#include "gate/gate_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "gate/state.h"
#include "gate/wire.h"

/* ---- steps ---- */

static unsigned int step_number;
static void (*at_step)(unsigned int number, const char *name); /* NULL: nothing happens */

static _unused_
void step(const char *name)
{
	step_number++;
	if (at_step)
		at_step(step_number, name);
}

static int fail_write, fail_fsync; /* errno of audit writes from now on; 0: they work */
static int authorise_answer = RUNAWAY_GUARD_NOT_CHECKED;
static enum runaway_guard_tier tier = RUNAWAY_GUARD_SECCOMP;
static unsigned int witnesses; /* records of a SIGTERM let through, not read yet */
static bool self_test_passes = true;
static uint64_t real_ns_offset;
static struct rw_gate_witness witness = { .hook = RW_GATE_KILL, .reason = RW_GATE_ALLOWED };
static int actuator_answer; /* instead of asking it; 0: ask */
static uint32_t more_flags; /* of an identity */
static bool identify_fails;
static const char *fail_file; /* end of the name of a file that reads as `file_text`, or not */
static const char *file_text;
static int fail_all_writes, fail_all_fsyncs; /* whatever the file */
static int witness_ready = -1;

static struct runaway_gate *g;

#define WRAP(ret, name, ...)                                                                       \
	ret __real_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__)

WRAP(ssize_t, write, int fd, const void *data, size_t len)
{
	if (fail_all_writes) {
		errno = fail_all_writes;
		return -1;
	}
	if (!g || fd != g->audit.fd)
		return __real_write(fd, data, len);
	step("write");
	errno = fail_write;
	return fail_write ? -1 : __real_write(fd, data, len);
}

WRAP(int, fsync, int fd)
{
	if (fail_all_fsyncs) {
		errno = fail_all_fsyncs;
		return -1;
	}
	if (!g || fd != g->audit.fd)
		return __real_fsync(fd);
	step("fsync");
	errno = fail_fsync;
	return fail_fsync ? -1 : __real_fsync(fd);
}

WRAP(uint64_t, runaway_real_ns, void)
{
	return __real_runaway_real_ns() + real_ns_offset;
}

/* Where tests run in the root cgroup, nothing of theirs could be signalled. */
WRAP(int, runaway_read_file, int dirfd, const char *path, size_t max, struct strbuf *b)
{
	const char *name = strrchr(path, '/');
	const char *text = NULL;

	if (name && fail_file && strcmp(name, fail_file) == 0) {
		if (!file_text)
			return -EIO;
		text = file_text;
	} else if (name && strcmp(name, "/cgroup") == 0) {
		text = "0::/test\n";
	}
	if (!text)
		return __real_runaway_read_file(dirfd, path, max, b);
	strbuf_reset(b);
	strbuf_adds(b, text);
	return 0;
}

/* Field `n` of /proc/PID/stat; 0: no such process. */
static _unused_
uint64_t stat_field(pid_t pid, int n, char *ret_state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char path[64], *at;
	uint64_t value;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (runaway_read_file(AT_FDCWD, path, 4096, &b) < 0 || !b.data)
		return 0;
	at = strrchr(b.data, ')');
	assert_non_null(at);
	*ret_state = at[2];
	for (int i = 2; i < n; i++)
		at = strchr(at + 1, ' ');
	value = strtoull(at + 1, NULL, 10);
	return value;
}

/* Where the test is root, identities are the kernel's own, to the nanosecond. */
static struct runaway_guard *real_guard;

WRAP(int, runaway_guard_identify, struct runaway_guard *guard, pid_t pid,
     struct rw_gate_identity *ret)
{
	char path[64], state = 0;
	uint64_t ticks;
	struct stat st;

	(void)guard;
	step("identify");
	if (identify_fails)
		return -ENOTSUP;
	if (real_guard)
		return __real_runaway_guard_identify(real_guard, pid, ret);
	ticks = stat_field(pid, 22, &state);
	if (ticks == 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	*ret = (struct rw_gate_identity){
		.start_boottime_ns = ticks * 10 * NSEC_PER_MSEC,
		.exec_id = st.st_ino + 1,
		.exe_ino = st.st_ino,
		.cgroup_id = 4711,
		.parent_start_boottime_ns = 1,
		.tgid = (uint32_t)pid,
		.parent_tgid = (uint32_t)stat_field(pid, 4, &state),
		.flags = RW_GATE_ID_PARENT_REAPER | (state == 'Z' ? RW_GATE_ID_ZOMBIE : 0) |
			 more_flags,
		.comm = "target",
	};
	return 0;
}

WRAP(int, runaway_guard_authorise, struct runaway_guard *guard,
     const struct runaway_guard_target *t)
{
	(void)guard;
	/* What the kernel would quote of it. */
	witness.nonce = t->authz.nonce;
	witness.target_tgid = (__u32)t->tgid;
	witness.target_start_boottime_ns = t->authz.start_boottime_ns;
	step("authorise");
	return authorise_answer;
}

WRAP(int, runaway_guard_revoke, struct runaway_guard *guard, pid_t pid)
{
	(void)guard;
	(void)pid;
	step("revoke");
	return -ENOENT;
}

WRAP(int, runaway_guard_witness_next, struct runaway_guard *guard, struct rw_gate_witness *ret)
{
	(void)guard;
	if (witnesses == 0)
		return 0;
	witnesses--;
	*ret = witness;
	return 1;
}

WRAP(enum runaway_guard_tier, runaway_guard_tier, const struct runaway_guard *guard)
{
	(void)guard;
	return tier;
}

WRAP(const char *, runaway_guard_why, const struct runaway_guard *guard)
{
	(void)guard;
	return "a test";
}

WRAP(bool, runaway_guard_enforced, const struct runaway_guard *guard)
{
	(void)guard;
	return tier <= RUNAWAY_GUARD_FMOD;
}

WRAP(int, runaway_guard_witness_fd, const struct runaway_guard *guard)
{
	(void)guard;
	return witness_ready;
}

/* Runs of the first that the kernel skipped; of the others one each. */
static size_t guard_programs;
static uint64_t guard_misses;

WRAP(bool, runaway_guard_program, const struct runaway_guard *guard, size_t i,
     const char **ret_name, uint64_t *ret_misses)
{
	(void)guard;
	if (i >= guard_programs)
		return false;
	*ret_name = i == 0 ? "rw_fmr_kill" : "rw_fmr_fork";
	*ret_misses = i == 0 ? guard_misses : 1;
	return true;
}

WRAP(int, runaway_guard_self_test, struct runaway_guard *guard, struct runaway_guard_report *ret)
{
	(void)guard;
	*ret = (struct runaway_guard_report){ .passed = self_test_passes, .n = 1 };
	ret->outcomes[0] = (struct runaway_guard_outcome){ "sigkill", EPERM, EPERM, true };
	return 0;
}

WRAP(int, runaway_actuator_signal, struct runaway_actuator *a, int pidfd, uint64_t deadline_boot_ns)
{
	int err;

	step("signal");
	err = actuator_answer ? actuator_answer
			      : __real_runaway_actuator_signal(a, pidfd, deadline_boot_ns);
	step("signalled");
	return err;
}

#endif
