// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's own figures, from files that stay open. */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "sensor/sensor_priv.h"

static int open_at(const struct runaway_sensor *s, const char *name)
{
	return openat(s->proc_fd, name, O_RDONLY | O_CLOEXEC);
}

int sensor_host_open(struct runaway_sensor *s)
{
	char byte;

	s->host.loadavg = open_at(s, "loadavg");
	s->host.meminfo = open_at(s, "meminfo");
	s->host.stat = open_at(s, "stat");
	if (s->host.loadavg < 0 || s->host.meminfo < 0 || s->host.stat < 0)
		return -errno;
	s->host.psi_cpu = open_at(s, "pressure/cpu");
	s->host.psi_memory = open_at(s, "pressure/memory");
	s->host.psi_io = open_at(s, "pressure/io");
	/* With psi=0 the files are there and reading says EOPNOTSUPP. */
	if (s->host.psi_cpu >= 0 && pread(s->host.psi_cpu, &byte, 1, 0) < 0)
		sensor_host_close_psi(s);
	return 0;
}

static void close_fd(int *fd)
{
	runaway_closep(fd);
	*fd = -1;
}

void sensor_host_close_psi(struct runaway_sensor *s)
{
	close_fd(&s->host.psi_cpu);
	close_fd(&s->host.psi_memory);
	close_fd(&s->host.psi_io);
}

void sensor_host_close(struct runaway_sensor *s)
{
	close_fd(&s->host.loadavg);
	close_fd(&s->host.meminfo);
	close_fd(&s->host.stat);
	sensor_host_close_psi(s);
}

/* NUL-terminated head of the file; "" when it cannot be read. */
static const char *read_head(int fd, char *buf, size_t size)
{
	ssize_t n = fd >= 0 ? pread(fd, buf, size - 1, 0) : 0;

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

/* In a container the file may be somebody else's: "inf" and "-1" are no load. */
static uint64_t milli(const char *s)
{
	const double v = strtod(s, NULL);

	return v > 0 && v < 1e12 ? (uint64_t)(v * 1000 + 0.5) : 0;
}

static void parse_loadavg(const char *text, struct rw_host *h)
{
	char a[32], b[32], c[32];

	if (sscanf(text, "%31s %31s %31s", a, b, c) != 3)
		return;
	h->load1_milli = milli(a);
	h->load5_milli = milli(b);
	h->load15_milli = milli(c);
}

static uint64_t kib_of(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) * 1024 : 0;
}

static void parse_meminfo(const char *text, struct rw_host *h)
{
	h->mem_total_bytes = kib_of(text, "MemTotal:");
	h->mem_available_bytes = kib_of(text, "MemAvailable:");
	h->swap_total_bytes = kib_of(text, "SwapTotal:");
	h->swap_used_bytes = h->swap_total_bytes -
			     MIN(h->swap_total_bytes, kib_of(text, "SwapFree:"));
}

/* proc_stat(5): user nice system idle iowait irq softirq steal, in clock ticks. */
static void parse_stat(const struct runaway_sensor *s, const char *text, struct rw_host *h)
{
	uint64_t v[8] = { 0 };
	const char *p;

	if (sscanf(text,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) >= 4) {
		h->busy_ns = (v[0] + v[1] + v[2]) * s->clock_tick_ns;
		h->irq_ns = (v[5] + v[6]) * s->clock_tick_ns;
		h->steal_ns = v[7] * s->clock_tick_ns;
	}
	/* A line for each CPU that is online: sysconf() would read another file for it. */
	h->ncpu = 0;
	for (p = strstr(text, "\ncpu"); p; p = strstr(p + 1, "\ncpu"))
		h->ncpu++;
	if (!h->ncpu)
		h->ncpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	p = strstr(text, "\nprocesses ");
	if (p)
		h->forks = strtoull(p + strlen("\nprocesses "), NULL, 10);
}

static void parse_psi_line(const char *text, const char *kind, __u64 permille[3])
{
	const char *p = text ? strstr(text, kind) : NULL;
	char a[16], b[16], c[16];

	permille[0] = permille[1] = permille[2] = RW_UNKNOWN_U64;
	if (!p || sscanf(p + strlen(kind), " avg10=%15s avg60=%15s avg300=%15s", a, b, c) != 3)
		return;
	/* The file says per cent with two digits. */
	permille[0] = milli(a) / 100;
	permille[1] = milli(b) / 100;
	permille[2] = milli(c) / 100;
}

void sensor_host_read(struct runaway_sensor *s)
{
	struct rw_host h = { 0 };
	const struct rw_counters *k = &s->stats.kernel;
	static char buf[256 * 1024]; /* /proc/stat of a large machine */

	parse_loadavg(read_head(s->host.loadavg, buf, sizeof(buf)), &h);
	parse_meminfo(read_head(s->host.meminfo, buf, sizeof(buf)), &h);
	parse_stat(s, read_head(s->host.stat, buf, sizeof(buf)), &h);
	read_head(s->host.psi_cpu, buf, sizeof(buf));
	parse_psi_line(buf, "some", h.psi_cpu_some);
	read_head(s->host.psi_memory, buf, sizeof(buf));
	parse_psi_line(buf, "some", h.psi_memory_some);
	parse_psi_line(buf, "full", h.psi_memory_full);
	read_head(s->host.psi_io, buf, sizeof(buf));
	parse_psi_line(buf, "some", h.psi_io_some);
	parse_psi_line(buf, "full", h.psi_io_full);
	h.attributed_ns = k->attributed_ns;
	h.kernel_ns = k->kernel_ns;
	h.short_lived_ns = k->short_lived_ns;
	sensor_emit(s, &h.hdr, RW_HOST, sizeof(h));
}
