/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The word that was probably meant. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lanes/suggest.h"

static const char *const words[] = { "trigger", "clear", "match", "cpu_cores_min", "for_s", NULL };

static void finds_near_words(void **s)
{
	(void)s;
	assert_string_equal(runaway_suggest("trigegr", words), "trigger"); /* swapped */
	assert_string_equal(runaway_suggest("triger", words), "trigger");  /* missing */
	assert_string_equal(runaway_suggest("clearr", words), "clear");	   /* doubled */
	assert_string_equal(runaway_suggest("cpu_core_min", words), "cpu_cores_min");
	assert_string_equal(runaway_suggest("for_S", words), "for_s");
	assert_string_equal(runaway_suggest("match", words), "match");
}

static void is_silent_when_nothing_is_near(void **s)
{
	(void)s;
	char longest[300];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(runaway_suggest("", words));
	assert_null(runaway_suggest("banana", words));
	assert_null(runaway_suggest(longest, words));
	assert_null(runaway_suggest("match", (const char *const[]){ NULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_near_words),
		cmocka_unit_test(is_silent_when_nothing_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
