/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/drill.h"

#define FIXTURE_COMM "runaway-drill"
#define LIFE_S	     120
/* A fifth of a core: enough to be seen burning, and not much. */
#define BURN_NS	 (10 * NSEC_PER_MSEC)
#define PAUSE_MS 40

/* ---- where ---- */

static bool is_wanted(char *fields, bool v1)
{
	char *dash = strstr(fields, " - ");

	if (!dash)
		return false;
	if (!v1)
		return strncmp(dash, " - cgroup2 ", 11) == 0;
	return strncmp(dash, " - cgroup ", 10) == 0 && strstr(dash, "cpuacct");
}

/* The mount point of the hierarchy that the daemon follows; malloc'ed. */
static char *find_tree(bool v1)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[2048];

	while (f && fgets(line, sizeof(line), f))
		if (is_wanted(line, v1) && sscanf(line, "%*s %*s %*s %*s %2047s", point) == 1)
			return strdup(point);
	return NULL;
}

static int make_cgroup(struct cli *c, const struct runaway_key *key, bool v1, char **ret)
{
	_cleanup_free_ char *tree = find_tree(v1), *path = NULL;

	if (!tree)
		return runaway_cli_fail(c, "failed", "no cgroup %s tree is mounted",
					v1 ? "v1" : "v2");
	if (asprintf(&path, "%s/" FIXTURE_COMM "-%s", tree, key->id) < 0) {
		path = NULL;
		return runaway_cli_fail(c, "failed", "out of memory");
	}
	if (mkdir(path, 0755) < 0)
		return runaway_cli_fail(c, errno == EACCES || errno == EPERM ? "denied" : "failed",
					"a drill's fixture gets a cgroup of its own, which takes "
					"root: %s: %s",
					path, strerror(errno));
	*ret = TAKE_PTR(path);
	return CLI_OK;
}

static int enter(const char *cgroup)
{
	_cleanup_free_ char *procs = runaway_path_join(cgroup, "cgroup.procs");
	_cleanup_close_ int fd = procs ? open(procs, O_WRONLY | O_CLOEXEC) : -1;

	return fd >= 0 && write(fd, "0", 1) == 1 ? 0 : -errno;
}

/* ---- what runs ---- */

static void burn(void)
{
	uint64_t until_ns = runaway_mono_ns() + BURN_NS;

	while (runaway_mono_ns() < until_ns)
		continue;
}

static void fixture(int leash)
{
	struct pollfd p = { .fd = leash, .events = POLLIN };

	prctl(PR_SET_NAME, FIXTURE_COMM);
	alarm(LIFE_S);
	/* The other end is the client's: when it goes, this goes. */
	do
		burn();
	while (poll(&p, 1, PAUSE_MS) == 0);
	_exit(0);
}

/* Makes the fixture and ends: what it leaves behind is an orphan. */
static void origin(const char *cgroup, int leash, int tell)
{
	pid_t pid;

	if (enter(cgroup) < 0)
		_exit(1);
	pid = fork();
	if (pid == 0) {
		close(tell);
		fixture(leash);
	}
	_exit(pid > 0 && write(tell, &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
}

static int fork_fixture(struct drill_fixture *f)
{
	int leash[2] = { -1, -1 }, tell[2] = { -1, -1 }, status;
	pid_t pid;

	if (pipe2(leash, O_CLOEXEC) < 0 || pipe2(tell, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(leash[1]);
		close(tell[0]);
		origin(f->cgroup, leash[0], tell[1]);
	}
	close(leash[0]);
	close(tell[1]);
	f->leash = leash[1];
	if (pid < 0 || read(tell[0], &f->pid, sizeof(f->pid)) != sizeof(f->pid))
		f->pid = 0;
	close(tell[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return f->pid > 0 ? 0 : -EIO;
}

int runaway_cli_fixture_start(struct cli *c, const struct runaway_key *key, bool v1,
			      struct drill_fixture *ret)
{
	struct drill_fixture f = { .leash = -1 };
	int r = make_cgroup(c, key, v1, &f.cgroup);

	if (r != CLI_OK)
		return r;
	fflush(NULL);
	if (fork_fixture(&f) < 0) {
		runaway_cli_fixture_end(&f);
		return runaway_cli_fail(c, "failed", "the fixture cannot be started");
	}
	*ret = f;
	return CLI_OK;
}

void runaway_cli_fixture_end(struct drill_fixture *f)
{
	runaway_closep(&f->leash);
	f->leash = -1;
	/* It notices within a pause; whose child it is now reaps it a moment later. */
	for (int n = 0; f->cgroup && n < 100 && rmdir(f->cgroup) < 0 && errno == EBUSY; n++)
		poll(NULL, 0, 20);
	free(TAKE_PTR(f->cgroup));
}
