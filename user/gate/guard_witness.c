// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel wrote down: the ring of decisions and the books of each hook. */

#include <string.h>

#include "gate/guard_priv.h"

static int on_record(void *ctx, void *data, size_t size)
{
	struct runaway_guard *g = ctx;
	const struct rw_gate_witness *w = data;

	if (size < sizeof(*w))
		return 0;
	if ((pid_t)w->subject_tgid == g->pair.prober) {
		g->probe = *w;
		g->probes++;
		return 0;
	}
	g->queue[(g->queue_head + g->queue_n++) % GUARD_QUEUE] = *w;
	/* libbpf counts this record as read and leaves the next ones in the ring. */
	return g->queue_n == GUARD_QUEUE ? -ENOBUFS : 0;
}

int guard_witness_open(struct runaway_guard *g)
{
	g->ring = ring_buffer__new(bpf_map__fd(g->skel->maps.rw_gate_wit), on_record, g, NULL);
	return g->ring ? 0 : -errno;
}

int guard_witness_drain(struct runaway_guard *g)
{
	int r;

	if (g->queue_n == GUARD_QUEUE)
		return -ENOBUFS;
	r = ring_buffer__consume(g->ring);
	return r < 0 ? r : 0;
}

int runaway_guard_witness_next(struct runaway_guard *g, struct rw_gate_witness *ret)
{
	int r;

	if (!g->ring)
		return 0;
	if (!g->queue_n) {
		r = guard_witness_drain(g);
		if (r < 0 && r != -ENOBUFS)
			return r;
	}
	if (!g->queue_n)
		return 0;
	*ret = g->queue[g->queue_head];
	g->queue_head = (g->queue_head + 1) % GUARD_QUEUE;
	g->queue_n--;
	return 1;
}

int runaway_guard_witness_fd(const struct runaway_guard *g)
{
	return g->ring ? ring_buffer__epoll_fd(g->ring) : -1;
}

int runaway_guard_counts(const struct runaway_guard *g, struct runaway_guard_counts *ret)
{
	struct runaway_guard_counts c = { 0 };
	const char *name;
	uint64_t misses;

	if (g->counts) {
		memcpy(c.hooks, g->counts, sizeof(c.hooks));
		for (size_t i = 0; runaway_guard_program(g, i, &name, &misses); i++)
			c.recursion_misses += misses;
	}
	*ret = c;
	return 0;
}
