/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's figures: without swap, without pressure files, with numbers that are huge or none. */

#include "sensor/harness.h"

static const char psi[] = "some avg10=1.50 avg60=12.34 avg300=100.00 total=1\n"
			  "full avg10=0.00 avg60=0.09 avg300=0.10 total=2\n";

static void usual_files(const struct rig *g)
{
	rig_text(g, "loadavg", "1.50 2.25 0.005 3/400 1234\n");
	rig_text(g, "meminfo",
		 "MemTotal:        2048 kB\nMemFree:         1 kB\nMemAvailable:    1024 kB\n"
		 "SwapCached:      7 kB\nSwapTotal:       4096 kB\nSwapFree:        1024 kB\n");
	rig_text(g, "stat",
		 "cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
		 "intr 5 0 0\nctxt 9\nbtime 1\nprocesses 4711\nprocs_running 2\n");
	rig_text(g, "pressure/cpu", psi);
	rig_text(g, "pressure/memory", psi);
	rig_text(g, "pressure/io", psi);
}

static const struct rw_host *read_host(struct rig *g)
{
	sensor_host_close(&g->s);
	assert_int_equal(sensor_host_open(&g->s), 0);
	g->count = 0;
	sensor_host_read(&g->s);
	assert_int_equal(g->count, 1);
	assert_int_equal(g->rec[0].hdr.type, RW_HOST);
	assert_int_equal(g->rec[0].len, sizeof(struct rw_host));
	return &g->rec[0].host;
}

static void test_the_usual(void **state)
{
	struct rig *g = *state;
	const struct rw_host *h;

	g->s.stats.kernel.attributed_ns = 5;
	g->s.stats.kernel.kernel_ns = 6;
	g->s.stats.kernel.short_lived_ns = 7;
	usual_files(g);
	h = read_host(g);
	assert_int_equal(h->load1_milli, 1500);
	assert_int_equal(h->load5_milli, 2250);
	assert_int_equal(h->load15_milli, 5);
	assert_int_equal(h->mem_total_bytes, 2048 * 1024);
	assert_int_equal(h->mem_available_bytes, 1024 * 1024);
	assert_int_equal(h->swap_total_bytes, 4096 * 1024);
	assert_int_equal(h->swap_used_bytes, 3072 * 1024);
	assert_int_equal(h->busy_ns, 60 * TICK_NS);
	assert_int_equal(h->irq_ns, 130 * TICK_NS);
	assert_int_equal(h->steal_ns, 80 * TICK_NS);
	assert_int_equal(h->forks, 4711);
	assert_int_equal(h->ncpu, 1);
	assert_int_equal(h->attributed_ns, 5);
	assert_int_equal(h->kernel_ns, 6);
	assert_int_equal(h->short_lived_ns, 7);
}

static void test_pressure(void **state)
{
	static const uint64_t some[] = { 15, 123, 1000 }, full[] = { 0, 0, 1 };
	struct rig *g = *state;
	const struct rw_host *h;

	usual_files(g);
	h = read_host(g);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(h->psi_cpu_some[i], some[i]);
		assert_int_equal(h->psi_memory_some[i], some[i]);
		assert_int_equal(h->psi_io_some[i], some[i]);
		assert_int_equal(h->psi_memory_full[i], full[i]);
		assert_int_equal(h->psi_io_full[i], full[i]);
	}
}

static void assert_no_pressure(const struct rw_host *h)
{
	for (int i = 0; i < 3; i++) {
		assert_true(h->psi_cpu_some[i] == RW_UNKNOWN_U64);
		assert_true(h->psi_memory_some[i] == RW_UNKNOWN_U64);
		assert_true(h->psi_memory_full[i] == RW_UNKNOWN_U64);
		assert_true(h->psi_io_some[i] == RW_UNKNOWN_U64);
		assert_true(h->psi_io_full[i] == RW_UNKNOWN_U64);
	}
}

/* CONFIG_PSI is off: unknown, which is not 0. */
static void test_no_pressure_files(void **state)
{
	struct rig *g = *state;

	usual_files(g);
	rig_remove(g, "pressure/cpu");
	rig_remove(g, "pressure/memory");
	rig_remove(g, "pressure/io");
	assert_no_pressure(read_host(g));
}

static void test_garbage_for_pressure(void **state)
{
	static const char *const bad[] = {
		"",
		"some",
		"some avg10=",
		"some avg10=1.0 avg60=2.0\n",
		"full avg10=1.0 avg60=2.0 avg3000=3.0\n",
		"SOME avg10=1.0 avg60=2.0 avg300=3.0\n",
		"\xff\xff\xff\xff",
	};
	struct rig *g = *state;

	usual_files(g);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_text(g, "pressure/cpu", bad[i]);
		rig_text(g, "pressure/memory", bad[i]);
		rig_text(g, "pressure/io", bad[i]);
		assert_no_pressure(read_host(g));
	}
}

/* psi=0 on the command line: the files open, reading them fails. */
static void test_pressure_that_cannot_be_read(void **state)
{
	struct rig *g = *state;

	usual_files(g);
	rig_remove(g, "pressure/cpu");
	assert_int_equal(mkdirat(g->s.proc_fd, "pressure/cpu", 0700), 0);
	assert_no_pressure(read_host(g));
	assert_int_equal(g->s.host.psi_memory, -1);
}

/* Before 5.13 the cpu file has no line "full", and it is not asked for. */
static void test_one_pressure_line(void **state)
{
	struct rig *g = *state;
	const struct rw_host *h;

	usual_files(g);
	rig_text(g, "pressure/io", "some avg10=1.00 avg60=2.00 avg300=3.00 total=0\n");
	h = read_host(g);
	assert_int_equal(h->psi_io_some[2], 30);
	assert_true(h->psi_io_full[2] == RW_UNKNOWN_U64);
}

static void test_no_swap(void **state)
{
	struct rig *g = *state;
	const struct rw_host *h;

	usual_files(g);
	rig_text(g, "meminfo", "MemTotal: 8 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
	h = read_host(g);
	assert_int_equal(h->swap_total_bytes, 0);
	assert_int_equal(h->swap_used_bytes, 0);
	/* CONFIG_SWAP is off: no such lines. */
	rig_text(g, "meminfo", "MemTotal: 8 kB\n");
	h = read_host(g);
	assert_int_equal(h->mem_total_bytes, 8192);
	assert_int_equal(h->mem_available_bytes, 0);
	assert_int_equal(h->swap_used_bytes, 0);
}

static void test_large_numbers(void **state)
{
	struct rig *g = *state;
	const struct rw_host *h;

	usual_files(g);
	/* 512 CPUs for ten years. */
	rig_text(
		g, "stat",
		"cpu  16147123200000 0 0 0 0 0 0 16147123200000\nprocesses 18446744073709551615\n");
	h = read_host(g);
	assert_true(h->steal_ns == 16147123200000 * TICK_NS);
	assert_true(h->busy_ns == h->steal_ns);
	assert_true(h->forks == UINT64_MAX);
	rig_text(g, "loadavg", "123456.78 0.00 99999.99 1/1 1\n");
	h = read_host(g);
	assert_int_equal(h->load1_milli, 123456780);
	assert_int_equal(h->load15_milli, 99999990);
}

/* The interrupts of a large machine are one line of a hundred KiB before "processes". */
static void test_a_long_stat(void **state)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct rig *g = *state;

	usual_files(g);
	strbuf_adds(&b, "cpu  1 2 3 4 5 6 7 8 9 10\nintr 0");
	while (b.len < 150 * 1024)
		strbuf_adds(&b, " 0");
	strbuf_adds(&b, "\nprocesses 99\n");
	rig_file(g, "stat", b.data, b.len);
	assert_int_equal(read_host(g)->forks, 99);
}

static void test_garbage(void **state)
{
	static const char *const bad[] = {
		"", "\n", "cpu", "cpu  a b c d", "x y z", "\xff\x00\x01"
	};
	struct rig *g = *state;
	const struct rw_host *h;

	usual_files(g);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rig_text(g, "stat", bad[i]);
		rig_text(g, "meminfo", bad[i]);
		h = read_host(g);
		assert_int_equal(h->busy_ns, 0);
		assert_int_equal(h->forks, 0);
		assert_int_equal(h->mem_total_bytes, 0);
	}
	rig_text(g, "loadavg", "x y z");
	assert_int_equal(read_host(g)->load5_milli, 0);
	rig_text(g, "loadavg", "1.00");
	assert_int_equal(read_host(g)->load1_milli, 0);
}

/* What a file system of a container's own may show there. */
static void test_numbers_that_are_none(void **state)
{
	static const char *const odd[] = { "inf", "-1", "nan", "1e300", "-inf" };
	struct rig *g = *state;

	usual_files(g);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		const struct rw_host *h;
		char text[128];

		snprintf(text, sizeof(text), "%s 0.50 %s 1/2 3\n", odd[i], odd[i]);
		rig_text(g, "loadavg", text);
		snprintf(text, sizeof(text), "some avg10=%s avg60=0.50 avg300=%s total=1\n", odd[i],
			 odd[i]);
		rig_text(g, "pressure/cpu", text);
		rig_text(g, "meminfo", "SwapTotal: 4 kB\nSwapFree: 5 kB\n");
		h = read_host(g);
		assert_int_equal(h->load1_milli, 0);
		assert_int_equal(h->load5_milli, 500);
		assert_int_equal(h->load15_milli, 0);
		assert_int_equal(h->psi_cpu_some[0], 0);
		assert_int_equal(h->psi_cpu_some[1], 5);
		assert_int_equal(h->swap_used_bytes, 0);
	}
}

/* They stay open: what is written later is seen. */
static void test_read_anew_each_time(void **state)
{
	struct rig *g = *state;

	usual_files(g);
	read_host(g);
	rig_text(g, "loadavg", "9.00 9.00 9.00 1/1 1\n");
	sensor_host_read(&g->s);
	assert_int_equal(g->count, 2);
	assert_int_equal(g->rec[1].host.load1_milli, 9000);
	assert_true(g->rec[1].hdr.seq == g->rec[0].hdr.seq + 1);
	assert_true(g->rec[1].hdr.time_ns >= g->rec[0].hdr.time_ns);
}

static void test_files_that_must_be_there(void **state)
{
	static const char *const needed[] = { "loadavg", "meminfo", "stat" };
	struct rig *g = *state;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		usual_files(g);
		rig_remove(g, needed[i]);
		assert_int_equal(sensor_host_open(&g->s), -ENOENT);
		sensor_host_close(&g->s);
		assert_int_equal(g->s.host.loadavg, -1);
		assert_int_equal(g->s.host.stat, -1);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_usual),
		T(test_pressure),
		T(test_no_pressure_files),
		T(test_garbage_for_pressure),
		T(test_pressure_that_cannot_be_read),
		T(test_one_pressure_line),
		T(test_no_swap),
		T(test_large_numbers),
		T(test_a_long_stat),
		T(test_garbage),
		T(test_numbers_that_are_none),
		T(test_read_anew_each_time),
		T(test_files_that_must_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
