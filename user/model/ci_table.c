/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of CI markers in use. Every command of a job is an exec that carries the
 * same markers: equal sets are one, so that sets with living members count jobs.
 */

#include <string.h>

#include "model/internal.h"

struct runaway_ci *ci_intern(struct runaway_model *m, struct runaway_ci *ci, struct runaway_id id)
{
	struct runaway_ci *same = NULL;

	HASH_FIND(hh_text, m->ci_by_text, ci->text, ci->text_len, same);
	if (same) {
		runaway_ci_unref(ci);
		same->refs++;
		return same;
	}
	ci->id = id;
	HASH_FIND(hh, m->ci_by_id, &id, ID_KEY_LEN, same);
	/* A second exec of the same process: the newer set is found through the process. */
	if (!same) {
		HASH_ADD(hh, m->ci_by_id, id, ID_KEY_LEN, ci);
		if (!ci->hh.tbl)
			goto fail;
	}
	HASH_ADD_KEYPTR(hh_text, m->ci_by_text, ci->text, ci->text_len, ci);
	if (!ci->hh_text.tbl) {
		if (ci->hh.tbl)
			HASH_DELETE(hh, m->ci_by_id, ci);
		goto fail;
	}
	ci->listed = true;
	return ci;
fail:
	runaway_ci_unref(ci);
	return NULL;
}

/* The set of the process whose exec carried it, or the set first told under that id. */
struct runaway_ci *ci_find(const struct runaway_model *m, struct runaway_id id)
{
	const struct runaway_proc *p = process_find(m, id);
	struct runaway_ci *ci = NULL;

	if (p && p->ci)
		return p->ci;
	HASH_FIND(hh, m->ci_by_id, &id, ID_KEY_LEN, ci);
	return ci;
}

void ci_count(struct runaway_model *m, struct runaway_proc *p, bool alive)
{
	if (!p->ci || p->in_ci == alive)
		return;
	p->in_ci = alive;
	if (alive && p->ci->members++ == 0)
		m->ci_jobs++;
	else if (!alive && --p->ci->members == 0)
		m->ci_jobs--;
}

void ci_drop(struct runaway_model *m, struct runaway_proc *p)
{
	struct runaway_ci *ci = p->ci;

	if (!ci)
		return;
	ci_count(m, p, false);
	p->ci = NULL;
	if (ci->refs == 1 && ci->listed) {
		if (ci->hh.tbl)
			HASH_DELETE(hh, m->ci_by_id, ci);
		HASH_DELETE(hh_text, m->ci_by_text, ci);
	}
	runaway_ci_unref(ci);
}

void ci_join(struct runaway_model *m, struct runaway_proc *p, struct runaway_ci *ci)
{
	uint64_t cgroup_id = p->cgroup_id;
	bool was_in = p->in_cgroup;

	if (p->ci == ci)
		return;
	ci->refs++;
	/* Its cgroup counts marked members: out with the old mark, in with the new. */
	cgroup_leave(m, p);
	ci_drop(m, p);
	p->ci = ci;
	ci_count(m, p, p->state == RUNAWAY_ALIVE);
	if (was_in)
		cgroup_join(m, p, cgroup_id, m->now_ns);
}
