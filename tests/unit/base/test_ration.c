/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"

#include "base/macros.h"
#include "base/ration.h"

static unsigned int take_all(struct runaway_ration *r, uint64_t now_ns)
{
	unsigned int n = 0;

	while (runaway_ration_take(r, now_ns))
		n++;
	return n;
}

static void a_burst_then_one_a_second(void **state)
{
	struct runaway_ration r = { 0 };
	uint64_t now = 1000 * NSEC_PER_SEC + 1;

	(void)state;
	assert_int_equal(take_all(&r, now), RUNAWAY_RATION_AT_ONCE);
	assert_int_equal(r.refused, 1);
	assert_int_equal(take_all(&r, now + NSEC_PER_SEC - 2), 0);
	assert_int_equal(take_all(&r, now + NSEC_PER_SEC), 1);
	assert_int_equal(take_all(&r, now + 6 * NSEC_PER_SEC), 5);
	/* It never grows over what it was. */
	assert_int_equal(take_all(&r, now + 5000 * NSEC_PER_SEC), RUNAWAY_RATION_AT_ONCE);
	assert_int_equal(r.refused, 5);
}

static void full_from_the_start(void **state)
{
	struct runaway_ration r = { 0 };

	(void)state;
	assert_int_equal(take_all(&r, 0), RUNAWAY_RATION_AT_ONCE);
	assert_int_equal(take_all(&r, UINT64_MAX), RUNAWAY_RATION_AT_ONCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_then_one_a_second),
		cmocka_unit_test(full_from_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
