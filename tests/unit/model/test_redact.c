/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is hidden, what stays, and that the separators do. */

#include <time.h>

#include "model/harness.h"

struct redact_case {
	const char *in, *out;
	size_t in_len, out_len;
};
#define CASE(i, o) { i, o, sizeof(i), sizeof(o) }
/* One string, as a program leaves it that writes over its arguments. */
#define ONE(i, o) { i, o, sizeof(i) - 1, sizeof(o) - 1 }

static const struct redact_case cases[] = {
	/* nothing secret */
	CASE("chromium\0--headless\0--remote-debugging-port=0",
	     "chromium\0--headless\0--remote-debugging-port=0"),
	CASE("git\0--author=Jo Doe", "git\0--author=Jo Doe"),
	CASE("make\0--keep-going\0PWD=/home/x", "make\0--keep-going\0PWD=/home/x"),
	CASE("x\0--monkey=1\0--bypass=2\0--path=/a", "x\0--monkey=1\0--bypass=2\0--path=/a"),
	CASE("curl\0https://host/a:b@c", "curl\0https://host/a:b@c"),
	CASE("a\0\0b", "a\0\0b"),
	/* joined by '=' */
	CASE("x\0--token=abc\0y", "x\0--token=***\0y"),
	CASE("x\0--TOKEN=abc", "x\0--TOKEN=***"),
	CASE("x\0--my-api-key=abc=def&g h", "x\0--my-api-key=***"),
	CASE("x\0DB_PASSWORD=hunter2", "x\0DB_PASSWORD=***"),
	CASE("x\0--db-pass=a", "x\0--db-pass=***"),
	CASE("x\0MYSQL_PWD=a", "x\0MYSQL_PWD=***"),
	CASE("x\0-Dclient.secret=a b", "x\0-Dclient.secret=***"),
	CASE("x\0--token=", "x\0--token="),
	/* as the next argument */
	CASE("x\0--password\0hunter2\0-v", "x\0--password\0***\0-v"),
	CASE("x\0--Secret-Access-Key\0k\0z", "x\0--Secret-Access-Key\0***\0z"),
	CASE("x\0--token\0--headless", "x\0--token\0--headless"),
	CASE("x\0--token\0-7abc", "x\0--token\0***"),
	CASE("docker\0login\0--password-stdin\0host", "docker\0login\0--password-stdin\0host"),
	CASE("x\0--password", "x\0--password"),
	CASE("x\0--password\0\0y", "x\0--password\0\0y"),
	/* URLs */
	CASE("git\0clone\0https://joe:pw@host/r", "git\0clone\0https://joe:***@host/r"),
	CASE("x\0https://joe:p@w@host/r", "x\0https://joe:***@host/r"),
	CASE("x\0ssh://git@host/r", "x\0ssh://git@host/r"),
	CASE("x\0https://abcdefabcdefabcdefabcdef@h/", "x\0https://***@h/"),
	CASE("x\0postgres://u:p@h:5432/db?sslmode=off",
	     "x\0postgres://u:***@h:5432/db?sslmode=off"),
	CASE("x\0https://h/?a=1&token=t&b=2", "x\0https://h/?a=1&token=***&b=2"),
	CASE("x\0--url=redis://:pw@h", "x\0--url=redis://:***@h"),
	/* headers */
	CASE("curl\0-H\0Authorization: Bearer abc def", "curl\0-H\0Authorization: ***"),
	CASE("curl\0--header=Authorization: Basic eA==", "curl\0--header=Authorization: ***"),
	CASE("curl\0-HPRIVATE-TOKEN:abc", "curl\0-HPRIVATE-TOKEN:***"),
	CASE("curl\0-H\0X-Api-Key: k", "curl\0-H\0X-Api-Key: ***"),
	CASE("curl\0-H\0Cookie: a=b; c=d", "curl\0-H\0Cookie: ***"),
	CASE("curl\0-H\0Accept: text/html", "curl\0-H\0Accept: text/html"),
	/* JSON and shells */
	CASE("curl\0-d\0{\"token\":\"abc\",\"n\":1}", "curl\0-d\0{\"token\":***,\"n\":1}"),
	CASE("sh\0-c\0FOO_TOKEN=abc run --x", "sh\0-c\0FOO_TOKEN=***"),
	CASE("sh\0-c\0env FOO_TOKEN='a b' run", "sh\0-c\0env FOO_TOKEN=*** run"),
	CASE("sh\0-c\0mysql --password hunter2 -e x", "sh\0-c\0mysql --password *** -e x"),
	CASE("sh\0-c\0curl -H 'Authorization: Bearer abc' h",
	     "sh\0-c\0curl -H 'Authorization: ***' h"),
	/* tokens that say what they are */
	CASE("x\0ghp_abcdefghij0123456789", "x\0***"),
	CASE("x\0glpat-abcdefghij0123456789 y", "x\0*** y"),
	CASE("x\0sk-ant", "x\0sk-ant"),
	/* one string with spaces */
	ONE("/usr/lib/chromium --type=renderer --token=abc --headless",
	    "/usr/lib/chromium --type=renderer --token=*** --headless"),
	ONE("prog --password hunter2 --x", "prog --password *** --x"),
	ONE("prog --password=a\0\0\0", "prog --password=***\0\0\0"),
	ONE("", ""),
	ONE("\0\0", "\0\0"),
	ONE("x\0--token=cut", "x\0--token=***"),
};

static void test_table(void **state)
{
	unsigned int wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		runaway_redact_args(cases[i].in, cases[i].in_len, NULL, &b);
		assert_int_equal(b.error, 0);
		if (b.len != cases[i].out_len ||
		    (b.len && memcmp(b.data, cases[i].out, b.len) != 0)) {
			for (size_t k = 0; k < b.len; k++)
				if (b.data[k] == '\0')
					b.data[k] = '|';
			print_error("case %zu: got %.*s\n", i, (int)b.len, b.data ? b.data : "");
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void test_extra_names(void **state)
{
	static const char *const extra[] = { "--licence*", "seat", NULL };
	static const char in[] = "x\0--Licence-No=5\0seat=7\0--seat\0"
				 "8\0--seats=9";
	static const char out[] = "x\0--Licence-No=***\0seat=***\0--seat\0***\0--seats=9";
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)state;
	runaway_redact_args(in, sizeof(in), extra, &b);
	assert_int_equal(b.len, sizeof(out));
	assert_memory_equal(b.data, out, sizeof(out));
}

/* Separators are never lost or made, whatever the bytes are. */
static void test_any_bytes_keep_their_separators(void **state)
{
	static const char alphabet[] = "ab=:/@'\" -&;\\?#.token\xff\x80\n";
	uint64_t x = 88172645463325252ULL;
	char in[200];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		size_t nuls = 0, got = 0;

		for (size_t i = 0; i < sizeof(in); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			in[i] = alphabet[x % sizeof(alphabet)];
			nuls += in[i] == '\0';
		}
		runaway_redact_args(in, sizeof(in), NULL, &b);
		for (size_t i = 0; i < b.len; i++)
			got += b.data[i] == '\0';
		assert_int_equal(nuls, got);
	}
}

static double cost(const char *unit, size_t len)
{
	char *in = malloc(len);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct timespec a, z;

	for (size_t i = 0; i < len; i++)
		in[i] = unit[i % strlen(unit)];
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	runaway_redact_args(in, len, NULL, &b);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &z);
	free(in);
	return (double)(z.tv_sec - a.tv_sec) + (double)(z.tv_nsec - a.tv_nsec) / 1e9;
}

/* Text that invites looking at the same bytes again and again. */
static void test_cost_is_linear(void **state)
{
	static const char *const units[] = { "=",	":",	       "://",	 "://a",
					     "-token ", "--token=\"",  "token:", "a=",
					     "ghp_",	"--password ", "'",	 "aaaa" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		double small = cost(units[i], 100000), large = cost(units[i], 800000);

		/* Quadratic would be 64 times as much. */
		assert_true(large < 0.02 + 24 * small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_extra_names),
		cmocka_unit_test(test_any_bytes_keep_their_separators),
		cmocka_unit_test(test_cost_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
