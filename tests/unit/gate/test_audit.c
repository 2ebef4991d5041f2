/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linked with --wrap: write fsync geteuid */
/* The audit: a chain on disk, and what becomes of it when the disk or somebody else breaks it. */
#include "gate/audit_disk.h"

static void records_are_a_chain(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char head[RUNAWAY_SHA256_HEX];

	assert_int_equal(a.seq, 0);
	assert_string_equal(a.head, RUNAWAY_CHAIN_START);
	assert_int_equal(put("start"), 0);
	assert_int_equal(put("stop"), 0);
	assert_int_equal(a.seq, 2);
	SET(head, a.head);
	read_file(&b);
	assert_non_null(strstr(b.data, "{\"seq\":\"1\",\"at\":\"20"));
	assert_non_null(strstr(b.data, "\"type\":\"start\""));
	assert_non_null(strstr(b.data, head));
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.seq, 2);
	assert_string_equal(a.head, head);
	assert_int_equal(a.failed, RUNAWAY_REASON_NONE);
	assert_int_equal(put("start"), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.seq, 3);
	assert_int_equal(a.disarm_seq, 0);
}

static void history_comes_back(_unused_ void **state)
{
	assert_int_equal(put_intent("one"), 0);
	assert_int_equal(put_result(a.seq), 0);
	assert_int_equal(put_intent("two"), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(h.count, 2);
	assert_int_equal(runaway_history_unknown(&h), 1);
	assert_true(h.intent[0].answered && !h.intent[1].answered);
	assert_string_equal(h.intent[1].nonce, "two");
	assert_string_equal(h.intent[1].plan_sha256, TEST_SHA);
	assert_string_equal(h.intent[1].lane_id, "lane");
	assert_string_equal(h.intent[1].incident_id, TEST_INCIDENT);
	assert_true(h.intent[1].drill && h.intent[1].pid == 4912 && h.intent[1].start_ns == 77);
	assert_true(h.intent[1].seq == 3 && h.intent[1].boot_ns > 0);
	assert_true(runaway_history_has_nonce(&h, "one") && runaway_history_has_nonce(&h, "two"));
	assert_false(runaway_history_has_nonce(&h, "three"));
	assert_false(runaway_history_answer(&h, 99));
	assert_true(runaway_history_answer(&h, 3));
	assert_false(runaway_history_answer(&h, 3));
	assert_false(runaway_history_answer(&h, 99));
}

/* What only speaks of an INTENT is not its RESULT. */
static void results_alone_answer(_unused_ void **state)
{
	struct runaway_record r;

	assert_int_equal(put_intent("one"), 0);
	runaway_audit_begin(&a, "refused", &r);
	json_kv_u64_string(&r.w, "intent", 1);
	assert_int_equal(runaway_audit_commit(&a, &r), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(runaway_history_unknown(&h), 1);
}

static void earlier_boots_count_apart(_unused_ void **state)
{
	assert_int_equal(put_intent("one"), 0);
	assert_int_equal(put_intent("two"), 0);
	assert_int_equal(put_result(2), 0);
	assert_int_equal(put_intent("three"), 0);
	runaway_audit_close(&a);
	runaway_history_free(&h);
	assert_int_equal(runaway_audit_open(folder, "another boot", &a, &h), 0);
	assert_int_equal(h.count, 0);
	assert_int_equal(a.unknown_earlier, 2);
}

static void disarming_lasts(_unused_ void **state)
{
	struct runaway_record r;

	runaway_audit_begin(&a, "disarm", &r);
	json_kv_string(&r.w, "by", "olga");
	assert_int_equal(runaway_audit_commit(&a, &r), 0);
	assert_int_equal(put("self_test"), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.disarm_seq, 1);
	assert_string_equal(a.disarmed_by, "olga");
	assert_int_equal(put("release"), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.disarm_seq, 0);
}

/* ---- cut and changed files ---- */

static void torn_ends_stay_and_count(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	size_t whole;

	assert_int_equal(put("start"), 0);
	read_file(&b);
	whole = b.len;
	assert_int_equal(put_intent("torn"), 0);
	read_file(&b);
	/* Without its newline it is whole, and counts. */
	strbuf_truncate(&b, b.len - 1);
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.seq, 2);
	assert_int_equal(a.torn_lines, 0);
	assert_int_equal(h.count, 1);
	assert_int_equal(put_result(2), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.seq, 3);
	for (size_t len = b.len - 1; len > whole; len--) {
		strbuf_truncate(&b, len);
		write_file(&b);
		assert_int_equal(reopen(), 0);
		assert_int_equal(a.failed, RUNAWAY_REASON_NONE);
		assert_int_equal(a.seq, 1);
		assert_int_equal(a.torn_lines, 1);
		assert_int_equal(h.count, 0);
		assert_int_equal(put("start"), 0);
		/* A crash before anything else was written, again. */
		assert_int_equal(__real_write(a.fd, "{\"seq\"", 6), 6);
		assert_int_equal(reopen(), 0);
		assert_int_equal(a.torn_lines, 2);
		assert_int_equal(put("start"), 0);
		assert_int_equal(reopen(), 0);
		assert_int_equal(a.failed, RUNAWAY_REASON_NONE);
		assert_int_equal(a.seq, 3);
	}
}

/* Any byte of any record but the last: the chain says so, and nothing more is written. */
static void changed_records_break_the_chain(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, now = STRBUF_INIT;
	size_t first, tried = 0;

	assert_int_equal(put_intent("one"), 0);
	read_file(&b);
	first = b.len - 1; /* without its newline both would be one torn line, as if cut off */
	assert_int_equal(put_result(1), 0);
	read_file(&b);
	for (size_t i = 0; i < first; i++) {
		b.data[i] ^= 1;
		write_file(&b);
		assert_int_equal(reopen(), 0);
		assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
		assert_int_equal(put("start"), -EIO);
		assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
		b.data[i] ^= 1;
		tried++;
	}
	read_file(&now);
	assert_int_equal(now.len, b.len);
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_NONE);
	/* Behind a break nothing counts any more, and a cut end is left as it is. */
	assert_int_equal(put_intent("two"), 0);
	assert_int_equal(__real_write(a.fd, "{\"seq\"", 6), 6);
	strbuf_reset(&b);
	read_file(&b);
	b.data[20] ^= 1;
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
	assert_int_equal(h.count, 0);
	assert_int_equal(a.torn_lines, 1); /* the record that was changed, and none behind it */
	strbuf_reset(&now);
	read_file(&now);
	assert_int_equal(now.len, b.len);
	b.data[20] ^= 1;
	/* The first record taken out, and a sealed line that is no record. */
	memmove(b.data, b.data + first + 1, b.len - first - 1);
	strbuf_truncate(&b, b.len - first - 1);
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
	print_message("# %zu changed bytes, each noticed\n", tried);
}

static void forged_lines_do_not_join(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT, now = STRBUF_INIT;

	/* Sealed, but no JSON; sealed JSON with another number. */
	strbuf_adds(&b, "{\"seq\":\"1\" \"prev\":\"" RUNAWAY_CHAIN_START "\"}");
	runaway_line_seal(&b);
	strbuf_addc(&b, '\n');
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
	/* The right number behind the wrong record. */
	strbuf_reset(&b);
	strbuf_adds(&b, "{\"seq\":\"1\",\"prev\":\"" TEST_SHA "\"}");
	runaway_line_seal(&b);
	strbuf_addc(&b, '\n');
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
	strbuf_reset(&b);
	strbuf_adds(&b, "{\"seq\":\"2\",\"prev\":\"" RUNAWAY_CHAIN_START "\"}");
	runaway_line_seal(&b);
	strbuf_addc(&b, '\n');
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
	/* Without its newline: not even that is put behind it. */
	strbuf_truncate(&b, b.len - 1);
	write_file(&b);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_BROKEN);
	read_file(&now);
	assert_int_equal(now.len, b.len);
}

/* ---- who may have it ---- */

static void files_of_others_are_refused(_unused_ void **state)
{
	runaway_audit_close(&a);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(open_it(), -EPERM);
	assert_int_equal(chmod(path, 0646), 0);
	assert_int_equal(open_it(), -EPERM);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(dir, 0770), 0);
	assert_int_equal(open_it(), -EPERM);
	assert_int_equal(chmod(dir, 0707), 0);
	assert_int_equal(open_it(), -EPERM);
	assert_int_equal(chmod(dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 0), 0);
		assert_int_equal(open_it(), -EPERM);
		assert_int_equal(chown(path, 0, 0), 0);
		assert_int_equal(chown(dir, 65534, 0), 0);
		assert_int_equal(open_it(), -EPERM);
		other_euid = 65534;
		assert_int_equal(open_it(), 0);
		runaway_audit_close(&a);
		other_euid = 0;
		assert_int_equal(chown(dir, 0, 0), 0);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(open_it(), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(open_it(), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(open_it(), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(runaway_audit_open(-1, TEST_BOOT, &a, &h), -EBADF);
	assert_int_equal(open_it(), 0);
}

static void one_gate_at_a_time(_unused_ void **state)
{
	struct runaway_audit second = { .fd = -1 };
	struct runaway_history empty = { 0 };

	assert_int_equal(runaway_audit_open(folder, TEST_BOOT, &second, &empty), -EWOULDBLOCK);
	assert_int_equal(second.fd, -1);
}

/* ---- a disk that fails (G7) ---- */

static void one_failure_is_the_last_attempt(_unused_ void **state)
{
	static const int errors[] = { EIO, ENOSPC, EROFS, EDQUOT };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		uint64_t seq = a.seq;

		fail_write = errors[i];
		assert_int_equal(put("start"), -errors[i]);
		fail_write = 0;
		assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_FAILED);
		assert_int_equal(put("start"), -EIO);
		assert_int_equal(a.seq, seq);
		assert_int_equal(reopen(), 0);
		assert_int_equal(put("start"), 0);
		fail_fsync = errors[i];
		assert_int_equal(put("start"), -errors[i]);
		fail_fsync = 0;
		assert_int_equal(put("start"), -EIO);
		assert_int_equal(reopen(), 0);
		assert_int_equal(a.failed, RUNAWAY_REASON_NONE);
	}
	/* The first error is the one that is told. */
	fail_write = ENOSPC;
	fail_fsync = EIO;
	assert_int_equal(put("start"), -ENOSPC);
}

static void a_full_disk_in_mid_record(_unused_ void **state)
{
	fail_write = ENOSPC;
	short_write = 40;
	assert_int_equal(put("start"), -ENOSPC);
	fail_write = 0;
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.torn_lines, 1);
	assert_int_equal(a.seq, 0);
	assert_int_equal(put("start"), 0);
}

static void opening_needs_the_disk(_unused_ void **state)
{
	fail_fsync = EIO;
	assert_int_equal(reopen(), -EIO);
	fail_fsync = 0;
	assert_int_equal(open_it(), 0);
	/* Ending a torn line is a write as well. */
	assert_int_equal(__real_write(a.fd, "{", 1), 1);
	runaway_audit_close(&a);
	a.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(a.fd >= 0);
	close(a.fd);
	fail_write = ENOSPC;
	/* The file gets the same, lowest number again. */
	assert_int_equal(open_it(), -ENOSPC);
	fail_write = 0;
	assert_int_equal(open_it(), 0);
	assert_int_equal(a.torn_lines, 1);
}

static void without_memory_nothing_is_written(_unused_ void **state)
{
	struct runaway_record r;

	runaway_audit_begin(&a, "start", &r);
	r.text.error = -ENOMEM;
	assert_int_equal(runaway_audit_commit(&a, &r), -ENOMEM);
	assert_int_equal(a.failed, RUNAWAY_REASON_AUDIT_FAILED);
}

/* Standard input is closed: the file gets its number. */
static void the_lowest_descriptor(_unused_ void **state)
{
	int input = fcntl(0, F_DUPFD_CLOEXEC, 64);

	runaway_audit_close(&a);
	assert_int_equal(a.fd, -1);
	(void)close(0);
	assert_int_equal(open_it(), 0);
	assert_int_equal(a.fd, 0);
	assert_int_equal(put("start"), 0);
	assert_int_equal(reopen(), 0);
	runaway_audit_close(&a);
	assert_int_equal(fcntl(0, F_GETFD), -1);
	if (input >= 0) {
		assert_int_equal(dup2(input, 0), 0);
		close(input);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

static void an_intent_is_known_by_number_and_process(_unused_ void **state)
{
	assert_int_equal(put_intent("a"), 0);
	assert_int_equal(put_intent("b"), 0);
	assert_int_equal(reopen(), 0);
	assert_true(runaway_history_is_of(&h, 1, 4912, 77));
	assert_true(runaway_history_is_of(&h, 2, 4912, 77));
	assert_false(runaway_history_is_of(&h, 3, 4912, 77));
	assert_false(runaway_history_is_of(&h, 0, 4912, 77));
	assert_false(runaway_history_is_of(&h, 1, 4913, 77));
	assert_false(runaway_history_is_of(&h, 1, 4912, 78));
}

static void its_size_is_known(_unused_ void **state)
{
	struct stat st;

	assert_int_equal(a.bytes, 0);
	assert_int_equal(put("start"), 0);
	assert_int_equal(put_intent("n"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(a.bytes, st.st_size);
	assert_int_equal(reopen(), 0);
	assert_int_equal(a.bytes, st.st_size);
	fail_write = ENOSPC;
	assert_int_equal(put("start"), -ENOSPC);
	assert_int_equal(a.bytes, st.st_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_are_a_chain),
		TEST(history_comes_back),
		TEST(results_alone_answer),
		TEST(earlier_boots_count_apart),
		TEST(disarming_lasts),
		TEST(torn_ends_stay_and_count),
		TEST(changed_records_break_the_chain),
		TEST(forged_lines_do_not_join),
		TEST(files_of_others_are_refused),
		TEST(one_gate_at_a_time),
		TEST(one_failure_is_the_last_attempt),
		TEST(a_full_disk_in_mid_record),
		TEST(opening_needs_the_disk),
		TEST(without_memory_nothing_is_written),
		TEST(the_lowest_descriptor),
		TEST(an_intent_is_known_by_number_and_process),
		TEST(its_size_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
