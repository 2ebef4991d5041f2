/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_SENSOR_JOURNAL_STORY_H
#define TESTS_UNIT_SENSOR_JOURNAL_STORY_H

/* A journal in a folder of its own, and a short story in it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "sensor/journal.h"

#define BOOT  "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"

struct heard {
	size_t count, forks;
	uint32_t last_pid;
	bool commits;
};

struct scratch {
	char dir[32];
	int fd;
	struct runaway_journal *j;
};

static inline void hear(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct heard *h = ctx;

	assert_int_equal(rec->len, len);
	h->count++;
	h->commits = h->commits || rec->type == RW_COMMIT;
	if (rec->type != RW_FORK || len < sizeof(struct rw_fork))
		return;
	h->forks++;
	h->last_pid = ((const struct rw_fork *)rec)->id.pid;
}

static inline int setup(void **state)
{
	struct scratch *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	runaway_log_set_level(RUNAWAY_LOG_ERROR);
	snprintf(t->dir, sizeof(t->dir), "/tmp/rw-journal-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	t->fd = open(t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->fd >= 0);
	*state = t;
	return 0;
}

static inline int teardown(void **state)
{
	struct scratch *t = *state;

	runaway_journal_close(t->j);
	unlinkat(t->fd, RUNAWAY_JOURNAL_NAME, 0);
	unlinkat(t->fd, RUNAWAY_JOURNAL_NAME ".new", 0);
	close(t->fd);
	rmdir(t->dir);
	free(t);
	return 0;
}

static inline int reopen(struct scratch *t)
{
	runaway_journal_close(TAKE_PTR(t->j));
	return runaway_journal_open(t->fd, BOOT, &t->j);
}

static inline void meta(struct runaway_journal *j, const char *boot_id)
{
	struct rw_meta m = { .hdr = { .type = RW_META, .len = sizeof(m) } };

	snprintf(m.boot_id, sizeof(m.boot_id), "%s", boot_id);
	runaway_journal_add(j, &m.hdr, sizeof(m));
}

static inline void forks(struct runaway_journal *j, uint32_t pid)
{
	struct rw_fork r = { .hdr = { .type = RW_FORK, .len = sizeof(r) }, .id = { .pid = pid } };

	runaway_journal_add(j, &r.hdr, sizeof(r));
}

static inline struct rw_commit commit_at(uint64_t pos)
{
	return (struct rw_commit){
		.hdr = { .type = RW_COMMIT, .len = sizeof(struct rw_commit), .time_ns = pos },
		.pos = { pos, pos + 1 },
	};
}

static inline int commit(struct runaway_journal *j, uint64_t pos)
{
	const struct rw_commit c = commit_at(pos);

	return runaway_journal_commit(j, &c);
}

static inline struct heard recall(struct scratch *t)
{
	struct heard h = { 0 };

	assert_int_equal(runaway_journal_recall(t->j, hear, &h), 0);
	assert_false(h.commits);
	return h;
}

/* What a daemon does: META, two forks, a commit; a fork, a commit. */
static inline void write_story(struct scratch *t)
{
	assert_int_equal(reopen(t), 0);
	assert_null(runaway_journal_last(t->j));
	meta(t->j, BOOT);
	forks(t->j, 10);
	forks(t->j, 11);
	assert_int_equal(commit(t->j, 100), 0);
	forks(t->j, 12);
	assert_true(runaway_journal_dirty(t->j));
	assert_int_equal(commit(t->j, 200), 0);
	assert_false(runaway_journal_dirty(t->j));
}

static inline void read_file(struct scratch *t, struct strbuf *b)
{
	assert_int_equal(runaway_read_file(t->fd, RUNAWAY_JOURNAL_NAME, 1 << 20, b), 0);
}

static inline void write_file(struct scratch *t, const void *data, size_t len)
{
	_cleanup_close_ int fd =
		openat(t->fd, RUNAWAY_JOURNAL_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(runaway_write_all(fd, data, len), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
