/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts = { 0 };

	/* Cannot fail: the ids are constants that every supported kernel knows. */
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

int64_t runaway_boot_offset_parse(const char *text)
{
	const char *line = strstr(text, "boottime");
	long long s, ns;

	if (!line || sscanf(line, "boottime %lld %lld", &s, &ns) != 2)
		return 0;
	return s * (int64_t)NSEC_PER_SEC + ns;
}

int64_t runaway_boot_offset_ns(void)
{
	static bool known;
	static int64_t offset_ns;
	char text[256];
	size_t n = 0;
	FILE *f;

	/* A process does not change its time namespace while it runs: that takes an exec. */
	if (known)
		return offset_ns;
	known = true;
	f = fopen("/proc/self/timens_offsets", "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	offset_ns = runaway_boot_offset_parse(text);
	return offset_ns;
}

uint64_t runaway_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME) - (uint64_t)runaway_boot_offset_ns();
}

uint64_t runaway_boot_timer_ns(uint64_t boot_ns)
{
	return boot_ns + (uint64_t)runaway_boot_offset_ns();
}

uint64_t runaway_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t runaway_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t runaway_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static char *put_digits(char *p, unsigned int v, int digits)
{
	for (int i = digits - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

char *runaway_rfc3339(uint64_t realtime_ns, char buf[static RUNAWAY_RFC3339_LEN])
{
	time_t sec = (time_t)(realtime_ns / NSEC_PER_SEC);
	struct tm tm;
	char *p = buf;

	/* 64 bits of ns end in the year 2554: four digits do, and gmtime_r() cannot fail. */
	gmtime_r(&sec, &tm);
	p = put_digits(p, (unsigned int)tm.tm_year + 1900, 4);
	*p++ = '-';
	p = put_digits(p, (unsigned int)tm.tm_mon + 1, 2);
	*p++ = '-';
	p = put_digits(p, (unsigned int)tm.tm_mday, 2);
	*p++ = 'T';
	p = put_digits(p, (unsigned int)tm.tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, (unsigned int)tm.tm_min, 2);
	*p++ = ':';
	p = put_digits(p, (unsigned int)tm.tm_sec, 2);
	*p++ = '.';
	p = put_digits(p, (unsigned int)(realtime_ns % NSEC_PER_SEC / NSEC_PER_MSEC), 3);
	*p++ = 'Z';
	*p = '\0';
	return buf;
}

/* Reads exactly `digits` digits. */
static bool get_digits(const char **s, int digits, int *ret)
{
	int v = 0;

	for (; digits; digits--, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

static bool get_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* ".123456789", one to nine digits; nothing at all is 0. */
static bool get_fraction(const char **s, uint64_t *ret_ns)
{
	uint64_t ns = 0, unit = NSEC_PER_SEC;
	int digits = 0;

	if (!get_char(s, '.')) {
		*ret_ns = 0;
		return true;
	}
	for (; isdigit((unsigned char)**s); (*s)++) {
		if (++digits > 9)
			return false;
		unit /= 10;
		ns += unit * (uint64_t)(**s - '0');
	}
	*ret_ns = ns;
	return digits > 0;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

int runaway_rfc3339_parse(const char *s, uint64_t *ret_realtime_ns)
{
	int year, mon, day, hour, min, sec;
	uint64_t frac_ns, total_ns;
	struct tm tm;

	if (!get_digits(&s, 4, &year) || !get_char(&s, '-') || !get_digits(&s, 2, &mon) ||
	    !get_char(&s, '-') || !get_digits(&s, 2, &day) || !get_char(&s, 'T') ||
	    !get_digits(&s, 2, &hour) || !get_char(&s, ':') || !get_digits(&s, 2, &min) ||
	    !get_char(&s, ':') || !get_digits(&s, 2, &sec) || !get_fraction(&s, &frac_ns) ||
	    !get_char(&s, 'Z') || *s)
		return -EINVAL;
	if (year < 1970 || mon < 1 || mon > 12 || day < 1 || day > days_in_month(year, mon) ||
	    hour > 23 || min > 59 || sec > 59)
		return -EINVAL;
	tm = (struct tm){
		.tm_year = year - 1900,
		.tm_mon = mon - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = min,
		.tm_sec = sec,
	};
	if (__builtin_mul_overflow((uint64_t)timegm(&tm), NSEC_PER_SEC, &total_ns) ||
	    __builtin_add_overflow(total_ns, frac_ns, &total_ns))
		return -EINVAL;
	*ret_realtime_ns = total_ns;
	return 0;
}

/* "3 h 20 min"; the second part only where it is not 0. */
static void put_two(char *buf, size_t size, uint64_t a, const char *a_unit, uint64_t b,
		    const char *b_unit)
{
	if (b)
		snprintf(buf, size, "%" PRIu64 " %s %" PRIu64 " %s", a, a_unit, b, b_unit);
	else
		snprintf(buf, size, "%" PRIu64 " %s", a, a_unit);
}

char *runaway_human_duration(uint64_t ns, char *buf, size_t size)
{
	uint64_t s = ns / NSEC_PER_SEC;

	if (s < 60)
		snprintf(buf, size, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, size, "%" PRIu64 " min", s / 60);
	else if (s < 86400)
		put_two(buf, size, s / 3600, "h", s % 3600 / 60, "min");
	else
		put_two(buf, size, s / 86400, "d", s % 86400 / 3600, "h");
	return buf;
}

char *runaway_human_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int u = 0;

	while (bytes >> 10 * u >= 1024)
		u++;
	if (u == 0) {
		snprintf(buf, size, "%" PRIu64 " B", bytes);
	} else {
		/* Below 2^60: ten times as much still fits. */
		uint64_t rest = bytes & ((UINT64_C(1) << 10 * u) - 1);
		uint64_t tenths = rest * 10 >> 10 * u;

		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " %s", bytes >> 10 * u, tenths, unit[u]);
	}
	return buf;
}
