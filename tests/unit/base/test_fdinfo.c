/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/fdinfo.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* As 7.2 and as 5.10 tell of a program. */
static const char newer[] = "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t29\nprog_type:\t26\n"
			    "prog_jited:\t1\nprog_tag:\t5f6f1e7a4d1b0a37\nmemlock:\t4096\n"
			    "prog_id:\t71\nrun_time_ns:\t0\nrun_cnt:\t0\nrecursion_misses:\t465\n"
			    "verified_insns:\t449\n";
static const char older[] = "pos:\t0\nflags:\t02000002\nmnt_id:\t14\nprog_type:\t26\n"
			    "prog_jited:\t1\nprog_tag:\t5f6f1e7a4d1b0a37\nmemlock:\t4096\n"
			    "prog_id:\t71\nrun_time_ns:\t0\nrun_cnt:\t0\n";

static int file_of(const char *text)
{
	int fd = memfd_create("fdinfo", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void test_counted_and_read_again(void **state _unused_)
{
	int fd = file_of(newer);
	uint64_t n = 0;

	for (int i = 0; i < 2; i++, n = 0) {
		assert_int_equal(runaway_prog_misses(fd, &n), 0);
		assert_int_equal(n, 465);
	}
	close(fd);
}

static void test_not_counted_is_not_zero(void **state _unused_)
{
	int fd = file_of(older);
	uint64_t n = 7;

	assert_int_equal(runaway_prog_misses(fd, &n), -ENOENT);
	close(fd);
	fd = file_of("");
	assert_int_equal(runaway_prog_misses(fd, &n), -ENOENT);
	close(fd);
	assert_int_equal(runaway_prog_misses(-1, &n), -EBADF);
	assert_int_equal(runaway_prog_misses(fd, &n), -EBADF);
	assert_int_equal(n, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counted_and_read_again),
		cmocka_unit_test(test_not_counted_is_not_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
