/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recordings: what goes in comes out, and a damaged one is told from a cut one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/macros.h"
#include "sensor/sensor.h"

#define MAGIC_LEN (sizeof(RW_RECORDING_MAGIC) - 1)

struct heard {
	size_t count;
	uint16_t last_type;
	struct strbuf bytes;
};

struct scratch {
	char dir[32];
	char path[64];
};

static void hear(void *ctx, const struct rw_hdr *rec, size_t len)
{
	struct heard *h = ctx;

	/* Records are read in place: they must be aligned. */
	assert_int_equal((uintptr_t)rec % 8, 0);
	assert_int_equal(rec->len, len);
	h->count++;
	h->last_type = rec->type;
	strbuf_add(&h->bytes, rec, len);
}

static int setup(void **state)
{
	struct scratch *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	snprintf(t->dir, sizeof(t->dir), "/tmp/rw-recording-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof(t->path), "%s/rec", t->dir);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *t = *state;

	unlink(t->path);
	rmdir(t->dir);
	free(t);
	return 0;
}

/* A record of the type with recognisable bytes behind its header. */
static struct rw_hdr *make(uint16_t type, size_t len)
{
	unsigned char *p = malloc(len);
	struct rw_hdr *h = (struct rw_hdr *)p;

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(i * 7 + type);
	h->type = type;
	h->cpu = 3;
	h->len = (uint32_t)len;
	h->seq = type * 1000;
	h->time_ns = 55;
	return h;
}

static void add(struct runaway_recorder *r, uint16_t type, size_t len, struct strbuf *all)
{
	_cleanup_free_ struct rw_hdr *h = make(type, len);

	runaway_recorder_add(r, h, len);
	if (all)
		strbuf_add(all, h, len);
}

static void write_raw(const char *path, const void *data, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(runaway_write_all(fd, data, len), 0);
}

/* Every type of record, with the lengths at which it can come. */
static const struct {
	uint16_t type;
	size_t len;
} each[] = {
	{ RW_META, sizeof(struct rw_meta) },
	{ RW_FORK, sizeof(struct rw_fork) },
	{ RW_EXEC, sizeof(struct rw_exec) },
	{ RW_EXEC, sizeof(struct rw_exec) + RW_PATH_MAX + RW_ARGS_MAX + RW_MARKERS_MAX },
	{ RW_EXIT, sizeof(struct rw_exit) },
	{ RW_CHILDREN, sizeof(struct rw_children) },
	{ RW_REPARENT, sizeof(struct rw_reparent) },
	{ RW_CGROUP, sizeof(struct rw_cgroup_ev) },
	{ RW_TASK, sizeof(struct rw_task) },
	{ RW_TASK, sizeof(struct rw_task) + 13 },
	{ RW_CPU, sizeof(struct rw_cpu) },
	{ RW_FREE, sizeof(struct rw_free) },
	{ RW_TICK, sizeof(struct rw_tick) },
	{ RW_SCAN_BEGIN, sizeof(struct rw_scan) },
	{ RW_SCAN_END, sizeof(struct rw_scan) },
	{ RW_HOST, sizeof(struct rw_host) },
	{ RW_PROCFS, sizeof(struct rw_procfs) },
	{ RW_PROCFS, sizeof(struct rw_procfs) + 16 * 1024 },
	{ RW_CGROUP_CPU, sizeof(struct rw_cgroup_cpu) },
	{ RW_LOSS, sizeof(struct rw_loss) },
	/* One that a later version may add: recordings do not filter. */
	{ 120, sizeof(struct rw_hdr) },
};

static void record_each(const char *path, struct strbuf *all)
{
	struct runaway_recorder *r;

	assert_int_equal(runaway_recorder_open(path, &r), 0);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		add(r, each[i].type, each[i].len, all);
	assert_int_equal(runaway_recorder_close(r), 0);
}

static void test_every_type_comes_back_as_it_was(void **state)
{
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	struct scratch *t = *state;
	struct heard h = { 0 };
	uint64_t offset = 0;

	record_each(t->path, &all);
	assert_int_equal(runaway_recording_play(t->path, hear, &h, &offset), 0);
	assert_int_equal(h.count, ARRAY_SIZE(each));
	assert_int_equal(h.bytes.len, all.len);
	assert_memory_equal(h.bytes.data, all.data, all.len);
	assert_int_equal(offset, MAGIC_LEN + all.len);
	strbuf_free(&h.bytes);
}

static void test_many_records_pass_the_buffer(void **state)
{
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	struct scratch *t = *state;
	struct runaway_recorder *r;
	struct heard h = { 0 };

	assert_int_equal(runaway_recorder_open(t->path, &r), 0);
	add(r, RW_META, sizeof(struct rw_meta), &all);
	for (size_t i = 0; i < 3000; i++) {
		add(r, RW_EXEC, sizeof(struct rw_exec) + i, &all);
		if (i % 700 == 0)
			assert_int_equal(runaway_recorder_flush(r), 0);
	}
	assert_int_equal(runaway_recorder_close(r), 0);
	assert_int_equal(runaway_recording_play(t->path, hear, &h, NULL), 0);
	assert_int_equal(h.count, 3001);
	assert_int_equal(h.bytes.len, all.len);
	assert_memory_equal(h.bytes.data, all.data, all.len);
	strbuf_free(&h.bytes);
}

static void test_flushed_is_readable_while_it_goes_on(void **state)
{
	struct scratch *t = *state;
	struct runaway_recorder *r;
	struct heard h = { 0 };

	assert_int_equal(runaway_recorder_open(t->path, &r), 0);
	add(r, RW_META, sizeof(struct rw_meta), NULL);
	assert_int_equal(runaway_recorder_flush(r), 0);
	add(r, RW_TICK, sizeof(struct rw_tick), NULL);
	assert_int_equal(runaway_recording_play(t->path, hear, &h, NULL), 0);
	assert_int_equal(h.count, 1);
	assert_int_equal(runaway_recorder_close(r), 0);
	strbuf_free(&h.bytes);
}

/* Sum of the records that lie wholly in the first `cut` bytes; *ret_whole: none is torn. */
static size_t whole_before(size_t cut, bool *ret_whole)
{
	size_t at = MAGIC_LEN, n = 0;

	while (n < ARRAY_SIZE(each) && at + each[n].len <= cut)
		at += each[n++].len;
	*ret_whole = at == cut;
	return n;
}

static void test_cut_at_every_byte(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct scratch *t = *state;
	bool whole;

	record_each(t->path, NULL);
	assert_int_equal(runaway_read_file(AT_FDCWD, t->path, 1 << 20, &b), 0);
	/* From the end backwards, one byte less each time; long records in larger steps. */
	for (size_t cut = b.len; cut > MAGIC_LEN; cut -= cut % 1000 < 100 ? 1 : 7) {
		struct heard h = { 0 };
		size_t n = whole_before(cut, &whole);
		int r;

		assert_int_equal(truncate(t->path, (off_t)cut), 0);
		r = runaway_recording_play(t->path, hear, &h, NULL);
		assert_int_equal(r, whole ? 0 : -ENODATA);
		assert_int_equal(h.count, n);
		strbuf_free(&h.bytes);
	}
}

static void test_offset_names_the_torn_record(void **state)
{
	struct scratch *t = *state;
	uint64_t offset = 0;
	struct heard h = { 0 };
	struct stat st;

	record_each(t->path, NULL);
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(truncate(t->path, st.st_size - 1), 0);
	assert_int_equal(runaway_recording_play(t->path, hear, &h, &offset), -ENODATA);
	assert_int_equal(offset, st.st_size - sizeof(struct rw_hdr));
	strbuf_free(&h.bytes);
}

static void test_foreign_files(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} foreign[] = {
		{ "", 0 },
		{ "RWREC0", 6 },
		{ "RWREC02\n", 8 },
		{ "{\"a\":1}\n{\"b\":2}\n", 16 },
		{ "\x7f"
		  "ELF\2\1\1\0\0\0\0\0",
		  12 },
	};
	struct scratch *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		struct heard h = { 0 };

		write_raw(t->path, foreign[i].data, foreign[i].len);
		assert_int_equal(runaway_recording_play(t->path, hear, &h, NULL), -EBADMSG);
		assert_int_equal(h.count, 0);
	}
}

static void test_first_record_must_be_meta(void **state)
{
	struct scratch *t = *state;
	struct runaway_recorder *r;
	struct heard h = { 0 };

	assert_int_equal(runaway_recorder_open(t->path, &r), 0);
	add(r, RW_TICK, sizeof(struct rw_tick), NULL);
	assert_int_equal(runaway_recorder_close(r), 0);
	assert_int_equal(runaway_recording_play(t->path, hear, &h, NULL), -EBADMSG);
	assert_int_equal(h.count, 0);
}

static void test_swapped_byte_order_is_foreign(void **state)
{
	struct scratch *t = *state;
	char raw[MAGIC_LEN + sizeof(struct rw_meta)] = RW_RECORDING_MAGIC;
	struct rw_hdr *h = (struct rw_hdr *)(raw + MAGIC_LEN);
	struct heard heard = { 0 };

	h->type = __builtin_bswap16(RW_META);
	h->len = __builtin_bswap32(sizeof(struct rw_meta));
	write_raw(t->path, raw, sizeof(raw));
	assert_int_equal(runaway_recording_play(t->path, hear, &heard, NULL), -EBADMSG);
	assert_int_equal(heard.count, 0);
}

/* The length is believed only within its bounds: nothing is read or allocated by it. */
static void test_damaged_length(void **state)
{
	static const uint32_t bad[] = { 0, 1, 23, 64 * 1024 + 1, 1u << 31, UINT32_MAX };
	struct scratch *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct heard h = { 0 };
		uint64_t offset = 0;
		size_t second = MAGIC_LEN + sizeof(struct rw_meta);

		record_each(t->path, NULL);
		assert_int_equal(runaway_read_file(AT_FDCWD, t->path, 1 << 20, &b), 0);
		memcpy(b.data + second + offsetof(struct rw_hdr, len), &bad[i], sizeof(bad[i]));
		write_raw(t->path, b.data, b.len);
		assert_int_equal(runaway_recording_play(t->path, hear, &h, &offset), -EBADMSG);
		assert_int_equal(h.count, 1);
		assert_int_equal(h.last_type, RW_META);
		assert_int_equal(offset, second);
		strbuf_free(&h.bytes);
	}
}

static void test_longest_record(void **state)
{
	struct scratch *t = *state;
	struct runaway_recorder *r;
	struct heard h = { 0 };

	assert_int_equal(runaway_recorder_open(t->path, &r), 0);
	add(r, RW_META, sizeof(struct rw_meta), NULL);
	add(r, RW_PROCFS, 64 * 1024, NULL);
	/* One byte more could not be read again: it is left out. */
	add(r, RW_PROCFS, 64 * 1024 + 1, NULL);
	add(r, RW_TICK, sizeof(struct rw_tick), NULL);
	assert_int_equal(runaway_recorder_close(r), 0);
	assert_int_equal(runaway_recording_play(t->path, hear, &h, NULL), 0);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.last_type, RW_TICK);
	assert_int_equal(h.bytes.len, sizeof(struct rw_meta) + 64 * 1024 + sizeof(struct rw_tick));
	strbuf_free(&h.bytes);
}

static void test_full_disk_is_told(void **state)
{
	struct runaway_recorder *r;

	(void)state;
	assert_int_equal(runaway_recorder_open("/dev/full", &r), 0);
	add(r, RW_META, sizeof(struct rw_meta), NULL);
	assert_int_equal(runaway_recorder_flush(r), -ENOSPC);
	/* The first error stays, whatever comes. */
	for (int i = 0; i < 100; i++)
		add(r, RW_EXEC, 8000, NULL);
	assert_int_equal(runaway_recorder_flush(r), -ENOSPC);
	assert_int_equal(runaway_recorder_close(r), -ENOSPC);
}

static void test_full_disk_is_told_by_close_alone(void **state)
{
	struct runaway_recorder *r;

	(void)state;
	assert_int_equal(runaway_recorder_open("/dev/full", &r), 0);
	for (int i = 0; i < 100; i++)
		add(r, RW_EXEC, 8000, NULL);
	assert_int_equal(runaway_recorder_close(r), -ENOSPC);
	assert_int_equal(runaway_recorder_close(NULL), 0);
}

static void test_nobody_else_may_read_it(void **state)
{
	struct scratch *t = *state;
	struct stat st;

	record_each(t->path, NULL);
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_paths_that_are_refused(void **state)
{
	struct scratch *t = *state;
	struct runaway_recorder *r = NULL;
	struct heard h = { 0 };
	char victim[64];

	/* A link in a folder of others must not make root write elsewhere. */
	snprintf(victim, sizeof(victim), "%s/victim", t->dir);
	write_raw(victim, "kept", 4);
	assert_int_equal(symlink(victim, t->path), 0);
	assert_int_equal(runaway_recorder_open(t->path, &r), -ELOOP);
	assert_null(r);
	unlink(victim);
	assert_int_equal(runaway_recorder_open("/nonexistent/rec", &r), -ENOENT);
	assert_int_equal(runaway_recording_play("/nonexistent/rec", hear, &h, NULL), -ENOENT);
	assert_true(runaway_recording_play(t->dir, hear, &h, NULL) < 0);
	assert_int_equal(h.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_type_comes_back_as_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_many_records_pass_the_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flushed_is_readable_while_it_goes_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_cut_at_every_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offset_names_the_torn_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_record_must_be_meta, setup, teardown),
		cmocka_unit_test_setup_teardown(test_swapped_byte_order_is_foreign, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_damaged_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_record, setup, teardown),
		cmocka_unit_test(test_full_disk_is_told),
		cmocka_unit_test(test_full_disk_is_told_by_close_alone),
		cmocka_unit_test_setup_teardown(test_nobody_else_may_read_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths_that_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
