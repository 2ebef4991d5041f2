/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a request to a signal, and every step on the way gone wrong. */
#include "gate/acting.h"

/* identify, write, fsync, authorise, identify, signal, signalled, revoke, write, fsync */
#define STEPS	       10
#define STEP_DURABLE   3 /* from here on there is an INTENT */
#define STEP_LAST_LOOK 5
#define STEP_SIGNAL    6
#define STEP_RESULT    10

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
	end_target(pid);
}

static void a_check_sends_and_writes_nothing(_unused_ void **state)
{
	pid_t pid = start_target();
	cJSON *answer;

	documents_for(pid);
	answer = ask_about("check");
	assert_true(runaway_json_true(answer, "allowed", false));
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
	assert_int_equal(records_of("refused") + g->refusals_unrecorded, 10000);
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

static unsigned int act_at;
static pid_t acted_on;

static void kill_target(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at)
		end_target(acted_on);
}

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

			disk_error = errors[i];
			documents_for(pid);
			step_number = 0;
			at_step = break_disk;
			apply_now(outcome, reason);
			at_step = NULL;
			if (act_at <= STEP_DURABLE) {
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

/* ---- what the guard and the actuator answer ---- */

static void guard_that_does_not_authorise(_unused_ void **state)
{
	pid_t pid = start_target();

	authorise_answer = -EEXIST;
	documents_for(pid);
	assert_applied("refused", "not_authorised");
	assert_int_equal(terms_of(pid), 0);
	assert_int_equal(records_of("result"), 1);
	end_target(pid);
}

/* What the kernel's guard answers a signal that it does not know of. */
static void kernel_that_refuses(_unused_ void **state)
{
	pid_t pid = start_target();

	authorise_answer = RUNAWAY_GUARD_AUTHORISED;
	actuator_answer = -EPERM;
	documents_for(pid);
	assert_applied("refused", "kernel_refused");
	assert_false(g->witness_differs);
	actuator_answer = -EINVAL;
	documents_for(pid);
	assert_applied("refused", "send_failed");
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

/* Its records of what it refused are counted; none of them is a signal. */
static void refusals_of_the_kernel_are_counted(_unused_ void **state)
{
	witness.reason = RW_GATE_NOT_SIGTERM;
	witnesses = 3;
	runaway_gate_reconcile(g);
	assert_int_equal(g->kernel_denied, 3);
	witness.reason = RW_GATE_ALLOWED;
	witness.hook = RW_GATE_BPF;
	witnesses = 2;
	runaway_gate_reconcile(g);
	assert_int_equal(g->witnessed, 0);
	assert_false(g->witness_differs);
}

static void put_witness(unsigned int number, const char *name)
{
	(void)number;
	if (strcmp(name, "signalled") == 0)
		witnesses++;
}

static void witnesses_and_audit_agree(_unused_ void **state)
{
	pid_t pid = start_target();

	authorise_answer = RUNAWAY_GUARD_AUTHORISED;
	at_step = put_witness;
	for (int i = 0; i < 3; i++) {
		documents_for(pid);
		assert_applied("signalled", "");
	}
	assert_int_equal(g->witnessed, 3);
	assert_false(g->witness_differs);
	end_target(pid);
}

static void a_signal_that_the_kernel_did_not_see(_unused_ void **state)
{
	pid_t pid = start_target();

	authorise_answer = RUNAWAY_GUARD_AUTHORISED;
	documents_for(pid);
	assert_applied("signalled", "");
	documents_for(pid);
	assert_applied("not_allowed", "witness_mismatch");
	end_target(pid);
}

static void a_signal_that_the_audit_does_not_know(_unused_ void **state)
{
	pid_t pid = start_target();

	witnesses = 1;
	runaway_gate_reconcile(g);
	documents_for(pid);
	assert_applied("not_allowed", "witness_mismatch");
	end_target(pid);
}

/* Let through by the kernel, and gone all the same: no mismatch. */
static void kill_and_witness(unsigned int number, const char *name)
{
	if (number == act_at && strcmp(name, "signal") == 0)
		end_target(acted_on);
	put_witness(number, name);
}

static void a_witness_of_one_that_was_gone(_unused_ void **state)
{
	authorise_answer = RUNAWAY_GUARD_AUTHORISED;
	acted_on = start_target();
	documents_for(acted_on);
	act_at = STEP_SIGNAL;
	step_number = 0;
	at_step = kill_and_witness;
	assert_applied("gone", "target_gone");
	assert_false(g->witness_differs);
	at_step = NULL;
	/* And without one. */
	acted_on = start_target();
	documents_for(acted_on);
	step_number = 0;
	at_step = kill_target;
	assert_applied("gone", "target_gone");
	assert_false(g->witness_differs);
}

static void kill_actuator(unsigned int number, const char *name)
{
	(void)name;
	if (number == act_at) {
		kill(g->actuator.pid, SIGKILL);
		waitpid(g->actuator.pid, NULL, 0);
		g->actuator.pid = 0;
	}
}

static void actuator_that_is_gone(_unused_ void **state)
{
	pid_t pid = start_target();

	act_at = STEP_SIGNAL;
	documents_for(pid);
	step_number = 0;
	at_step = kill_actuator;
	assert_applied("refused", "send_failed");
	at_step = NULL;
	documents_for(pid);
	assert_applied("not_allowed", "actuator_gone");
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

static void stop_actuator(unsigned int number, const char *name)
{
	(void)name;
	if (number != act_at)
		return;
	kill(g->actuator.pid, SIGSTOP);
	if (fork() == 0) {
		usleep(50000);
		kill(g->actuator.pid, SIGKILL);
		_exit(0);
	}
}

/* Asked, and dead before it answered. The answer is that nobody knows. */
static void actuator_that_does_not_answer(_unused_ void **state)
{
	pid_t pid = start_target();

	act_at = STEP_SIGNAL;
	documents_for(pid);
	step_number = 0;
	at_step = stop_actuator;
	assert_applied("unknown", "actuator_gone");
	at_step = NULL;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	documents_for(pid);
	assert_applied("not_allowed", "actuator_gone");
	end_target(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_signal),
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
		TEST(guard_that_does_not_authorise),
		TEST(kernel_that_refuses),
		TEST(refusals_of_the_kernel_are_counted),
		TEST(witnesses_and_audit_agree),
		TEST(a_signal_that_the_kernel_did_not_see),
		TEST(a_signal_that_the_audit_does_not_know),
		TEST(a_witness_of_one_that_was_gone),
		TEST(actuator_that_is_gone),
		TEST(actuator_that_does_not_answer),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
