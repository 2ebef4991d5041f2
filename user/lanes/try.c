/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes tried on the model: what would they say now? Nothing is opened. */

#include "base/macros.h"
#include "lanes/match.h"
#include "lanes/step.h"
#include "lanes/tables.h"

struct attempt {
	const struct lane_set *lanes;
	const struct runaway_model *model;
	struct json_writer *w;
};

static void write_subject(const struct attempt *a, struct subject_view *s)
{
	struct json_writer *w = a->w;
	const struct runaway_proc *p = s->proc;

	runaway_subject_key(&s->id);
	json_key(w, "subject");
	json_object_begin(w);
	json_kv_string(w, "kind", runaway_subject_kind_name(s->id.kind));
	json_kv_string(w, "key", s->id.key);
	if (p) {
		json_kv_uint(w, "root_pid", p->id.pid);
		json_kv_u64_string(w, "start_ns", p->id.start_ns);
		json_kv_string(w, "comm", p->comm);
		json_kv_string(w, "origin_comm", p->origin ? p->origin->comm : NULL);
		json_kv_string(w, "cgroup", runaway_proc_cgroup_path(a->model, p));
	}
	if (s->cgroup)
		json_kv_string(w, "cgroup", s->cgroup->path);
	json_object_end(w);
}

/* As if for_s were 0: the step itself says it, on a state that is thrown away. */
static bool crossed_now(const struct lane *l, const struct subject_view *s,
			struct evidence ev[static RUNAWAY_EVIDENCE_MAX], size_t *ret_n)
{
	struct lane at_once = *l;
	struct lane_state state = { 0 };

	at_once.trigger.for_s = 0;
	return runaway_lane_step(&at_once, true, &s->numbers, 1, &state, ev, ret_n) == LANE_OPENED;
}

static void visit(void *ctx, struct subject_view *s)
{
	const struct attempt *a = ctx;

	for (size_t i = 0; i < a->lanes->count; i++) {
		const struct lane *l = &a->lanes->lane[i];
		struct evidence ev[RUNAWAY_EVIDENCE_MAX];
		size_t n = 0;
		bool crossed;

		if (!l->enabled || !runaway_lane_takes(a->lanes, l, a->model, s, false))
			continue;
		crossed = crossed_now(l, s, ev, &n);
		json_object_begin(a->w);
		json_kv_string(a->w, "lane_id", l->lane_id);
		write_subject(a, s);
		json_kv_bool(a->w, "matched", true);
		json_kv_bool(a->w, "crossed", crossed);
		json_key(a->w, "evidence");
		runaway_evidence_write(a->w, ev, n);
		json_object_end(a->w);
	}
}

int runaway_engine_try(const struct lane_set *lanes, const struct runaway_model *m,
		       struct json_writer *w)
{
	struct attempt a = { lanes, m, w };
	unsigned int kinds = 0;

	for (size_t i = 0; i < lanes->count; i++)
		if (lanes->lane[i].enabled)
			kinds |= 1u << lanes->lane[i].subject;
	json_array_begin(w);
	runaway_subjects_each(m, kinds, visit, &a);
	json_array_end(w);
	return w->out->error;
}
