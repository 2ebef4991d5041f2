/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "out/http_routes.h"

static void test_good(void **state _unused_)
{
	static const struct {
		const char *text, *back;
	} table[] = {
		{ "127.0.0.1:10917", "127.0.0.1:10917" },
		{ "0.0.0.0:0", "0.0.0.0:0" },
		{ "localhost:1", "127.0.0.1:1" },
		{ "[::1]:0", "[::1]:0" },
		{ "[::]:65535", "[::]:65535" },
		{ "[2001:db8::1]:80", "[2001:db8::1]:80" },
		{ ":10917", "[::]:10917" },
		{ "10.0.0.1:00080", "10.0.0.1:80" },
	};
	struct sockaddr_storage a;
	socklen_t len;
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		assert_int_equal(runaway_http_parse_address(table[i].text, &a, &len), 0);
		assert_string_equal(runaway_http_format_address(&a, buf, sizeof(buf)),
				    table[i].back);
		assert_int_equal(len, a.ss_family == AF_INET ? sizeof(struct sockaddr_in)
							     : sizeof(struct sockaddr_in6));
	}
}

static void test_refused(void **state _unused_)
{
	static const char *const table[] = {
		"",
		":",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:99999",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 80",
		"127.0.0.1:80 ",
		"127.0.0.1:000080",
		"127.0.0.1:0x50",
		"127.0.0.1:http",
		"127.1:80",
		"256.0.0.1:80",
		"example.org:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[::1:80",
		"[]:80",
		"[:80",
		"[127.0.0.1]:80",
		"[::1%lo]:80",
		"[[::1]]:80",
		"unix:/run/socket",
		"127.0.0.1:80:90",
		"1111111111111111111111111111111111111111111111111111111111111111:80",
	};
	struct sockaddr_storage a;
	socklen_t len = 4711;

	assert_int_equal(runaway_http_parse_address(NULL, &a, &len), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (runaway_http_parse_address(table[i], &a, &len) != -EINVAL)
			fail_msg("accepted: %s", table[i]);
	}
	assert_int_equal(len, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
