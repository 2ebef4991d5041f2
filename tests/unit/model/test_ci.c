/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Markers: which names, which runner, and what is no job at all. */

#include "model/harness.h"

static const struct {
	const char *text;
	size_t len;
	const char *runner; /* NULL: no set */
	size_t count;
} cases[] = {
#define M(t, r, n) { t, sizeof(t) - 1, r, n }
	M("", NULL, 0),
	M("CI=true\0", "unknown", 1),
	M("CI=true", "unknown", 1),
	M("CI=\0", NULL, 0),
	M("CI=false\0", NULL, 0),
	M("JOB_NAME=x\0NODE_NAME=y\0BUILD_ID=3\0", NULL, 0),
	M("RUNNER_TRACKING_ID=\0", NULL, 0),
	M("RUNNER_TRACKING_ID=github_ab\0", "github", 1),
	M("CI=true\0GITHUB_ACTIONS=true\0GITHUB_RUN_ID=7\0", "github", 3),
	M("GITHUB_ACTIONS=true\0GITEA_ACTIONS=true\0", "gitea", 2),
	M("GITHUB_ACTIONS=true\0ACT=true\0", "act", 2),
	M("CI=true\0GITLAB_CI=true\0CI_JOB_ID=9\0", "gitlab", 3),
	M("BUILD_TAG=jenkins-a-3\0BUILD_ID=3\0", "jenkins", 2),
	M("BUILDKITE_JOB_ID=ab\0", "buildkite", 1),
	M("DRONE=true\0", "drone", 1),
	M("CI=woodpecker\0DRONE=true\0", "woodpecker", 2),
	/* not on the list, twice, no '=', empty */
	M("CI=true\0HOME=/x\0GITHUB_TOKEN=s\0CI=true\0\0CI_REPO\0", "unknown", 1),
};

static void test_runners(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct runaway_ci *ci;

		assert_int_equal(runaway_ci_parse(cases[i].text, cases[i].len, NULL, &ci), 0);
		if (!cases[i].runner) {
			assert_null(ci);
			continue;
		}
		assert_non_null(ci);
		assert_string_equal(ci->runner, cases[i].runner);
		assert_int_equal(ci->count, cases[i].count);
		assert_int_equal(ci->refs, 1);
		runaway_ci_unref(ci);
	}
}

static void test_values_are_redacted(void **state)
{
	static const char text[] = "CI=true\0CI_JOB_URL=https://joe:pw@host/j\0";
	struct runaway_ci *ci;

	(void)state;
	assert_int_equal(runaway_ci_parse(text, sizeof(text) - 1, NULL, &ci), 0);
	assert_string_equal(ci->marker[1].value, "https://joe:***@host/j");
	runaway_ci_unref(ci);
}

static void test_the_list_fits_the_kernel_side(void **state)
{
	static const char *const never[] = { "TOKEN",	 "COOKIE",    "SECRET",
					     "PASSWORD", "JITCONFIG", "KEY" };
	const char *const *n = runaway_ci_marker_names();
	size_t count = 0;

	(void)state;
	for (; *n; n++, count++) {
		assert_true(strlen(*n) < RW_MARKER_NAME);
		for (size_t i = 0; i < ARRAY_SIZE(never); i++)
			assert_null(strstr(*n, never[i]));
	}
	assert_true(count <= 60);
}

static void test_configured_names(void **state)
{
	static const char text[] = "MY_JOB=7\0CI=true\0MY_TOKEN=x\0";
	static const char *const extra[] = { "MY_JOB", NULL };
	struct runaway_ci *ci;

	(void)state;
	assert_int_equal(runaway_ci_parse(text, sizeof(text) - 1, extra, &ci), 0);
	assert_int_equal(ci->count, 2);
	assert_string_equal(ci->marker[1].name, "MY_JOB");
	runaway_ci_unref(ci);
	/* Alone it means a job as well, if it says anything; JOB_NAME alone does not. */
	assert_int_equal(runaway_ci_parse(text, sizeof("MY_JOB=7"), extra, &ci), 0);
	assert_non_null(ci);
	assert_string_equal(ci->runner, "unknown");
	runaway_ci_unref(ci);
	assert_int_equal(runaway_ci_parse("MY_JOB=", sizeof("MY_JOB="), extra, &ci), 0);
	assert_null(ci);
	assert_int_equal(runaway_ci_parse("JOB_NAME=x", sizeof("JOB_NAME=x"), extra, &ci), 0);
	assert_null(ci);
}

static void test_order_does_not_matter(void **state)
{
	static const char one[] = "CI=true\0GITHUB_RUN_ID=7\0",
			  two[] = "GITHUB_RUN_ID=7\0CI=true\0";
	struct runaway_ci *a, *b;

	(void)state;
	assert_int_equal(runaway_ci_parse(one, sizeof(one) - 1, NULL, &a), 0);
	assert_int_equal(runaway_ci_parse(two, sizeof(two) - 1, NULL, &b), 0);
	assert_int_equal(a->text_len, b->text_len);
	assert_memory_equal(a->text, b->text, a->text_len);
	runaway_ci_unref(a);
	runaway_ci_unref(b);
}

static void test_hostile_bytes(void **state)
{
	char text[512];
	struct runaway_ci *ci;

	(void)state;
	memset(text, '\xff', sizeof(text));
	memcpy(text, "CI=true", 8);
	memcpy(text + 8, "CI_REPO=", 8);
	assert_int_equal(runaway_ci_parse(text, sizeof(text), NULL, &ci), 0);
	assert_int_equal(ci->count, 2);
	assert_int_equal(strlen(ci->marker[1].value), sizeof(text) - 16);
	runaway_ci_unref(ci);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runners),
		cmocka_unit_test(test_values_are_redacted),
		cmocka_unit_test(test_the_list_fits_the_kernel_side),
		cmocka_unit_test(test_configured_names),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_hostile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
