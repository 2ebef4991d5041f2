// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A drill: the whole path on a process that the client started for it. That it did is
 * not believed: the sensor saw it fork. Its fixture is alone in a cgroup whose name
 * says which throw-away key may approve, and nothing but that is ever named.
 */

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "gate/key.h"

#define FIXTURE_COMM "runaway-drill"
#define CGROUP_LEAF  "runaway-drill-"
/* Forks between the client and its fixture: one that ends makes it an orphan. */
#define GENERATIONS 2

static const char drill_lane_text[] =
	"{\"lane_id\":\"drill_fixture\",\"alertname\":\"RunawayDrill\","
	"\"classification\":\"host_resource_runaway_process\","
	"\"action_policy\":\"" RUNAWAY_PLAN_POLICY "\",\"severity\":\"P3\","
	"\"subject\":\"orphan_tree\",\"match\":{\"comm_any\":[\"" FIXTURE_COMM "\"]},"
	"\"trigger\":{\"cpu_cores_min\":0.01,\"for_s\":0},\"clear\":{\"cpu_cores_max\":0.005}}";

static int make_lane(struct daemon *d)
{
	_cleanup_free_ char *path = NULL, *why = NULL;
	_cleanup_cjson_ cJSON *json = NULL;
	struct lane *l;
	int r;

	if (d->gate.drill_lane)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	r = runaway_json_parse(drill_lane_text, sizeof(drill_lane_text) - 1, &json, NULL);
	if (r == 0)
		r = runaway_lane_parse(json, l, &path, &why);
	if (r < 0) {
		free(l);
		return r;
	}
	d->gate.drill_lane = l;
	return 0;
}

/* ---- is it the caller's own? ---- */

static bool started_by(const struct runaway_proc *fixture, const struct runaway_peer *peer)
{
	const struct runaway_proc *p = fixture;

	for (int n = 0; n < GENERATIONS; n++) {
		if (!p->seen_fork || !p->origin)
			return false;
		p = p->origin;
	}
	return p->state == RUNAWAY_ALIVE && p->id.pid == (uint32_t)peer->pid;
}

static bool in_own_cgroup(const struct daemon *d, const struct runaway_proc *p, const char *key)
{
	const struct runaway_cgroup *cg = runaway_model_cgroup(d->model, p->cgroup_id);
	char id[RUNAWAY_KEY_ID_HEX], leaf[sizeof(CGROUP_LEAF) + RUNAWAY_KEY_ID_HEX];
	const char *slash;

	runaway_key_id(key, id);
	snprintf(leaf, sizeof(leaf), CGROUP_LEAF "%s", id);
	slash = cg && cg->path ? strrchr(cg->path, '/') : NULL;
	return slash && strcmp(slash + 1, leaf) == 0;
}

static const char *objection(const struct daemon *d, const struct runaway_proc *p,
			     const struct runaway_peer *peer, const char *key, bool *ret_yet)
{
	/* What the next scan tells is asked for again. */
	*ret_yet = false;
	if (!runaway_key_public_ok(key))
		return "the key is no public Ed25519 key";
	*ret_yet = true;
	if (!p || p->state != RUNAWAY_ALIVE)
		return "no such process is known yet";
	*ret_yet = false;
	if (!started_by(p, peer))
		return "the caller did not start it: a drill names nobody else's process";
	*ret_yet = true;
	if (!p->orphan || !runaway_proc_orphan_root(p))
		return "it is no orphan yet";
	if (!runaway_lane_matches_proc(d->gate.drill_lane, d->model, p))
		return "it is not known as a drill's fixture yet";
	*ret_yet = false;
	if (!in_own_cgroup(d, p, key))
		return "it is not in the cgroup of this drill";
	return NULL;
}

/* ---- opening ---- */

static void fill_finding(const struct daemon *d, const struct runaway_proc *p,
			 struct runaway_finding *f)
{
	*f = (struct runaway_finding){
		.lane = d->gate.drill_lane,
		.subject = { .kind = RUNAWAY_SUBJECT_ORPHAN_TREE, .id = p->id },
		.since_ns = runaway_model_now(d->model),
		.condition_ns = runaway_model_now(d->model),
		.evidence = { { "cpu_cores", "cores", runaway_proc_cores(d->model, p),
				d->gate.drill_lane->trigger.cpu_cores_min } },
		.evidence_count = 1,
	};
	snprintf(f->subject.key, sizeof(f->subject.key), "orphan_tree:%u:%llu", p->id.pid,
		 (unsigned long long)p->id.start_ns);
	snprintf(f->key, sizeof(f->key), "%s/%s", f->lane->lane_id, f->subject.key);
}

void call_drill_open(struct pending_call *c, const cJSON *params)
{
	const uint32_t pid = (uint32_t)runaway_json_u64(params, "pid", 0);
	const char *key = runaway_json_str(params, "key", ""), *why;
	const struct runaway_proc *p = runaway_model_find_pid(c->d->model, pid);
	struct incident_step step;
	struct incident *i;
	struct drill *drill;
	bool yet = false;
	int r;

	if (!gate_works(c->d)) {
		call_refuse_disabled(c);
		return;
	}
	r = make_lane(c->d);
	why = r == 0 ? objection(c->d, p, &c->peer, key, &yet) : NULL;
	if (why) {
		call_fail(c, yet ? "not_found" : "usage", "pid %u: %s", pid, why);
		return;
	}
	drill = r == 0 ? calloc(1, sizeof(*drill)) : NULL;
	if (!drill) {
		call_fail(c, "failed", "%s", runaway_strerror(r < 0 ? r : -ENOMEM));
		return;
	}
	fill_finding(c->d, p, &drill->finding);
	snprintf(drill->key, sizeof(drill->key), "%s", key);
	r = runaway_incident_open_drill(c->d->store, &drill->finding, c->d->model, &i);
	if (r < 0) {
		free(drill);
		call_fail(c, "failed", "%s", runaway_strerror(r));
		return;
	}
	memcpy(drill->finding.incident_id, i->incident_id, sizeof(i->incident_id));
	drill->next = c->d->gate.drills;
	c->d->gate.drills = drill;
	signals_update(c->d);
	snprintf(c->incident_id, sizeof(c->incident_id), "%s", i->incident_id);
	step = call_step(c, INCIDENT_TRIAGED, "a drill: its fixture is known");
	r = runaway_incident_step(c->d->store, c->incident_id, &step);
	if (r < 0)
		call_step_failed(c, r);
	else
		call_done(c);
}

/* ---- the end ---- */

void drill_tick(struct daemon *d)
{
	for (struct drill **at = &d->gate.drills; *at;) {
		struct drill *drill = *at;
		const struct runaway_finding *f = &drill->finding;
		const struct runaway_proc *p = runaway_model_find(d->model, f->subject.id);

		if (p && p->state == RUNAWAY_ALIVE) {
			runaway_incident_observe(d->store, f, d->model);
			at = &drill->next;
			continue;
		}
		/* Nothing happens to one that is acted on: its post-check judges. */
		if (runaway_incident_self_clear(d->store, f->incident_id, FINDING_GONE, d->model) <
		    0)
			log_warning("drill %s could not be resolved", f->incident_id);
		*at = drill->next;
		free(drill);
	}
}

void drill_free(struct daemon *d)
{
	struct drill *drill;

	while ((drill = d->gate.drills)) {
		d->gate.drills = drill->next;
		free(drill);
	}
	if (d->gate.drill_lane)
		runaway_lane_free(d->gate.drill_lane);
	free(d->gate.drill_lane);
}
