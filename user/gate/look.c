/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/look.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/digest.h"
#include "base/escape.h"
#include "base/fs.h"

/* More than any kernel lets a process have: a quarter of the largest stack that is usual. */
#define ARGS_MAX_BYTES	 (16 * 1024 * 1024)
#define CGROUP_MAX_BYTES (64 * 1024)

enum runaway_reason runaway_look_hold(uint32_t pid, int *ret_pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);

	if (fd < 0)
		return errno == ESRCH ? RUNAWAY_REASON_TARGET_GONE : RUNAWAY_REASON_TARGET_NO_PIDFD;
	*ret_pidfd = fd;
	return RUNAWAY_REASON_NONE;
}

bool runaway_look_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return n != 0;
}

/* A file that could be read leaves text in b, be it the empty one. */
static int read_proc(uint32_t pid, const char *name, size_t max, struct strbuf *b)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return runaway_read_file(AT_FDCWD, path, max, b);
}

static int read_args_digest(uint32_t pid, char ret[static RUNAWAY_SHA256_HEX])
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int err = read_proc(pid, "cmdline", ARGS_MAX_BYTES, &b);

	if (err < 0)
		return err;
	runaway_sha256_hex(b.data, b.len, ret);
	return 0;
}

/* Is `word` one of the comma-separated names of the line's second field? */
static bool has_controller(const char *field, const char *end, const char *word)
{
	size_t len = strlen(word);

	while (field <= end) {
		const char *comma = memchr(field, ',', (size_t)(end - field));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - field) == len && memcmp(field, word, len) == 0)
			return true;
		field = stop + 1;
	}
	return false;
}

/* A line is ID:CONTROLLERS:PATH; the kernel lets no newline into a path. v2 names no controller. */
int runaway_cgroup_path(const char *text, const char *controller, char *ret, size_t size)
{
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *first = memchr(line, ':', (size_t)(end - line));
		const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1))
					   : NULL;

		if (second && has_controller(first + 1, second, controller)) {
			char clean[RUNAWAY_PATH];

			/* As a plan can hold it: what is compared is written alike. */
			if (!runaway_utf8_clean(clean, MIN(size, sizeof(clean)), second + 1,
						(size_t)(end - second - 1)))
				return -ENAMETOOLONG;
			memcpy(ret, clean, strlen(clean) + 1);
			return 0;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

static int read_cgroup(uint32_t pid, const char *controller, char *ret, size_t size)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int err = read_proc(pid, "cgroup", CGROUP_MAX_BYTES, &b);

	if (err < 0)
		return err;
	return runaway_cgroup_path(b.data, controller, ret, size);
}

void runaway_look(struct runaway_guard *g, const char *cgroup_controller, uint32_t pid, int pidfd,
		  struct runaway_seen *ret)
{
	int err;

	*ret = (struct runaway_seen){ .failed = RUNAWAY_REASON_NONE };
	err = runaway_guard_identify(g, (pid_t)pid, &ret->id);
	if (err == 0)
		err = read_args_digest(pid, ret->args_sha256);
	if (err == 0)
		err = read_cgroup(pid, cgroup_controller, ret->cgroup_path,
				  sizeof(ret->cgroup_path));
	/* Asked last: a process that has ended meanwhile explains every failure. */
	if (runaway_look_ended(pidfd) || ret->id.flags & RW_GATE_ID_ZOMBIE)
		ret->failed = RUNAWAY_REASON_TARGET_GONE;
	else if (err < 0)
		ret->failed = RUNAWAY_REASON_TARGET_UNREADABLE;
}

/* ---- the gate itself ---- */

/* 0 when it cannot be told: the chain ends there. */
static uint32_t parent_of(uint32_t pid)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *comm_end;
	unsigned int ppid;

	if (read_proc(pid, "stat", 4096, &b) < 0)
		return 0;
	comm_end = strrchr(b.data, ')');
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own number */
	return comm_end && sscanf(comm_end + 1, " %*c %u", &ppid) == 1 ? ppid : 0;
}

static int read_boot_id(char *ret, size_t size)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int err = runaway_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", size, &b);

	if (err < 0)
		return err;
	snprintf(ret, size, "%.*s", (int)strcspn(b.data, "\n"), b.data);
	return ret[0] ? 0 : -ENODATA;
}

int runaway_look_at_self(const char *cgroup_controller, pid_t actuator_pid,
			 struct runaway_gate_self *ret)
{
	struct runaway_gate_self self = {
		.daemon_pid = (uint32_t)getppid(),
		.authoriser_pid = (uint32_t)getpid(),
		.actuator_pid = (uint32_t)actuator_pid,
	};
	int err = read_boot_id(self.boot_id, sizeof(self.boot_id));

	if (err == 0)
		err = read_cgroup(self.authoriser_pid, cgroup_controller, self.cgroup_path,
				  sizeof(self.cgroup_path));
	if (err < 0)
		return err;
	for (uint32_t pid = parent_of(self.daemon_pid);
	     pid > 0 && self.ancestor_count < RUNAWAY_ANCESTORS_MAX; pid = parent_of(pid))
		self.ancestor[self.ancestor_count++] = pid;
	*ret = self;
	return 0;
}
