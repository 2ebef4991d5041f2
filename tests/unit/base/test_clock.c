/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base_test.h"
#include "base/clock.h"

#include "base/macros.h"

static void clocks_go_forward(_unused_ void **state)
{
	uint64_t boot = runaway_boot_ns(), mono = runaway_mono_ns(), real = runaway_real_ns();

	assert_true(boot > 0 && mono > 0);
	assert_true(runaway_boot_ns() >= boot);
	assert_true(runaway_mono_ns() >= mono);
	/* 2020-01-01: ns, not s and not ms. */
	assert_true(real > UINT64_C(1577836800) * NSEC_PER_SEC);
}

static void offsets_of_time_namespaces(_unused_ void **state)
{
	assert_int_equal(runaway_boot_offset_parse(""), 0);
	assert_int_equal(runaway_boot_offset_parse("monotonic           7         0\n"
						   "boottime            0         0\n"),
			 0);
	assert_int_equal(runaway_boot_offset_parse("monotonic           0         0\n"
						   "boottime     -3600         5\n"),
			 -3600 * (int64_t)NSEC_PER_SEC + 5);
	assert_int_equal(runaway_boot_offset_parse("boottime x"), 0);
	assert_int_equal(runaway_boot_timer_ns(1000), 1000 + runaway_boot_offset_ns());
}

static void check_time(uint64_t ns, const char *want)
{
	char buf[RUNAWAY_RFC3339_LEN];

	assert_ptr_equal(runaway_rfc3339(ns, buf), buf);
	assert_string_equal(buf, want);
}

static void rfc3339_known_times(_unused_ void **state)
{
	check_time(0, "1970-01-01T00:00:00.000Z");
	check_time(UINT64_C(951782400) * NSEC_PER_SEC, "2000-02-29T00:00:00.000Z");
	check_time(UINT64_C(1795313835123999999), "2026-11-22T02:17:15.123Z");
	check_time(UINT64_C(4102444799999999999), "2099-12-31T23:59:59.999Z");
	check_time(UINT64_MAX, "2554-07-21T23:34:33.709Z");
}

static void check_parse(const char *s, uint64_t want)
{
	uint64_t ns = 1;

	assert_int_equal(runaway_rfc3339_parse(s, &ns), 0);
	assert_int_equal(ns, want);
}

static void parse_known_times(_unused_ void **state)
{
	check_parse("1970-01-01T00:00:00Z", 0);
	check_parse("1970-01-01T00:00:00.5Z", 500 * NSEC_PER_MSEC);
	check_parse("1970-01-01T00:00:01.000000001Z", NSEC_PER_SEC + 1);
	check_parse("2026-11-22T02:17:15.123Z", UINT64_C(1795313835123000000));
	check_parse("2000-02-29T23:59:59Z", UINT64_C(951868799) * NSEC_PER_SEC);
	check_parse("2554-07-21T23:34:33.709551615Z", UINT64_MAX);
}

static void parse_refuses(_unused_ void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11-22",
		"2026-11-22T02:17:15",
		"2026-11-22T02:17:15.Z",
		"2026-11-22T02:17:15.1234567890Z",
		"2026-11-22T02:17:15.123Zx",
		"2026-11-22T02:17:15.123+00:00",
		"2026-11-22t02:17:15z",
		"2026-11-22 02:17:15Z",
		" 2026-11-22T02:17:15Z",
		"2026-1-22T02:17:15Z",
		"2026-11-22T2:17:15Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-11-22T24:00:00Z",
		"2026-11-22T02:60:15Z",
		"2026-11-22T02:17:60Z",
		"1969-12-31T23:59:59Z",
		"2554-07-21T23:34:33.709551616Z",
		"2555-01-01T00:00:00Z",
		"9999-12-31T23:59:59Z",
		"-026-11-22T02:17:15Z",
		"+026-11-22T02:17:15Z",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t ns = 42;

		assert_int_equal(runaway_rfc3339_parse(bad[i], &ns), -EINVAL);
		assert_int_equal(ns, 42);
	}
}

/* What is written is read back to the millisecond, whatever the day. */
static void times_go_there_and_back(_unused_ void **state)
{
	uint64_t seed = 11;

	for (int i = 0; i < 20000; i++) {
		uint64_t ns = test_random(&seed), back;
		char buf[RUNAWAY_RFC3339_LEN];

		assert_int_equal(runaway_rfc3339_parse(runaway_rfc3339(ns, buf), &back), 0);
		assert_int_equal(back, ns / NSEC_PER_MSEC * NSEC_PER_MSEC);
	}
}

static void check_duration(uint64_t s, const char *want)
{
	char buf[32];

	assert_string_equal(runaway_human_duration(s * NSEC_PER_SEC, buf, sizeof(buf)), want);
}

static void durations(_unused_ void **state)
{
	char buf[32];

	check_duration(0, "0 s");
	check_duration(45, "45 s");
	check_duration(59, "59 s");
	check_duration(60, "1 min");
	check_duration(12 * 60 + 59, "12 min");
	check_duration(3599, "59 min");
	check_duration(3600, "1 h");
	check_duration(3 * 3600 + 20 * 60 + 1, "3 h 20 min");
	check_duration(86399, "23 h 59 min");
	check_duration(86400, "1 d");
	check_duration(9 * 86400 + 4 * 3600 + 59 * 60, "9 d 4 h");
	assert_string_equal(runaway_human_duration(NSEC_PER_SEC - 1, buf, sizeof(buf)), "0 s");
	assert_string_equal(runaway_human_duration(UINT64_MAX, buf, sizeof(buf)), "213503 d 23 h");
}

static void check_bytes(uint64_t bytes, const char *want)
{
	char buf[32];

	assert_string_equal(runaway_human_bytes(bytes, buf, sizeof(buf)), want);
}

static void byte_sizes(_unused_ void **state)
{
	check_bytes(0, "0 B");
	check_bytes(512, "512 B");
	check_bytes(1023, "1023 B");
	check_bytes(1024, "1.0 KiB");
	check_bytes(1536, "1.5 KiB");
	check_bytes(1024 * 1024 - 1, "1023.9 KiB");
	check_bytes(1468006, "1.3 MiB");
	check_bytes(1468007, "1.4 MiB");
	check_bytes(UINT64_C(1) << 30, "1.0 GiB");
	check_bytes(UINT64_C(5) << 40, "5.0 TiB");
	check_bytes(UINT64_C(3) << 49, "1.5 PiB");
	check_bytes(UINT64_MAX, "15.9 EiB");
}

static void small_buffers_are_not_overrun(_unused_ void **state)
{
	char buf[4] = { 'x', 'x', 'x', 'x' };

	runaway_human_bytes(UINT64_MAX, buf, 3);
	assert_memory_equal(buf, "15\0x", 4);
	runaway_human_duration(UINT64_MAX, buf, 3);
	assert_memory_equal(buf, "21\0x", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(offsets_of_time_namespaces),
		cmocka_unit_test(rfc3339_known_times),
		cmocka_unit_test(parse_known_times),
		cmocka_unit_test(parse_refuses),
		cmocka_unit_test(times_go_there_and_back),
		cmocka_unit_test(durations),
		cmocka_unit_test(byte_sizes),
		cmocka_unit_test(small_buffers_are_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
