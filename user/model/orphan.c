/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reparenting: who became an orphan, when, and to which reaper it went. */

#include <string.h>

#include "model/internal.h"

const char *runaway_reaper_name(enum runaway_reaper r)
{
	static const char *const names[] = {
		[RUNAWAY_REAPER_UNKNOWN] = "unknown",
		[RUNAWAY_REAPER_INIT] = "init",
		[RUNAWAY_REAPER_SUBREAPER] = "subreaper",
		[RUNAWAY_REAPER_NS_INIT] = "namespace_init",
	};

	static_assert(ARRAY_SIZE(names) == RUNAWAY_REAPER_MAX, "a name for each reaper");
	return (unsigned int)r < RUNAWAY_REAPER_MAX ? names[r] : "unknown";
}

static enum runaway_reaper reaper_kind(uint32_t pid, uint32_t flags)
{
	if (pid == 1)
		return RUNAWAY_REAPER_INIT;
	if (flags & RW_TF_NS_INIT)
		return RUNAWAY_REAPER_NS_INIT;
	return RUNAWAY_REAPER_SUBREAPER;
}

bool orphan_is_reaper(const struct runaway_proc *p)
{
	return p->id.pid == 1 || (p->flags & (RW_TF_NS_INIT | RW_TF_SUBREAPER));
}

/* ---- the list, in the order in which they became known ---- */
static void list_append(struct runaway_model *m, struct runaway_proc *p)
{
	p->orphan_prev = m->orphan_tail;
	p->orphan_next = NULL;
	if (m->orphan_tail)
		m->orphan_tail->orphan_next = p;
	else
		m->orphan_head = p;
	m->orphan_tail = p;
	m->orphans++;
	p->listed = true;
	m->groups->stale = true;
}

void orphan_unlist(struct runaway_model *m, struct runaway_proc *p)
{
	if (!p->listed)
		return;
	if (p->orphan_prev)
		p->orphan_prev->orphan_next = p->orphan_next;
	else
		m->orphan_head = p->orphan_next;
	if (p->orphan_next)
		p->orphan_next->orphan_prev = p->orphan_prev;
	else
		m->orphan_tail = p->orphan_prev;
	p->orphan_prev = p->orphan_next = NULL;
	p->listed = false;
	m->orphans--;
	m->groups->stale = true;
}

void orphan_drop_timeline(struct runaway_model *m, struct runaway_proc *p)
{
	if (!p->orphan || !p->orphan->timeline)
		return;
	free(p->orphan->timeline);
	p->orphan->timeline = NULL;
	m->timelines--;
}

void orphan_drop(struct runaway_model *m, struct runaway_proc *p)
{
	orphan_unlist(m, p);
	orphan_drop_timeline(m, p);
	free(p->orphan);
	p->orphan = NULL;
}

static struct runaway_orphan *orphan_new(struct runaway_model *m, struct runaway_proc *p)
{
	struct runaway_orphan *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->known_ns = o->first_seen_ns = m->now_ns;
	o->baseline_ns = tree_cpu(p);
	/* The samples that follow cover the whole interval, so the rate must, too. */
	o->window_start_ns = m->tick.at_ns ? m->tick.at_ns : m->now_ns;
	p->orphan = o;
	/* Whoever asks before the next tick is told what the last samples say. */
	tree_count(p);
	o->cores = tree_cores(m, p);
	if (p->state == RUNAWAY_ALIVE)
		list_append(m, p);
	return o;
}

static void set_reaper(struct runaway_orphan *o, struct runaway_id id, uint32_t flags,
		       const char *comm)
{
	o->reaper = id;
	o->reaper_kind = reaper_kind(id.pid, flags);
	memcpy(o->reaper_comm, comm, strnlen(comm, RW_COMM_LEN));
	o->reaper_comm[strnlen(comm, RW_COMM_LEN)] = '\0';
}

static void add_hop(struct runaway_orphan *o, const struct runaway_hop *hop)
{
	if (o->hop_count < RUNAWAY_HOPS_MAX) {
		o->hop[o->hop_count++] = *hop;
		return;
	}
	memmove(&o->hop[1], &o->hop[2], (RUNAWAY_HOPS_MAX - 2) * sizeof(o->hop[0]));
	o->hop[RUNAWAY_HOPS_MAX - 1] = *hop;
	o->hop_count++;
}

static void tell(struct runaway_model *m, struct runaway_proc *p)
{
	if (m->on_orphan && p->listed)
		m->on_orphan(m->on_orphan_ctx, p);
}

/* What moved, and how it was told. */
struct move {
	struct runaway_id from, to;
	uint64_t at_ns;
	uint32_t via, flags;
	const char *comm;
};

/* Until its first move a process hangs where it was forked: the old parent is the origin. */
static void infer_origin(struct runaway_model *m, struct runaway_proc *p, struct runaway_id from)
{
	struct runaway_proc *old = process_find(m, from);

	if (!p->origin && old && !orphan_is_reaper(old))
		process_set_origin(m, p, old);
}

/*
 * Who looks at the tasks or into /proc comes later than the kernel, by seconds when no
 * daemon ran meanwhile: the child was handed on when its parent ended.
 */
static uint64_t moved_at(const struct runaway_model *m, const struct runaway_proc *p,
			 const struct move *mv)
{
	const struct runaway_proc *old = process_find(m, mv->from);

	if (mv->via == RW_VIA_HOOK || !old || !old->exit_known || old->exit_ns >= mv->at_ns)
		return mv->at_ns;
	return MAX(old->exit_ns, p->id.start_ns);
}

static int first_hop(struct runaway_model *m, struct runaway_proc *p, const struct move *mv)
{
	bool found_before = p->orphan;
	struct runaway_orphan *o = p->orphan ? p->orphan : orphan_new(m, p);
	struct runaway_hop hop = { .at_ns = moved_at(m, p, mv), .from = mv->from, .to = mv->to };

	if (!o)
		return -ENOMEM;
	infer_origin(m, p, mv->from);
	o->since_ns = hop.at_ns;
	o->origin_known = p->origin != NULL;
	o->via = mv->via;
	add_hop(o, &hop);
	set_reaper(o, mv->to, mv->flags, mv->comm);
	m->counters.orphans_by_reaper[o->reaper_kind]++;
	if (!found_before)
		tell(m, p);
	return 0;
}

static int apply_move(struct runaway_model *m, struct runaway_proc *p, const struct move *mv)
{
	struct runaway_hop hop = { .at_ns = mv->at_ns, .from = mv->from, .to = mv->to };

	m->counters.reparents++;
	process_set_parent(m, p, mv->to, mv->at_ns);
	if (!p->parent_proc)
		process_pend(m, p);
	/* A zombie is handed on as well, but it burns nothing and its reaper buries it. */
	if (p->state != RUNAWAY_ALIVE || (p->flags & RW_TF_KTHREAD))
		return 0;
	if (!p->orphan)
		return first_hop(m, p, mv);
	add_hop(p->orphan, &hop);
	set_reaper(p->orphan, mv->to, mv->flags, mv->comm);
	return 0;
}

void orphan_moved(struct runaway_model *m, struct runaway_proc *p, struct runaway_id to,
		  uint64_t at_ns)
{
	const struct runaway_proc *reaper = process_living(m, to);
	const struct move mv = {
		.from = p->parent,
		.to = to,
		.at_ns = at_ns,
		.via = RW_VIA_SCAN,
		.flags = reaper ? reaper->flags : 0,
		.comm = reaper ? reaper->comm : "",
	};

	apply_move(m, p, &mv);
}

/*
 * The same move told again: by the hook after the scan had seen it, or by both
 * and /proc. The exact source improves what the coarse one said.
 */
static int told_again(struct runaway_model *m, struct runaway_proc *p, const struct move *mv)
{
	struct runaway_orphan *o = p->orphan;

	if (!o || o->since_ns == 0)
		return p->state == RUNAWAY_ALIVE ? first_hop(m, p, mv) : 0;
	if (o->hop_count == 1 &&
	    (mv->at_ns < o->since_ns || (mv->via == RW_VIA_HOOK && o->via != RW_VIA_HOOK))) {
		o->since_ns = o->hop[0].at_ns = mv->at_ns;
		o->via = mv->via;
	}
	return 0;
}

static int reparent_unknown(struct runaway_model *m, const struct rw_reparent *r,
			    struct runaway_proc **ret)
{
	struct runaway_proc *p;
	int err;

	m->counters.unknown_process++;
	if (!r->id.start_ns)
		return -ENOENT;
	err = process_new(m, id_of(&r->id), r->hdr.time_ns, &p);
	if (err < 0)
		return err;
	process_set_parent(m, p, id_of(&r->old_parent), r->hdr.time_ns);
	process_pend(m, p);
	*ret = p;
	return 0;
}

int model_reparent(struct runaway_model *m, const struct rw_reparent *r)
{
	struct runaway_proc *p = process_find(m, id_of(&r->id));
	const struct runaway_proc *reaper = process_living(m, id_of(&r->reaper));
	struct move mv = {
		.from = id_of(&r->old_parent),
		.to = reaper ? reaper->id : id_of(&r->reaper),
		.at_ns = r->hdr.time_ns,
		.via = r->via,
		.flags = r->reaper_flags,
		.comm = r->reaper_comm,
	};
	int err;

	/* Handed to another thread of the same process: nobody was orphaned. */
	if (!r->reaper.pid || r->reaper.pid == r->old_parent.pid)
		return 0;
	if (!p && !r->id.start_ns)
		p = process_living(m, id_of(&r->id));
	if (!p) {
		err = reparent_unknown(m, r, &p);
		if (err < 0)
			return err == -ENOMEM ? err : 0;
	}
	if (p->state == RUNAWAY_DEAD) {
		m->counters.unknown_process++;
		return 0;
	}
	p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	if (r->pgid && r->hdr.time_ns >= p->event_ns) {
		p->pgid = r->pgid;
		p->sid = r->sid;
	}
	p->event_ns = MAX(p->event_ns, r->hdr.time_ns);
	if (p->parent.pid == mv.to.pid && (!mv.to.start_ns || p->parent.start_ns == mv.to.start_ns))
		return told_again(m, p, &mv);
	/* Older than what the scan saw meanwhile: only the time of the first hop is news. */
	if (r->hdr.time_ns < p->parent_ns)
		return p->orphan ? told_again(m, p, &mv) : 0;
	return apply_move(m, p, &mv);
}

int model_known_orphan(struct runaway_model *m, const struct rw_known_orphan *r)
{
	struct runaway_proc *p = process_living(m, id_of(&r->id));
	struct runaway_orphan *o;

	if (!p || p->state != RUNAWAY_ALIVE) {
		m->counters.unknown_process++;
		return 0;
	}
	o = p->orphan ? p->orphan : orphan_new(m, p);
	if (!o)
		return -ENOMEM;
	o->since_ns = r->since_ns;
	o->first_seen_ns = r->first_seen_ns;
	o->known_ns = r->known_ns;
	o->origin_known = r->origin_known && p->origin;
	o->baseline_ns = r->baseline_ns;
	o->tree_cpu_ns = o->window_cpu_ns = r->tree_cpu_ns;
	o->window_start_ns = r->hdr.time_ns;
	o->via = r->via;
	o->hop_count = r->hop_count;
	for (size_t i = 0; i < RUNAWAY_HOPS_MAX; i++)
		o->hop[i] = (struct runaway_hop){ .at_ns = r->hop[i].at_ns,
						  .from = id_of(&r->hop[i].from),
						  .to = id_of(&r->hop[i].to) };
	set_reaper(o, id_of(&r->reaper), r->reaper_flags, r->reaper_comm);
	return 0;
}

static_assert(RW_KNOWN_HOPS == RUNAWAY_HOPS_MAX, "hops of the record");

int orphan_found(struct runaway_model *m, struct runaway_proc *p, uint64_t at_ns)
{
	const struct runaway_proc *reaper = p->parent_proc;
	struct runaway_orphan *o = orphan_new(m, p);

	if (!o)
		return -ENOMEM;
	o->first_seen_ns = at_ns;
	o->origin_known = p->origin != NULL;
	set_reaper(o, p->parent, reaper->flags, reaper->comm);
	tell(m, p);
	return 0;
}

uint64_t orphan_from_ns(const struct runaway_orphan *o)
{
	return o->since_ns ? o->since_ns : o->first_seen_ns;
}

uint64_t runaway_orphan_age_ns(const struct runaway_model *m, const struct runaway_proc *p)
{
	uint64_t from;

	if (!p->orphan)
		return 0;
	from = orphan_from_ns(p->orphan);
	return m->now_ns > from ? m->now_ns - from : 0;
}
