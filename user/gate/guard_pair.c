// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two processes that live as long as the gate, for the self-test alone. The prober
 * is a subject without any capability and without a seccomp filter, so that an
 * EPERM it gets is the guard's and not the filter's; what it tries, it tries on the
 * victim, a child of its own user, which counts the signals that reach it.
 */

#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/log.h"
#include "gate/guard_priv.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* linux/memfd.h since 6.3; older kernels refuse it */
#endif
#ifndef FIOSETOWN
#define FIOSETOWN 0x8901 /* asm-generic/sockios.h */
#endif

/* A loaded machine may be slow, a dead prober is told by its closed socket at once. */
#define ANSWER_MS 5000
/* One whose socket is closed ends at once, or it is frozen. */
#define END_MS 500

struct request {
	uint32_t what; /* enum guard_try */
	int32_t sig;
};

/* ---- the victim ---- */

static struct guard_shared *counted;

static void on_signal(int sig)
{
	atomic_fetch_add(sig == SIGTERM ? &counted->terms : &counted->others, 1);
}

/* Ends with the prober: the pipe's other end closes. Says when it can be tried on. */
static _noreturn_ void be_victim(int pipe_fd, int ready_fd)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t none;
	char c;

	prctl(PR_SET_NAME, "rw-gate-victim");
	/* Otherwise the kernel would keep the prober from tracing it, and the guard's hook from its
	 * test. */
	prctl(PR_SET_DUMPABLE, 1);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sig != SIGCHLD && sig != SIGCONT)
			sigaction(sig, &sa, NULL);
	/* Whatever the gate has blocked for itself. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (write(ready_fd, "", 1) != 1)
		_exit(1);
	close(ready_fd);
	while (read(pipe_fd, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* ---- the prober ---- */

static int err_of(long r)
{
	return r < 0 ? errno : 0;
}

static int try_queue(pid_t victim, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE, .si_pid = getpid() };

	return err_of(syscall(SYS_rt_sigqueueinfo, victim, sig, &info));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno;
	waitpid(pid, NULL, 0);
	return 0;
}

/* A file without any format: where exec is not refused it ends with ENOEXEC. */
static int try_exec(void)
{
	char *const args[] = { "probe", NULL }, *const env[] = { NULL };
	_cleanup_close_ int fd = memfd_create("rw-gate-probe", MFD_EXEC);

	if (fd < 0)
		fd = memfd_create("rw-gate-probe", 0);
	if (fd < 0 || fchmod(fd, 0700) < 0 || write(fd, "probe\n", 6) != 6)
		return errno;
	return err_of(syscall(SYS_execveat, fd, "", args, env, AT_EMPTY_PATH));
}

static int try_owner(pid_t victim, bool by_ioctl)
{
	int fds[2], err, owner = victim;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return errno;
	err = err_of(by_ioctl ? ioctl(fds[0], FIOSETOWN, &owner) : fcntl(fds[0], F_SETOWN, owner));
	close(fds[0]);
	close(fds[1]);
	return err;
}

static int try_ptrace(pid_t victim)
{
	int status;

	if (ptrace(PTRACE_SEIZE, victim, NULL, NULL) < 0)
		return errno;
	ptrace(PTRACE_INTERRUPT, victim, NULL, NULL);
	waitpid(victim, &status, __WALL);
	ptrace(PTRACE_DETACH, victim, NULL, NULL);
	return 0;
}

static int try_open(pid_t victim)
{
	char path[64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)victim);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return err_of(fd);
}

/* The limit it has already: nothing changes where it is not refused. */
static int try_rlimit(pid_t victim)
{
	struct rlimit limit;

	if (prlimit(victim, RLIMIT_CPU, NULL, &limit) < 0)
		return errno;
	return err_of(prlimit(victim, RLIMIT_CPU, &limit, NULL));
}

static int try_bpf(void)
{
	union bpf_attr attr = { .map_fd = (uint32_t)-1 };

	return err_of(syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr)));
}

static int try_perf(pid_t victim)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
		.exclude_kernel = 1,
	};
	_cleanup_close_ int fd =
		(int)syscall(SYS_perf_event_open, &attr, victim, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return err_of(fd);
}

static int attempt(pid_t victim, int pidfd, const struct request *r)
{
	switch ((enum guard_try)r->what) {
	case GUARD_TRY_PIDFD:
		return err_of(syscall(SYS_pidfd_send_signal, pidfd, r->sig, NULL, 0));
	case GUARD_TRY_QUEUE:
		return try_queue(victim, r->sig);
	case GUARD_TRY_TGKILL:
		return err_of(syscall(SYS_tgkill, victim, victim, r->sig));
	case GUARD_TRY_FORK:
		return try_fork();
	case GUARD_TRY_EXEC:
		return try_exec();
	case GUARD_TRY_SETOWN:
		return try_owner(victim, false);
	case GUARD_TRY_IOCTL:
		return try_owner(victim, true);
	case GUARD_TRY_PTRACE:
		return try_ptrace(victim);
	case GUARD_TRY_OPEN:
		return try_open(victim);
	case GUARD_TRY_RLIMIT:
		return try_rlimit(victim);
	case GUARD_TRY_BPF:
		return try_bpf();
	case GUARD_TRY_PERF:
		return try_perf(victim);
	case GUARD_TRIES:
		break;
	}
	return EINVAL;
}

int guard_become(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (geteuid() == 0 && setgroups(0, NULL) < 0)
		return -errno;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	if (syscall(SYS_capset, &header, none) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Keeps nothing of the gate but its own socket, as descriptor 0. */
static int keep_only(int sock)
{
	if (sock != 0 && dup2(sock, 0) < 0)
		return -errno;
	return close_range(1, ~0U, 0) < 0 ? -errno : 0;
}

/*
 * Returns once the victim is what it has to be: before that it cannot be traced, which would
 * look like the guard's refusal, and a signal would end it.
 */
static pid_t start_victim(int *ret_pidfd)
{
	_cleanup_close_ int is_ready = -1;
	int fds[2], ready[2];
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(0);
		close(fds[1]);
		close(ready[0]);
		be_victim(fds[0], ready[1]);
	}
	close(fds[0]);
	close(ready[1]);
	is_ready = ready[0];
	if (read(is_ready, &c, 1) != 1)
		return -EIO;
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return *ret_pidfd < 0 ? -errno : pid;
}

static _noreturn_ void be_prober(int sock, uid_t uid, gid_t gid)
{
	struct request r;
	int32_t answer = 0;
	int pidfd = -1;
	sigset_t all;
	pid_t victim;

	prctl(PR_SET_NAME, "rw-gate-prober");
	/* It ends with the gate, and not before it at a Ctrl-C or a service's stop. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* A byte says that the caller has put it into its cgroup: the victim is born there. */
	if (keep_only(sock) < 0 || read(0, &r, sizeof(r)) <= 0 || guard_become(uid, gid) < 0)
		_exit(1);
	victim = start_victim(&pidfd);
	answer = victim;
	while (write(0, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) && victim > 0 &&
	       read(0, &r, sizeof(r)) == (ssize_t)sizeof(r))
		answer = attempt(victim, pidfd, &r);
	_exit(0);
}

/* ---- the owner's side ---- */

static int join_cgroup(const char *cgroup, pid_t pid)
{
	char path[4096], text[16];
	_cleanup_close_ int fd = -1;
	int n = snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%d", (int)pid);
	return write(fd, text, (size_t)n) < 0 ? -errno : 0;
}

static int ask(int sock, const void *request, size_t size, int32_t *ret_answer)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int32_t answer;
	int r;

	if (send(sock, request, size, MSG_NOSIGNAL) != (ssize_t)size)
		return -EIO;
	do
		r = poll(&p, 1, ANSWER_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0 || recv(sock, &answer, sizeof(answer), MSG_DONTWAIT) != (ssize_t)sizeof(answer))
		return -EIO;
	*ret_answer = answer;
	return 0;
}

static int fork_prober(struct guard_pair *p, uid_t uid, gid_t gid)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	p->prober = fork();
	if (p->prober == 0) {
		counted = p->shared;
		be_prober(socks[1], uid, gid);
	}
	close(socks[1]);
	if (p->prober < 0) {
		close(socks[0]);
		return -errno;
	}
	p->sock = socks[0];
	return 0;
}

int guard_pair_start(struct guard_pair *p, const char *cgroup, uid_t uid, gid_t gid)
{
	struct request go = { 0 };
	int32_t victim = 0;
	void *page;
	int r;

	page = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	*p = (struct guard_pair){ .sock = -1, .shared = page };
	r = fork_prober(p, uid, gid);
	if (r == 0 && cgroup)
		r = join_cgroup(cgroup, p->prober);
	if (r == 0)
		r = ask(p->sock, &go, sizeof(go), &victim);
	if (r == 0 && victim <= 0)
		r = victim < 0 ? victim : -EIO;
	if (r < 0) {
		guard_pair_stop(p);
		return r;
	}
	p->victim = victim;
	return 0;
}

void guard_pair_stop(struct guard_pair *p)
{
	if (p->sock >= 0)
		close(p->sock);
	if (!runaway_child_reap(p->prober, END_MS))
		log_warning("the self-test's prober (pid %d) is stopped or frozen: it ends when it "
			    "goes on",
			    p->prober);
	if (p->shared)
		munmap(p->shared, sizeof(*p->shared));
	*p = (struct guard_pair){ .sock = -1 };
}

int guard_pair_try(struct guard_pair *p, enum guard_try what, int sig, int *ret_err)
{
	struct request r = { .what = what, .sig = sig };
	int32_t answer;
	int e;

	if (p->sock < 0)
		return -EIO;
	e = ask(p->sock, &r, sizeof(r), &answer);
	if (e < 0)
		return e;
	*ret_err = answer;
	return 0;
}
