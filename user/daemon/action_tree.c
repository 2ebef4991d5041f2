// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whom an action was about: the targets of its plan, the members of the tree when the gate was
 * asked, and what they forked since. A root that forks when it is told to end, and ends, has
 * left somebody behind whom nobody named.
 */

#include <string.h>

#include "base/clock.h"
#include "daemon/daemon.h"

/* Members that are looked for; a crowd of ten thousand has one cause. */
#define MEMBERS_MAX 4096
/* Forks between a member and a process that it left behind. */
#define ORIGINS_MAX 64

void tree_ids_free(struct tree_ids *t)
{
	free(t->id);
	*t = (struct tree_ids){ 0 };
}

static bool is_member(const struct tree_ids *t, struct runaway_id id)
{
	for (size_t n = 0; n < t->count; n++)
		if (runaway_id_eq(t->id[n], id))
			return true;
	return false;
}

static int add(struct tree_ids *t, struct runaway_id id)
{
	struct runaway_id *grown;

	if (t->count == MEMBERS_MAX || is_member(t, id))
		return 0;
	grown = reallocarray(t->id, t->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	t->id = grown;
	t->id[t->count++] = id;
	return 0;
}

static int add_listed(struct tree_ids *t, const cJSON *list)
{
	const cJSON *e;
	int err = 0;

	cJSON_ArrayForEach (e, list) {
		const struct runaway_id id = { .pid = (uint32_t)runaway_json_u64(e, "pid", 0),
					       .start_ns = runaway_json_u64(e, "start_ns", 0) };

		if (err == 0)
			err = add(t, id);
	}
	return err;
}

static int add_below(struct tree_ids *t, const struct runaway_proc *root)
{
	int err = 0;

	for (const struct runaway_proc *p = root; p && err == 0;
	     p = runaway_proc_tree_next(root, p))
		if (p->state == RUNAWAY_ALIVE)
			err = add(t, p->id);
	return err;
}

static bool left_behind_by(const struct tree_ids *t, const struct runaway_proc *p)
{
	size_t n = 0;

	for (p = p->origin; p && n < ORIGINS_MAX; p = p->origin, n++)
		if (is_member(t, p->id))
			return true;
	return false;
}

/* What was an orphan before is another tree: it was there to be planned for. */
static int add_forked(const struct runaway_model *m, uint64_t since_realtime_ns, struct tree_ids *t)
{
	const size_t listed = t->count;
	int err = 0;

	for (size_t n = 0; n < listed && err == 0; n++) {
		const struct runaway_proc *p = runaway_model_find(m, t->id[n]);

		if (p && p->state == RUNAWAY_ALIVE)
			err = add_below(t, p);
	}
	for (const struct runaway_proc *o = runaway_model_orphans(m); o && err == 0;
	     o = o->orphan_next)
		if (runaway_model_realtime(m, o->id.start_ns) >= since_realtime_ns &&
		    left_behind_by(t, o))
			err = add_below(t, o);
	return err;
}

static int parse_newest(const struct incident *i, enum incident_array array, cJSON **ret)
{
	const struct incident_documents *docs = &i->doc[array];
	const char *text;

	if (!docs->count)
		return -ENOENT;
	text = docs->item[docs->count - 1];
	return runaway_json_parse(text, strlen(text), ret, NULL);
}

static int fill(const struct daemon *d, const cJSON *action, const cJSON *plan,
		struct tree_ids *ret)
{
	const cJSON *targets = runaway_json_get(runaway_json_get(plan, "plan"), "targets");
	uint64_t asked_ns = UINT64_MAX;
	int err = add_listed(ret, targets);

	/* An action without its time is no action of ours: it speaks of whom it names. */
	(void)runaway_rfc3339_parse(runaway_json_str(action, "asked_at", ""), &asked_ns);
	ret->cgroup_id = runaway_json_u64(cJSON_GetArrayItem(targets, 0), "cgroup_id", 0);
	if (err == 0)
		err = add_listed(ret, runaway_json_get(action, "tree"));
	return err < 0 ? err : add_forked(d->model, asked_ns, ret);
}

int action_tree(const struct daemon *d, const struct incident *i, struct tree_ids *ret,
		cJSON **ret_action)
{
	_cleanup_cjson_ cJSON *action = NULL, *plan = NULL;
	struct tree_ids tree = { 0 };
	int err = parse_newest(i, INCIDENT_ACTIONS, &action);

	if (err == 0)
		err = parse_newest(i, INCIDENT_PLANS, &plan);
	if (err == 0)
		err = fill(d, action, plan, &tree);
	if (err < 0) {
		tree_ids_free(&tree);
		return err;
	}
	*ret = tree;
	*ret_action = TAKE_PTR(action);
	return 0;
}
