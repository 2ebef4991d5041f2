// SPDX-License-Identifier: GPL-2.0-or-later
/* Every way that we know of to end, stop or signal another process. */

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "attack.h"

#ifndef FIOSETOWN
#define FIOSETOWN 0x8901 /* asm-generic/sockios.h */
#endif

static int err_of(long r)
{
	return r < 0 ? errno : 0;
}

/* ---- plain signals ---- */

static int by_kill(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(kill(v, SIGKILL));
}

static int by_term(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(kill(v, SIGTERM));
}

static int by_stop(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(kill(v, SIGSTOP));
}

static int by_group(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(kill(-v, SIGKILL));
}

/* The kernel calls that a success even if everybody refused. */
static int by_everybody(pid_t v, int pidfd)
{
	(void)v;
	(void)pidfd;
	return err_of(kill(-1, SIGURG));
}

static int by_tkill(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(syscall(SYS_tkill, v, SIGKILL));
}

static int by_tgkill(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(syscall(SYS_tgkill, v, v, SIGTERM));
}

static int by_sigqueue(pid_t v, int pidfd)
{
	(void)pidfd;
	return err_of(sigqueue(v, SIGTERM, (union sigval){ 0 }));
}

static int by_tgsigqueue(pid_t v, int pidfd)
{
	siginfo_t info = { .si_signo = SIGTERM, .si_code = SI_QUEUE };

	(void)pidfd;
	return err_of(syscall(SYS_rt_tgsigqueueinfo, v, v, SIGTERM, &info));
}

static int by_pidfd(pid_t v, int pidfd)
{
	(void)v;
	return err_of(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
}

static int by_pidfd_info(pid_t v, int pidfd)
{
	siginfo_t info = { .si_signo = SIGTERM, .si_code = SI_QUEUE };

	(void)v;
	return err_of(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, &info, 0));
}

/* ---- somebody else does it ---- */

static int status_errno(pid_t pid)
{
	int status;

	if (pid < 0)
		return errno;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static int by_fork(pid_t v, int pidfd)
{
	pid_t pid = fork();

	(void)pidfd;
	if (pid == 0)
		_exit(err_of(kill(v, SIGKILL)));
	return status_errno(pid);
}

/* Adopted by the attacker's parent, out of its sight. */
static int by_clone_parent(pid_t v, int pidfd)
{
	long pid = syscall(SYS_clone, 0x00008000 /* CLONE_PARENT */ | SIGCHLD, 0, 0, 0, 0);

	(void)pidfd;
	if (pid == 0)
		_exit(err_of(kill(v, SIGKILL)));
	return err_of(pid);
}

static void *thread_kills(void *arg)
{
	pid_t v = *(pid_t *)arg;

	return (void *)(intptr_t)err_of(kill(v, SIGKILL));
}

static int by_thread(pid_t v, int pidfd)
{
	pthread_t thread;
	void *err;

	(void)pidfd;
	if (pthread_create(&thread, NULL, thread_kills, &v))
		return EAGAIN;
	pthread_join(thread, &err);
	return (int)(intptr_t)err;
}

/* Another program in the same process: where exec works, that program answers. */
static int by_exec(pid_t v, int pidfd)
{
	(void)v;
	(void)pidfd;
	execl("/proc/self/exe", "gate_attack", "attacker", (char *)NULL);
	return errno;
}

/* ---- a file does it ---- */

static int by_setsig(pid_t v, int pidfd)
{
	int fds[2], err = 0;

	(void)pidfd;
	if (pipe(fds))
		return errno;
	if (fcntl(fds[0], F_SETOWN, v) || fcntl(fds[0], F_SETSIG, SIGKILL) ||
	    fcntl(fds[0], F_SETFL, O_ASYNC))
		err = errno;
	if (write(fds[1], "x", 1) != 1)
		err = errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

static int by_fiosetown(pid_t v, int pidfd)
{
	int fds[2], err = 0, on = 1, owner = v;

	(void)pidfd;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return errno;
	if (ioctl(fds[0], FIOSETOWN, &owner) || ioctl(fds[0], FIOASYNC, &on))
		err = errno;
	if (write(fds[1], "x", 1) != 1)
		err = errno;
	close(fds[0]);
	close(fds[1]);
	return err;
}

/* ---- from inside the victim ---- */

static int by_ptrace(pid_t v, int pidfd)
{
	int status;

	(void)pidfd;
	if (ptrace(PTRACE_ATTACH, v, NULL, NULL))
		return errno;
	waitpid(v, &status, __WALL);
	return err_of(ptrace(PTRACE_DETACH, v, NULL, (void *)SIGKILL));
}

static int by_seize(pid_t v, int pidfd)
{
	(void)pidfd;
	if (ptrace(PTRACE_SEIZE, v, NULL, NULL))
		return errno;
	ptrace(PTRACE_INTERRUPT, v, NULL, NULL);
	waitpid(v, NULL, __WALL);
	return err_of(ptrace(PTRACE_DETACH, v, NULL, NULL));
}

static int by_proc_mem(pid_t v, int pidfd)
{
	char path[64];
	int fd;

	(void)pidfd;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)v);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* The victim is a fork of the same program: our addresses are its addresses. */
static int by_vm_write(pid_t v, int pidfd)
{
	char byte = 0;
	struct iovec from = { &byte, 1 }, to = { (void *)(uintptr_t)&routes, 1 };
	ssize_t n;

	(void)pidfd;
	n = syscall(SYS_process_vm_readv, v, &from, 1UL, &to, 1UL, 0UL);
	return n < 0 && errno != EFAULT ? errno : 0;
}

static int by_pidfd_getfd(pid_t v, int pidfd)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);

	(void)v;
	if (fd < 0 && errno != EBADF)
		return errno;
	close(fd);
	return 0;
}

/* ---- the kernel's own levers ---- */

static int write_to(const char *folder, const char *name, const char *text)
{
	char path[512];
	int fd, err = 0;

	if (!folder)
		return ENOENT;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static int by_cgroup_kill(pid_t v, int pidfd)
{
	(void)v;
	(void)pidfd;
	return write_to(getenv(VICTIM_CGROUP), "cgroup.kill", "1");
}

static int by_cgroup_freeze(pid_t v, int pidfd)
{
	int err = write_to(getenv(VICTIM_CGROUP), "cgroup.freeze", "1");

	(void)v;
	(void)pidfd;
	if (!err)
		write_to(getenv(VICTIM_CGROUP), "cgroup.freeze", "0");
	return err;
}

/* Out of the guarded cgroup, into the victim's, and to it from there. */
static int by_moving_out(pid_t v, int pidfd)
{
	int err = write_to(getenv(VICTIM_CGROUP), "cgroup.procs", "0");

	(void)pidfd;
	return err ? err : err_of(kill(v, SIGUSR1));
}

static int by_oom_score(pid_t v, int pidfd)
{
	char folder[64];

	(void)pidfd;
	snprintf(folder, sizeof(folder), "/proc/%d", (int)v);
	return write_to(folder, "oom_score_adj", "1000");
}

static int by_prlimit(pid_t v, int pidfd)
{
	struct rlimit none = { 0, RLIM_INFINITY };

	(void)pidfd;
	return err_of(prlimit(v, RLIMIT_CPU, &none, NULL));
}

static int by_bpf(pid_t v, int pidfd)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	(void)v;
	(void)pidfd;
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int by_perf(pid_t v, int pidfd)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
					.disabled = 1 };
	int fd = (int)syscall(SYS_perf_event_open, &attr, v, -1, -1, 0);

	(void)pidfd;
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

const struct route routes[] = {
	{ "kill", by_kill, true, false },
	{ "sigterm", by_term, true, false },
	{ "sigstop", by_stop, true, false },
	{ "group", by_group, true, false },
	{ "everybody", by_everybody, true, true },
	{ "tkill", by_tkill, true, false },
	{ "tgkill", by_tgkill, true, false },
	{ "sigqueue", by_sigqueue, true, false },
	{ "tgsigqueue", by_tgsigqueue, true, false },
	{ "pidfd", by_pidfd, true, false },
	{ "pidfd_info", by_pidfd_info, true, false },
	{ "fork", by_fork, true, false },
	{ "clone_parent", by_clone_parent, true, false },
	{ "thread", by_thread, true, false },
	{ "exec", by_exec, false, false },
	{ "f_setsig", by_setsig, true, false },
	{ "fiosetown", by_fiosetown, true, false },
	{ "ptrace", by_ptrace, true, false },
	{ "ptrace_seize", by_seize, false, false },
	{ "proc_mem", by_proc_mem, false, false },
	{ "process_vm", by_vm_write, false, false },
	{ "pidfd_getfd", by_pidfd_getfd, false, false },
	{ "cgroup_kill", by_cgroup_kill, true, false },
	{ "cgroup_freeze", by_cgroup_freeze, false, false },
	{ "cgroup_move", by_moving_out, true, false },
	{ "oom_score", by_oom_score, false, false },
	{ "prlimit", by_prlimit, false, false },
	{ "bpf", by_bpf, false, false },
	{ "perf_event", by_perf, false, false },
};
const size_t n_routes = sizeof(routes) / sizeof(routes[0]);

/* ---- the flood ---- */

static int flood_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : status_errno(pid);
}

static int flood_owner(pid_t v)
{
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return err_of(fcntl(fd, F_SETOWN, v));
}

static int flood_trace(pid_t v)
{
	if (ptrace(PTRACE_SEIZE, v, NULL, NULL))
		return errno;
	ptrace(PTRACE_INTERRUPT, v, NULL, NULL);
	waitpid(v, NULL, __WALL);
	ptrace(PTRACE_DETACH, v, NULL, NULL);
	return 0;
}

/* Where there is no cgroup.kill (5.10, v1) a file of /proc stands for it: the same hook. */
static int flood_open(pid_t v)
{
	const char *folder = getenv(VICTIM_CGROUP);
	char path[512];
	int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.kill", folder ? folder : "");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)v);
		fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

const enum rw_gate_hook flood_hooks[FLOOD_WAYS] = {
	RW_GATE_KILL, RW_GATE_KILL,  RW_GATE_KILL,   RW_GATE_KILL, RW_GATE_KILL,
	RW_GATE_FORK, RW_GATE_FCNTL, RW_GATE_PTRACE, RW_GATE_OPEN,
};

/* Signals that a victim survives and counts, should one get through. */
int flood_step(unsigned int i, pid_t v, int pidfd)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

	switch (i % FLOOD_WAYS) {
	case 0:
		return err_of(kill(v, SIGUSR1));
	case 1:
		return err_of(syscall(SYS_tgkill, v, v, SIGUSR1));
	case 2:
		return err_of(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0));
	case 3:
		return err_of(syscall(SYS_rt_sigqueueinfo, v, SIGUSR1, &info));
	case 4:
		return err_of(syscall(SYS_rt_tgsigqueueinfo, v, v, SIGUSR1, &info));
	case 5:
		return flood_fork();
	case 6:
		return flood_owner(v);
	case 7:
		return flood_trace(v);
	default:
		return flood_open(v);
	}
}
