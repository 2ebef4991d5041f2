/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cgroups: the table, their paths, who is in them. */

#include <string.h>

#include "model/internal.h"

struct runaway_cgroup *runaway_model_cgroup(const struct runaway_model *m, uint64_t id)
{
	struct runaway_cgroup *cg = NULL;

	HASH_FIND(hh, m->cgroups, &id, sizeof(id), cg);
	return cg;
}

bool cgroup_is_root(const struct runaway_cgroup *cg)
{
	return cg->path && strcmp(cg->path, "/") == 0;
}

/* Living containers of CI jobs: by their own name, or because marked processes run in them. */
static void count_ci(struct runaway_model *m, struct runaway_cgroup *cg)
{
	bool is = !cg->removed_ns && (cg->is_ci || (cg->ci_members && cg->names.container_id));

	if (is != cg->counted_ci)
		m->ci_containers += is ? 1 : -1;
	cg->counted_ci = is;
}

struct runaway_cgroup *cgroup_get(struct runaway_model *m, uint64_t id, uint64_t at_ns)
{
	struct runaway_cgroup *cg = runaway_model_cgroup(m, id);

	if (cg)
		return cg;
	if (HASH_CNT(hh, m->cgroups) >= m->limits.cgroups) {
		m->counters.cgroups_full++;
		m->scan.cgroup_refused = true;
		return NULL;
	}
	cg = calloc(1, sizeof(*cg));
	if (!cg)
		return NULL;
	cg->id = id;
	cg->first_seen_ns = at_ns;
	HASH_ADD(hh, m->cgroups, id, sizeof(cg->id), cg);
	if (!cg->hh.tbl) {
		free(cg);
		return NULL;
	}
	series_give(m, cg);
	return cg;
}

static void cgroup_destroy(struct runaway_model *m, struct runaway_cgroup *cg)
{
	if (cg->counted_ci)
		m->ci_containers--;
	series_take(m, cg);
	HASH_DELETE(hh, m->cgroups, cg);
	runaway_cgroup_names_free(&cg->names);
	free(cg->path);
	free(cg);
}

void cgroup_free_all(struct runaway_model *m)
{
	struct runaway_cgroup *cg, *tmp;

	HASH_ITER (hh, m->cgroups, cg, tmp) {
		cgroup_destroy(m, cg);
	}
}

/* ---- members ---- */
static void count_member(struct runaway_model *m, struct runaway_proc *p, bool in)
{
	struct runaway_cgroup *cg = runaway_model_cgroup(m, p->cgroup_id);

	if (!cg)
		return;
	if (in) {
		cg->members++;
		cg->ci_members += p->ci ? 1 : 0;
	} else {
		cg->members -= cg->members > 0;
		cg->ci_members -= p->ci && cg->ci_members > 0;
	}
	count_ci(m, cg);
}

void cgroup_leave(struct runaway_model *m, struct runaway_proc *p)
{
	if (p->in_cgroup)
		count_member(m, p, false);
	p->in_cgroup = false;
}

void cgroup_hold(struct runaway_model *m, struct runaway_proc *p, uint64_t id)
{
	struct runaway_cgroup *cg;

	if (p->holds_cgroup && p->cgroup_id == id)
		return;
	cg = p->holds_cgroup ? runaway_model_cgroup(m, p->cgroup_id) : NULL;
	if (cg)
		cg->holders--;
	p->cgroup_id = id;
	cg = runaway_model_cgroup(m, id);
	p->holds_cgroup = cg != NULL;
	if (cg)
		cg->holders++;
}

void cgroup_join(struct runaway_model *m, struct runaway_proc *p, uint64_t id, uint64_t at_ns)
{
	bool alive = p->state == RUNAWAY_ALIVE;

	if (id == 0 || (p->in_cgroup && p->cgroup_id == id))
		return;
	cgroup_leave(m, p);
	/* Only a living process proves that the cgroup is there: the dead make no entry. */
	if (alive)
		cgroup_get(m, id, at_ns);
	cgroup_hold(m, p, id);
	if (!alive || !p->holds_cgroup)
		return;
	p->in_cgroup = true;
	count_member(m, p, true);
}

/* ---- paths ---- */
static int set_path(struct runaway_model *m, struct runaway_cgroup *cg, const char *path)
{
	struct runaway_cgroup_names names = { 0 };
	const char *leaf = strrchr(path, '/');
	char *copy;
	int r;

	if (cg->path && strcmp(cg->path, path) == 0)
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	r = runaway_cgroup_names_parse(path, &names);
	if (r < 0) {
		free(copy);
		return r;
	}
	free(cg->path);
	runaway_cgroup_names_free(&cg->names);
	cg->path = copy;
	cg->names = names;
	leaf = leaf ? leaf + 1 : path;
	cg->is_ci = cgroup_name_is_ci(leaf, strlen(leaf));
	count_ci(m, cg);
	if (cgroup_is_root(cg))
		series_give(m, cg);
	return 0;
}

/* Everything below the renamed path moves with it. */
static int rename_below(struct runaway_model *m, const char *from, const char *to)
{
	size_t n = strlen(from);
	struct runaway_cgroup *cg, *tmp;

	HASH_ITER (hh, m->cgroups, cg, tmp) {
		_cleanup_free_ char *path = NULL;
		int r;

		if (!cg->path || strncmp(cg->path, from, n) != 0 || cg->path[n] != '/')
			continue;
		if (asprintf(&path, "%s%s", to, cg->path + n) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = set_path(m, cg, path);
		if (r < 0)
			return r;
	}
	return 0;
}

static int renamed(struct runaway_model *m, struct runaway_cgroup *cg, const char *path)
{
	_cleanup_free_ char *from = cg->path ? strdup(cg->path) : NULL;
	int r;

	if (cg->path && !from)
		return -ENOMEM;
	r = set_path(m, cg, path);
	if (r < 0 || !from || strcmp(from, path) == 0 || strcmp(from, "/") == 0)
		return r;
	return rename_below(m, from, path);
}

/* ---- records ---- */
static bool is_ancestor(const struct runaway_model *m, const struct runaway_cgroup *cg, uint64_t id)
{
	for (int i = 0; id && i < CGROUP_CLIMB_MAX; i++) {
		const struct runaway_cgroup *up = runaway_model_cgroup(m, id);

		if (id == cg->id)
			return true;
		id = up ? up->parent_id : 0;
	}
	return id != 0;
}

/* What was charged before its place was known belongs to the ancestors, too. */
static void set_parent(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t parent_id)
{
	struct runaway_cgroup *up;

	if (cg->parent_id || !parent_id || is_ancestor(m, cg, parent_id))
		return;
	cg->parent_id = parent_id;
	up = runaway_model_cgroup(m, parent_id);
	for (int i = 0; up && i < CGROUP_CLIMB_MAX; i++) {
		up->total_cpu_ns += cg->total_cpu_ns;
		up->window_cpu_ns += cg->total_cpu_ns;
		up = runaway_model_cgroup(m, up->parent_id);
	}
}

static void own_cpu(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t cpu_ns)
{
	if (cpu_ns <= cg->own_cpu_ns)
		return;
	cgroup_credit(m, cg, cpu_ns - cg->own_cpu_ns);
	cg->own_cpu_ns = cpu_ns;
}

static void removed(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t at_ns)
{
	if (!cg->removed_ns)
		cg->removed_ns = at_ns;
	count_ci(m, cg);
	if (cg->going)
		return;
	cg->going = true;
	cg->going_next = m->cgroup_going;
	m->cgroup_going = cg;
}

static int attach(struct runaway_model *m, const struct rw_cgroup_ev *r)
{
	struct runaway_proc *p = process_living(m, id_of(&r->id));

	if (!p) {
		m->counters.unknown_process++;
		return 0;
	}
	p->event_ns = p->touched_ns = MAX(p->touched_ns, r->hdr.time_ns);
	cgroup_join(m, p, r->cgroup_id, r->hdr.time_ns);
	return 0;
}

/* It is there, whatever was thought of it. */
static void found(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t at_ns)
{
	cg->found_ns = at_ns;
	if (!cg->removed_ns || cg->released)
		return;
	cg->removed_ns = 0;
	count_ci(m, cg);
}

static int made(struct runaway_model *m, struct runaway_cgroup *cg, const struct rw_cgroup_ev *r,
		const char *path)
{
	int err = path ? set_path(m, cg, path) : 0;

	if (r->op == RW_CG_FOUND)
		found(m, cg, r->hdr.time_ns);
	cg->level = r->level;
	set_parent(m, cg, r->parent_id);
	own_cpu(m, cg, r->cpu_ns);
	return err;
}

/* The record's path, NUL-terminated within its bounds; NULL when it has none. -EBADMSG. */
static int path_of(const struct rw_cgroup_ev *r, size_t len, const char **ret)
{
	size_t room = len - offsetof(struct rw_cgroup_ev, path);

	if (r->path_len > RW_PATH_MAX || r->path_len > room)
		return -EBADMSG;
	*ret = NULL;
	if (r->path_len == 0)
		return 0;
	if (!memchr(r->path, '\0', r->path_len))
		return -EBADMSG;
	if (r->path[0] == '/')
		*ret = r->path;
	return 0;
}

int model_cgroup(struct runaway_model *m, const struct rw_cgroup_ev *r, size_t len)
{
	struct runaway_cgroup *cg;
	const char *path;
	int err = path_of(r, len, &path);

	if (err < 0)
		return err;
	if (!r->cgroup_id || r->op < RW_CG_MKDIR || r->op > RW_CG_FOUND)
		return -EBADMSG;
	if (r->op == RW_CG_ATTACH)
		return attach(m, r);
	if (r->op == RW_CG_RMDIR || r->op == RW_CG_RELEASE)
		cg = runaway_model_cgroup(m, r->cgroup_id);
	else
		cg = cgroup_get(m, r->cgroup_id, r->hdr.time_ns);
	if (!cg)
		return 0;
	switch (r->op) {
	case RW_CG_RENAME:
		return path ? renamed(m, cg, path) : 0;
	case RW_CG_RELEASE:
		cg->released = true;
		own_cpu(m, cg, r->cpu_ns);
		removed(m, cg, r->hdr.time_ns);
		return 0;
	case RW_CG_RMDIR:
		own_cpu(m, cg, r->cpu_ns);
		removed(m, cg, r->hdr.time_ns);
		return 0;
	default:
		return made(m, cg, r, path);
	}
}

int model_cgroup_cpu(struct runaway_model *m, const struct rw_cgroup_cpu *r)
{
	struct runaway_cgroup *cg;

	if (!r->cgroup_id)
		return -EBADMSG;
	if (m->scan.accounting_ns)
		m->scan.account_ns = m->scan.accounting_ns;
	cg = cgroup_get(m, r->cgroup_id, r->hdr.time_ns);
	if (!cg)
		return 0;
	cg->told_ns = r->hdr.time_ns;
	own_cpu(m, cg, r->cpu_ns);
	return 0;
}

void cgroup_sweep(struct runaway_model *m, uint64_t since_ns, uint64_t at_ns)
{
	struct runaway_cgroup *cg, *tmp;

	HASH_ITER (hh, m->cgroups, cg, tmp) {
		if (!cg->removed_ns && cg->found_ns < since_ns && cg->first_seen_ns < since_ns)
			removed(m, cg, at_ns);
	}
}

void cgroup_account(struct runaway_model *m, uint64_t told_ns)
{
	for (struct runaway_cgroup *cg = m->cgroup_going; cg; cg = cg->going_next)
		if (cg->removed_ns && cg->first_seen_ns < told_ns && cg->told_ns < told_ns)
			cg->released = true;
}

/* ---- tick: the removed go when nothing asks for them any more ---- */
static bool may_go(struct runaway_model *m, struct runaway_cgroup *cg, uint64_t now_ns)
{
	uint64_t gone_ns = now_ns > cg->removed_ns ? now_ns - cg->removed_ns : 0;

	if (cg->hot)
		return false;
	/* A name that somebody's lineage still needs takes no series from the living. */
	if (cg->released && gone_ns > SERIES_LINGER_NS)
		series_take(m, cg);
	if (cg->holders)
		return false;
	return cg->released ? !cg->has_series : gone_ns > REMOVED_LINGER_NS;
}

void cgroup_tick(struct runaway_model *m, uint64_t now_ns)
{
	struct runaway_cgroup **at, *cg;

	for (at = &m->cgroup_hot; (cg = *at);) {
		if (now_ns > cg->window_start_ns)
			cg->cores = (double)(cg->total_cpu_ns - cg->window_cpu_ns) /
				    (double)(now_ns - cg->window_start_ns);
		if (cg->total_cpu_ns == cg->window_cpu_ns) {
			cg->cores = 0;
			cg->hot = false;
			cg->ran_ns = now_ns;
			*at = cg->hot_next;
			continue;
		}
		cg->window_start_ns = now_ns;
		cg->window_cpu_ns = cg->total_cpu_ns;
		at = &cg->hot_next;
	}
	for (at = &m->cgroup_going; (cg = *at);) {
		if (!cg->removed_ns) {
			cg->going = false;
			*at = cg->going_next;
			continue;
		}
		if (!may_go(m, cg, now_ns)) {
			at = &cg->going_next;
			continue;
		}
		*at = cg->going_next;
		cgroup_destroy(m, cg);
	}
	series_refill(m, now_ns);
}
