/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A journal that was torn, is another's, is full, or was put there by somebody else. */

#include "sensor/journal_story.h"

static void test_torn_at_every_byte(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct scratch *t = *state;
	size_t first, whole;

	write_story(t);
	read_file(t, &b);
	whole = b.len;
	first = whole - sizeof(struct rw_fork) - sizeof(struct rw_commit);
	for (size_t cut = 0; cut <= whole; cut++) {
		struct heard h;

		runaway_journal_close(TAKE_PTR(t->j));
		write_file(t, b.data, cut);
		assert_int_equal(reopen(t), 0);
		h = recall(t);
		if (cut < first)
			assert_int_equal(h.count, 0);
		else
			assert_int_equal(h.forks, cut < whole ? 2 : 3);
		/* It can be written on, wherever it was cut. */
		if (cut < first)
			meta(t->j, BOOT);
		forks(t->j, 77);
		assert_int_equal(commit(t->j, 400), 0);
		assert_int_equal(reopen(t), 0);
		assert_int_equal(recall(t).last_pid, 77);
	}
}

static void test_another_boot(void **state)
{
	struct runaway_journal_info info;
	struct scratch *t = *state;
	struct stat st;

	write_story(t);
	runaway_journal_close(TAKE_PTR(t->j));
	assert_int_equal(runaway_journal_open(t->fd, OTHER, &t->j), 0);
	assert_null(runaway_journal_last(t->j));
	assert_int_equal(recall(t).count, 0);
	runaway_journal_info(t->j, &info);
	assert_non_null(strstr(info.why_empty, "another boot"));
	assert_int_equal(fstatat(t->fd, RUNAWAY_JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_size, 0);
}

static void test_another_layout(void **state)
{
	struct {
		struct rw_commit c;
		uint64_t more[3];
	} other = { .c = commit_at(500) };
	struct scratch *t = *state;

	write_story(t);
	other.c.hdr.len = sizeof(other);
	forks(t->j, 20);
	assert_int_equal(runaway_journal_commit(t->j, &other.c), 0);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(runaway_journal_last(t->j)->pos[0], 200);
	forks(t->j, 21);
	other.c.hdr.len = sizeof(other.c);
	other.c.ncpu = UINT32_MAX;
	assert_int_equal(runaway_journal_commit(t->j, &other.c), 0);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(runaway_journal_last(t->j)->pos[0], 200);
	assert_int_equal(recall(t).forks, 3);
}

static void test_hostile_bytes(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct scratch *t = *state;
	uint32_t seed = 4711;

	write_story(t);
	read_file(t, &b);
	for (int round = 0; round < 3000; round++) {
		_cleanup_free_ char *copy = malloc(b.len);
		size_t len = b.len;

		assert_non_null(copy);
		memcpy(copy, b.data, b.len);
		for (int i = 0; i < 1 + round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[seed / 7 % b.len] = (char)(seed >> 24);
		}
		if (round % 5 == 0)
			len = seed % (b.len + 1);
		runaway_journal_close(TAKE_PTR(t->j));
		write_file(t, copy, len);
		assert_int_equal(reopen(t), 0);
		assert_true(recall(t).count <= 8);
	}
}

static void test_foreign_files(void **state)
{
	static const char text[] = "not a journal\n";
	struct scratch *t = *state;

	write_file(t, text, sizeof(text));
	assert_int_equal(reopen(t), 0);
	assert_null(runaway_journal_last(t->j));
	runaway_journal_close(TAKE_PTR(t->j));
	assert_int_equal(unlinkat(t->fd, RUNAWAY_JOURNAL_NAME, 0), 0);

	/* What is not a file of its own must not be written to, nor stop the daemon. */
	assert_int_equal(mkfifoat(t->fd, RUNAWAY_JOURNAL_NAME, 0600), 0);
	assert_int_equal(reopen(t), -EPERM);
	assert_int_equal(unlinkat(t->fd, RUNAWAY_JOURNAL_NAME, 0), 0);
	assert_int_equal(symlinkat("elsewhere", t->fd, RUNAWAY_JOURNAL_NAME), 0);
	assert_int_equal(reopen(t), -ELOOP);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void test_full_file_system(void **state)
{
	const struct rw_commit c = commit_at(900);
	struct runaway_journal_info info;
	struct scratch *t = *state;
	int r;

	write_story(t);
	runaway_log_set_level(RUNAWAY_LOG_ERROR);
	signal(SIGXFSZ, SIG_IGN);
	set_file_limit(2048);
	for (uint32_t i = 0; i < 1000; i++)
		forks(t->j, i + 100);
	r = commit(t->j, 500);
	assert_int_equal(r, -EFBIG);
	forks(t->j, 5000);
	assert_int_equal(commit(t->j, 600), -EFBIG);
	runaway_journal_info(t->j, &info);
	assert_true(info.failing);
	assert_int_equal(info.error, -EFBIG);
	assert_true(info.errors >= 1);
	assert_true(runaway_journal_wants_renewal(t->j, 100 * NSEC_PER_SEC));
	/* Made anew in vain: still the old one, and not at once again. */
	assert_int_equal(runaway_journal_begin(t->j, 100 * NSEC_PER_SEC), 0);
	meta(t->j, BOOT);
	for (uint32_t i = 0; i < 1000; i++)
		forks(t->j, i + 100);
	assert_int_equal(runaway_journal_end(t->j, &c), -EFBIG);
	assert_false(runaway_journal_wants_renewal(t->j, 101 * NSEC_PER_SEC));
	set_file_limit(RLIM_INFINITY);
	assert_int_equal(runaway_journal_begin(t->j, 200 * NSEC_PER_SEC), 0);
	meta(t->j, BOOT);
	forks(t->j, 60);
	assert_int_equal(runaway_journal_end(t->j, &c), 0);
	runaway_journal_info(t->j, &info);
	assert_false(info.failing);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(recall(t).last_pid, 60);
}

static void test_full_file_system_keeps_what_was_committed(void **state)
{
	struct scratch *t = *state;

	write_story(t);
	signal(SIGXFSZ, SIG_IGN);
	set_file_limit(2048);
	for (uint32_t i = 0; i < 1000; i++)
		forks(t->j, i + 100);
	assert_int_equal(commit(t->j, 500), -EFBIG);
	set_file_limit(RLIM_INFINITY);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(runaway_journal_last(t->j)->pos[0], 200);
	assert_int_equal(recall(t).forks, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_torn_at_every_byte),
		T(test_another_boot),
		T(test_another_layout),
		T(test_hostile_bytes),
		T(test_foreign_files),
		T(test_full_file_system),
		T(test_full_file_system_keeps_what_was_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
