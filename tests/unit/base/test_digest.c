/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/digest.h"

static int start(_unused_ void **state)
{
	return runaway_digest_init();
}

static void starts_twice(_unused_ void **state)
{
	assert_int_equal(runaway_digest_init(), 0);
	assert_int_equal(runaway_digest_init(), 0);
}

/* The examples of FIPS 180-4 and its validation suite. */
static void known_answers(_unused_ void **state)
{
	static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	char hex[RUNAWAY_SHA256_HEX];
	char *million = test_malloc(1000000);

	runaway_sha256_hex("", 0, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	runaway_sha256_hex("abc", 3, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	runaway_sha256_hex(long_text, strlen(long_text), hex);
	assert_string_equal(hex,
			    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', 1000000);
	runaway_sha256_hex(million, 1000000, hex);
	assert_string_equal(hex,
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	test_free(million);
}

static void nul_bytes_count(_unused_ void **state)
{
	char a[RUNAWAY_SHA256_HEX], b[RUNAWAY_SHA256_HEX];

	runaway_sha256_hex("a\0b", 3, a);
	runaway_sha256_hex("a\0c", 3, b);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), 64);
}

static void random_differs_and_keeps_to_its_size(_unused_ void **state)
{
	unsigned char a[34] = { 0 }, b[34] = { 0 };

	runaway_random(a + 1, 32);
	runaway_random(b + 1, 32);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(a[0] | a[33] | b[0] | b[33], 0);
	runaway_random(a, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_twice),
		cmocka_unit_test(known_answers),
		cmocka_unit_test(nul_bytes_count),
		cmocka_unit_test(random_differs_and_keeps_to_its_size),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
