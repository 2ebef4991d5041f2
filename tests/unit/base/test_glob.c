/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/glob.h"

#include "base/macros.h"

static int match_one(const char *pattern, const char *value)
{
	_cleanup_(runaway_glob_list_free) struct glob_list l = { 0 };

	assert_int_equal(runaway_glob_list_add(&l, pattern), 0);
	return runaway_glob_list_match(&l, value);
}

static void whole_value_must_match(_unused_ void **state)
{
	assert_int_equal(match_one("chrome", "chrome"), 0);
	assert_int_equal(match_one("chrome", "chrome_crashpad"), -1);
	assert_int_equal(match_one("chrome", "xchrome"), -1);
	assert_int_equal(match_one("chrome*", "chrome_crashpad"), 0);
	assert_int_equal(match_one("chrom?", "chromi"), 0);
	assert_int_equal(match_one("chrom?", "chrom"), -1);
	assert_int_equal(match_one("[a-c]x", "bx"), 0);
	assert_int_equal(match_one("[!a-c]x", "bx"), -1);
	assert_int_equal(match_one("Chrome", "chrome"), -1);
	assert_int_equal(match_one("*", ""), 0);
	assert_int_equal(match_one("?", ""), -1);
}

static void star_crosses_slashes_and_dots(_unused_ void **state)
{
	assert_int_equal(match_one("/actions/*", "/actions/a/b/c"), 0);
	assert_int_equal(match_one("*/chrome", "/opt/google/chrome/chrome"), 0);
	assert_int_equal(match_one("*", ".hidden"), 0);
	assert_int_equal(match_one("*", "a\nb"), 0);
}

static void backslash_quotes(_unused_ void **state)
{
	assert_int_equal(match_one("a\\*b", "a*b"), 0);
	assert_int_equal(match_one("a\\*b", "axb"), -1);
	/* A pattern that is not finished matches nothing, and reads no byte too many. */
	assert_int_equal(match_one("a\\", "a"), -1);
	assert_int_equal(match_one("[", "a"), -1);
}

static void first_match_counts(_unused_ void **state)
{
	_cleanup_(runaway_glob_list_free) struct glob_list l = { 0 };

	assert_int_equal(runaway_glob_list_match(&l, "x"), -1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(runaway_glob_list_add(&l, "no-*"), 0);
	assert_int_equal(runaway_glob_list_add(&l, "ya*"), 0);
	assert_int_equal(runaway_glob_list_add(&l, "y*"), 0);
	assert_int_equal(l.count, 102);
	assert_int_equal(runaway_glob_list_match(&l, "yarn"), 100);
	assert_int_equal(runaway_glob_list_match(&l, "yes"), 101);
	assert_int_equal(runaway_glob_list_match(&l, "no-1"), 0);
	assert_int_equal(runaway_glob_list_match(&l, "maybe"), -1);
	assert_int_equal(runaway_glob_list_match(&l, NULL), -1);
}

static void pattern_is_copied_and_not_empty(_unused_ void **state)
{
	_cleanup_(runaway_glob_list_free) struct glob_list l = { 0 };
	char pattern[] = "abc";

	assert_int_equal(runaway_glob_list_add(&l, ""), -EINVAL);
	assert_int_equal(l.count, 0);
	assert_int_equal(runaway_glob_list_add(&l, pattern), 0);
	pattern[0] = 'x';
	assert_int_equal(runaway_glob_list_match(&l, "abc"), 0);
}

static void free_leaves_an_empty_list(_unused_ void **state)
{
	struct glob_list l = { 0 };

	assert_int_equal(runaway_glob_list_add(&l, "a"), 0);
	runaway_glob_list_free(&l);
	assert_null(l.pattern);
	assert_int_equal(l.count, 0);
	runaway_glob_list_free(&l);
}

static void hostile_values_match_by_bytes(_unused_ void **state)
{
	uint64_t seed = 3;
	char s[100];

	for (int i = 0; i < 5000; i++) {
		size_t len = test_random_bytes(&seed, s, sizeof(s) - 1);

		s[len] = '\0';
		assert_int_equal(match_one("*", s), 0);
		assert_int_equal(match_one("?*", s), *s ? 0 : -1);
	}
}

/* Stars that could be tried in every combination end in time. */
static void many_stars_end(_unused_ void **state)
{
	char value[4096];

	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(match_one("*a*a*a*a*a*a*a*a*b", value), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_value_must_match),
		cmocka_unit_test(star_crosses_slashes_and_dots),
		cmocka_unit_test(backslash_quotes),
		cmocka_unit_test(first_match_counts),
		cmocka_unit_test(pattern_is_copied_and_not_empty),
		cmocka_unit_test(free_leaves_an_empty_list),
		cmocka_unit_test(hostile_values_match_by_bytes),
		cmocka_unit_test(many_stars_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
