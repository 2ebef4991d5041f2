/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What runawayd's program does by itself, asked for by the client: no daemon need run. */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "cli/cli.h"

#define ERRORS_MAX 4096 /* bytes of what it says on standard error */
#define NOT_FOUND  "the program runawayd was not found: %s"

/* The daemon's program lies beside ours, in sbin beside our bin, or in PATH. */
static void exec_daemon(char **argv)
{
	static const char *const place[] = { "runawayd", "../sbin/runawayd" };
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(place); i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self), self, place[i]);
		execv(path, argv);
	}
	execvp("runawayd", argv);
}

/* All that it says. 0 or -errno. */
static int collect(int fd, struct strbuf *ret)
{
	_cleanup_close_ int owned = fd;
	char part[16384];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (ret->len + (size_t)n > CLI_ANSWER_MAX)
			return -EFBIG;
		strbuf_add(ret, part, (size_t)n);
	}
	return ret->error;
}

/* How it ended: CLI_OK, or its own status with its own words. */
static int verdict(struct cli *c, int status, int err_fd)
{
	char said[ERRORS_MAX];
	int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
	ssize_t n = pread(err_fd, said, sizeof(said) - 1, 0);

	if (status == 0)
		return CLI_OK;
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	return runaway_cli_fail(c, runaway_cli_code_of(exit_code), "%s",
				*said ? said : "runawayd ended without a word");
}

static void child(char **argv, int out_fd, int err_fd)
{
	if (dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(err_fd, STDERR_FILENO) >= 0)
		exec_daemon(argv);
	dprintf(err_fd, NOT_FOUND "\n", strerror(errno));
	_exit(CLI_FAILED);
}

int runaway_cli_program(struct cli *c, char **argv, struct strbuf *ret)
{
	_cleanup_close_ int err_fd = memfd_create("errors", MFD_CLOEXEC);
	int pipe_fd[2], status = 0, err, r;
	pid_t pid;

	if (err_fd < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0)
		return runaway_cli_fail(c, "failed", "%s", strerror(errno));
	pid = fork();
	if (pid == 0)
		child(argv, pipe_fd[1], err_fd);
	close(pipe_fd[1]);
	if (pid < 0) {
		close(pipe_fd[0]);
		return runaway_cli_fail(c, "failed", "%s", strerror(errno));
	}
	err = collect(pipe_fd[0], ret);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	r = verdict(c, status, err_fd);
	if (r != CLI_OK)
		return r;
	if (err < 0)
		return runaway_cli_fail(c, "failed", "%s", strerror(-err));
	return CLI_OK;
}

int runaway_cli_become_program(struct cli *c, char **argv)
{
	exec_daemon(argv);
	return runaway_cli_fail(c, "failed", NOT_FOUND, strerror(errno));
}
