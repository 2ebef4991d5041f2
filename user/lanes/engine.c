/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * States per (lane, subject) and the findings made of them. A state waits in
 * `pending` while its condition holds, and moves to `findings` when it opens:
 * opening allocates nothing, so it cannot fail half-way.
 */

#define HASH_NONFATAL_OOM 1

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/macros.h"
#include "lanes/account.h"
#include "lanes/engine.h"
#include "lanes/match.h"
#include "lanes/step.h"
#include "lanes/tables.h"

struct lane_engine {
	struct lane_engine_ops ops;
	void *ctx;
	struct lane_set lanes;
	struct lane_accounts *accounts;
	struct runaway_finding *findings; /* open, oldest first */
	struct runaway_finding *pending;
	uint64_t tick;
};

const char *runaway_finding_end_name(enum finding_end e)
{
	switch (e) {
	case FINDING_CLEARED:
		return "calmed_down";
	case FINDING_GONE:
		return "ended";
	case FINDING_LANE_OFF:
		return "lane_off";
	case FINDING_ADOPTED:
		return "no_longer_matches";
	}
	return "unknown";
}

int runaway_engine_new(const struct lane_engine_ops *ops, void *ctx, struct lane_engine **ret)
{
	struct lane_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->ops = *ops;
	e->ctx = ctx;
	*ret = e;
	return 0;
}

static void free_states(struct runaway_finding **head)
{
	struct runaway_finding *f, *next;

	HASH_ITER (hh, *head, f, next) {
		HASH_DEL(*head, f);
		free(f);
	}
}

void runaway_engine_free(struct lane_engine *e)
{
	if (!e)
		return;
	free_states(&e->findings);
	free_states(&e->pending);
	runaway_accounts_free(e->accounts);
	runaway_lane_set_free(&e->lanes);
	free(e);
}

/*
 * Adds what the subject burned since the last look; all since it was orphaned
 * at the first one. A group that lost a member stands lower than before: what
 * it burns from there counts.
 */
static void charge(struct lane_engine *e, struct runaway_finding *f, uint64_t cpu_ns)
{
	if (cpu_ns > f->cpu_ns_last)
		runaway_account_charge(e->accounts, f->lane->lane_id, cpu_ns - f->cpu_ns_last);
	f->cpu_ns_last = cpu_ns;
}

double runaway_engine_lane_cpu_seconds(const struct lane_engine *e, const char *lane_id)
{
	return (double)runaway_account_cpu_ns(e->accounts, lane_id) / (double)NSEC_PER_SEC;
}

/* ---- lanes ---- */

static void end(struct lane_engine *e, struct runaway_finding *f, enum finding_end why)
{
	HASH_DEL(e->findings, f);
	if (e->ops.ended)
		e->ops.ended(e->ctx, f, why);
	free(f);
}

static const struct lane *same_lane(const struct lane_set *set, const struct runaway_finding *f)
{
	const struct lane *l = runaway_lane_set_find(set, f->lane->lane_id);

	return l && l->enabled && l->subject == f->subject.kind ? l : NULL;
}

/* `ended` still sees the old lane: the old set is freed only after this. */
static void move_states(struct lane_engine *e, const struct lane_set *to)
{
	struct runaway_finding *f, *next;

	HASH_ITER (hh, e->pending, f, next) {
		const struct lane *l = same_lane(to, f);

		if (l) {
			f->lane = l;
			continue;
		}
		HASH_DEL(e->pending, f);
		free(f);
	}
	HASH_ITER (hh, e->findings, f, next) {
		const struct lane *l = same_lane(to, f);

		if (l)
			f->lane = l;
		else
			end(e, f, FINDING_LANE_OFF);
	}
}

int runaway_engine_set_lanes(struct lane_engine *e, struct lane_set *lanes)
{
	for (size_t i = 0; i < lanes->count; i++) {
		int r = runaway_account_ensure(&e->accounts, lanes->lane[i].lane_id);

		if (r)
			return r;
	}
	move_states(e, lanes);
	runaway_lane_set_free(&e->lanes);
	e->lanes = *lanes;
	*lanes = (struct lane_set){ 0 };
	return 0;
}

const struct lane_set *runaway_engine_lanes(const struct lane_engine *e)
{
	return &e->lanes;
}

/* ---- states ---- */

static void make_key(char key[static 192], const struct lane *l, struct runaway_subject *s)
{
	runaway_subject_key(s);
	snprintf(key, 192, "%s/%s", l->lane_id, s->key);
}

/* The state of (lane, subject), open or pending; NULL: none. */
static struct runaway_finding *find_state(const struct lane_engine *e, const char *key)
{
	struct runaway_finding *f;

	HASH_FIND_STR(e->findings, key, f);
	if (!f)
		HASH_FIND_STR(e->pending, key, f);
	return f;
}

static int add_state(struct runaway_finding **head, struct runaway_finding *f)
{
	struct runaway_finding *found;

	HASH_ADD_STR(*head, key, f);
	HASH_FIND_STR(*head, f->key, found);
	return found == f ? 0 : -ENOMEM;
}

static struct runaway_finding *new_state(const struct lane *l, const struct runaway_subject *s,
					 const char *key)
{
	struct runaway_finding *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	memcpy(f->key, key, sizeof(f->key));
	f->lane = l;
	f->subject = *s;
	return f;
}

static void drop_pending(struct lane_engine *e, struct runaway_finding *f)
{
	HASH_DEL(e->pending, f);
	free(f);
}

static int by_age(const struct runaway_finding *a, const struct runaway_finding *b)
{
	return (a->since_ns > b->since_ns) - (a->since_ns < b->since_ns);
}

int runaway_engine_adopt(struct lane_engine *e, const char *lane_id,
			 const struct runaway_subject *s, uint64_t since_ns,
			 const char *incident_id)
{
	const struct lane *l = runaway_lane_set_find(&e->lanes, lane_id);
	struct runaway_subject subject = *s;
	struct runaway_finding *f;
	char key[192];

	if (!l || !l->enabled || l->subject != s->kind)
		return -ENOENT;
	subject.key[0] = '\0';
	make_key(key, l, &subject);
	HASH_FIND_STR(e->findings, key, f);
	if (f)
		return 0;
	f = new_state(l, &subject, key);
	if (!f)
		return -ENOMEM;
	f->adopted = true;
	f->state.open = true;
	f->since_ns = f->condition_ns = since_ns;
	snprintf(f->incident_id, sizeof(f->incident_id), "%s", incident_id ? incident_id : "");
	if (add_state(&e->findings, f)) {
		free(f);
		return -ENOMEM;
	}
	HASH_SRT(hh, e->findings, by_age);
	return 0;
}

/* ---- a tick ---- */

struct tick {
	struct lane_engine *e;
	const struct runaway_model *m;
	uint64_t now_ns;
	unsigned int known; /* kinds of subject that have any state */
};

static void open_finding(struct tick *t, struct runaway_finding *f)
{
	struct lane_engine *e = t->e;

	HASH_DEL(e->pending, f);
	if (add_state(&e->findings, f)) {
		/* The table could not grow: the condition starts anew at the next tick. */
		free(f);
		return;
	}
	f->since_ns = t->now_ns;
	f->condition_ns = f->state.true_since_ns;
	if (e->ops.opened)
		e->ops.opened(e->ctx, f);
}

/* A subject that an open finding is about. */
static void follow(struct tick *t, struct runaway_finding *f, bool matched,
		   const struct subject_view *s)
{
	enum lane_verdict v;

	f->seen_tick = t->e->tick;
	/* What it had burned when this daemon first saw it, an earlier one has counted. */
	if (f->adopted && !f->seen)
		f->cpu_ns_last = s->cpu_ns;
	f->seen = true;
	v = runaway_lane_step(f->lane, matched, &s->numbers, t->now_ns, &f->state, f->evidence,
			      &f->evidence_count);
	charge(t->e, f, s->cpu_ns);
	if (v == LANE_CLEARED)
		end(t->e, f, matched ? FINDING_CLEARED : FINDING_ADOPTED);
}

/*
 * A subject that has no finding; f is its pending state or NULL. A state is made when every limit
 * is crossed, and goes with the first verdict of LANE_IDLE: it outlives for_s by what it may lapse,
 * and a subject that is no more among those of a tick takes its state with it.
 */
static void watch(struct tick *t, struct runaway_finding *f, const struct lane *l, bool matched,
		  struct subject_view *s, const char *key)
{
	struct lane_engine *e = t->e;
	enum lane_verdict v;

	if (!f) {
		if (!matched || !runaway_lane_crossed(l, &s->numbers))
			return;
		f = new_state(l, &s->id, key);
		if (!f || add_state(&e->pending, f)) {
			free(f);
			return;
		}
	}
	f->seen_tick = e->tick;
	f->seen = true;
	v = runaway_lane_step(l, matched, &s->numbers, t->now_ns, &f->state, f->evidence,
			      &f->evidence_count);
	if (v == LANE_IDLE) {
		drop_pending(e, f);
	} else if (v == LANE_OPENED) {
		charge(e, f, s->cpu_ns);
		open_finding(t, f);
	}
}

static void judge(struct tick *t, const struct lane *l, struct subject_view *s)
{
	struct lane_engine *e = t->e;
	struct runaway_finding *f;
	char key[192];
	bool matched;

	/* Most processes burn nothing and are known to nobody: not worth a key and a match. */
	if (!(t->known & (1u << s->id.kind)) && !runaway_lane_crossed(l, &s->numbers))
		return;
	make_key(key, l, &s->id);
	f = find_state(e, key);
	if (!f && !runaway_lane_crossed(l, &s->numbers))
		return;
	matched = runaway_lane_takes(&e->lanes, l, t->m, s, f && f->adopted);
	if (f && f->state.open)
		follow(t, f, matched, s);
	else
		watch(t, f, l, matched, s, key);
}

static void visit(void *ctx, struct subject_view *s)
{
	struct tick *t = ctx;

	for (size_t i = 0; i < t->e->lanes.count; i++) {
		const struct lane *l = &t->e->lanes.lane[i];

		if (l->enabled && l->subject == s->id.kind)
			judge(t, l, s);
	}
}

/*
 * The root of a group may end before the group does: what is known of the group goes on with the
 * root that it has now, if the lane takes that one.
 */
static bool follow_root(struct tick *t, struct runaway_finding **head, struct runaway_finding *f)
{
	struct subject_view s = { .id = { .kind = RUNAWAY_SUBJECT_ORPHAN_TREE } };
	struct lane_engine *e = t->e;
	struct runaway_finding *moved;
	char key[192];

	s.proc = runaway_model_group_root(t->m, f->subject.id);
	if (!s.proc || runaway_id_eq(s.proc->id, f->subject.id))
		return false;
	s.id.id = s.proc->id;
	make_key(key, f->lane, &s.id);
	if (find_state(e, key) || !runaway_lane_takes(&e->lanes, f->lane, t->m, &s, f->adopted))
		return false;
	moved = malloc(sizeof(*moved));
	if (!moved)
		return false;
	*moved = *f;
	moved->subject = s.id;
	memcpy(moved->key, key, sizeof(moved->key));
	if (add_state(head, moved)) {
		free(moved);
		return false;
	}
	HASH_DEL(*head, f);
	free(f);
	return true;
}

static void follow_roots(struct tick *t)
{
	struct runaway_finding *f, *next;
	bool moved = false;

	HASH_ITER (hh, t->e->pending, f, next)
		if (f->subject.kind == RUNAWAY_SUBJECT_ORPHAN_TREE)
			follow_root(t, &t->e->pending, f);
	HASH_ITER (hh, t->e->findings, f, next)
		if (f->subject.kind == RUNAWAY_SUBJECT_ORPHAN_TREE)
			moved |= follow_root(t, &t->e->findings, f);
	if (moved)
		HASH_SRT(hh, t->e->findings, by_age);
}

/* The subject was not among those of this tick: it ended, or it is one no more. */
static enum finding_end why_unseen(const struct tick *t, const struct runaway_finding *f)
{
	const struct runaway_proc *p;

	if (!f->subject.id.pid)
		return FINDING_GONE;
	p = runaway_model_find(t->m, f->subject.id);
	return p && p->state == RUNAWAY_ALIVE ? FINDING_ADOPTED : FINDING_GONE;
}

/*
 * A finding from before a restart waits for a model that is complete: a loss
 * that is not healed yet proves nothing about what is missing.
 */
static void sweep(struct tick *t)
{
	struct lane_engine *e = t->e;
	struct runaway_finding *f, *next;

	HASH_ITER (hh, e->pending, f, next)
		if (f->seen_tick != e->tick)
			drop_pending(e, f);
	HASH_ITER (hh, e->findings, f, next)
		if (f->seen_tick != e->tick && (f->seen || !runaway_model_wants_resync(t->m)))
			end(e, f, why_unseen(t, f));
}

void runaway_engine_tick(struct lane_engine *e, const struct runaway_model *m)
{
	struct tick t = { e, m, runaway_model_now(m), 0 };
	const struct runaway_finding *f;
	unsigned int kinds = 0;

	e->tick++;
	for (f = e->findings; f; f = f->hh.next)
		t.known |= 1u << f->subject.kind;
	for (f = e->pending; f; f = f->hh.next)
		t.known |= 1u << f->subject.kind;
	for (size_t i = 0; i < e->lanes.count; i++)
		if (e->lanes.lane[i].enabled)
			kinds |= 1u << e->lanes.lane[i].subject;
	follow_roots(&t);
	runaway_subjects_each(m, kinds, visit, &t);
	sweep(&t);
}

/* ---- reading ---- */

struct runaway_finding *runaway_engine_findings(const struct lane_engine *e)
{
	return e->findings;
}

size_t runaway_engine_open_count(const struct lane_engine *e, const char *lane_id,
				 enum runaway_severity severity)
{
	const struct runaway_finding *f;
	size_t count = 0;

	for (f = e->findings; f; f = f->hh.next)
		if ((!lane_id || !strcmp(f->lane->lane_id, lane_id)) &&
		    (severity == RUNAWAY_SEVERITY_MAX || f->lane->severity == severity))
			count++;
	return count;
}

size_t runaway_engine_lanes_of(const struct lane_engine *e, const struct runaway_model *m,
			       const struct runaway_proc *p, const char **ids, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < e->lanes.count; i++) {
		const struct lane *l = &e->lanes.lane[i];
		struct subject_view s = { .id = { .kind = l->subject, .id = p->id }, .proc = p };

		if (!l->enabled || (l->subject != RUNAWAY_SUBJECT_ORPHAN_TREE &&
				    l->subject != RUNAWAY_SUBJECT_PROCESS))
			continue;
		if (!runaway_lane_takes(&e->lanes, l, m, &s, false))
			continue;
		if (count < max)
			ids[count] = l->lane_id;
		count++;
	}
	return count;
}
