/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The k-th operation on the disk fails, for every k until nothing fails any more. */
#include "incident/harness.h"

enum fault { FAULT_EIO, FAULT_ENOSPC, FAULT_EDQUOT, FAULT_EINTR, FAULT_SHORT, FAULT_COUNT };

static struct {
	enum fault fault;
	unsigned int at;    /* this operation fails; 0: none */
	unsigned int count; /* operations so far */
	bool hit;
	bool full; /* every write fails */
} disk;

static bool fails(void)
{
	static const int codes[] = {
		[FAULT_EIO] = EIO,     [FAULT_ENOSPC] = ENOSPC, [FAULT_EDQUOT] = EDQUOT,
		[FAULT_EINTR] = EINTR, [FAULT_SHORT] = ENOSPC,
	};

	disk.count++;
	if (disk.count != disk.at && !disk.full)
		return false;
	disk.hit = true;
	errno = codes[disk.fault];
	return true;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
	return fails() ? -1 : open(path, flags, mode);
}

static ssize_t faulty_write(int fd, const void *data, size_t len)
{
	if (!fails())
		return write(fd, data, len);
	if (disk.fault != FAULT_SHORT || len < 2)
		return -1;
	/* Half of it, and no room for the rest. */
	if (disk.at == disk.count)
		disk.at++;
	return write(fd, data, len / 2);
}

/* Nothing is made durable for real: 100 stores in a test, not 100 platters. */
static int faulty_fsync(int fd _unused_)
{
	return fails() ? -1 : 0;
}

static int faulty_ftruncate(int fd, off_t len)
{
	return fails() ? -1 : ftruncate(fd, len);
}

static int faulty_mkdir_p(const char *path, mode_t mode)
{
	return fails() ? -errno : runaway_mkdir_p(path, mode);
}

static int faulty_fsync_parent(const char *path _unused_)
{
	return fails() ? -errno : 0;
}

static int faulty_replace(const char *path, const void *data, size_t len, mode_t mode)
{
	return fails() ? -errno : runaway_write_file_atomic(path, data, len, mode);
}

static const struct disk_ops faulty = {
	.open = faulty_open,
	.write = faulty_write,
	.fsync = faulty_fsync,
	.ftruncate = faulty_ftruncate,
	.mkdir_p = faulty_mkdir_p,
	.fsync_parent = faulty_fsync_parent,
	.replace = faulty_replace,
};

#define OPENED 4

static unsigned int count_lines(const struct harness *h, const char *name)
{
	_cleanup_free_ char *text = slurp(h, name, NULL);
	unsigned int lines = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	return lines;
}

/* What is acknowledged must be there after a restart; nothing twice, nothing torn. */
static void check_after_restart(struct harness *h)
{
	_cleanup_free_ char *report = NULL;
	struct store_info info;

	disk.at = 0;
	harness_open_store(h);
	runaway_store_info(h->s, &info);
	assert_int_equal(info.torn_lines, 0);
	assert_int_equal(info.bad_lines, 0);
	assert_true(info.chain_ok);
	assert_int_equal(info.opened_total, OPENED);
	assert_int_equal(info.resolved_total, OPENED / 2);
	assert_int_equal(info.chain_length, OPENED + OPENED / 2);
	if (!verified(h, &report))
		fail_msg("fault %d at %u: %s", disk.fault, disk.at, report);
	harness_close_store(h);
	assert_int_equal(count_lines(h, "incidents.jsonl"), OPENED + OPENED / 2);
	assert_int_equal(count_lines(h, "events.jsonl"), OPENED + OPENED / 2);
}

/* Returns false once no operation was left to fail. */
static bool run_with_fault(enum fault fault, unsigned int at)
{
	struct store_info info;
	struct harness h;
	bool hit;

	disk.fault = fault;
	disk.at = at;
	disk.count = 0;
	disk.hit = false;
	harness_begin(&h);
	/* A state folder that cannot be made or locked is an error; the daemon decides. */
	if (incident_store_open_on(&h.c, &faulty, &h.s) < 0)
		assert_int_equal(incident_store_open_on(&h.c, &faulty, &h.s), 0);
	for (uint32_t pid = 1; pid <= OPENED; pid++) {
		struct incident *i = open_on(&h, pid);

		tick(&h, NSEC_PER_SEC);
		if (pid % 2)
			runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m);
		runaway_store_info(h.s, &info);
		assert_int_equal(info.degraded, info.pending_lines > 0 || info.degraded);
	}
	hit = disk.hit;
	runaway_store_flush(h.s);
	runaway_store_flush(h.s);
	runaway_store_info(h.s, &info);
	assert_int_equal(info.pending_lines, 0);
	assert_false(info.degraded);
	harness_close_store(&h);
	check_after_restart(&h);
	harness_end(&h);
	return hit;
}

static void test_every_operation_fails_once(void **state _unused_)
{
	unsigned int runs = 0;

	for (int fault = 0; fault < FAULT_COUNT; fault++) {
		unsigned int at = 1;

		while (run_with_fault((enum fault)fault, at))
			at++;
		assert_true(at > 30);
		runs += at;
	}
	print_message("%u runs\n", runs);
}

static void test_full_disk_keeps_everything_in_order(void **state _unused_)
{
	struct store_info info;
	struct harness h;

	memset(&disk, 0, sizeof(disk));
	disk.fault = FAULT_ENOSPC;
	harness_begin(&h);
	assert_int_equal(incident_store_open_on(&h.c, &faulty, &h.s), 0);
	disk.full = true;
	for (uint32_t pid = 1; pid <= OPENED; pid++) {
		struct incident *i = open_on(&h, pid);

		if (pid % 2)
			runaway_incident_self_clear(h.s, i->incident_id, FINDING_GONE, h.m);
		runaway_store_info(h.s, &info);
		assert_true(info.degraded);
		assert_int_equal(info.write_errors > 0, 1);
	}
	assert_int_equal(info.pending_lines, 2 * (OPENED + OPENED / 2));
	assert_int_equal(runaway_store_count(h.s, INCIDENT_OPEN, RUNAWAY_SEVERITY_MAX), OPENED / 2);
	disk.full = false;
	runaway_store_flush(h.s);
	runaway_store_info(h.s, &info);
	assert_int_equal(info.pending_lines, 0);
	assert_false(info.degraded);
	harness_close_store(&h);
	check_after_restart(&h);
	harness_end(&h);
}

/* The line may look written and still not be on the disk: it must be written again. */
static void test_failed_fsync_writes_the_line_again(void **state _unused_)
{
	struct harness h;
	unsigned int writes;

	memset(&disk, 0, sizeof(disk));
	harness_begin(&h);
	assert_int_equal(incident_store_open_on(&h.c, &faulty, &h.s), 0);
	disk.at = disk.count + 2; /* write, then fsync */
	open_on(&h, 1);
	assert_true(disk.hit);
	assert_true(h.s->degraded);
	assert_int_equal(h.s->pending_lines, 2);
	assert_int_equal(h.s->log[LOG_INCIDENTS].committed, 0);
	writes = disk.count;
	runaway_store_flush(h.s);
	/* open, truncate, fsync, write, fsync; then the event and the readback. */
	assert_true(disk.count >= writes + 5);
	assert_false(h.s->degraded);
	assert_int_equal(count_lines(&h, "incidents.jsonl"), 1);
	harness_end(&h);
}

static void test_file_changed_by_others(void **state _unused_)
{
	struct store_info info;
	char path[PATH_MAX];
	struct harness h;
	FILE *out;

	harness_begin(&h);
	harness_open_store(&h);
	open_on(&h, 1);
	path_of(&h, "events.jsonl", path);
	out = fopen(path, "a");
	assert_non_null(out);
	fputs("somebody was here", out);
	fclose(out);
	open_on(&h, 2);
	runaway_store_info(h.s, &info);
	assert_false(info.degraded);
	assert_true(verified(&h, NULL));
	path_of(&h, "events.jsonl.corrupt", path);
	assert_int_equal(access(path, R_OK), 0);
	/* Acknowledged lines that went away cannot be made good: said, not hidden. */
	path_of(&h, "events.jsonl", path);
	assert_int_equal(unlink(path), 0);
	open_on(&h, 3);
	runaway_store_info(h.s, &info);
	assert_true(info.degraded);
	assert_int_equal(info.pending_lines, 1);
	harness_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_operation_fails_once),
		cmocka_unit_test(test_full_disk_keeps_everything_in_order),
		cmocka_unit_test(test_failed_fsync_writes_the_line_again),
		cmocka_unit_test(test_file_changed_by_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
