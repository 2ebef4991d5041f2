/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `lane test --replay`: runawayd's own work. No daemon runs, no privilege is needed. */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "cli/cli.h"

#define ERRORS_MAX 4096 /* bytes of what it says on standard error */
#define NOT_FOUND  "runawayd, which replays, was not found: %s"

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

/* Its lines as the elements of one array; what is no JSON breaks nothing else. 0 or -errno. */
static int collect(int fd, struct strbuf *ret)
{
	_cleanup_fclose_ FILE *f = fdopen(fd, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0, count = 0;
	ssize_t n;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	strbuf_addc(ret, '[');
	while ((n = getline(&line, &size, f)) > 0) {
		if (ret->len + (size_t)n > CLI_ANSWER_MAX)
			return -EFBIG;
		strbuf_adds(ret, count++ ? ",\n" : "");
		strbuf_add(ret, line, (size_t)n - (line[n - 1] == '\n'));
	}
	strbuf_addc(ret, ']');
	return ferror(f) ? -EIO : ret->error;
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

/* One document for -o json, of its lines. */
static int as_document(struct cli *c, char **argv)
{
	_cleanup_close_ int err_fd = memfd_create("replay", MFD_CLOEXEC);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
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
	err = collect(pipe_fd[0], &b);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	r = verdict(c, status, err_fd);
	if (r != CLI_OK)
		return r;
	if (err < 0)
		return runaway_cli_fail(c, "failed", "%s", strerror(-err));
	fprintf(c->out, "%s\n", b.data);
	return CLI_OK;
}

int runaway_cli_lane_replay(struct cli *c, const char *recording, const char *config)
{
	char *argv[] = { (char *)"runawayd", (char *)"--replay", (char *)recording,
			 (char *)"--config", (char *)config,	 NULL };

	if (c->json)
		return as_document(c, argv);
	exec_daemon(argv);
	return runaway_cli_fail(c, "failed", NOT_FOUND, strerror(errno));
}
