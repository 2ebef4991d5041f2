/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a subject cost from the moment it was orphaned, in a bounded number of points. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "incident/internal.h"

const struct runaway_group *incident_group(const struct runaway_finding *f,
					   const struct runaway_model *m)
{
	const struct runaway_group *groups;
	size_t count = 0;

	if (f->subject.kind != RUNAWAY_SUBJECT_ORPHAN_TREE)
		return NULL;
	groups = runaway_model_groups(m, &count);
	for (size_t n = 0; n < count; n++)
		if (runaway_id_eq(groups[n].root->id, f->subject.id))
			return &groups[n];
	return NULL;
}

static void measure_host(const struct runaway_model *m, struct incident_point *p)
{
	const struct runaway_host_state *host = runaway_model_host(m);

	if (!host || !host->known)
		return;
	p->cpu_cores = host->busy_cores;
	p->processes = (uint32_t)runaway_model_living(m);
	p->rss_bytes = host->mem_total_bytes -
		       MIN(host->mem_available_bytes, host->mem_total_bytes);
}

static void measure_process(const struct runaway_finding *f, const struct runaway_model *m,
			    struct incident_point *p)
{
	const struct runaway_proc *proc = runaway_model_find(m, f->subject.id);

	if (!proc)
		return;
	p->cpu_cores = runaway_proc_cores(m, proc);
	p->cpu_seconds = (double)proc->cpu_ns / NSEC_PER_SEC;
	p->processes = proc->state == RUNAWAY_ALIVE;
	p->rss_bytes = proc->rss_bytes;
}

static void measure_cgroup(const struct runaway_finding *f, const struct runaway_model *m,
			   struct incident_point *p)
{
	const struct runaway_cgroup *cg = runaway_model_cgroup(m, f->subject.cgroup_id);

	if (!cg)
		return;
	p->cpu_cores = cg->cores;
	p->cpu_seconds = (double)cg->total_cpu_ns / NSEC_PER_SEC;
}

void incident_measure(const struct runaway_finding *f, const struct runaway_model *m,
		      struct incident_point *ret)
{
	const struct runaway_group *g = incident_group(f, m);
	struct incident_point p = {
		.realtime_ns = incident_now(m),
		.cpu_cores = NAN,
		.cpu_seconds = NAN,
	};

	switch (f->subject.kind) {
	case RUNAWAY_SUBJECT_HOST:
		measure_host(m, &p);
		break;
	case RUNAWAY_SUBJECT_PROCESS:
		measure_process(f, m, &p);
		break;
	case RUNAWAY_SUBJECT_CGROUP:
		measure_cgroup(f, m, &p);
		break;
	default:
		if (!g)
			break;
		p.cpu_cores = g->cores;
		p.cpu_seconds = (double)g->cpu_ns / NSEC_PER_SEC;
		p.processes = g->processes;
		p.rss_bytes = g->rss_bytes;
		break;
	}
	*ret = p;
}

/* Two neighbours become one: the later totals, the mean of the rates. */
static void halve(struct incident *i)
{
	for (size_t n = 0; n + 1 < i->point_count; n += 2) {
		const struct incident_point *a = &i->point[n], *b = &i->point[n + 1];
		struct incident_point merged = *b;

		if (!isnan(a->cpu_cores) && !isnan(b->cpu_cores))
			merged.cpu_cores = (a->cpu_cores + b->cpu_cores) / 2;
		i->point[n / 2] = merged;
	}
	if (i->point_count % 2 == 1)
		i->point[i->point_count / 2] = i->point[i->point_count - 1];
	i->point_count = (i->point_count + 1) / 2;
	i->point_spacing_ns *= 2;
}

/*
 * Ticks jitter: nine tenths of the spacing are near enough. Times are people's
 * times; when their clock is set back, the timeline goes on instead of waiting.
 */
static bool too_soon(uint64_t now_ns, uint64_t last_ns, uint64_t spacing_ns)
{
	return now_ns < last_ns + spacing_ns / 10 * 9 && now_ns + spacing_ns > last_ns;
}

int incident_timeline_add(struct incident *i, const struct incident_point *p)
{
	if (!i->point) {
		i->point = calloc(INCIDENT_POINTS_MAX, sizeof(*i->point));
		if (!i->point)
			return -ENOMEM;
	}
	if (i->point_spacing_ns == 0)
		i->point_spacing_ns = NSEC_PER_SEC;
	if (i->point_count > 0 &&
	    too_soon(p->realtime_ns, i->point[i->point_count - 1].realtime_ns, i->point_spacing_ns))
		return 0;
	if (i->point_count == INCIDENT_POINTS_MAX)
		halve(i);
	i->point[i->point_count++] = *p;
	return 0;
}

/* CPU used since the last point, or since it was orphaned, over that time. */
static double rate(const struct runaway_point *now, uint64_t before_ns, uint64_t before_cpu_ns)
{
	if (before_ns == 0 || now->at_ns <= before_ns || now->cpu_ns < before_cpu_ns)
		return NAN;
	return (double)(now->cpu_ns - before_cpu_ns) / (double)(now->at_ns - before_ns);
}

int incident_timeline_seed(struct incident *i, const struct runaway_finding *f,
			   const struct runaway_model *m)
{
	const struct runaway_group *g = incident_group(f, m);
	const struct runaway_timeline *t = g && g->root->orphan ? g->root->orphan->timeline : NULL;
	uint64_t before_ns, before_cpu_ns = 0;
	struct incident_point point;
	int err;

	i->point_spacing_ns = t ? MAX(t->spacing_ns, NSEC_PER_SEC) : NSEC_PER_SEC;
	before_ns = t ? g->root->orphan->since_ns : 0;
	for (size_t n = 0; t && n < t->count; n++) {
		const struct runaway_point *p = &t->point[n];

		point = (struct incident_point){
			.realtime_ns = runaway_model_realtime(m, p->at_ns),
			.cpu_cores = rate(p, before_ns, before_cpu_ns),
			.cpu_seconds = (double)p->cpu_ns / NSEC_PER_SEC,
			.processes = p->processes,
			.rss_bytes = p->rss_bytes,
		};
		err = incident_timeline_add(i, &point);
		if (err < 0)
			return err;
		before_ns = p->at_ns;
		before_cpu_ns = p->cpu_ns;
	}
	incident_measure(f, m, &point);
	return incident_timeline_add(i, &point);
}
