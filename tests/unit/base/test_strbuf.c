/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/strbuf.h"

static void appends_in_order(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "pid ");
	strbuf_addf(&b, "%d/%s", 42, "x");
	strbuf_addc(&b, '!');
	strbuf_add(&b, "a\0b", 3);
	assert_int_equal(b.error, 0);
	assert_int_equal(b.len, 4 + 4 + 1 + 3);
	assert_memory_equal(b.data, "pid 42/x!a\0b", b.len + 1);
}

static void appending_nothing_allocates_nothing(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, NULL, 0);
	strbuf_adds(&b, "");
	assert_null(b.data);
	strbuf_truncate(&b, 0);
	strbuf_reset(&b);
	assert_int_equal(b.len, 0);
	strbuf_addf(&b, "%s", "");
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

/* Every length around the sizes at which the buffer grows, by each of the ways to append. */
static void grows_at_every_boundary(_unused_ void **state)
{
	char text[600];

	memset(text, 'x', sizeof(text));
	for (size_t n = 1; n < sizeof(text); n++) {
		_cleanup_strbuf_ struct strbuf add = STRBUF_INIT, addf = STRBUF_INIT,
					       addc = STRBUF_INIT;

		strbuf_add(&add, text, n);
		strbuf_addf(&addf, "%.*s", (int)n, text);
		for (size_t i = 0; i < n; i++)
			strbuf_addc(&addc, 'x');
		assert_int_equal(add.len, n);
		assert_int_equal(strlen(add.data), n);
		assert_string_equal(add.data, addf.data);
		assert_string_equal(add.data, addc.data);
	}
}

static void growth_is_by_doubling(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	size_t cap = 0;
	unsigned int moves = 0;

	for (unsigned int i = 0; i < 1 << 20; i++) {
		strbuf_addc(&b, 'x');
		if (b.cap != cap) {
			assert_true(b.cap >= 2 * cap);
			cap = b.cap;
			moves++;
		}
	}
	assert_true(moves <= 21);
}

static void error_sticks_until_reset(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "kept");
	assert_int_equal(strbuf_reserve(&b, SIZE_MAX - 2), -ENOMEM);
	assert_int_equal(b.error, -ENOMEM);
	strbuf_adds(&b, "lost");
	strbuf_addf(&b, "%d", 1);
	strbuf_addc(&b, 'x');
	assert_string_equal(b.data, "kept");
	assert_int_equal(strbuf_reserve(&b, 0), -ENOMEM);

	strbuf_reset(&b);
	assert_int_equal(b.error, 0);
	strbuf_adds(&b, "new");
	assert_string_equal(b.data, "new");
}

static void take_of_a_broken_buffer_is_null(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "half a document");
	b.error = -ENOMEM;
	assert_null(strbuf_take(&b));
	assert_null(b.data);
	assert_int_equal(b.error, 0);
}

static void take_hands_the_memory_on(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *s = NULL, *empty = NULL;

	strbuf_adds(&b, "text");
	s = strbuf_take(&b);
	assert_string_equal(s, "text");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, 0);
	empty = strbuf_take(&b);
	assert_string_equal(empty, "");
}

static void truncate_only_shortens(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "abcdef");
	strbuf_truncate(&b, 100);
	assert_int_equal(b.len, 6);
	strbuf_truncate(&b, 3);
	assert_string_equal(b.data, "abc");
	strbuf_adds(&b, "X");
	assert_string_equal(b.data, "abcX");
	strbuf_truncate(&b, 0);
	assert_string_equal(b.data, "");
}

static void reserve_keeps_the_content(_unused_ void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *at;

	assert_int_equal(strbuf_reserve(&b, 1000), 0);
	assert_true(b.cap > 1000);
	assert_string_equal(b.data, "");
	at = b.data;
	for (int i = 0; i < 1000; i++)
		strbuf_addc(&b, 'x');
	assert_ptr_equal(b.data, at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_in_order),
		cmocka_unit_test(appending_nothing_allocates_nothing),
		cmocka_unit_test(grows_at_every_boundary),
		cmocka_unit_test(growth_is_by_doubling),
		cmocka_unit_test(error_sticks_until_reset),
		cmocka_unit_test(take_of_a_broken_buffer_is_null),
		cmocka_unit_test(take_hands_the_memory_on),
		cmocka_unit_test(truncate_only_shortens),
		cmocka_unit_test(reserve_keeps_the_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
