/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words are an interface: metric labels, error codes, documentation. */
#include "gate/gate_test.h"

#include <ctype.h>

#include "gate/reason.h"

static void words_are_told_apart(_unused_ void **state)
{
	for (int i = 1; i < RUNAWAY_REASON_COUNT; i++) {
		const char *name = runaway_reason_name((enum runaway_reason)i);

		assert_true(strlen(name) > 0 && strlen(name) < RUNAWAY_WORD);
		for (const char *p = name; *p; p++)
			assert_true(islower((unsigned char)*p) || *p == '_');
		assert_true(strlen(runaway_reason_text((enum runaway_reason)i)) > 10);
		assert_true(runaway_reason_condition((enum runaway_reason)i) <
			    RUNAWAY_CONDITION_COUNT);
		assert_int_equal(runaway_reason_by_name(name), i);
		for (int j = 1; j < i; j++)
			assert_string_not_equal(name, runaway_reason_name((enum runaway_reason)j));
	}
	assert_string_equal(runaway_reason_name(RUNAWAY_REASON_NONE), "");
	assert_string_equal(runaway_reason_text(RUNAWAY_REASON_NONE), "");
	assert_int_equal(runaway_reason_by_name(""), RUNAWAY_REASON_NONE);
	assert_int_equal(runaway_reason_by_name("window"), RUNAWAY_REASON_NONE);
}

/* The six of the design, in its order. */
static void conditions_have_their_names(_unused_ void **state)
{
	static const char *const six[] = { "rule",   "dry_run",	 "approval",
					   "window", "evidence", "post_check" };

	for (size_t i = 0; i < ARRAY_SIZE(six); i++)
		assert_string_equal(runaway_condition_name((enum runaway_condition)i), six[i]);
	assert_int_equal(runaway_reason_condition(RUNAWAY_REASON_CLOCK_MOVED),
			 RUNAWAY_CONDITION_WINDOW);
	assert_string_equal(runaway_reason_name(RUNAWAY_REASON_CLOCK_MOVED), "clock_moved");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_told_apart),
		cmocka_unit_test(conditions_have_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
