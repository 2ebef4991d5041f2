/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents have one text, and every other text is refused. */
#include "gate/gate_test.h"

#include "gate/tables.h"

static int start(_unused_ void **state)
{
	return runaway_digest_init();
}

static char *plan_text(const struct runaway_plan *plan)
{
	struct strbuf b = STRBUF_INIT;

	assert_int_equal(runaway_plan_write(plan, &b), 0);
	return strbuf_take(&b);
}

static char *approval_text(const struct runaway_approval *approval)
{
	struct strbuf b = STRBUF_INIT;

	assert_int_equal(runaway_approval_write(approval, &b), 0);
	return strbuf_take(&b);
}

static void check_sorted(const struct field *fields)
{
	for (const struct field *f = fields; f->kind != FIELD_END; f++) {
		if (f > fields)
			assert_true(strcmp(f[-1].key, f->key) < 0);
		if (f->kind == FIELD_OBJECT)
			check_sorted(f->fields);
		if (f->kind == FIELD_LIST && f->fields->kind == FIELD_OBJECT)
			check_sorted(f->fields->fields);
	}
}

static void keys_are_sorted(_unused_ void **state)
{
	check_sorted(runaway_plan_fields);
	check_sorted(runaway_approval_fields);
	check_sorted(runaway_release_fields);
}

/* Written by hand: the text is an interface, other programs sign and digest it. */
static void plan_is_these_bytes(_unused_ void **state)
{
	static const char expected[] =
		"{\"action_policy\":\"triage_packet_then_dry_run_then_gated_sigterm\","
		"\"boot_id\":\"" TEST_BOOT "\",\"created_at\":\"2026-11-22T02:17:15.123Z\","
		"\"created_boot_ns\":\"86400000000000\",\"drill\":false,"
		"\"expected_effect\":\"the tree of 10 processes ends\","
		"\"expires_at\":\"2026-11-22T03:17:15.123Z\",\"expires_boot_ns\":"
		"\"90000000000000\","
		"\"host_label\":\"ci-host-1\",\"incident_id\":\"inc_20261122_0217_0123abcd\","
		"\"lane_id\":\"orphan_browser_smoke_runaway_process\",\"nonce\":\"plan-1\","
		"\"post_check\":{\"checks\":[\"targets_gone\",\"cpu_fell\"],\"grace_s\":10},"
		"\"requester\":\"olga\",\"requester_uid\":1001,"
		"\"rule\":\"cpu_cores 0.857 over 0.5 for 60 s\",\"rule_sha256\":\"" TEST_SHA "\","
		"\"schema\":\"runaway_plan_v1\",\"signal\":\"SIGTERM\",\"targets\":["
		"{\"args_sha256\":\"" TEST_SHA "\",\"cgroup_id\":\"4711\","
		"\"cgroup_path\":\"/ci/job-4711\",\"comm\":\"chromium\","
		"\"exe\":\"/usr/lib/chromium/chromium\",\"exe_dev\":8388609,"
		"\"exe_ino\":\"18446744073709551615\",\"exec_id\":\"3\",\"parent_pid\":1,"
		"\"parent_start_ns\":\"1000\",\"pid\":4912,"
		"\"reason\":\"root of the orphan tree\",\"start_ns\":\"86000123456789\","
		"\"uid\":1000}]}";
	struct runaway_plan plan;
	_cleanup_free_ char *text = NULL;

	test_plan(&plan);
	text = plan_text(&plan);
	assert_string_equal(text, expected);
}

static void plans_come_back(_unused_ void **state)
{
	struct runaway_plan plan, back;
	_cleanup_free_ char *text = NULL, *again = NULL;

	test_plan(&plan);
	plan.target_count = RUNAWAY_TARGETS_MAX;
	for (size_t i = 1; i < RUNAWAY_TARGETS_MAX; i++) {
		test_target(&plan.target[i]);
		plan.target[i].pid += i;
	}
	plan.drill = true;
	SET(plan.host_label, "a \"quoted\" \x01 host \xc3\xa4");
	text = plan_text(&plan);
	memset(&back, 0x5a, sizeof(back));
	assert_int_equal(runaway_plan_read(text, strlen(text), &back), 0);
	again = plan_text(&back);
	assert_string_equal(text, again);
	assert_int_equal(back.target_count, RUNAWAY_TARGETS_MAX);
	assert_int_equal(back.target[7].pid, plan.target[7].pid);
	assert_true(back.target[0].exe_ino == UINT64_MAX);
	assert_string_equal(back.host_label, plan.host_label);
	assert_true(back.created_realtime_ns == plan.created_realtime_ns);
}

/* A path is any bytes, and a name may end in the middle of a character: neither keeps a plan from
 * being read. */
static void plans_of_any_bytes_come_back(_unused_ void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct runaway_plan *p = calloc(1, sizeof(*p)), *back = calloc(1, sizeof(*back));

	test_plan(p);
	SET(p->target[0].exe, "/tmp/\xff\xfe/chrome\xe2\x82");
	memset(p->target[0].cgroup_path, 0xff, sizeof(p->target[0].cgroup_path) - 1);
	SET(p->target[0].comm, "\xc3");
	assert_int_equal(runaway_plan_write(p, &text), 0);
	assert_int_equal(runaway_plan_read(text.data, text.len, back), 0);
	assert_string_equal(back->target[0].exe,
			    "/tmp/\xef\xbf\xbd\xef\xbf\xbd/chrome\xef\xbf\xbd\xef\xbf\xbd");
	/* What does not fit is cut between two characters. */
	assert_int_equal(strlen(back->target[0].cgroup_path), 1023);
	assert_int_equal(strlen(back->target[0].cgroup_path) % 3, 0);
	assert_string_equal(back->target[0].comm, "\xef\xbf\xbd");
	strbuf_free(&text);
	free(p);
	free(back);
}

static void approvals_come_back(_unused_ void **state)
{
	struct runaway_approval approval, back;
	_cleanup_free_ char *text = NULL;

	test_approval(TEST_SHA, &approval);
	approval.clock_offset_ns = INT64_MIN;
	text = approval_text(&approval);
	assert_int_equal(runaway_approval_read(text, strlen(text), &back), 0);
	assert_true(back.clock_offset_ns == INT64_MIN);
	assert_true(back.two_person);
	assert_string_equal(back.owner, "anna");
	assert_string_equal(back.signature, "");
}

static void releases_come_back(_unused_ void **state)
{
	struct runaway_release release = { .uid = 7,
					   .disarm_seq = 12,
					   .created_realtime_ns = TEST_REAL_NS,
					   .created_boot_ns = TEST_BOOT_NS },
			       back;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	SET(release.owner, "anna");
	assert_int_equal(runaway_release_write(&release, &b), 0);
	assert_int_equal(runaway_release_read(b.data, b.len, &back), 0);
	assert_memory_equal(&release, &back, sizeof(back));
}

/* Every byte of the text, to each of the 255 others: none of them is a document that reads
 * back as something else, and none is taken for the same one. */
static void each_flipped_byte_shows(_unused_ void **state)
{
	struct runaway_approval approval, back;
	_cleanup_free_ char *text = NULL;
	size_t tried = 0, readable = 0;
	char was, sha[RUNAWAY_SHA256_HEX], other[RUNAWAY_SHA256_HEX];

	test_approval(TEST_SHA, &approval);
	text = approval_text(&approval);
	runaway_sha256_hex(text, strlen(text), sha);
	for (size_t i = 0, len = strlen(text); i < len; i++) {
		was = text[i];
		for (int c = 0; c < 256; c++) {
			if ((char)c == was)
				continue;
			text[i] = (char)c;
			tried++;
			if (runaway_approval_read(text, len, &back) < 0)
				continue;
			readable++;
			runaway_sha256_hex(text, len, other);
			assert_string_not_equal(sha, other);
			assert_memory_not_equal(&approval, &back, sizeof(back));
		}
		text[i] = was;
	}
	assert_true(tried > 100000 && readable > 0 && readable < tried);
	print_message("# %zu texts with one byte changed, %zu readable, each told apart\n", tried,
		      readable);
}

static void refuses(const char *from, const char *to)
{
	struct runaway_plan plan, back;
	_cleanup_free_ char *text = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *at;

	test_plan(&plan);
	text = plan_text(&plan);
	at = strstr(text, from);
	assert_non_null(at);
	strbuf_add(&b, text, (size_t)(at - text));
	strbuf_adds(&b, to);
	strbuf_adds(&b, at + strlen(from));
	memset(&back, 0x5a, sizeof(back));
	assert_int_equal(runaway_plan_read(b.data, b.len, &back), -EBADMSG);
	for (size_t i = 0; i < sizeof(back); i++)
		assert_int_equal(((unsigned char *)&back)[i], 0x5a);
}

/* What JSON calls the same, and what is another type or out of range. */
static void other_texts_are_refused(_unused_ void **state)
{
	refuses("{\"action_policy\"", "{ \"action_policy\"");
	refuses("\"pid\":4912", "\"pid\":4912.0");
	refuses("\"pid\":4912", "\"pid\":4912.5");
	refuses("\"pid\":4912", "\"pid\":-4912");
	refuses("\"pid\":4912", "\"pid\":\"4912\"");
	refuses("\"pid\":4912", "\"pid\":4294967296");
	refuses("\"pid\":4912", "\"pid\":49e2");
	refuses("\"start_ns\":\"86000123456789\"", "\"start_ns\":86000123456789");
	refuses("\"start_ns\":\"86000123456789\"", "\"start_ns\":\"086000123456789\"");
	refuses("\"start_ns\":\"86000123456789\"", "\"start_ns\":\"-1\"");
	refuses("\"start_ns\":\"86000123456789\"", "\"start_ns\":\"18446744073709551616\"");
	refuses("\"start_ns\":\"86000123456789\"", "\"start_ns\":null");
	refuses("\"drill\":false", "\"drill\":0");
	refuses("\"drill\":false", "\"drill\":null");
	refuses("\"signal\":\"SIGTERM\"", "\"signal\":\"SIGKILL\"");
	refuses("\"signal\":\"SIGTERM\"", "\"signal\":9");
	refuses("\"schema\":\"runaway_plan_v1\"", "\"schema\":\"runaway_plan_v2\"");
	refuses("olga", "olg\\u0061");
	refuses("\"requester\":\"olga\"", "\"requester\":[\"olga\"]");
	refuses("\"requester\":\"olga\",", "");
	refuses("\"requester\":\"olga\",", "\"requester\":\"olga\",\"requester\":\"olga\",");
	refuses("\"requester\":\"olga\",", "\"requester\":\"olga\",\"requests\":1,");
	refuses("2026-11-22T02:17:15.123Z", "2026-11-22T02:17:15.1230Z");
	refuses("2026-11-22T02:17:15.123Z", "2026-11-32T02:17:15.123Z");
	refuses("2026-11-22T02:17:15.123Z", "1970-01-01T00:00:00.000Z");
	refuses("\"2026-11-22T02:17:15.123Z\"", "1795313835123");
	refuses(TEST_SHA, "0123");
	refuses(TEST_SHA, "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef");
	refuses(TEST_SHA, "g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	refuses("[\"targets_gone\",\"cpu_fell\"]", "\"targets_gone\"");
	refuses("[\"targets_gone\",\"cpu_fell\"]",
		"[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]");
	refuses("[\"targets_gone\",\"cpu_fell\"]", "[\"targets_gone\",1]");
	refuses("{\"checks\":[\"targets_gone\",\"cpu_fell\"],\"grace_s\":10}", "[]");
	/* 64 bytes: one more than there is room for. */
	refuses("olga", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	refuses("}]}", "}]} ");
	refuses("}]}", "}]");
	refuses("{\"args_sha256\"", "1,{\"args_sha256\"");
}

/* Far more than there is room for, in a text that is short enough: nothing is written over. */
static void no_room_is_overrun(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT, list = STRBUF_INIT;

	for (size_t i = 0; i < RUNAWAY_DOCUMENT_MAX / 5; i++) {
		strbuf_adds(&name, "olga");
		strbuf_adds(&list, i ? ",\"a\"" : "[\"a\"");
	}
	strbuf_addc(&list, ']');
	refuses("olga", name.data);
	refuses("[\"targets_gone\",\"cpu_fell\"]", list.data);
}

static void empty_and_long_texts_are_refused(_unused_ void **state)
{
	_cleanup_free_ char *big = malloc(RUNAWAY_DOCUMENT_MAX + 1);
	struct runaway_approval back;

	assert_non_null(big);
	memset(big, '[', RUNAWAY_DOCUMENT_MAX + 1);
	assert_int_equal(runaway_approval_read("", 0, &back), -EBADMSG);
	assert_int_equal(runaway_approval_read("[]", 2, &back), -EBADMSG);
	assert_int_equal(runaway_approval_read("null", 4, &back), -EBADMSG);
	assert_int_equal(runaway_approval_read(big, RUNAWAY_DOCUMENT_MAX, &back), -EBADMSG);
	assert_int_equal(runaway_approval_read(big, RUNAWAY_DOCUMENT_MAX + 1, &back), -EMSGSIZE);
}

static void what_cannot_be_told_is_not_written(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct runaway_plan plan;

	strbuf_adds(&b, "before");
	test_plan(&plan);
	plan.target_count = RUNAWAY_TARGETS_MAX + 1;
	assert_int_equal(runaway_plan_write(&plan, &b), -EINVAL);
	test_plan(&plan);
	plan.post_check.count = RUNAWAY_CHECKS_MAX + 1;
	assert_int_equal(runaway_plan_write(&plan, &b), -EINVAL);
	test_plan(&plan);
	plan.expires_realtime_ns = 0;
	assert_int_equal(runaway_plan_write(&plan, &b), -EINVAL);
	test_plan(&plan);
	plan.target[0].args_sha256[3] = 'G';
	assert_int_equal(runaway_plan_write(&plan, &b), -EINVAL);
	/* Paths of control characters take six bytes a byte. */
	test_plan(&plan);
	plan.target_count = RUNAWAY_TARGETS_MAX;
	for (size_t i = 0; i < RUNAWAY_TARGETS_MAX; i++) {
		memset(plan.target[i].exe, 1, RUNAWAY_PATH - 1);
		memset(plan.target[i].cgroup_path, 1, RUNAWAY_PATH - 1);
	}
	assert_int_equal(runaway_plan_write(&plan, &b), -EMSGSIZE);
	/* However long it has become by then. */
	plan.target[RUNAWAY_TARGETS_MAX - 1].args_sha256[0] = 'G';
	assert_int_equal(runaway_plan_write(&plan, &b), -EINVAL);
	assert_string_equal(b.data, "before");
	b.error = -ENOMEM;
	test_plan(&plan);
	assert_int_equal(runaway_plan_write(&plan, &b), -ENOMEM);
}

static void what_is_just_possible_is_written(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct runaway_plan plan, back;
	size_t room;

	test_plan(&plan);
	plan.created_realtime_ns = NSEC_PER_MSEC;
	plan.target_count = RUNAWAY_TARGETS_MAX;
	for (size_t i = 0; i < RUNAWAY_TARGETS_MAX; i++) {
		plan.target[i] = plan.target[0];
		plan.target[i].exe[0] = plan.target[i].cgroup_path[0] = '\0';
	}
	assert_int_equal(runaway_plan_write(&plan, &b), 0);
	room = RUNAWAY_DOCUMENT_MAX - b.len;
	/* A control character takes six bytes, a letter one. */
	memset(plan.target[0].exe, 'a', room % 6);
	plan.target[0].exe[room % 6] = '\0';
	room /= 6;
	for (size_t i = 0; i < RUNAWAY_TARGETS_MAX; i++) {
		size_t n = MIN(room, (size_t)RUNAWAY_PATH - 1);

		memset(plan.target[i].cgroup_path, 1, n);
		plan.target[i].cgroup_path[n] = '\0';
		room -= n;
	}
	strbuf_reset(&b);
	assert_int_equal(runaway_plan_write(&plan, &b), 0);
	assert_int_equal(room, 0);
	assert_int_equal(b.len, RUNAWAY_DOCUMENT_MAX);
	assert_int_equal(runaway_plan_read(b.data, b.len, &back), 0);
	/* One letter more. */
	plan.target[1].exe[0] = 'b';
	plan.target[1].exe[1] = '\0';
	assert_int_equal(runaway_plan_write(&plan, &b), -EMSGSIZE);
}

static void signatures_fit_one_text_and_one_key(_unused_ void **state)
{
	struct runaway_approval approval, changed;
	struct runaway_key key, other;

	runaway_key_generate(&key);
	runaway_key_generate(&other);
	test_approval(TEST_SHA, &approval);
	assert_false(runaway_approval_verify(&approval, key.public_hex));
	assert_int_equal(runaway_approval_sign(&approval, key.secret), 0);
	assert_string_equal(approval.key_id, key.id);
	assert_true(runaway_approval_verify(&approval, key.public_hex));
	assert_false(runaway_approval_verify(&approval, other.public_hex));
	assert_false(runaway_approval_verify(&approval, ""));
	changed = approval;
	changed.approver_uid++;
	assert_false(runaway_approval_verify(&changed, key.public_hex));
	changed = approval;
	changed.signature[5] = changed.signature[5] == 'a' ? 'b' : 'a';
	assert_false(runaway_approval_verify(&changed, key.public_hex));
	changed = approval;
	changed.window_end_realtime_ns = 0;
	assert_false(runaway_approval_verify(&changed, key.public_hex));
	assert_int_equal(runaway_approval_sign(&changed, key.secret), -EINVAL);
}

/* Every member of one approval put into another one that is signed as well. */
static void swapped_members_do_not_verify(_unused_ void **state)
{
	struct runaway_approval a, b, mixed;
	struct runaway_key key;
	size_t swapped = 0;

	runaway_key_generate(&key);
	test_approval(TEST_SHA, &a);
	memset(&b, 0, sizeof(b));
	test_approval("f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", &b);
	SET(b.incident_id, "inc_other");
	SET(b.host_label, "other-host");
	SET(b.boot_id, "other-boot");
	SET(b.owner, "bert");
	SET(b.requester, "otto");
	SET(b.evidence_ref, "other evidence");
	SET(b.nonce, "approval-2");
	SET(b.drill_key, TEST_SHA);
	b.approver_uid = 2000;
	b.two_person = false;
	b.clock_offset_ns--;
	b.deadline_boot_ns++;
	b.approved_boot_ns++;
	b.approved_realtime_ns += NSEC_PER_SEC;
	b.window_end_realtime_ns += NSEC_PER_SEC;
	b.window_start_realtime_ns += NSEC_PER_SEC;
	assert_int_equal(runaway_approval_sign(&a, key.secret), 0);
	assert_int_equal(runaway_approval_sign(&b, key.secret), 0);
	for (const struct field *f = runaway_approval_fields; f->kind != FIELD_END; f++) {
		char *to = (char *)&mixed + f->offset;

		/* Both are signed with the same key. */
		if (f->kind == FIELD_CONST || strcmp(f->key, "key_id") == 0)
			continue;
		mixed = a;
		memcpy(to, (char *)&b + f->offset, f->size);
		assert_false(runaway_approval_verify(&mixed, key.public_hex));
		swapped++;
	}
	assert_int_equal(swapped, 18);
}

static void releases_are_signed_as_such(_unused_ void **state)
{
	struct runaway_release release = { .created_realtime_ns = TEST_REAL_NS };
	struct runaway_key key;

	runaway_key_generate(&key);
	assert_int_equal(runaway_release_sign(&release, key.secret), 0);
	assert_string_equal(release.key_id, key.id);
	assert_true(runaway_release_verify(&release, key.public_hex));
	release.disarm_seq++;
	assert_false(runaway_release_verify(&release, key.public_hex));
	release.created_realtime_ns = 0;
	assert_false(runaway_release_verify(&release, key.public_hex));
	assert_int_equal(runaway_release_sign(&release, key.secret), -EINVAL);
}

/* Of what cannot be written nothing is signed. */
static void no_document_no_signature(_unused_ void **state)
{
	struct runaway_approval a;
	struct runaway_key k;

	runaway_key_generate(&k);
	test_approval(TEST_SHA, &a);
	a.approved_realtime_ns = 0;
	assert_int_equal(runaway_approval_sign(&a, k.secret), -EINVAL);
	assert_string_equal(a.signature, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_sorted),
		cmocka_unit_test(no_document_no_signature),
		cmocka_unit_test(plan_is_these_bytes),
		cmocka_unit_test(plans_come_back),
		cmocka_unit_test(plans_of_any_bytes_come_back),
		cmocka_unit_test(approvals_come_back),
		cmocka_unit_test(releases_come_back),
		cmocka_unit_test(each_flipped_byte_shows),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(no_room_is_overrun),
		cmocka_unit_test(empty_and_long_texts_are_refused),
		cmocka_unit_test(what_cannot_be_told_is_not_written),
		cmocka_unit_test(what_is_just_possible_is_written),
		cmocka_unit_test(signatures_fit_one_text_and_one_key),
		cmocka_unit_test(swapped_members_do_not_verify),
		cmocka_unit_test(releases_are_signed_as_such),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
