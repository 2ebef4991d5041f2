// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal: see journal.h. Written with plain writes, so that no reader's mapping can fault. */

#include "sensor/journal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "sensor/records.h"

#define NEW_NAME     RUNAWAY_JOURNAL_NAME ".new"
#define BUFFER_BYTES (64 * 1024)
/* It may grow by this much, or to twice what it was when it was made. */
#define GROWTH_BYTES (1024 * 1024)
/* A file system that is full is not asked again sooner. */
#define RETRY_NS (10 * NSEC_PER_SEC)

struct runaway_journal {
	int dir_fd; /* the caller's */
	int fd;
	int new_fd;    /* between begin and end; -1 */
	uint64_t size; /* bytes of the file that count */
	uint64_t new_size;
	uint64_t base;	/* size when it was made */
	uint64_t found; /* bytes that were there at the start and count */
	uint64_t tried_ns;
	bool recalling;
	struct rw_commit *last; /* of what was found; NULL: nothing */
	struct runaway_journal_info info;
	size_t used;
	char buf[BUFFER_BYTES] __attribute__((aligned(16)));
};

/* ---- what is there ---- */
struct find {
	const char *boot_id;
	bool first, other_boot;
	struct rw_commit *commit;
	uint64_t at, end; /* behind the record at hand; behind the last commit */
	int error;
};

static size_t commit_len(const struct rw_commit *c)
{
	return sizeof(*c) + 2 * (size_t)c->ncpu * sizeof(c->seq[0]);
}

static void find_commit(void *ctx, const struct rw_hdr *rec, size_t len)
{
	const struct rw_commit *c = (const void *)rec;
	const struct rw_meta *meta = (const void *)rec;
	struct find *f = ctx;

	if (f->first)
		f->other_boot = len < sizeof(*meta) ||
				strncmp(meta->boot_id, f->boot_id, sizeof(meta->boot_id)) != 0;
	f->first = false;
	f->at += len;
	if (rec->type != RW_COMMIT || len < sizeof(*c) || c->ncpu > RUNAWAY_COMMIT_CPUS ||
	    len != commit_len(c))
		return;
	free(f->commit);
	f->commit = malloc(len);
	if (!f->commit) {
		f->error = -ENOMEM;
		return;
	}
	memcpy(f->commit, c, len);
	f->end = f->at;
}

/* The file as a stream of its own, from its beginning. */
static FILE *open_stream(const struct runaway_journal *j)
{
	int fd = fcntl(j->fd, F_DUPFD_CLOEXEC, 3);
	FILE *f;

	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return NULL;
	f = fdopen(fd, "r");
	if (!f)
		close(fd);
	return f;
}

static const char *why_nothing(const struct find *f, int r)
{
	if (f->other_boot)
		return "it is of another boot";
	if (r == -EBADMSG)
		return "it is damaged";
	return "nothing in it was complete";
}

static int look(struct runaway_journal *j, const char *boot_id)
{
	struct find f = { .boot_id = boot_id, .first = true, .at = strlen(RW_RECORDING_MAGIC) };
	_cleanup_fclose_ FILE *file = NULL;
	struct stat st;
	int r;

	if (fstat(j->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return -EPERM;
	file = open_stream(j);
	if (!file)
		return -errno;
	r = st.st_size ? sensor_records_read(file, UINT64_MAX, find_commit, &f, NULL) : 0;
	if (f.error || f.other_boot || !f.commit) {
		if (!f.error && st.st_size)
			snprintf(j->info.why_empty, sizeof(j->info.why_empty), "%s",
				 why_nothing(&f, r));
		else
			snprintf(j->info.why_empty, sizeof(j->info.why_empty), "there was none");
		free(f.commit);
		f.end = 0;
	} else {
		j->last = f.commit;
	}
	j->found = j->size = j->base = f.end;
	if (ftruncate(j->fd, (off_t)f.end) < 0)
		return -errno;
	return f.error;
}

static int put_magic(struct runaway_journal *j)
{
	size_t len = strlen(RW_RECORDING_MAGIC);

	memcpy(j->buf, RW_RECORDING_MAGIC, len);
	j->used = len;
	return 0;
}

int runaway_journal_open(int dir_fd, const char *boot_id, struct runaway_journal **ret)
{
	struct runaway_journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->dir_fd = dir_fd;
	j->new_fd = -1;
	j->fd = openat(dir_fd, RUNAWAY_JOURNAL_NAME,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	r = j->fd < 0 ? -errno : 0;
	if (r == 0 && flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (r == 0)
		r = look(j, boot_id);
	if (r == 0 && !j->found)
		r = put_magic(j);
	if (r < 0) {
		runaway_journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

void runaway_journal_close(struct runaway_journal *j)
{
	if (!j)
		return;
	runaway_closep(&j->fd);
	runaway_closep(&j->new_fd);
	free(j->last);
	free(j);
}

int runaway_journal_remove(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, RUNAWAY_JOURNAL_NAME,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return unlinkat(dir_fd, RUNAWAY_JOURNAL_NAME, 0) < 0 ? -errno : 0;
}

const struct rw_commit *runaway_journal_last(const struct runaway_journal *j)
{
	return j->last;
}

struct feed {
	struct runaway_journal *j;
	runaway_sink_fn sink;
	void *ctx;
};

static void feed(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct feed *f = ctx;

	if (rec->type == RW_COMMIT)
		return;
	f->j->info.recalled++;
	f->sink(f->ctx, rec, len);
}

int runaway_journal_recall(struct runaway_journal *j, runaway_sink_fn sink, void *ctx)
{
	struct feed f = { .j = j, .sink = sink, .ctx = ctx };
	_cleanup_fclose_ FILE *file = NULL;
	int r;

	if (!j->found)
		return 0;
	file = open_stream(j);
	if (!file)
		return -errno;
	j->recalling = true;
	r = sensor_records_read(file, j->found, feed, &f, NULL);
	j->recalling = false;
	/* The stream shares the file's offset. */
	if (lseek(j->fd, (off_t)j->size, SEEK_SET) < 0)
		return -errno;
	return r;
}

bool runaway_journal_recalling(const struct runaway_journal *j)
{
	return j->recalling;
}

/* ---- writing ---- */
static void failed(struct runaway_journal *j, int r)
{
	if (!j->info.failing)
		log_warning_errno(r, "cannot write the journal: a restart would forget what is "
				     "not in it");
	j->info.failing = true;
	j->info.error = r;
	j->info.errors++;
}

static int flush(struct runaway_journal *j)
{
	bool new = j->new_fd >= 0;
	uint64_t *size = new ? &j->new_size : &j->size;
	int r;

	if (!j->used)
		return 0;
	/* By position: what a failed write left behind is written over. */
	r = runaway_write_all_at(new ? j->new_fd : j->fd, j->buf, j->used, (off_t)*size);
	if (r == 0)
		*size += j->used;
	j->used = 0;
	return r;
}

static int put(struct runaway_journal *j, const void *data, size_t len)
{
	int r = 0;

	if (j->used + len > sizeof(j->buf))
		r = flush(j);
	if (r == 0 && len > sizeof(j->buf))
		r = -E2BIG;
	if (r < 0)
		return r;
	memcpy(j->buf + j->used, data, len);
	j->used += len;
	return 0;
}

void runaway_journal_add(struct runaway_journal *j, const struct rw_hdr *rec, size_t len)
{
	int r;

	/* With a hole in it the rest would tell lies: it waits until it is made anew. */
	if (j->recalling || (j->info.failing && j->new_fd < 0))
		return;
	r = put(j, rec, len);
	if (r < 0)
		failed(j, r);
}

bool runaway_journal_dirty(const struct runaway_journal *j)
{
	return j->used > 0;
}

int runaway_journal_commit(struct runaway_journal *j, const struct rw_commit *c)
{
	int r;

	if (j->info.failing)
		return j->info.error;
	r = put(j, c, c->hdr.len);
	if (r == 0)
		r = flush(j);
	if (r < 0)
		failed(j, r);
	return r;
}

bool runaway_journal_wants_renewal(const struct runaway_journal *j, uint64_t now_ns)
{
	if (j->info.failing)
		return now_ns - j->tried_ns >= RETRY_NS;
	return j->size > j->base + MAX(j->base, (uint64_t)GROWTH_BYTES);
}

int runaway_journal_begin(struct runaway_journal *j, uint64_t now_ns)
{
	j->tried_ns = now_ns;
	j->used = 0;
	j->new_size = 0;
	/* Left by a daemon that was killed here. */
	unlinkat(j->dir_fd, NEW_NAME, 0);
	j->new_fd = openat(j->dir_fd, NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			   0600);
	if (j->new_fd < 0) {
		int r = -errno;

		failed(j, r);
		return r;
	}
	j->info.failing = false;
	return put_magic(j);
}

static int replace(struct runaway_journal *j)
{
	if (flock(j->new_fd, LOCK_EX | LOCK_NB) < 0 ||
	    renameat(j->dir_fd, NEW_NAME, j->dir_fd, RUNAWAY_JOURNAL_NAME) < 0)
		return -errno;
	close(j->fd);
	j->fd = TAKE_FD(j->new_fd);
	j->size = j->base = j->new_size;
	j->info.made++;
	j->info.error = 0;
	return 0;
}

int runaway_journal_end(struct runaway_journal *j, const struct rw_commit *c)
{
	int r = j->info.failing ? j->info.error : runaway_journal_commit(j, c);

	if (r == 0)
		r = replace(j);
	if (r == 0)
		return 0;
	if (!j->info.failing)
		failed(j, r);
	if (j->new_fd >= 0) {
		close(TAKE_FD(j->new_fd));
		unlinkat(j->dir_fd, NEW_NAME, 0);
	}
	j->used = 0;
	return r;
}

void runaway_journal_info(const struct runaway_journal *j, struct runaway_journal_info *ret)
{
	*ret = j->info;
	ret->bytes = j->size;
}
