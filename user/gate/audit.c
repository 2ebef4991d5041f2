/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/audit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/lines.h"

/* Nobody but root and the gate may be able to change it or to put another in its place. */
static int check_owner(int fd, mode_t kind)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != kind || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	return 0;
}

static int open_file(int folder, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int err = check_owner(folder, S_IFDIR);

	if (err < 0)
		return err;
	fd = openat(folder, RUNAWAY_AUDIT_FILE,
		    O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
	if (fd < 0)
		return -errno;
	err = check_owner(fd, S_IFREG);
	if (err < 0)
		return err;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fsync(folder) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int runaway_audit_open(int folder, const char *boot_id, struct runaway_audit *ret,
		       struct runaway_history *history)
{
	struct runaway_audit a = { .fd = -1, .head = RUNAWAY_CHAIN_START };
	bool torn_end = false;
	struct stat st = { 0 };
	int err;

	snprintf(a.boot_id, sizeof(a.boot_id), "%s", boot_id);
	err = open_file(folder, &a.fd);
	if (err == 0)
		err = runaway_audit_load(&a, history, &torn_end);
	/* What was cut short stays there as a line of its own: append-only means that. (Of a
	 * reading that failed nothing is said.) */
	if (torn_end && a.failed == RUNAWAY_REASON_NONE)
		err = runaway_write_all(a.fd, "\n", 1);
	if (err < 0) {
		runaway_audit_close(&a);
		return err;
	}
	(void)fstat(a.fd, &st); /* it was asked before, and told */
	a.bytes = (uint64_t)st.st_size;
	*ret = a;
	return 0;
}

bool runaway_audit_has_room(const struct runaway_audit *a)
{
	return a->bytes < RUNAWAY_AUDIT_FULL_BYTES;
}

void runaway_audit_close(struct runaway_audit *a)
{
	runaway_closep(&a->fd);
	a->fd = -1;
}

void runaway_audit_begin(const struct runaway_audit *a, const char *type, struct runaway_record *r)
{
	*r = (struct runaway_record){ .seq = a->seq + 1 };
	json_init(&r->w, &r->text, false);
	json_object_begin(&r->w);
	json_kv_u64_string(&r->w, "seq", r->seq);
	json_kv_time(&r->w, "at", runaway_real_ns());
	json_kv_u64_string(&r->w, "boot_ns", runaway_boot_ns());
	json_kv_string(&r->w, "boot_id", a->boot_id);
	json_kv_string(&r->w, "type", type);
}

static int write_durably(int fd, const struct strbuf *line)
{
	int err = line->error;

	if (err == 0)
		err = runaway_write_all(fd, line->data, line->len);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	return err;
}

int runaway_audit_commit(struct runaway_audit *a, struct runaway_record *r)
{
	static const size_t tail = sizeof("\"}") - 1;
	int err = -EIO;

	json_kv_string(&r->w, "prev", a->head);
	json_object_end(&r->w);
	runaway_line_seal(&r->text);
	strbuf_addc(&r->text, '\n');
	if (a->failed == RUNAWAY_REASON_NONE)
		err = write_durably(a->fd, &r->text);
	if (err == 0) {
		a->seq = r->seq;
		a->bytes += r->text.len;
		/* The seal is the line's end: 64 digits, a quote and a brace. */
		memcpy(a->head, r->text.data + r->text.len - 1 - tail - 64, 64);
	} else if (a->failed == RUNAWAY_REASON_NONE) {
		a->failed = RUNAWAY_REASON_AUDIT_FAILED;
	}
	strbuf_free(&r->text);
	return err;
}

/* ---- the tail, for people ---- */

#define TAIL_MAX_BYTES ((size_t)48 * 1024)

struct tail {
	struct json_writer *w;
	uint64_t after_seq;
	size_t left, bytes;
};

static int show_line(void *ctx, const struct runaway_line *line)
{
	_cleanup_cjson_ cJSON *json = NULL;
	struct tail *t = ctx;

	if (t->left == 0 || !runaway_line_sealed(line->text, line->len) ||
	    runaway_json_parse(line->text, line->len, &json, NULL) < 0 ||
	    runaway_json_u64(json, "seq", 0) <= t->after_seq)
		return 0;
	if (line->len > t->bytes) {
		t->left = 0;
		return 0;
	}
	json_raw(t->w, line->text, line->len);
	t->bytes -= line->len;
	t->left--;
	return 0;
}

int runaway_audit_tail(const struct runaway_audit *a, uint64_t after_seq, size_t limit,
		       struct json_writer *w)
{
	struct tail t = { .w = w, .after_seq = after_seq, .left = limit, .bytes = TAIL_MAX_BYTES };
	int err;

	json_array_begin(w);
	err = lseek(a->fd, 0, SEEK_SET) < 0 ? -errno : runaway_lines_each(a->fd, show_line, &t);
	json_array_end(w);
	return err;
}
