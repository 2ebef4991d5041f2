/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process ends between any two operations on the disk; what was acknowledged stays. */
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

#include "incident/harness.h"

#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 40 /* ten times slower each */
#else
#define ROUNDS 200
#endif
#define CRASHES 5 /* in a row, on one store */
#define ID_LEN	26

static long crash_after; /* operations until the end; only counted in the child */

static void step(void)
{
	if (--crash_after <= 0)
		kill(getpid(), SIGKILL);
}

static int crash_open(const char *path, int flags, mode_t mode)
{
	step();
	return open(path, flags, mode);
}

static ssize_t crash_write(int fd, const void *data, size_t len)
{
	step();
	/* In pieces, so that lines get torn. */
	return write(fd, data, MIN(len, (size_t)700));
}

static int crash_fsync(int fd _unused_)
{
	step();
	return 0;
}

static int crash_ftruncate(int fd, off_t len)
{
	step();
	return ftruncate(fd, len);
}

static int crash_fsync_parent(const char *path _unused_)
{
	step();
	return 0;
}

static int crash_replace(const char *path, const void *data, size_t len, mode_t mode)
{
	char temporary[PATH_MAX];
	int fd, err;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	step();
	err = runaway_write_all(fd, data, len);
	close(fd);
	step();
	return err < 0 ? err : rename(temporary, path) < 0 ? -errno : 0;
}

static const struct disk_ops crashing = {
	.open = crash_open,
	.write = crash_write,
	.fsync = crash_fsync,
	.ftruncate = crash_ftruncate,
	.mkdir_p = runaway_mkdir_p,
	.fsync_parent = crash_fsync_parent,
	.replace = crash_replace,
};

/* Acknowledges each change with the incident's id and a letter. */
static void ack(int fd, const struct incident_store *s, const struct incident *i, char what)
{
	char line[ID_LEN + 1];

	if (s->pending_lines > 0)
		return;
	memcpy(line, i->incident_id, ID_LEN);
	line[ID_LEN] = what;
	if (write(fd, line, sizeof(line)) != (ssize_t)sizeof(line))
		_exit(2);
}

static void child(struct harness *h, int fd, uint32_t first_pid)
{
	if (incident_store_open_on(&h->c, &crashing, &h->s) < 0)
		_exit(3);
	for (uint32_t pid = first_pid; pid < first_pid + 50; pid++) {
		struct runaway_finding f = finding_on(h, pid);
		struct incident *i;

		tick(h, NSEC_PER_SEC);
		if (runaway_incident_open(h->s, &f, h->m, &i) < 0)
			_exit(4);
		ack(fd, h->s, i, 'o');
		if (pid % 3 == 0)
			continue;
		runaway_incident_self_clear(h->s, i->incident_id, FINDING_GONE, h->m);
		ack(fd, h->s, i, 'r');
	}
	_exit(0);
}

static void check_acked(const struct harness *h, const char *acks, size_t len)
{
	for (size_t at = 0; at < len; at += ID_LEN + 1) {
		const struct incident *i;
		char id[ID_LEN + 1];

		memcpy(id, acks + at, ID_LEN);
		id[ID_LEN] = '\0';
		i = runaway_store_find(h->s, id);
		if (!i)
			fail_msg("%s was acknowledged and is lost", id);
		if (acks[at + ID_LEN] == 'r')
			assert_int_equal(i->status, INCIDENT_RESOLVED);
	}
}

static size_t run_child(struct harness *h, char *acks, size_t size, uint32_t first_pid)
{
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(h, fds[1], first_pid);
	close(fds[1]);
	while ((n = read(fds[0], acks + len, size - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return len;
}

static void crash_round(unsigned int *seed, char *acks, size_t *len, size_t size, struct harness *h,
			uint32_t first_pid)
{
	_cleanup_free_ char *report = NULL;
	struct store_info info;

	crash_after = 1 + rand_r(seed) % 400;
	*len += run_child(h, acks + *len, size - *len, first_pid);
	crash_after = LONG_MAX;
	assert_int_equal(incident_store_open_on(&h->c, &crashing, &h->s), 0);
	check_acked(h, acks, *len);
	runaway_store_info(h->s, &info);
	assert_int_equal(info.bad_lines, 0);
	assert_true(info.chain_ok);
	assert_int_equal(info.pending_lines, 0);
	harness_close_store(h);
	if (!verified(h, &report))
		fail_msg("%s", report);
}

static void test_crashes(void **state _unused_)
{
	static char acks[64 * 1024];
	unsigned int seed = 4711;
	struct harness h;
	size_t len = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		if (round % CRASHES == 0) {
			harness_begin(&h);
			len = 0;
		}
		tick(&h, 60 * NSEC_PER_SEC);
		crash_round(&seed, acks, &len, sizeof(acks), &h, 1 + (round % CRASHES) * 100);
		if (round % CRASHES == CRASHES - 1)
			harness_end(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_crashes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
