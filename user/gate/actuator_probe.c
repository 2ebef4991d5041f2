/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The actuator tries what it must not be able to do, each in a form that does nothing
 * where it is let through: on itself, with signal 0, with descriptor -1. So "limited by
 * seccomp" is said of what was seen, on every start.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "gate/actuator_priv.h"

static const struct {
	long nr, arg[5];
} probes[] = {
	{ SYS_kill, { 0, 0 } },
	{ SYS_tkill, { 0, 0 } },
	{ SYS_tgkill, { 0, 0, 0 } },
	{ SYS_rt_sigqueueinfo, { 0, 0, 0 } },
	{ SYS_rt_tgsigqueueinfo, { 0, 0, 0, 0 } },
	{ SYS_pidfd_send_signal, { -1, SIGKILL, 0, 0 } },
	{ SYS_pidfd_send_signal, { -1, SIGSTOP, 0, 0 } },
	{ SYS_pidfd_send_signal, { -1, 0, 0, 0 } },
	{ SYS_pidfd_send_signal, { -1, SIGTERM | 1L << 32, 0, 0 } },
	{ SYS_pidfd_send_signal, { -1, SIGTERM, 1, 0 } },
	{ SYS_pidfd_send_signal, { -1, SIGTERM, 1L << 32, 0 } },
	{ SYS_pidfd_send_signal, { -1, SIGTERM, 0, 1 } },
	{ SYS_pidfd_send_signal, { -1, SIGTERM, 0, 4 } },
	{ SYS_pidfd_open, { 0, 0 } },
	{ SYS_pidfd_getfd, { -1, -1, 0 } },
	{ SYS_clone, { 0x10000 | 0x800 /* CLONE_THREAD without CLONE_VM: never valid */ } },
	{ SYS_clone3, { 0, 0 } },
	{ SYS_execve, { 0, 0, 0 } },
	{ SYS_execveat, { -1, 0, 0, 0, 0 } },
	{ SYS_ptrace, { -1, 0, 0, 0 } },
	{ SYS_process_vm_writev, { 0, 0, 0, 0, 0 } },
	{ SYS_socket, { -1, 0, 0 } },
	{ SYS_connect, { -1, 0, 0 } },
	{ SYS_openat, { -1, 0, 0, 0 } },
	{ SYS_write, { -1, 0, 0 } },
	{ SYS_fcntl, { -1, 10 /* F_SETSIG */, 9 } },
	{ SYS_ioctl, { -1, 0, 0 } },
	{ SYS_prlimit64, { 0, -1, 0, 0 } },
	{ SYS_bpf, { -1, 0, 0 } },
	{ SYS_io_uring_setup, { 0, 0 } },
	{ SYS_mmap, { 0, 0, 0, 0, -1 } },
	{ SYS_mprotect, { 1, 0, 0 } },
	{ SYS_setresuid, { -1, -1, -1 } },
	{ SYS_prctl, { -1, 0, 0, 0, 0 } },
};

unsigned int runaway_actuator_probe(void)
{
	unsigned int open = 0;

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		const long *a = probes[i].arg;
		long r = syscall(probes[i].nr, a[0], a[1], a[2], a[3], a[4]);

		open += r != -1 || errno != EPERM;
	}
	return open;
}
