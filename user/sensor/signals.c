// SPDX-License-Identifier: GPL-2.0-or-later
/* Telling the kernel side whose signals are to be told. */

#include <string.h>
#include <sys/mman.h>

#include "sensor/sensor_priv.h"

/* The kernel maps an array's value from its first page on. */
static size_t mapping_size(void)
{
	size_t page = (size_t)getpagesize();

	return (sizeof(struct rw_watch) + page - 1) / page * page;
}

/* Of pins that are adopted it says whom the daemon before watched, and so it is left: signals
 * that are sent while there is no daemon wait in the ring. */
int sensor_watch_open(struct runaway_sensor *s)
{
	int fd = bpf_map__fd(s->skel->maps.rw_watch);
	void *at = mmap(NULL, mapping_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	s->watch = at;
	return 0;
}

void sensor_watch_close(struct runaway_sensor *s)
{
	if (!s->watch)
		return;
	munmap(s->watch, mapping_size());
	s->watch = NULL;
}

void runaway_sensor_watch(struct runaway_sensor *s, const uint32_t *pids, size_t n)
{
	uint64_t bit[RW_WATCH_BITS / 64] = { 0 };

	if (!s->watch)
		return;
	for (size_t i = 0; i < n; i++)
		bit[pids[i] % RW_WATCH_BITS / 64] |= 1ULL << pids[i] % 64;
	/* Word by word: a program that runs meanwhile sees who stays watched all the time. */
	for (size_t i = 0; i < RW_WATCH_BITS / 64; i++)
		__atomic_store_n(&s->watch->bit[i], bit[i], __ATOMIC_RELAXED);
	__atomic_store_n(&s->watch->watching, n, __ATOMIC_RELEASE);
}
