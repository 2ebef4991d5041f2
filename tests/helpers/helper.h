/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_TESTS_HELPER_H
#define RUNAWAY_TESTS_HELPER_H

/* What the load makers share. Each of them is one small program with one job. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* No process made by a test outlives a test run, even if the test is killed. */
#define HELPER_LIFE_S 600

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

/* For every process that stays: fork() does not inherit the alarm of its parent. */
static inline void limit_life(void)
{
	alarm(HELPER_LIFE_S);
}

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		die("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Burns CPU for that long by the wall clock: the load is bounded on a busy machine too. */
static inline void burn_us(uint64_t us)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + us * 1000;

	while (now_ns(CLOCK_MONOTONIC) < end)
		;
}

/* What it was started for stands; it stays until whoever started it closes its input. */
static inline void ready_until_closed(void)
{
	char c;

	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static inline unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > max) {
		fprintf(stderr, "not a number up to %lu: %s\n", max, text);
		_exit(2);
	}
	return n;
}

#endif
