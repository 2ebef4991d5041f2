// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fallback where fentry does not load: a task exited while it still had
 * children. Who inherits them is decided a moment later in its exit, so their
 * parent is read again, soon and then less and less often; the next walk of the
 * tasks settles what is left.
 */

#include "base/clock.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define BACKOFF_FIRST_NS (1 * NSEC_PER_MSEC)
#define BACKOFF_LAST_NS	 (512 * NSEC_PER_MSEC)
#define PENDING_MAX	 65536 /* beyond, the next walk tells */

void sensor_pending_add(struct runaway_sensor *s, const struct rw_children *ev)
{
	size_t written = (ev->hdr.len - offsetof(struct rw_children, child)) / sizeof(ev->child[0]);
	size_t n = MIN(MIN(ev->count, (uint32_t)RW_CHILDREN_MAX), written);

	for (size_t i = 0; i < n && s->pending_count < PENDING_MAX; i++) {
		if (s->pending_count == s->pending_cap) {
			size_t cap = MAX(s->pending_cap * 2, (size_t)64);
			struct pending_child *p =
				reallocarray(s->pending, cap, sizeof(*s->pending));

			if (!p)
				return;
			s->pending = p;
			s->pending_cap = cap;
		}
		s->pending[s->pending_count++] = (struct pending_child){
			.id = ev->child[i].id,
			.old_parent = ev->parent,
			.tid = ev->tid,
			.pgid = ev->child[i].pgid,
			.sid = ev->child[i].sid,
			.next_ns = ev->hdr.time_ns,
			.backoff_ns = BACKOFF_FIRST_NS,
		};
	}
}

uint64_t runaway_sensor_recheck_at(const struct runaway_sensor *s)
{
	/* Those that came since the last round have not been looked at: at once. */
	if (s->pending_count > s->pending_old)
		return s->pending[s->pending_old].next_ns;
	return s->pending_next_ns;
}

static void emit_reparent(struct runaway_sensor *s, const struct pending_child *p, uint32_t ppid)
{
	struct rw_reparent rec = {
		.id = p->id,
		.old_parent = p->old_parent,
		.reaper = { .pid = ppid },
		.pgid = p->pgid,
		.sid = p->sid,
		.via = RW_VIA_PROCFS,
	};

	rec.reaper_flags = sensor_proc_reaper_flags(s, ppid, rec.reaper_comm);
	sensor_emit(s, &rec.hdr, RW_REPARENT, sizeof(rec));
}

/* Those that wait share their moments: a round for each of thousands would be too many. */
static uint64_t round_up(uint64_t ns)
{
	return (ns + BACKOFF_FIRST_NS - 1) / BACKOFF_FIRST_NS * BACKOFF_FIRST_NS;
}

/* True when nothing more is to be learned about it. */
static bool settle(struct runaway_sensor *s, struct pending_child *p, uint64_t now)
{
	/* Asked before the child is looked at: when it has ended, that look is the last one. */
	bool late = p->backoff_ns > BACKOFF_LAST_NS,
	     exits = late && sensor_proc_exits(s, p->old_parent.pid, p->tid);
	struct proc_stat st;

	if (sensor_proc_stat(s, p->id.pid, &st) < 0 || st.state == 'X')
		return true;
	/* A leader that exited while its threads run is a zombie, and its process lives. */
	if (st.state == 'Z' && st.threads <= 1)
		return true;
	if (!sensor_same_start(s, &st, p->id))
		return true;
	if (st.ppid != p->old_parent.pid) {
		/* 0: the parent is not visible from this pid namespace. */
		if (st.ppid)
			emit_reparent(s, p, st.ppid);
		return true;
	}
	if (late && !exits)
		return true;
	p->next_ns = round_up(now + MIN(p->backoff_ns, BACKOFF_LAST_NS));
	if (!late)
		p->backoff_ns *= 2;
	return false;
}

void runaway_sensor_recheck(struct runaway_sensor *s)
{
	uint64_t now = runaway_boot_ns(), next = 0;
	/* While nothing older is due, only what came since is looked at: a storm of orphans
	 * wakes the daemon for each. */
	size_t kept = now < s->pending_next_ns ? s->pending_old : 0;

	if (kept)
		next = s->pending_next_ns;
	for (size_t i = kept; i < s->pending_count; i++) {
		struct pending_child *p = &s->pending[i];

		if (p->next_ns <= now && settle(s, p, now))
			continue;
		if (!next || p->next_ns < next)
			next = p->next_ns;
		s->pending[kept++] = *p;
	}
	s->pending_count = s->pending_old = kept;
	s->pending_next_ns = next;
	sensor_enrich_flush(s);
	sensor_commit(s);
}
