// SPDX-License-Identifier: GPL-2.0-or-later
/* The books: what the kernel side wrote, lost and skipped. */

#include <string.h>

#include "base/clock.h"
#include "base/fdinfo.h"
#include "sensor/sensor_priv.h"

#define MISSES_NS (5 * NSEC_PER_SEC)

/* Every member of struct rw_counters is a monotonic u64: summing is summing words. */
static void sum_counters(struct rw_counters *sum, const struct rw_counters *one)
{
	const uint64_t *src = (const uint64_t *)one;
	uint64_t *dst = (uint64_t *)sum;

	static_assert(sizeof(struct rw_counters) % sizeof(uint64_t) == 0, "words");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		dst[i] += src[i];
}

static void map_stat(struct runaway_sensor *s, const char *name, uint64_t entries,
		     uint64_t capacity, uint64_t errors)
{
	s->stats.map[s->stats.map_count++] = (struct runaway_map_stat){
		.name = name,
		.entries = entries,
		.capacity = capacity,
		.errors = errors,
	};
}

static uint64_t dropped_of(const struct rw_counters *k, int from, int to)
{
	uint64_t n = 0;

	for (int i = from; i < to; i++)
		n += k->dropped[i];
	return n;
}

static void fill_maps(struct runaway_sensor *s)
{
	const struct rw_counters *k = &s->stats.kernel;
	uint64_t procs = s->stats.scan_processes;

	s->stats.map_count = 0;
	map_stat(s, "procs", procs, s->max_processes, k->procs_full);
	map_stat(s, "threads", s->stats.scan_tasks - MIN(procs, s->stats.scan_tasks),
		 bpf_map__max_entries(s->skel->maps.rw_threads), k->threads_full);
	map_stat(s, "cgroups", s->cgroup_entries, s->max_cgroups, k->cgroups_full);
	map_stat(s, "events", s->drained_bytes[0], s->events_bytes, dropped_of(k, 0, RW_TASK));
	map_stat(s, "samples", s->drained_bytes[1], s->samples_bytes,
		 dropped_of(k, RW_TASK, RW_KERNEL_TYPES));
}

/* What they make wrong the scans mend in any case; a file for each program is not read each second.
 */
static void read_misses(struct runaway_sensor *s)
{
	uint64_t now = runaway_boot_ns();

	if (s->last_misses_ns && now - s->last_misses_ns < MISSES_NS)
		return;
	s->last_misses_ns = now;
	for (size_t i = 0; i < s->stats.prog_count; i++)
		runaway_prog_misses(s->misses_fd[i], &s->stats.prog[i].misses);
}

void sensor_counters_read(struct runaway_sensor *s)
{
	struct rw_counters sum = { 0 };

	for (unsigned int i = 0; i < s->ncpu; i++)
		sum_counters(&sum, &s->counters[i]);
	s->stats.kernel = sum;
	read_misses(s);
	fill_maps(s);
}

void sensor_report_loss(struct runaway_sensor *s)
{
	const struct rw_counters *k = &s->stats.kernel;
	struct rw_loss now = {
		.events = dropped_of(k, 0, RW_TASK),
		.samples = dropped_of(k, RW_TASK, RW_KERNEL_TYPES),
		.maps = k->procs_full + k->threads_full + k->cgroups_full + k->map_errors,
	}, rec = { 0 };

	for (size_t i = 0; i < s->stats.prog_count; i++)
		now.misses += s->stats.prog[i].misses;
	rec.events = now.events - s->told.events;
	rec.samples = now.samples - s->told.samples;
	rec.misses = now.misses - s->told.misses;
	rec.maps = now.maps - s->told.maps;
	if (!(rec.events | rec.samples | rec.misses | rec.maps))
		return;
	s->told = now;
	sensor_emit(s, &rec.hdr, RW_LOSS, sizeof(rec));
}
