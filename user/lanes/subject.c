/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lanes look at: subjects and their numbers, read from the model. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/macros.h"
#include "lanes/match.h"
#include "lanes/tables.h"

static const struct lane_numbers nothing_known = { NAN, NAN, NAN, NAN, NAN, NAN, NAN };

struct each {
	const struct runaway_model *model;
	subject_fn fn;
	void *ctx;
};

static double seconds_since(const struct runaway_model *m, uint64_t then_ns)
{
	uint64_t now_ns = runaway_model_now(m);

	return now_ns > then_ns ? (double)(now_ns - then_ns) / (double)NSEC_PER_SEC : 0;
}

void runaway_subject_key(struct runaway_subject *s)
{
	if (s->key[0])
		return;
	switch (s->kind) {
	case RUNAWAY_SUBJECT_ORPHAN_TREE:
	case RUNAWAY_SUBJECT_PROCESS:
		snprintf(s->key, sizeof(s->key), "%s:%" PRIu32 ":%" PRIu64,
			 runaway_subject_kind_name(s->kind), s->id.pid, s->id.start_ns);
		return;
	case RUNAWAY_SUBJECT_CGROUP:
		snprintf(s->key, sizeof(s->key), "cgroup:%" PRIu64, s->cgroup_id);
		return;
	default:
		snprintf(s->key, sizeof(s->key), "host");
	}
}

static void each_group(const struct each *e)
{
	size_t count = 0;
	const struct runaway_group *g = runaway_model_groups(e->model, &count);

	for (size_t i = 0; i < count; i++) {
		struct subject_view s = {
			.id = { .kind = RUNAWAY_SUBJECT_ORPHAN_TREE, .id = g[i].root->id },
			.proc = g[i].root,
			.numbers = nothing_known,
			.cpu_ns = g[i].cpu_ns,
		};

		s.numbers.cpu_cores = g[i].cores;
		s.numbers.age_s = seconds_since(e->model, g[i].since_ns);
		e->fn(e->ctx, &s);
	}
}

static void visit_proc(void *ctx, struct runaway_proc *p)
{
	const struct each *e = ctx;
	struct subject_view s = {
		.id = { .kind = RUNAWAY_SUBJECT_PROCESS, .id = p->id },
		.proc = p,
		.numbers = nothing_known,
	};

	if (p->state != RUNAWAY_ALIVE || p->flags & RW_TF_KTHREAD)
		return;
	s.numbers.cpu_cores = runaway_proc_cores(e->model, p);
	s.numbers.age_s = seconds_since(e->model, p->id.start_ns);
	e->fn(e->ctx, &s);
}

static void visit_cgroup(void *ctx, struct runaway_cgroup *cg)
{
	const struct each *e = ctx;
	struct subject_view s = {
		.id = { .kind = RUNAWAY_SUBJECT_CGROUP, .cgroup_id = cg->id },
		.cgroup = cg,
		.numbers = nothing_known,
	};

	if (cg->removed_ns)
		return;
	s.numbers.cpu_cores = cg->cores;
	s.numbers.age_s = seconds_since(e->model, cg->first_seen_ns);
	e->fn(e->ctx, &s);
}

/* The two are taken at slightly different moments: a share above 1 is the skew, not a fact. */
static double ci_share(const struct runaway_host_state *h)
{
	return h->busy_cores > 0 ? MIN(h->ci_cores / h->busy_cores, 1.0) : NAN;
}

static void one_host(const struct each *e)
{
	const struct runaway_host_state *h = runaway_model_host(e->model);
	struct subject_view s = {
		.id = { .kind = RUNAWAY_SUBJECT_HOST },
		.numbers = nothing_known,
	};

	if (h && h->known) {
		s.numbers.load5_per_core = h->load5_per_core;
		s.numbers.ci_containers = h->ci_containers;
		s.numbers.ci_cpu_share = ci_share(h);
		s.numbers.psi_cpu_some_avg60 = h->psi_cpu_some[1];
		s.numbers.swap_used_ratio = h->swap_used_ratio;
	}
	e->fn(e->ctx, &s);
}

void runaway_subjects_each(const struct runaway_model *m, unsigned int kinds, subject_fn fn,
			   void *ctx)
{
	struct each e = { m, fn, ctx };

	if (kinds & KIND(ORPHAN_TREE))
		each_group(&e);
	if (kinds & KIND(PROCESS))
		runaway_model_each(m, visit_proc, &e);
	if (kinds & KIND(CGROUP))
		runaway_model_each_cgroup(m, visit_cgroup, &e);
	if (kinds & KIND(HOST))
		one_host(&e);
}
