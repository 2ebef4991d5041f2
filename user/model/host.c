/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's figures, and the tick that turns counters into rates. */

#include <math.h>

#include "model/internal.h"

/* Less than this is the reading's own noise, or a clock that is being slewed. */
#define WALL_CLOCK_STEP_NS (10 * NSEC_PER_MSEC)

static void ratios(const __u64 permille[3], double ret[3])
{
	for (int i = 0; i < 3; i++)
		ret[i] = permille[i] == RW_UNKNOWN_U64 ? NAN : (double)permille[i] / 1000;
}

/* Busy time that nothing was charged with. The two clocks differ by a tick: it only grows. */
static void unattributed(struct host_base *b, const struct rw_host *r)
{
	uint64_t busy, attributed;

	if (!b->known) {
		b->known = true;
		b->busy_ns = r->busy_ns;
		b->attributed_ns = r->attributed_ns;
	}
	/* A counter that went back (restarted sensor) starts a new stretch. */
	if (r->busy_ns < b->busy_ns || r->attributed_ns < b->attributed_ns)
		return;
	busy = r->busy_ns - b->busy_ns;
	attributed = r->attributed_ns - b->attributed_ns;
	if (busy > attributed)
		b->unattributed_ns = MAX(b->unattributed_ns, busy - attributed);
}

int model_host(struct runaway_model *m, const struct rw_host *r)
{
	struct runaway_host_state *h = &m->host;

	if (r->ncpu == 0)
		return -EBADMSG;
	h->known = true;
	h->at_ns = r->hdr.time_ns;
	h->ncpu = r->ncpu;
	h->load1 = (double)r->load1_milli / 1000;
	h->load5 = (double)r->load5_milli / 1000;
	h->load15 = (double)r->load15_milli / 1000;
	h->load5_per_core = h->load5 / r->ncpu;
	h->mem_total_bytes = r->mem_total_bytes;
	h->mem_available_bytes = r->mem_available_bytes;
	h->swap_total_bytes = r->swap_total_bytes;
	h->swap_used_bytes = MIN(r->swap_used_bytes, r->swap_total_bytes);
	h->swap_used_ratio =
		h->swap_total_bytes ? (double)h->swap_used_bytes / (double)h->swap_total_bytes : 0;
	ratios(r->psi_cpu_some, h->psi_cpu_some);
	ratios(r->psi_memory_some, h->psi_memory_some);
	ratios(r->psi_memory_full, h->psi_memory_full);
	ratios(r->psi_io_some, h->psi_io_some);
	ratios(r->psi_io_full, h->psi_io_full);
	h->forks = r->forks;
	unattributed(&m->host_base, r);
	h->steal_seconds = (double)r->steal_ns / NSEC_PER_SEC;
	h->short_lived_seconds = (double)r->short_lived_ns / NSEC_PER_SEC;
	h->unattributed_seconds = (double)m->host_base.unattributed_ns / NSEC_PER_SEC;
	m->host_base.last_busy_ns = r->busy_ns;
	m->host_base.last_at_ns = r->hdr.time_ns;
	return 0;
}

static void host_rates(struct runaway_model *m, uint64_t now_ns)
{
	struct tick_state *t = &m->tick;
	const struct host_base *b = &m->host_base;

	m->host.ci_jobs = m->ci_jobs;
	m->host.ci_containers = m->ci_containers;
	if (t->at_ns && now_ns > t->at_ns)
		m->host.ci_cores = (double)t->ci_cpu_ns / (double)(now_ns - t->at_ns);
	t->ci_cpu_ns = 0;
	if (!b->known)
		return;
	if (t->host_known && b->last_at_ns > t->host_ns && b->last_busy_ns >= t->busy_ns)
		m->host.busy_cores = (double)(b->last_busy_ns - t->busy_ns) /
				     (double)(b->last_at_ns - t->host_ns);
	t->host_known = true;
	t->busy_ns = b->last_busy_ns;
	t->host_ns = b->last_at_ns;
}

/*
 * Both clocks are read one after the other, and whatever runs between them would shift all times
 * that are told: what began at one moment would have begun at another in the next answer.
 */
static void wall_clock(struct runaway_model *m, uint64_t now_ns, uint64_t realtime_ns)
{
	uint64_t offset_ns = realtime_ns - now_ns, old_ns = m->realtime_offset_ns;

	if (realtime_ns <= now_ns)
		return;
	if (MAX(offset_ns, old_ns) - MIN(offset_ns, old_ns) >= WALL_CLOCK_STEP_NS)
		m->realtime_offset_ns = offset_ns;
}

int model_tick(struct runaway_model *m, const struct rw_tick *r)
{
	uint64_t now_ns = r->hdr.time_ns;

	/* A doubled or late tick has nothing to measure over. */
	if (m->tick.at_ns && now_ns <= m->tick.at_ns)
		return 0;
	wall_clock(m, now_ns, r->realtime_ns);
	if (!m->scan.active)
		model_settle(m, now_ns);
	process_release_old(m);
	tree_tick(m, now_ns);
	host_rates(m, now_ns);
	cgroup_tick(m, now_ns);
	m->tick.at_ns = now_ns;
	groups_tick(m);
	return 0;
}
