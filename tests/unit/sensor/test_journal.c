/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal: what was committed comes back, and nothing else. */

#include "sensor/journal_story.h"

static void test_what_was_committed_comes_back(void **state)
{
	struct scratch *t = *state;
	struct runaway_journal_info info;
	struct heard h;

	write_story(t);
	assert_int_equal(reopen(t), 0);
	assert_non_null(runaway_journal_last(t->j));
	assert_int_equal(runaway_journal_last(t->j)->pos[0], 200);
	assert_int_equal(runaway_journal_last(t->j)->pos[1], 201);
	h = recall(t);
	assert_int_equal(h.count, 4);
	assert_int_equal(h.forks, 3);
	assert_int_equal(h.last_pid, 12);
	runaway_journal_info(t->j, &info);
	assert_int_equal(info.recalled, 4);
	assert_string_equal(info.why_empty, "");
}

static void test_what_follows_is_added_behind_it(void **state)
{
	struct scratch *t = *state;

	write_story(t);
	assert_int_equal(reopen(t), 0);
	recall(t);
	forks(t->j, 13);
	assert_int_equal(commit(t->j, 300), 0);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(runaway_journal_last(t->j)->pos[0], 300);
	assert_int_equal(recall(t).forks, 4);
	/* Twice the same. */
	assert_int_equal(recall(t).last_pid, 13);
}

static void test_what_was_not_committed_does_not(void **state)
{
	struct scratch *t = *state;

	assert_int_equal(reopen(t), 0);
	meta(t->j, BOOT);
	/* More than the buffer: some of it is in the file all the same. */
	for (uint32_t i = 0; i < 2000; i++)
		forks(t->j, i + 1);
	assert_int_equal(reopen(t), 0);
	assert_null(runaway_journal_last(t->j));
	assert_int_equal(recall(t).count, 0);
}

static void test_one_daemon_at_a_time(void **state)
{
	struct scratch *t = *state;
	struct runaway_journal *second = NULL;

	write_story(t);
	assert_int_equal(runaway_journal_open(t->fd, BOOT, &second), -EBUSY);
	assert_null(second);
	assert_int_equal(runaway_journal_remove(t->fd), -EBUSY);
	runaway_journal_close(TAKE_PTR(t->j));
	assert_int_equal(runaway_journal_remove(t->fd), 0);
	assert_int_equal(runaway_journal_remove(t->fd), -ENOENT);
}

static void test_made_anew(void **state)
{
	const struct rw_commit c = commit_at(900);
	struct runaway_journal_info info;
	struct scratch *t = *state;
	struct runaway_journal *second = NULL;

	write_story(t);
	assert_false(runaway_journal_wants_renewal(t->j, 0));
	assert_int_equal(runaway_journal_begin(t->j, 0), 0);
	meta(t->j, BOOT);
	forks(t->j, 50);
	assert_int_equal(runaway_journal_end(t->j, &c), 0);
	/* The lock moved with it. */
	assert_int_equal(runaway_journal_open(t->fd, BOOT, &second), -EBUSY);
	forks(t->j, 51);
	assert_int_equal(commit(t->j, 1000), 0);
	runaway_journal_info(t->j, &info);
	assert_int_equal(info.made, 1);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(recall(t).forks, 2);
	assert_int_equal(faccessat(t->fd, RUNAWAY_JOURNAL_NAME ".new", F_OK, 0), -1);
}

static void test_killed_while_it_is_made_anew(void **state)
{
	const struct rw_commit c = commit_at(900);
	struct scratch *t = *state;

	write_story(t);
	assert_int_equal(runaway_journal_begin(t->j, 0), 0);
	meta(t->j, BOOT);
	for (uint32_t i = 0; i < 2000; i++)
		forks(t->j, i + 100);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(recall(t).forks, 3);
	assert_int_equal(runaway_journal_begin(t->j, 0), 0);
	meta(t->j, BOOT);
	assert_int_equal(runaway_journal_end(t->j, &c), 0);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(recall(t).count, 1);
}

static void test_grows_until_it_is_worth_the_work(void **state)
{
	struct scratch *t = *state;

	write_story(t);
	for (int i = 0; i < 6; i++) {
		assert_false(runaway_journal_wants_renewal(t->j, 0));
		for (uint32_t k = 0; k < 1500; k++)
			forks(t->j, k + 1);
		assert_int_equal(commit(t->j, 1000), 0);
	}
	assert_true(runaway_journal_wants_renewal(t->j, 0));
}

static void hear_and_add(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct scratch *t = ctx;

	assert_true(runaway_journal_recalling(t->j));
	runaway_journal_add(t->j, rec, len);
}

static void test_what_is_recalled_is_not_written_again(void **state)
{
	struct scratch *t = *state;

	write_story(t);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(runaway_journal_recall(t->j, hear_and_add, t), 0);
	assert_false(runaway_journal_recalling(t->j));
	assert_false(runaway_journal_dirty(t->j));
	assert_int_equal(commit(t->j, 300), 0);
	assert_int_equal(reopen(t), 0);
	assert_int_equal(recall(t).forks, 3);
}

static void test_nobody_else_may_read_it(void **state)
{
	const struct rw_commit c = commit_at(900);
	struct scratch *t = *state;
	struct stat st;

	write_story(t);
	assert_int_equal(fstatat(t->fd, RUNAWAY_JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(runaway_journal_begin(t->j, 0), 0);
	meta(t->j, BOOT);
	assert_int_equal(runaway_journal_end(t->j, &c), 0);
	assert_int_equal(fstatat(t->fd, RUNAWAY_JOURNAL_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_was_committed_comes_back),
		T(test_what_follows_is_added_behind_it),
		T(test_what_was_not_committed_does_not),
		T(test_one_daemon_at_a_time),
		T(test_made_anew),
		T(test_killed_while_it_is_made_anew),
		T(test_grows_until_it_is_worth_the_work),
		T(test_what_is_recalled_is_not_written_again),
		T(test_nobody_else_may_read_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
