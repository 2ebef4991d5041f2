/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of a daemon that was taken over, and of one that was not. */
#include "gate/acting.h"

static cJSON *ask(const char *text)
{
	return answer_to(text, strlen(text));
}

static void expect_error(const char *text, const char *error)
{
	_cleanup_cjson_ cJSON *answer = ask(text);

	assert_false(runaway_json_true(answer, "ok", true));
	assert_string_equal(runaway_json_str(answer, "error", ""), error);
	assert_true(strlen(runaway_json_str(answer, "message", "")) > 0);
}

static void no_messages(_unused_ void **state)
{
	expect_error("", "bad_message");
	expect_error("x", "bad_message");
	expect_error("{}", "bad_message");
	expect_error("[[[[[[[[[[[[]]]]]]]]]]]]", "bad_message");
	expect_error("{\"type\":\"kill\",\"id\":\"1\"}", "bad_message");
	expect_error("{\"type\":\"status\",\"id\":1}", "bad_message");
	expect_error("{\"type\":\"hello\",\"id\":\"1\"}", "already_configured");
}

static void status_tells_all(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *a = ask("{\"type\":\"status\",\"id\":\"7\"}");
	const cJSON *refusals = runaway_json_get(a, "refusals");

	assert_true(runaway_json_true(a, "ok", false));
	assert_string_equal(runaway_json_str(a, "id", ""), "7");
	assert_true(runaway_json_true(a, "armed", false));
	assert_string_equal(runaway_json_str(a, "tier", ""), "T4");
	assert_string_equal(runaway_json_str(a, "tier_name", ""), "limited by seccomp");
	assert_string_equal(runaway_json_str(a, "closed_by", "?"), "");
	/* Every word from the start, with 0. */
	assert_int_equal(cJSON_GetArraySize(refusals), RUNAWAY_REASON_COUNT - 1);
	cJSON_Delete(a);
	a = ask("{\"type\":\"self_test\",\"id\":\"8\"}");
	assert_string_equal(runaway_json_str(a, "tier", ""), "T4");
	assert_int_equal(records_of("self_test"), 1);
}

static void skipped_runs_are_shown(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *a = ask("{\"type\":\"status\",\"id\":\"7\"}");
	const cJSON *list;

	assert_string_equal(runaway_json_str(a, "recursion_misses", ""), "0");
	cJSON_Delete(a);
	guard_programs = 2;
	guard_misses = 58;
	a = ask("{\"type\":\"status\",\"id\":\"7\"}");
	list = runaway_json_get(a, "guard_programs");
	assert_int_equal(cJSON_GetArraySize(list), 2);
	assert_string_equal(runaway_json_str(list->child, "program", ""), "rw_fmr_kill");
	assert_string_equal(runaway_json_str(list->child, "recursion_misses", ""), "58");
	assert_string_equal(runaway_json_str(a, "recursion_misses", ""), "59");
}

static void unknown_ends_are_shown(_unused_ void **state)
{
	_cleanup_cjson_ cJSON *a = NULL;
	const cJSON *list;

	for (int i = 0; i < 20; i++) {
		struct runaway_intent intent = { .seq = (uint64_t)i + 1,
						 .pid = 4000,
						 .answered = i == 19 };

		assert_int_equal(runaway_history_add(&g->history, &intent), 0);
	}
	a = ask("{\"type\":\"status\",\"id\":\"7\"}");
	list = runaway_json_get(a, "unknown");
	assert_int_equal(cJSON_GetArraySize(list), 16);
	assert_string_equal(runaway_json_str(cJSON_GetArrayItem(list, 0), "intent", ""), "19");
	assert_string_equal(runaway_json_str(runaway_json_get(a, "audit"), "unknown", ""), "19");
}

/* ---- why the gate is closed ---- */

static void expect_closed(const char *reason)
{
	_cleanup_cjson_ cJSON *a = ask("{\"type\":\"status\",\"id\":\"7\"}");

	assert_string_equal(runaway_json_str(a, "closed_by", ""), reason);
	assert_int_equal(runaway_json_true(a, "armed", true), reason[0] == '\0');
}

static void closed_by_its_guard(_unused_ void **state)
{
	expect_closed("");
	tier = RUNAWAY_GUARD_NONE;
	expect_closed("not_confined");
	for (tier = RUNAWAY_GUARD_LSM; tier <= RUNAWAY_GUARD_SECCOMP; tier++) {
		g->config.require_kernel_guard = false;
		expect_closed("");
		g->config.require_kernel_guard = true;
		expect_closed(tier == RUNAWAY_GUARD_LSM ? "" : "guard_missing");
	}
}

static void closed_by_others(_unused_ void **state)
{
	int fd = g->actuator.fd, input = fcntl(0, F_DUPFD_CLOEXEC, 64);

	g->actuator.fd = -1;
	expect_closed("actuator_gone");
	/* A number like any other. */
	assert_int_equal(dup2(fd, 0), 0);
	g->actuator.fd = 0;
	expect_closed("");
	if (input >= 0) {
		assert_int_equal(dup2(input, 0), 0);
		close(input);
	}
	g->actuator.fd = fd;
	g->witness_differs = true;
	expect_closed("witness_mismatch");
	g->audit.disarm_seq = 1;
	expect_closed("disarmed");
	g->audit.failed = RUNAWAY_REASON_AUDIT_BROKEN;
	expect_closed("audit_broken");
	g->audit.failed = RUNAWAY_REASON_AUDIT_FAILED;
	expect_closed("audit_failed");
	assert_int_equal(runaway_gate_record_start(g), 0);
	assert_int_equal(records_of("start"), 0);
}

/* ---- disarm and release ---- */

static void touch_disarm(void)
{
	_cleanup_close_ int fd =
		openat(g->folder, RUNAWAY_DISARM_FILE, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
}

static struct runaway_key key;

/* A release of the present disarming in which nothing is wrong. */
static void good_release(struct runaway_release *ret)
{
	*ret = (struct runaway_release){ .uid = 1002,
					 .disarm_seq = g->audit.disarm_seq,
					 .created_realtime_ns = runaway_real_ns(),
					 .created_boot_ns = runaway_boot_ns() };
	SET(ret->host_label, TEST_HOST);
	SET(ret->boot_id, TEST_BOOT);
	SET(ret->owner, "anna");
	SET(ret->why, "the night is over");
}

static void expect_release(const struct runaway_release *release, const char *error)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	struct json_writer w;

	assert_int_equal(runaway_release_write(release, &text), 0);
	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "type", "release");
	json_kv_string(&w, "id", "1");
	json_kv_string(&w, "release", text.data);
	json_object_end(&w);
	answer = answer_to(b.data, b.len);
	assert_string_equal(runaway_json_str(answer, "error", ""), error);
	assert_int_equal(runaway_json_true(answer, "ok", false), error[0] == '\0');
}

#define DISARM "{\"type\":\"disarm\",\"id\":\"1\",\"by\":\"olga\",\"why\":\"a test\"}"

static void anybody_disarms_an_owner_releases(_unused_ void **state)
{
	struct runaway_release r;

	good_release(&r);
	expect_release(&r, "release_invalid");
	/* The refused release is the first record. */
	cJSON_Delete(ask(DISARM));
	assert_int_equal(g->audit.disarm_seq, 2);
	cJSON_Delete(ask(DISARM));
	assert_int_equal(g->audit.disarm_seq, 2);
	expect_closed("disarmed");
	good_release(&r);
	expect_release(&r, "");
	expect_closed("");
	assert_int_equal(records_of("disarm"), 1);
	assert_int_equal(records_of("release"), 1);
	/* The next disarming is another one. */
	cJSON_Delete(ask(DISARM));
	expect_release(&r, "release_invalid");
	restart_gate();
	expect_closed("disarmed");
}

static void releases_of_something_else(_unused_ void **state)
{
	struct runaway_release r;

	cJSON_Delete(ask(DISARM));
	good_release(&r);
	r.owner[0] = '\0';
	expect_release(&r, "release_invalid");
	good_release(&r);
	SET(r.host_label, "another");
	expect_release(&r, "release_invalid");
	good_release(&r);
	SET(r.boot_id, "another");
	expect_release(&r, "release_invalid");
	good_release(&r);
	r.created_boot_ns += NSEC_PER_SEC * 60;
	expect_release(&r, "release_invalid");
	good_release(&r);
	r.created_boot_ns -= NSEC_PER_SEC * 601;
	expect_release(&r, "release_invalid");
	expect_error("{\"type\":\"release\",\"id\":\"1\",\"release\":\"{}\"}", "release_invalid");
	expect_error("{\"type\":\"release\",\"id\":\"1\"}", "release_invalid");
	touch_disarm();
	good_release(&r);
	expect_release(&r, "disarm_file");
	assert_int_equal(unlinkat(g->folder, RUNAWAY_DISARM_FILE, 0), 0);
	fail_write = EIO;
	expect_release(&r, "audit_failed");
	assert_int_equal(g->audit.disarm_seq, 1);
}

static void releases_are_signed_where_keys_are_asked_for(_unused_ void **state)
{
	struct runaway_release r;
	struct runaway_key stranger, other;

	runaway_key_generate(&other);
	runaway_key_generate(&key);
	runaway_key_generate(&stranger);
	g->config.require_signature = true;
	test_key(&g->config, "anna", &other);
	test_key(&g->config, "anna", &key);
	cJSON_Delete(ask(DISARM));
	good_release(&r);
	expect_release(&r, "release_invalid");
	assert_int_equal(runaway_release_sign(&r, stranger.secret), 0);
	expect_release(&r, "release_invalid");
	SET(r.owner, "bert");
	assert_int_equal(runaway_release_sign(&r, key.secret), 0);
	expect_release(&r, "release_invalid");
	good_release(&r);
	assert_int_equal(runaway_release_sign(&r, key.secret), 0);
	r.uid++;
	expect_release(&r, "release_invalid");
	r.uid--;
	expect_release(&r, "");
}

static void disarmed_without_a_disk(_unused_ void **state)
{
	/* However often it is asked: nobody shall rely on what a restart forgets. */
	fail_write = ENOSPC;
	expect_error(DISARM, "disarm_not_durable");
	assert_true(g->audit.disarm_seq > 0);
	expect_closed("audit_failed");
	fail_write = 0;
	expect_error(DISARM, "disarm_not_durable");
	assert_int_equal(records_of("disarm"), 0);
	restart_gate();
	expect_closed("");
}

static void disarmed_durably_before_the_disk_failed(_unused_ void **state)
{
	cJSON_Delete(ask(DISARM));
	fail_write = ENOSPC;
	assert_true(runaway_gate_record_start(g) < 0);
	assert_int_equal(runaway_gate_disarm(g, "again", ""), RUNAWAY_REASON_NONE);
	fail_write = 0;
	restart_gate();
	expect_closed("disarmed");
}

static void a_folder_that_is_gone_disarms(_unused_ void **state)
{
	int folder = g->folder;

	g->folder = -1;
	expect_closed("disarmed");
	g->folder = folder;
}

/* Who made the file can take it away; only an owner arms again. */
static void a_file_disarms_beyond_its_removal(_unused_ void **state)
{
	struct runaway_release r;

	touch_disarm();
	expect_closed("disarmed");
	assert_string_equal(g->audit.disarmed_by, "file");
	expect_closed("disarmed");
	assert_int_equal(records_of("disarm"), 1);
	good_release(&r);
	expect_release(&r, "disarm_file");
	assert_int_equal(unlinkat(g->folder, RUNAWAY_DISARM_FILE, 0), 0);
	expect_closed("disarmed");
	restart_gate();
	expect_closed("disarmed");
	good_release(&r);
	expect_release(&r, "");
	expect_closed("");
}

/* ---- look ---- */

static void looks_at_a_process(_unused_ void **state)
{
	pid_t pid = start_target();
	char text[96];
	cJSON *a;

	snprintf(text, sizeof(text), "{\"type\":\"look\",\"id\":\"1\",\"pid\":%d}", pid);
	a = ask(text);
	assert_true(runaway_json_true(a, "pass", false));
	assert_int_equal(runaway_json_u64(a, "pid", 0), pid);
	assert_int_equal(strlen(runaway_json_str(a, "args_sha256", "")), 64);
	assert_string_equal(runaway_json_str(a, "cgroup_path", ""), "/test");
	assert_true(runaway_json_true(a, "orphan", false));
	cJSON_Delete(a);
	end_target(pid);
	a = ask(text);
	assert_false(runaway_json_true(a, "pass", true));
	assert_string_equal(runaway_json_str(a, "reason", ""), "target_gone");
	assert_null(runaway_json_get(a, "pid"));
	cJSON_Delete(a);
	a = ask("{\"type\":\"look\",\"id\":\"1\",\"pid\":4294967297}");
	assert_string_equal(runaway_json_str(a, "reason", ""), "target_gone");
	cJSON_Delete(a);
	a = ask("{\"type\":\"look\",\"id\":\"1\"}");
	assert_string_equal(runaway_json_str(a, "reason", ""), "target_gone");
	cJSON_Delete(a);
}

/* ---- audit ---- */

static void audit_is_read_back(_unused_ void **state)
{
	cJSON *a;

	cJSON_Delete(ask(DISARM));
	a = ask("{\"type\":\"audit\",\"id\":\"1\",\"after_seq\":\"0\",\"limit\":10}");
	assert_int_equal(cJSON_GetArraySize(runaway_json_get(a, "records")), 1);
	cJSON_Delete(a);
	close(g->audit.fd);
	g->audit.fd = -1;
	expect_error("{\"type\":\"audit\",\"id\":\"1\"}", "audit_failed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_messages),
		TEST(status_tells_all),
		TEST(skipped_runs_are_shown),
		TEST(unknown_ends_are_shown),
		TEST(closed_by_its_guard),
		TEST(closed_by_others),
		TEST(anybody_disarms_an_owner_releases),
		TEST(releases_of_something_else),
		TEST(releases_are_signed_where_keys_are_asked_for),
		TEST(disarmed_without_a_disk),
		TEST(disarmed_durably_before_the_disk_failed),
		TEST(a_folder_that_is_gone_disarms),
		TEST(a_file_disarms_beyond_its_removal),
		TEST(looks_at_a_process),
		TEST(audit_is_read_back),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
