/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of records: one that comes late is not missing, one that does not come is. */

#include "sensor/harness.h"

struct numbers {
	struct sensor_sequence q;
	uint64_t gaps;
};

static void note(struct numbers *n, uint64_t seq)
{
	sensor_sequence_note(&n->q, seq, &n->gaps);
}

static void settle(struct numbers *n)
{
	n->gaps += sensor_sequence_settle(&n->q);
}

static void test_the_first_one_has_nothing_before_it(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	note(&n, 4711);
	note(&n, 4712);
	settle(&n);
	settle(&n);
	assert_int_equal(n.gaps, 0);
	assert_int_equal(n.q.last, 4712);
}

static void test_one_that_was_overtaken_is_not_missing(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	note(&n, 10);
	note(&n, 12); /* of the program that interrupted the one with 11 */
	assert_int_equal(sensor_sequence_open(&n.q), 1);
	note(&n, 11);
	assert_int_equal(sensor_sequence_open(&n.q), 0);
	/* Two overtaken, one of them behind the next scan. */
	note(&n, 15);
	note(&n, 14);
	settle(&n);
	note(&n, 16);
	note(&n, 13);
	for (int i = 0; i < 3; i++)
		settle(&n);
	assert_int_equal(n.gaps, 0);
}

static void test_what_does_not_come_is_counted_once_and_late(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	note(&n, 1);
	note(&n, 3);
	settle(&n);
	assert_int_equal(n.gaps, 0); /* it may still come */
	note(&n, 5);
	settle(&n);
	assert_int_equal(n.gaps, 1);
	settle(&n);
	assert_int_equal(n.gaps, 2);
	settle(&n);
	assert_int_equal(n.gaps, 2);
	note(&n, 2); /* told as missing: it is too late */
	settle(&n);
	assert_int_equal(n.gaps, 2);
}

static void test_the_same_number_twice_fills_nothing(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	note(&n, 1);
	note(&n, 3);
	note(&n, 3);
	note(&n, 1);
	settle(&n);
	settle(&n);
	assert_int_equal(n.gaps, 1);
}

static void test_what_leaves_the_window_is_missing(void **state)
{
	struct numbers n = { 0 };

	(void)state;
	note(&n, 1);
	note(&n, 3);
	for (uint64_t seq = 4; seq <= 66; seq++)
		note(&n, seq);
	assert_int_equal(n.gaps, 0);
	note(&n, 67);
	assert_int_equal(n.gaps, 1);
	note(&n, 2);
	settle(&n);
	settle(&n);
	assert_int_equal(n.gaps, 1);
}

/* Every step, with something open before it: what is missing is what did not come. */
static void test_gaps_of_every_length(void **state)
{
	(void)state;
	for (uint64_t step = 1; step < 200; step++) {
		struct numbers n = { 0 };

		note(&n, 1);
		note(&n, 3);
		note(&n, 3 + step);
		note(&n, 3 + 2 * step);
		settle(&n);
		settle(&n);
		assert_int_equal(n.gaps, 1 + 2 * (step - 1));
		assert_int_equal(sensor_sequence_open(&n.q), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_one_has_nothing_before_it),
		cmocka_unit_test(test_one_that_was_overtaken_is_not_missing),
		cmocka_unit_test(test_what_does_not_come_is_counted_once_and_late),
		cmocka_unit_test(test_the_same_number_twice_fills_nothing),
		cmocka_unit_test(test_what_leaves_the_window_is_missing),
		cmocka_unit_test(test_gaps_of_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
