// SPDX-License-Identifier: GPL-2.0-or-later
/* The judge of the self-test: whatever goes otherwise than it must is seen. */
#include "gate/gate_test.h"

#include <signal.h>

#include "gate/guard_priv.h"

#define VICTIM 4711

/* What a guard leaves behind that does its work. */
static struct guard_seen as_it_must(const struct guard_attempt *a)
{
	return (struct guard_seen){
		.err = a->expected_err,
		.probes = 1,
		.terms = a->reason == RW_GATE_ALLOWED,
		.probe = { .hook = a->hook,
			   .reason = a->reason,
			   .target_tgid = VICTIM,
			   .detail = a->sig },
	};
}

static bool fine(const struct guard_attempt *a, const struct guard_seen *s)
{
	return guard_judge(a, s, VICTIM) == NULL;
}

static void each_as_it_must(_unused_ void **state)
{
	for (size_t i = 0; i < guard_attempts_n; i++) {
		struct guard_seen s = as_it_must(&guard_attempts[i]);

		assert_true(fine(&guard_attempts[i], &s));
	}
}

static void answers(_unused_ void **state)
{
	for (size_t i = 0; i < guard_attempts_n; i++) {
		const struct guard_attempt *a = &guard_attempts[i];
		struct guard_seen s = as_it_must(a);

		s.err = a->expected_err ? 0 : EPERM;
		assert_false(fine(a, &s));
		s.err = ESRCH;
		assert_false(fine(a, &s));
		/* File modes may close a way round; a signal is not theirs to refuse. */
		s.err = EACCES;
		assert_int_equal(fine(a, &s), a->hook != RW_GATE_KILL);
	}
}

static void what_the_victim_got(_unused_ void **state)
{
	for (size_t i = 0; i < guard_attempts_n; i++) {
		const struct guard_attempt *a = &guard_attempts[i];
		struct guard_seen s = as_it_must(a);

		s.terms++;
		assert_false(fine(a, &s));
		s = as_it_must(a);
		s.others = 1;
		assert_false(fine(a, &s));
		if (a->reason == RW_GATE_ALLOWED) {
			s = as_it_must(a);
			s.terms = 0;
			assert_false(fine(a, &s));
		}
	}
}

/* A program that is attached and never called refuses nothing and writes nothing. */
static void what_was_written_down(_unused_ void **state)
{
	for (size_t i = 0; i < guard_attempts_n; i++) {
		const struct guard_attempt *a = &guard_attempts[i];
		struct guard_seen s = as_it_must(a);

		s.probes = 0;
		assert_int_equal(fine(a, &s), a->hook != RW_GATE_KILL);
		s.probes = 2;
		assert_false(fine(a, &s));
		s = as_it_must(a);
		s.probe.hook = (s.probe.hook + 1) % RW_GATE_HOOKS;
		assert_false(fine(a, &s));
		s = as_it_must(a);
		s.probe.reason = (s.probe.reason + 1) % RW_GATE_REASONS;
		assert_false(fine(a, &s));
		if (a->hook != RW_GATE_KILL)
			continue;
		s = as_it_must(a);
		s.probe.target_tgid++;
		assert_false(fine(a, &s));
		s = as_it_must(a);
		s.probe.detail++;
		assert_false(fine(a, &s));
	}
}

/* Where nothing is enforced the test must have stopped before it could kill the victim. */
static void the_deadly_comes_last(_unused_ void **state)
{
	bool harmless_kill = false, harmless_term = false;
	unsigned int allowed = 0;

	for (size_t i = 0; i < guard_attempts_n; i++) {
		const struct guard_attempt *a = &guard_attempts[i];

		if (a->what == GUARD_TRY_PIDFD && a->sig == SIGKILL)
			assert_true(harmless_kill && harmless_term);
		harmless_kill |= a->sig == SIGUSR1;
		harmless_term |= a->sig == SIGTERM && a->expected_err;
		allowed += a->expected_err == 0;
	}
	assert_int_equal(allowed, 1);
}

static void every_hook_is_tried(_unused_ void **state)
{
	bool tried[RW_GATE_HOOKS] = { false };

	for (size_t i = 0; i < guard_attempts_n; i++)
		tried[guard_attempts[i].hook] = true;
	for (int i = 0; i < RW_GATE_HOOKS; i++)
		/* The prober is no 32-bit program. */
		assert_int_equal(tried[i], i != RW_GATE_IOCTL32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_as_it_must),	 cmocka_unit_test(answers),
		cmocka_unit_test(what_the_victim_got),	 cmocka_unit_test(what_was_written_down),
		cmocka_unit_test(the_deadly_comes_last), cmocka_unit_test(every_hook_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
