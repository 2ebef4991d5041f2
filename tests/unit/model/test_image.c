/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths from their components, and images that several processes share. */

#include "model/harness.h"

static const struct {
	const char *in;
	size_t len;
	bool cut;
	const char *path;
} cases[] = {
#define P(i, c, o) { i, sizeof(i) - 1, c, o }
	P("", false, NULL),
	P("\0", false, NULL),
	P("/\0", false, NULL),
	P("ls\0", false, "/ls"),
	P("ls\0bin\0usr\0", false, "/usr/bin/ls"),
	P("ls\0bin\0usr\0/\0", false, "/usr/bin/ls"),
	P("ls\0bin", false, "/bin/ls"),
	P("ls\0\0bin\0", false, "/bin/ls"),
	P("a b\0c\nd\0", false, "/c\nd/a b"),
	P("ls\0deep\0", true, "deep/ls"),
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = image_path(cases[i].in, cases[i].len, cases[i].cut);

		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
		else
			assert_null(path);
	}
}

static void test_an_image_is_copied_before_it_is_changed(void **state)
{
	struct runaway_image *shared = image_new();
	struct runaway_proc a = { .image = shared }, b = { .image = image_ref(shared) };

	(void)state;
	shared->exe = strdup("/bin/x");
	shared->exe_ino = 7;
	assert_ptr_not_equal(image_own(&b), shared);
	assert_string_equal(b.image->exe, "/bin/x");
	assert_int_equal(b.image->exe_ino, 7);
	assert_int_equal(shared->refs, 1);
	assert_ptr_equal(image_own(&a), shared);
	image_unref(a.image);
	image_unref(b.image);
	image_unref(NULL);
}

static void test_arguments_end_with_a_nul(void **state)
{
	struct world w;

	(void)state;
	world_new(&w);
	assert_int_equal(execs_full(&w, 10, "x", "x", 2, "x\0cut", 5, "", 0), 0);
	assert_int_equal(find(&w, 10)->image->args_len, 6);
	assert_string_equal(find(&w, 10)->image->args + 2, "cut");
	assert_int_equal(execs_full(&w, 11, "x", "", 0, "", 0, "", 0), 0);
	assert_null(find(&w, 11)->image->args);
	assert_null(find(&w, 11)->image->exe);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_an_image_is_copied_before_it_is_changed),
		cmocka_unit_test(test_arguments_end_with_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
