/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TEST_CLI_PROGRAM_H
#define RUNAWAY_TEST_CLI_PROGRAM_H

/* Runs the runawayctl that was built beside this test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>

#include "base/strbuf.h"

/* build/tests/unit/cli/<this> and build/bin/runawayctl. */
static inline char *program_path(void)
{
	char self[3000], *path = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	assert_true(asprintf(&path, "%s/../../../bin/runawayctl", self) > 0);
	if (access(path, X_OK) < 0)
		fail_msg("%s is missing: build the target bin first", path);
	return path;
}

struct run {
	int status;
	struct strbuf out, err;
};

static inline void run_free(struct run *r)
{
	strbuf_free(&r->out);
	strbuf_free(&r->err);
}

static inline void slurp(int fd, struct strbuf *b)
{
	char buf[4096];
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(b, buf, (size_t)n);
	strbuf_add(b, "", 0);
	close(fd);
}

static inline int scratch(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* Arguments separated by '|'; output goes to files, which never block. */
static inline struct run program_run(const char *dir, const char *socket, const char *args)
{
	_cleanup_free_ char *copy = strdup(args), *program = program_path();
	char *argv[16] = { program }, *save = NULL;
	int out = scratch(dir), err = scratch(dir), status, n = 1;
	struct run r = { 0 };
	pid_t pid;

	for (char *a = strtok_r(copy, "|", &save); a && n < 15; a = strtok_r(NULL, "|", &save))
		argv[n++] = a;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		setenv("RUNAWAYD_SOCKET", socket, 1);
		setenv("LC_ALL", "C.UTF-8", 1);
		execv(program, argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("%s: signal %d", args, WTERMSIG(status));
	r.status = WEXITSTATUS(status);
	slurp(out, &r.out);
	slurp(err, &r.err);
	return r;
}

#define _cleanup_run_ _cleanup_(run_free)

#endif
