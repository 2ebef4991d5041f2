/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a request to a signal, and every step on the way gone wrong. */
#include "gate/acting.h"

static void one_signal(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	step_number = 0;
	assert_applied("signalled", "");
	assert_int_equal(step_number, STEPS);
	assert_int_equal(terms_of(pid), 1);
	assert_int_equal(records_of("intent"), 1);
	assert_int_equal(records_of("result"), 1);
	assert_int_equal(runaway_history_unknown(&g->history), 0);
	assert_int_equal(g->signals_sent, 1);
	assert_int_equal(g->refusals[RUNAWAY_REASON_NONE], 0);
	end_target(pid);
}

static void nothing_to_go_by(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	strbuf_reset(&plan_text);
	assert_applied("not_allowed", "plan_missing");
	documents_for(pid);
	strbuf_reset(&approval_text);
	assert_applied("not_allowed", "approval_missing");
	strbuf_reset(&plan_text);
	assert_applied("not_allowed", "plan_missing");
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

static void sign_approval(const struct runaway_key *key)
{
	struct runaway_approval a;

	assert_int_equal(runaway_approval_read(approval_text.data, approval_text.len, &a), 0);
	assert_int_equal(runaway_approval_sign(&a, key->secret), 0);
	strbuf_reset(&approval_text);
	assert_int_equal(runaway_approval_write(&a, &approval_text), 0);
}

static void signed_by_its_owner(_unused_ void **state)
{
	struct runaway_key key, stranger;
	pid_t pid = start_target();

	runaway_key_generate(&key);
	runaway_key_generate(&stranger);
	test_key(&g->config, "anna", &key);
	g->config.require_signature = true;
	documents_for(pid);
	assert_applied("not_allowed", "approval_unsigned");
	sign_approval(&stranger);
	assert_applied("not_allowed", "approval_unknown_key");
	assert_int_equal(terms_of(pid), 0);
	sign_approval(&key);
	assert_applied("signalled", "");
	assert_int_equal(terms_of(pid), 1);
	end_target(pid);
}

static size_t open_files(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Whichever number it has, also the lowest. */
static void no_descriptor_stays_open(_unused_ void **state)
{
	pid_t pid = start_target();
	int input = fcntl(0, F_DUPFD_CLOEXEC, 64);
	size_t before;

	(void)close(0);
	before = open_files();
	documents_for(pid);
	cJSON_Delete(ask_about("check"));
	assert_applied("signalled", "");
	assert_int_equal(open_files(), before);
	if (input >= 0) {
		assert_int_equal(dup2(input, 0), 0);
		close(input);
	}
	end_target(pid);
}

static void a_check_sends_and_writes_nothing(_unused_ void **state)
{
	pid_t pid = start_target();
	const cJSON *target;
	cJSON *answer;

	documents_for(pid);
	answer = ask_about("check");
	assert_true(runaway_json_true(answer, "allowed", false));
	target = cJSON_GetArrayItem(runaway_json_get(answer, "targets"), 0);
	assert_int_equal(runaway_json_u64(target, "pid", 0), pid);
	assert_null(runaway_json_get(target, "outcome"));
	cJSON_Delete(answer);
	assert_int_equal(terms_of(pid), 0);
	assert_int_equal(g->audit.seq, 0);
	/* Nor does it use the approval up. */
	assert_applied("signalled", "");
	end_target(pid);
}

/* ---- once (G4) ---- */

static void a_second_time_is_refused(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	assert_applied("signalled", "");
	for (int i = 0; i < 10000; i++)
		assert_applied("not_allowed", "approval_used");
	assert_int_equal(terms_of(pid), 1);
	/* The flood left what it may leave in the audit, and is counted. */
	assert_in_range(records_of("refused"), 1, 200);
	assert_int_equal(g->refusals[RUNAWAY_REASON_APPROVAL_USED], 10000);
	assert_int_equal(records_of("refused") + g->refusals_seen.refused, 10000);
	restart_gate();
	assert_applied("not_allowed", "approval_used");
	assert_int_equal(terms_of(pid), 1);
	end_target(pid);
}

static void a_second_approval_of_the_same_plan(_unused_ void **state)
{
	struct runaway_plan *plan = calloc(1, sizeof(*plan));
	pid_t pid = start_target();

	plan_for(pid, plan);
	write_documents(plan);
	assert_applied("signalled", "");
	write_documents(plan);
	assert_applied("not_allowed", "already_signalled");
	restart_gate();
	assert_applied("not_allowed", "already_signalled");
	assert_int_equal(terms_of(pid), 1);
	free(plan);
	end_target(pid);
}

/* ---- what happens to the target meanwhile ---- */

static void target_that_ends(_unused_ void **state)
{
	for (act_at = 1; act_at <= STEP_SIGNAL; act_at++) {
		acted_on = start_target();
		documents_for(acted_on);
		step_number = 0;
		at_step = kill_target;
		if (act_at == 1)
			assert_applied("not_allowed", "target_gone");
		else
			assert_applied("gone", "target_gone");
		at_step = NULL;
	}
	/* An INTENT that had no effect has its RESULT. */
	assert_int_equal(runaway_history_unknown(&g->history), 0);
}

static void target_that_is_gone_before(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	end_target(pid);
	assert_applied("not_allowed", "target_gone");
	assert_int_equal(g->audit.seq, 1);
}

/* A zombie is nobody to signal. */
static void target_that_is_a_zombie(_unused_ void **state)
{
	pid_t pid = start_target();
	siginfo_t info;

	documents_for(pid);
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_applied("not_allowed", "target_gone");
	waitpid(pid, NULL, 0);
}

/* ---- switches and clocks ---- */

static void touch(const char *name)
{
	_cleanup_close_ int fd = openat(g->folder, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
}

static void pull_file(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		touch(RUNAWAY_DISARM_FILE);
}

static void pull_signal(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		(void)raise(SIGUSR2);
}

/* Up to the second look it is heard; between that and the signal lie microseconds. */
static void disarmed_while_acting(_unused_ void **state)
{
	pid_t pid = start_target();

	use_signalfd();
	for (act_at = 1; act_at < STEP_LAST_LOOK; act_at++) {
		documents_for(pid);
		step_number = 0;
		at_step = pull_file;
		assert_applied("refused", "disarmed");
		assert_int_equal(unlinkat(g->folder, RUNAWAY_DISARM_FILE, 0), 0);
		assert_string_equal(g->audit.disarmed_by, "file");
		g->audit.disarm_seq = 0;
		documents_for(pid);
		step_number = 0;
		at_step = pull_signal;
		assert_applied("refused", "disarmed");
		at_step = NULL;
		documents_for(pid);
		assert_applied("not_allowed", "disarmed");
		assert_true(g->audit.disarm_seq > 0);
		assert_string_equal(g->audit.disarmed_by, "SIGUSR2");
		g->audit.disarm_seq = 0;
	}
	assert_int_equal(terms_of(pid), 0);
	assert_false(g->stop);
	(void)raise(SIGTERM);
	runaway_gate_take_signals(g);
	assert_true(g->stop);
	end_target(pid);
}

static void step_clock(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		real_ns_offset = 3 * NSEC_PER_SEC;
}

static void clock_set_while_acting(_unused_ void **state)
{
	pid_t pid = start_target();

	for (act_at = 1; act_at < STEP_LAST_LOOK; act_at++) {
		documents_for(pid);
		step_number = 0;
		at_step = step_clock;
		assert_applied("refused", "clock_moved");
		at_step = NULL;
		real_ns_offset = 0;
	}
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

static void clocks_synchronisation_is_asked_for(_unused_ void **state)
{
	pid_t pid = start_target();
	char outcome[32], reason[64];

	g->config.require_clock_sync = true;
	documents_for(pid);
	apply_now(outcome, reason);
	assert_true(strcmp(outcome, "signalled") == 0 ||
		    strcmp(reason, "clock_unsynchronised") == 0);
	assert_int_equal(terms_of(pid), strcmp(outcome, "signalled") == 0);
	end_target(pid);
}

/* ---- a disk that fails, at each of its steps (G7) ---- */

static int disk_error;

static void break_disk(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		fail_write = fail_fsync = disk_error;
}

static void no_audit_no_signal(_unused_ void **state)
{
	static const int errors[] = { EIO, ENOSPC, EROFS };
	pid_t pid = start_target();
	unsigned int sent = 0;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		for (act_at = 1; act_at <= STEPS; act_at++) {
			char outcome[32], reason[64];
			size_t counted_before;

			disk_error = errors[i];
			counted_before = g->history.count;
			documents_for(pid);
			step_number = 0;
			at_step = break_disk;
			apply_now(outcome, reason);
			at_step = NULL;
			if (act_at <= STEP_DURABLE) {
				assert_int_equal(g->history.count, counted_before);
				assert_string_equal(outcome, "refused");
				assert_string_equal(reason, "audit_failed");
				assert_int_equal(terms_of(pid), sent);
			} else {
				assert_string_equal(outcome, "signalled");
				assert_int_equal(terms_of(pid), ++sent);
				assert_true(runaway_history_unknown(&g->history) > 0);
			}
			/* However it is asked: closed until it is started anew. */
			documents_for(pid);
			assert_applied("not_allowed", "audit_failed");
			fail_write = fail_fsync = 0;
			documents_for(pid);
			assert_applied("not_allowed", "audit_failed");
			assert_int_equal(terms_of(pid), sent);
			restart_gate();
			assert_int_equal(g->audit.failed, RUNAWAY_REASON_NONE);
		}
	}
	end_target(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_signal),
		TEST(nothing_to_go_by),
		TEST(signed_by_its_owner),
		TEST(no_descriptor_stays_open),
		TEST(a_check_sends_and_writes_nothing),
		TEST(a_second_time_is_refused),
		TEST(a_second_approval_of_the_same_plan),
		TEST(target_that_ends),
		TEST(target_that_is_gone_before),
		TEST(target_that_is_a_zombie),
		TEST(disarmed_while_acting),
		TEST(clock_set_while_acting),
		TEST(clocks_synchronisation_is_asked_for),
		TEST(no_audit_no_signal),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
