/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the authoriser keeps: files to read, its audit, the guard's maps. No way to signal. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/landlock.h"
#include "gate/state.h"

/* Headers of Debian 12 end before it. */
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#define ALWAYS(name) { .nr = SYS_##name }
#define WHERE(name, arg_, mask_, value_)                                                           \
	{                                                                                          \
		.nr = SYS_##name, .checks = 1, .check = { { (arg_), (mask_), (value_) } }          \
	}

/* Of `open`: nothing is made, cut or written. */
#define NOT_FOR_READING                                                                            \
	((uint64_t)(O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_TMPFILE) & ~(uint64_t)O_DIRECTORY)

const struct runaway_syscall runaway_authoriser_syscalls[] = {
	/* the connections, the audit, what is read of processes */
	ALWAYS(read),
	ALWAYS(write),
	ALWAYS(recvfrom),
	ALWAYS(sendto),
	ALWAYS(sendmsg),
	ALWAYS(close),
	ALWAYS(fsync),
	ALWAYS(lseek),
	ALWAYS(newfstatat),
	WHERE(openat, 2, NOT_FOR_READING, O_RDONLY),
	WHERE(pidfd_open, 1, UINT64_MAX, 0),
#ifdef SYS_poll
	ALWAYS(poll),
#endif
	ALWAYS(ppoll),
	/* the guard: entering and taking back an authorisation, a snapshot of a process */
	WHERE(bpf, 0, UINT64_MAX, BPF_MAP_UPDATE_ELEM),
	WHERE(bpf, 0, UINT64_MAX, BPF_MAP_DELETE_ELEM),
	WHERE(bpf, 0, UINT64_MAX, BPF_ITER_CREATE),
#ifdef SYS_epoll_wait
	ALWAYS(epoll_wait),
#endif
	ALWAYS(epoll_pwait),
	/* clocks, waiting for the self-test's pair and for the actuator at the end */
	ALWAYS(clock_gettime),
	ALWAYS(clock_nanosleep),
	WHERE(clock_adjtime, 0, UINT64_MAX, 0),
	ALWAYS(wait4),
	ALWAYS(getpid),
	ALWAYS(getppid),
	/* memory, never executable */
	ALWAYS(brk),
	WHERE(mmap, 2, PROT_EXEC, 0),
	WHERE(mprotect, 2, PROT_EXEC, 0),
	ALWAYS(mremap),
	ALWAYS(munmap),
	ALWAYS(madvise),
	ALWAYS(futex),
	ALWAYS(getrandom),
	ALWAYS(exit_group),
	ALWAYS(restart_syscall),
	ALWAYS(rt_sigreturn),
};

const size_t runaway_authoriser_syscalls_count = ARRAY_SIZE(runaway_authoriser_syscalls);

int runaway_authoriser_confine(struct runaway_gate *g, uid_t uid, gid_t gid)
{
	uint64_t caps = runaway_guard_needs_cap_bpf(g->guard) ? UINT64_C(1) << CAP_BPF : 0;
	int err = runaway_confine_drop(uid, gid, caps);

	if (err == 0)
		err = runaway_confine_limit(RLIMIT_NPROC, 0);
	if (err == 0)
		err = runaway_confine_limit(RLIMIT_CORE, 0);
	if (err == 0) {
		err = runaway_landlock_scope_signals();
		g->landlocked = err == 1;
	}
	return err < 0 ? err
		       : runaway_confine_syscalls(runaway_authoriser_syscalls,
						  runaway_authoriser_syscalls_count);
}
