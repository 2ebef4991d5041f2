/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lanes that are judged by are those of the configuration, word for word. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/daemon.h"

static void write_lane(const struct lane *lane, struct strbuf *b)
{
	struct json_writer w;

	json_init(&w, b, false);
	runaway_lane_write(&w, lane);
	assert_int_equal(b->error, 0);
}

static void assert_same(const struct lane_set *a, const struct lane_set *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		_cleanup_strbuf_ struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

		write_lane(&a->lane[i], &x);
		write_lane(&b->lane[i], &y);
		assert_string_equal(x.data, y.data);
		assert_int_equal(a->lane[i].builtin, b->lane[i].builtin);
	}
}

static void test_apply_lanes(void **state)
{
	struct lane_engine *e;
	struct config c;

	(void)state;
	assert_int_equal(config_defaults(&c), 0);
	assert_true(c.lanes.count >= 3);
	assert_int_equal(runaway_engine_new(&daemon_engine_ops, NULL, &e), 0);
	assert_int_equal(daemon_apply_lanes(e, &c.lanes), 0);
	assert_same(&c.lanes, runaway_engine_lanes(e));
	/* Once more, as a reload does; and the configuration keeps its own. */
	assert_int_equal(daemon_apply_lanes(e, &c.lanes), 0);
	assert_same(&c.lanes, runaway_engine_lanes(e));
	config_free(&c);
	runaway_engine_free(e);
}

static void test_a_lane_that_is_none_changes_nothing(void **state)
{
	struct lane_engine *e;
	struct config c;
	double before;

	(void)state;
	assert_int_equal(config_defaults(&c), 0);
	assert_int_equal(runaway_engine_new(&daemon_engine_ops, NULL, &e), 0);
	assert_int_equal(daemon_apply_lanes(e, &c.lanes), 0);
	before = c.lanes.lane[0].trigger.for_s;
	c.lanes.lane[0].trigger.for_s = -1;
	assert_int_equal(daemon_apply_lanes(e, &c.lanes), -EINVAL);
	c.lanes.lane[0].trigger.for_s = before;
	assert_same(&c.lanes, runaway_engine_lanes(e));
	config_free(&c);
	runaway_engine_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_lanes),
		cmocka_unit_test(test_a_lane_that_is_none_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
