/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a lane's match take a subject? Unknown values match no list. */

#include <string.h>

#include "base/macros.h"
#include "lanes/match.h"
#include "lanes/tables.h"

/* The chain is finite, but a bound costs nothing: no lineage that helps anybody is longer. */
#define LINEAGE_MAX 256

static bool hit(const struct glob_list *l, const char *value)
{
	return value && *value && runaway_glob_list_match(l, value) >= 0;
}

/* Any word of s[0..len), cut at each `sep`. Words longer than the wire allows are cut. */
static bool hit_word(const struct glob_list *l, const char *s, size_t len, char sep)
{
	char word[RW_ARGS_MAX + 1];

	while (len) {
		const char *end = memchr(s, sep, len);
		size_t n = end ? (size_t)(end - s) : len, kept = MIN(n, sizeof(word) - 1);

		memcpy(word, s, kept);
		word[kept] = '\0';
		if (hit(l, word))
			return true;
		n += end != NULL;
		s += n;
		len -= n;
	}
	return false;
}

/*
 * Any single argument. A process that wrote its title over its arguments (the
 * children of Chromium do) has left one string without a NUL in it: its words
 * are what once were arguments.
 */
static bool hit_args(const struct glob_list *l, const struct runaway_image *image)
{
	size_t len;

	if (!image || !image->args)
		return false;
	len = image->args_len;
	while (len && !image->args[len - 1])
		len--;
	if (hit_word(l, image->args, len, '\0'))
		return true;
	return !memchr(image->args, '\0', len) && hit_word(l, image->args, len, ' ');
}

static bool hit_ci(const struct glob_list *l, const struct runaway_ci *ci)
{
	if (!ci)
		return false;
	if (hit(l, ci->runner))
		return true;
	for (size_t i = 0; i < ci->count; i++) {
		char pair[RW_MARKER_NAME + RW_MARKER_VALUE + 2];

		snprintf(pair, sizeof(pair), "%s=%s", ci->marker[i].name, ci->marker[i].value);
		if (hit(l, pair))
			return true;
	}
	return false;
}

/*
 * Who came before p. An orphan's parent is its reaper, which started nothing; the parent of any
 * other process whose fork was not seen is the best that is known.
 */
static const struct runaway_proc *ancestor(const struct runaway_proc *p)
{
	if (p->origin)
		return p->origin;
	return p->orphan ? NULL : p->parent_proc;
}

static bool hit_origin(const struct glob_list *l, const struct runaway_proc *p)
{
	const struct runaway_proc *a = ancestor(p);

	if (hit_ci(l, p->ci))
		return true;
	for (unsigned int depth = 0; a && depth < LINEAGE_MAX; depth++, a = ancestor(a)) {
		if (hit(l, a->comm) || (a->image && hit(l, a->image->exe)) || hit_args(l, a->image))
			return true;
	}
	return false;
}

static bool hit_names(const struct glob_list *l, const char *path,
		      const struct runaway_cgroup_names *n)
{
	return hit(l, path) || hit(l, n->container_id) || hit(l, n->pod_uid) || hit(l, n->unit);
}

static bool hit_cgroup(const struct glob_list *l, const struct runaway_model *m,
		       const struct runaway_proc *p)
{
	struct runaway_cgroup_names names = { 0 };
	bool r;

	/* Without memory for the names the path alone is looked at. */
	if (runaway_proc_cgroup_names(m, p, &names))
		names = (struct runaway_cgroup_names){ 0 };
	r = hit_names(l, runaway_proc_cgroup_path(m, p), &names);
	runaway_cgroup_names_free(&names);
	return r;
}

static bool hit_exe(const struct glob_list *l, const struct runaway_proc *p)
{
	return p->image && hit(l, p->image->exe);
}

/* Every list that asks must have a hit. The dear ones come last. */
static bool takes(const struct lane_match *w, const struct runaway_model *m,
		  const struct runaway_proc *p, bool origin_lost)
{
	uint8_t daemonised = w->daemonised_any;

	if (w->comm_any.count && !hit(&w->comm_any, p->comm))
		return false;
	if (w->exe_any.count && !hit_exe(&w->exe_any, p))
		return false;
	if (w->args_any.count && !hit_args(&w->args_any, p->image))
		return false;
	if (daemonised && origin_lost)
		daemonised |= 1u << RUNAWAY_DAEMONISED_UNKNOWN;
	if (daemonised && !(daemonised & (1u << runaway_proc_daemonised(m, p))))
		return false;
	if (w->cgroup_any.count && !hit_cgroup(&w->cgroup_any, m, p))
		return false;
	if (w->origin_any.count && origin_lost && !p->origin)
		return true;
	return !w->origin_any.count || hit_origin(&w->origin_any, p);
}

/* One hit in one list is enough. */
static bool excludes(const struct lane_match *w, const struct runaway_model *m,
		     const struct runaway_proc *p)
{
	if (hit(&w->comm_any, p->comm) || hit_exe(&w->exe_any, p) ||
	    (w->args_any.count && hit_args(&w->args_any, p->image)))
		return true;
	if (w->daemonised_any & (1u << runaway_proc_daemonised(m, p)))
		return true;
	if (w->cgroup_any.count && hit_cgroup(&w->cgroup_any, m, p))
		return true;
	return w->origin_any.count && hit_origin(&w->origin_any, p);
}

bool runaway_lane_matches_again(const struct lane *l, const struct runaway_model *m,
				const struct runaway_proc *p, bool origin_lost)
{
	if (l->subject != RUNAWAY_SUBJECT_ORPHAN_TREE && l->subject != RUNAWAY_SUBJECT_PROCESS)
		return false;
	if (p->flags & RW_TF_KTHREAD)
		return false;
	if (l->subject == RUNAWAY_SUBJECT_ORPHAN_TREE && !p->orphan)
		return false;
	return takes(&l->match, m, p, origin_lost) && !excludes(&l->not, m, p);
}

bool runaway_lane_matches_proc(const struct lane *l, const struct runaway_model *m,
			       const struct runaway_proc *p)
{
	return runaway_lane_matches_again(l, m, p, false);
}

bool runaway_lane_matches_cgroup(const struct lane *l, const struct runaway_cgroup *cg)
{
	if (l->subject != RUNAWAY_SUBJECT_CGROUP)
		return false;
	if (l->match.cgroup_any.count && !hit_names(&l->match.cgroup_any, cg->path, &cg->names))
		return false;
	return !hit_names(&l->not.cgroup_any, cg->path, &cg->names);
}

static bool matches(const struct lane *l, const struct runaway_model *m,
		    const struct subject_view *s, bool origin_lost)
{
	if (l->subject != s->id.kind)
		return false;
	switch (s->id.kind) {
	case RUNAWAY_SUBJECT_ORPHAN_TREE:
	case RUNAWAY_SUBJECT_PROCESS:
		return runaway_lane_matches_again(l, m, s->proc, origin_lost);
	case RUNAWAY_SUBJECT_CGROUP:
		return runaway_lane_matches_cgroup(l, s->cgroup);
	default:
		return true; /* there is one host, and no process in it is asked about */
	}
}

bool runaway_lane_takes(const struct lane_set *set, const struct lane *l,
			const struct runaway_model *m, const struct subject_view *s,
			bool origin_lost)
{
	if (!matches(l, m, s, origin_lost))
		return false;
	if (!l->fallback)
		return true;
	for (size_t i = 0; i < set->count; i++) {
		const struct lane *other = &set->lane[i];

		if (other->enabled && !other->fallback && matches(other, m, s, false))
			return false;
	}
	return true;
}
