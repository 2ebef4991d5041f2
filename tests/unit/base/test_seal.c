/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/digest.h"
#include "base/seal.h"

#define SEAL (9 + 64 + 2) /* ,"hash":"…"} */

static int start(_unused_ void **state)
{
	return runaway_digest_init();
}

static void digest_of_what_stood_there(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char hex[RUNAWAY_SHA256_HEX];

	runaway_sha256_hex("{\"a\":1}", 7, hex);
	strbuf_adds(&b, "{\"a\":1}");
	runaway_line_seal(&b);
	assert_int_equal(b.len, 7 - 1 + SEAL);
	assert_memory_equal(b.data, "{\"a\":1,\"hash\":\"", 15);
	assert_memory_equal(b.data + 15, hex, 64);
	assert_string_equal(b.data + 15 + 64, "\"}");
	assert_true(runaway_line_sealed(b.data, b.len));
}

static void every_changed_byte_breaks_it(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "{\"a\":1}");
	runaway_line_seal(&b);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		assert_false(runaway_line_sealed(b.data, b.len));
		b.data[i] ^= 1;
	}
	for (size_t len = 0; len < b.len; len++)
		assert_false(runaway_line_sealed(b.data, len));
	assert_false(runaway_line_sealed(b.data + 1, b.len - 1));
}

static void nothing_to_seal(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	runaway_line_seal(&b);
	assert_int_equal(b.len, 0);
	strbuf_adds(&b, "{}");
	b.error = -ENOMEM;
	runaway_line_seal(&b);
	assert_string_equal(b.data, "{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_of_what_stood_there),
		cmocka_unit_test(every_changed_byte_breaks_it),
		cmocka_unit_test(nothing_to_seal),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
