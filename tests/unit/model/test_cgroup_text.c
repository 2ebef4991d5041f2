/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The best line of /proc/PID/cgroup, for v2, hybrid and v1 hosts. */

#include "model/harness.h"

static const struct {
	const char *text, *path;
} cases[] = {
	{ "", NULL },
	{ "\n", NULL },
	{ "nonsense\n", NULL },
	{ "0::relative\n", NULL },
	{ "0::/\n", "/" },
	{ "0::/system.slice/ssh.service\n", "/system.slice/ssh.service" },
	{ "0::/system.slice/ssh.service", "/system.slice/ssh.service" },
	{ "0::/a:b\n", "/a:b" },
	{ "0::/gone (deleted)\n", "/gone" },
	/* hybrid: the v2 line where it says something */
	{ "4:memory:/docker/x\n1:name=systemd:/s\n0::/s.scope\n", "/s.scope" },
	{ "4:memory:/docker/x\n1:name=systemd:/s\n0::/\n", "/docker/x" },
	/* v1: the controllers that runtimes set, in any order of lines */
	{ "9:name=systemd:/s\n3:cpu,cpuacct:/c\n2:pids:/p\n", "/p" },
	{ "3:cpuacct,cpu:/c\n9:name=systemd:/s\n", "/c" },
	{ "9:perf_event:/x\n1:name=systemd:/\n", "/x" },
	{ "9:pids:/\n3:freezer:/f\n", "/f" },
	{ "9:pids:/\n3:memory:/\n", "/" },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int err = 5;
		_cleanup_free_ char *path = runaway_cgroup_text_path(cases[i].text, &err);

		assert_int_equal(err, 0);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
		else
			assert_null(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
