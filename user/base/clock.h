/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_CLOCK_H
#define RUNAWAY_BASE_CLOCK_H

/*
 * CLOCK_BOOTTIME is the clock of all ages and identities, CLOCK_REALTIME is for
 * people. Rooms that judge take times as arguments; only the edges read clocks.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * CLOCK_BOOTTIME of the host, the clock of the kernel's own records: in a time namespace
 * the plain one differs from it by the namespace's offset.
 */
uint64_t runaway_boot_ns(void);
uint64_t runaway_real_ns(void);
uint64_t runaway_mono_ns(void);
/* CPU that the calling thread has used: what something cost, however busy the host is. */
uint64_t runaway_cpu_ns(void);

/* What a time namespace adds to CLOCK_BOOTTIME, and to the start times of /proc; 0 without one. */
int64_t runaway_boot_offset_ns(void);
/* The same moment as timers of this process want it. */
uint64_t runaway_boot_timer_ns(uint64_t boot_ns);
/* Reads the offset from a text in the form of /proc/PID/timens_offsets; 0 where it says nothing. */
int64_t runaway_boot_offset_parse(const char *text);

#define RUNAWAY_RFC3339_LEN sizeof("2026-11-22T02:17:15.123Z")

/* UTC with milliseconds, cut not rounded. Returns buf. */
char *runaway_rfc3339(uint64_t realtime_ns, char buf[static RUNAWAY_RFC3339_LEN]);

/* Reads what the above writes; seconds' fraction optional, only Z. Returns 0 or -EINVAL. */
int runaway_rfc3339_parse(const char *s, uint64_t *ret_realtime_ns);

/* "45 s", "12 min", "3 h 20 min", "9 d 4 h": for tables; cut not rounded. Returns buf. */
char *runaway_human_duration(uint64_t ns, char *buf, size_t size);

/* "512 B", "1.4 MiB": for tables; cut not rounded. Returns buf. */
char *runaway_human_bytes(uint64_t bytes, char *buf, size_t size);

#endif
