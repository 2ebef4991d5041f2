// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/* Transport: the two rings and the counters of everything that can be lost. */

#include "rw.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Lineage. Full: the record is dropped and counted, a rescan heals. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} rw_events SEC(".maps");

/* Samples. Full: dropped and counted, the scan that lost them is made again. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} rw_samples SEC(".maps");

/*
 * Key: CPU; user space makes room for as many as there can be. Not a per-CPU
 * map: this one can be mapped, so that reading it needs no bpf(), which kernels
 * before 5.19 refuse to a daemon without privileges.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct rw_counters);
} rw_counters SEC(".maps");

/* Bytes queued at which the reader is woken although nobody waits for the record. */
const volatile __u64 rw_events_wake = 256 * 1024;
const volatile __u64 rw_samples_wake = 256 * 1024;

__hidden struct rw_counters *rw_counters_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&rw_counters, &cpu);
}

__hidden void rw_count_fault(void)
{
	struct rw_counters *c = rw_counters_here();

	if (c)
		rw_add(&c->read_faults, 1);
}

static __always_inline __u64 wake_flags(void *ring, __u64 threshold, bool wake)
{
	if (wake || bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= threshold)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* An attempt: counted, and the number that the record bears. 0: it may not be written. */
static __always_inline __u64 attempt(struct rw_counters *c, __u32 type, bool event)
{
	if (!c || type >= RW_KERNEL_TYPES)
		return 0;
	rw_add(&c->emitted[type], 1);
	return event ? ++c->seq_events : ++c->seq_samples;
}

__hidden __u64 rw_event_attempt(__u32 type)
{
	return attempt(rw_counters_here(), type, true);
}

__hidden __u64 rw_sample_attempt(__u32 type)
{
	return attempt(rw_counters_here(), type, false);
}

__hidden void *rw_event_room(__u32 len)
{
	return bpf_ringbuf_reserve(&rw_events, len, 0);
}

__hidden void *rw_sample_room(__u32 len)
{
	return bpf_ringbuf_reserve(&rw_samples, len, 0);
}

__hidden void rw_count_drop(__u32 type)
{
	struct rw_counters *c = rw_counters_here();

	if (c && type < RW_KERNEL_TYPES)
		rw_add(&c->dropped[type], 1);
}

__hidden void rw_event_submit(void *rec, bool wake)
{
	bpf_ringbuf_submit(rec, wake_flags(&rw_events, rw_events_wake, wake));
}

__hidden void rw_sample_submit(void *rec)
{
	bpf_ringbuf_submit(rec, wake_flags(&rw_samples, rw_samples_wake, false));
}

__hidden int rw_event_output(void *rec, __u32 len, __u32 type, bool wake)
{
	__u64 seq = rw_event_attempt(type);

	if (!seq)
		return -1;
	rw_fill(rec, len, type, seq);
	if (!bpf_ringbuf_output(&rw_events, rec, len, wake_flags(&rw_events, rw_events_wake, wake)))
		return 0;
	rw_count_drop(type);
	return -1;
}

__hidden int rw_sample_output(void *rec, __u32 len, __u32 type)
{
	__u64 seq = rw_sample_attempt(type);

	if (!seq)
		return -1;
	rw_fill(rec, len, type, seq);
	if (!bpf_ringbuf_output(&rw_samples, rec, len,
				wake_flags(&rw_samples, rw_samples_wake, false)))
		return 0;
	rw_count_drop(type);
	return -1;
}

#define E2BIG  7
#define ENOMEM 12

_Static_assert(__builtin_offsetof(struct rw_counters, map_errors) ==
		       __builtin_offsetof(struct rw_counters, procs_full) + RW_MAPS * sizeof(__u64),
	       "a counter for each map, then that of errors");

__noinline int rw_map_refused(int r, enum rw_map map)
{
	struct rw_counters *c = rw_counters_here();
	__u64 i = r == -E2BIG || r == -ENOMEM ? map : RW_MAPS;

	if (c && i <= RW_MAPS)
		rw_add(&c->procs_full + i, 1);
	return 0;
}
