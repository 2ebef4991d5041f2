/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU of a process: monotonic, and credited to the orphan tree that it belongs to. */

#include "model/internal.h"

struct runaway_proc *runaway_proc_orphan_root(const struct runaway_proc *p)
{
	for (int i = 0; p && i < CLIMB_MAX; i++, p = p->parent_proc)
		if (p->orphan)
			return (struct runaway_proc *)p;
	return NULL;
}

static void credit(struct runaway_model *m, struct runaway_proc *p, uint64_t delta)
{
	struct runaway_proc *root = runaway_proc_orphan_root(p);

	if (root)
		root->orphan->tree_cpu_ns += delta;
	if (p->ci)
		m->tick.ci_cpu_ns += delta;
}

/*
 * One scan may write a process twice (its record, then its threads'): that is one
 * sample. A process that the scan before did not write did not run in between,
 * so its figure was still true then.
 */
static void take_sample(const struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns)
{
	if (m->scan.active && p->scan_generation == m->scan.generation && p->sample_ns)
		return;
	p->prev_sample_ns = MAX(p->sample_ns, m->scan.prev_begin_ns);
	if (p->prev_sample_ns < p->id.start_ns)
		p->prev_sample_ns = p->id.start_ns;
	p->prev_cpu_ns = p->cpu_ns;
	p->sample_ns = at_ns;
	p->scan_generation = m->scan.generation;
}

void process_cpu(struct runaway_model *m, struct runaway_proc *p, uint64_t cpu_ns, uint64_t at_ns,
		 bool sample)
{
	if (sample)
		take_sample(m, p, at_ns);
	if (cpu_ns <= p->cpu_ns)
		return;
	credit(m, p, cpu_ns - p->cpu_ns);
	p->cpu_ns = cpu_ns;
}

void process_cpu_first(struct runaway_model *m, struct runaway_proc *p, uint64_t cpu_ns,
		       uint64_t at_ns)
{
	const struct runaway_proc *root = runaway_proc_orphan_root(p);

	if (m->tick.at_ns && p->id.start_ns >= m->tick.at_ns && p->ci)
		m->tick.ci_cpu_ns += cpu_ns;
	if (root && root->orphan->known_ns <= p->id.start_ns)
		root->orphan->tree_cpu_ns += cpu_ns;
	p->cpu_ns = p->prev_cpu_ns = cpu_ns;
	p->sample_ns = p->prev_sample_ns = at_ns;
	p->scan_generation = m->scan.generation;
}

double runaway_proc_cores(const struct runaway_model *m, const struct runaway_proc *p)
{
	if (p->state != RUNAWAY_ALIVE || p->scan_generation != m->scan.generation ||
	    p->sample_ns <= p->prev_sample_ns)
		return 0;
	return (double)(p->cpu_ns - p->prev_cpu_ns) / (double)(p->sample_ns - p->prev_sample_ns);
}
