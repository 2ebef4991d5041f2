/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard and the actuator answer, and what the kernel says that they did. */
#include "gate/acting.h"

#include <sys/socket.h>

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
	assert_int_equal(g->refusals[RUNAWAY_REASON_KERNEL_REFUSED], 1);
	assert_int_equal(g->refusals[RUNAWAY_REASON_SEND_FAILED], 1);
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

/* As many as were sent, but one of them is not what the audit says. */
static int spoilt_member;

static void put_other_witness(unsigned int number, const char *name)
{
	if (strcmp(name, "signal") == 0) {
		witness.nonce += spoilt_member == 0;
		witness.target_tgid += spoilt_member == 1;
		witness.target_start_boottime_ns += spoilt_member == 2;
	}
	put_witness(number, name);
}

static void a_witness_of_something_else(_unused_ void **state)
{
	pid_t pid = start_target();

	authorise_answer = RUNAWAY_GUARD_AUTHORISED;
	at_step = put_other_witness;
	for (spoilt_member = 0; spoilt_member < 4; spoilt_member++) {
		documents_for(pid);
		assert_applied("signalled", "");
		assert_int_equal(g->witnessed, g->sent_under_guard);
		/* The last one is as it has to be. */
		assert_int_equal(g->witness_differs, spoilt_member < 3);
		g->witness_differs = false;
	}
	end_target(pid);
}

/* The actuator says that it did not send, and the kernel that it did. */
static void a_witness_of_one_that_was_refused(_unused_ void **state)
{
	pid_t pid = start_target();

	authorise_answer = RUNAWAY_GUARD_AUTHORISED;
	actuator_answer = -EINVAL;
	at_step = put_witness;
	documents_for(pid);
	assert_applied("refused", "send_failed");
	assert_true(g->witness_differs);
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
	assert_int_equal(g->actuator.fd, -1);
	at_step = NULL;
	documents_for(pid);
	assert_applied("not_allowed", "actuator_gone");
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

/* Nobody is told by using an approval up. */
static void actuator_that_ended_before(_unused_ void **state)
{
	pid_t pid = start_target();

	documents_for(pid);
	kill(g->actuator.pid, SIGKILL);
	waitpid(g->actuator.pid, NULL, 0);
	g->actuator.pid = 0;
	assert_applied("not_allowed", "actuator_gone");
	assert_int_equal(records_of("intent"), 0);
	assert_int_equal(g->actuator.fd, -1);
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

static void freeze_actuator(unsigned int number, const char *name)
{
	if (number == act_at && strcmp(name, "signal") == 0)
		kill(g->actuator.pid, SIGSTOP);
}

/* Nobody waits for it: the RESULT is written, switches are heard, and nothing comes later. */
static void actuator_that_is_frozen(_unused_ void **state)
{
	/* Shorter than in earnest, and longer than the signal's deadline. */
	const struct timeval patience = { .tv_sec = 2, .tv_usec = 500000 };
	const pid_t actuator = g->actuator.pid;
	pid_t pid = start_target();

	assert_int_equal(
		setsockopt(g->actuator.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
		0);
	use_signalfd();
	act_at = STEP_SIGNAL;
	documents_for(pid);
	step_number = 0;
	at_step = freeze_actuator;
	assert_applied("unknown", "actuator_gone");
	at_step = NULL;
	assert_int_equal(records_of("result"), 1);
	(void)raise(SIGUSR2);
	runaway_gate_take_signals(g);
	assert_true(g->audit.disarm_seq > 0);
	assert_int_equal(records_of("disarm"), 1);
	kill(actuator, SIGCONT);
	assert_int_equal(waitpid(actuator, NULL, 0), actuator);
	assert_int_equal(terms_of(pid), 0);
	end_target(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guard_that_does_not_authorise),
		TEST(kernel_that_refuses),
		TEST(refusals_of_the_kernel_are_counted),
		TEST(witnesses_and_audit_agree),
		TEST(a_signal_that_the_kernel_did_not_see),
		TEST(a_signal_that_the_audit_does_not_know),
		TEST(a_witness_of_something_else),
		TEST(a_witness_of_one_that_was_refused),
		TEST(a_witness_of_one_that_was_gone),
		TEST(actuator_that_is_gone),
		TEST(actuator_that_ended_before),
		TEST(actuator_that_does_not_answer),
		TEST(actuator_that_is_frozen),
	};

	return cmocka_run_group_tests(tests, share_counts, NULL);
}
