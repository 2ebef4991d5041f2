// SPDX-License-Identifier: GPL-2.0-or-later
/* From findings to incidents, and back after a restart. */

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

static void on_opened(void *ctx, struct runaway_finding *f)
{
	struct daemon *d = ctx;
	uint64_t due = f->condition_ns + f->state.lapsed_ns +
		       (uint64_t)(f->lane->trigger.for_s * (double)NSEC_PER_SEC);
	struct incident *i;
	int r;

	/* How much later than the lane asks for: at most one interval, or the host was busy. */
	runaway_histogram_add(&d->runtime.detection_delay,
			      f->since_ns > due ? (double)(f->since_ns - due) / 1e9 : 0);
	r = runaway_incident_open(d->store, f, d->model, &i);
	if (r < 0) {
		log_error_errno(r, "cannot open an incident for %s", f->key);
		return;
	}
	snprintf(f->incident_id, sizeof(f->incident_id), "%s", i->incident_id);
	log_warning("finding %s: %s (incident %s)", f->lane->lane_id, i->title, i->incident_id);
}

static void on_ended(void *ctx, struct runaway_finding *f, enum finding_end why)
{
	struct daemon *d = ctx;
	const struct incident *i;
	int r;

	log_info("finding %s is over: %s (incident %s)", f->key, runaway_finding_end_name(why),
		 f->incident_id);
	if (!*f->incident_id)
		return;
	r = runaway_incident_self_clear(d->store, f->incident_id, why, d->model);
	if (r < 0)
		log_error_errno(r, "cannot resolve incident %s", f->incident_id);
	/* One whose post-check failed has waited for this. */
	i = runaway_store_find(d->store, f->incident_id);
	if (i && i->status == INCIDENT_POST_CHECK && i->remediation == REMEDIATION_FAILED)
		post_check_schedule(d, i->incident_id, runaway_boot_ns());
}

const struct lane_engine_ops daemon_engine_ops = { .opened = on_opened, .ended = on_ended };

/* Through the lane's own written form: what `config show` prints is what is judged by. */
static int copy_lane(const struct lane *from, struct lane *ret)
{
	_cleanup_free_ char *path = NULL, *why = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_cjson_ cJSON *json = NULL;
	struct json_writer w;
	int r;

	json_init(&w, &b, false);
	runaway_lane_write(&w, from);
	if (b.error)
		return b.error;
	r = runaway_json_parse(b.data, b.len, &json, NULL);
	if (r < 0)
		return r;
	r = runaway_lane_parse(json, ret, &path, &why);
	if (r < 0)
		return r;
	ret->builtin = from->builtin;
	return 0;
}

static bool asks_nothing(const struct lane_match *m)
{
	return m->exe_any.count + m->comm_any.count + m->args_any.count + m->origin_any.count +
			       m->cgroup_any.count ==
		       0 &&
	       m->daemonised_any == 0;
}

/* Most often one that was to change a number of a built-in lane, and has replaced all of it. */
static void warn_of_wide(const struct lane *l)
{
	if (l->enabled && l->subject == RUNAWAY_SUBJECT_ORPHAN_TREE && asks_nothing(&l->match))
		log_warning("lane %s has no `match`: it takes every orphan, also those left behind "
			    "on purpose; a lane of the file replaces all of a built-in one",
			    l->lane_id);
}

int daemon_apply_lanes(struct lane_engine *e, const struct lane_set *lanes)
{
	struct lane_set copy = { 0 };
	struct lane one;
	int r = 0;

	for (size_t i = 0; i < lanes->count && r == 0; i++) {
		warn_of_wide(&lanes->lane[i]);
		r = copy_lane(&lanes->lane[i], &one);
		if (r == 0)
			r = runaway_lane_set_put(&copy, &one);
	}
	if (r == 0)
		r = runaway_engine_set_lanes(e, &copy);
	if (r < 0)
		runaway_lane_set_free(&copy);
	return r;
}

static void adopt(void *ctx, const struct incident *i)
{
	struct daemon *d = ctx;
	struct runaway_subject s = { .kind = i->subject_kind, .id = i->root };
	const struct rw_meta *meta = runaway_model_meta(d->model);
	const char *colon;
	uint64_t since;
	int r;

	if (i->status >= INCIDENT_RESOLVED || !meta || strcmp(i->boot_id, meta->boot_id) != 0)
		return;
	snprintf(s.key, sizeof(s.key), "%s", i->subject_key);
	colon = strchr(i->subject_key, ':');
	if (i->subject_kind == RUNAWAY_SUBJECT_CGROUP && colon)
		s.cgroup_id = strtoull(colon + 1, NULL, 10);
	since = i->opened_realtime_ns - MIN(i->opened_realtime_ns, meta->realtime_offset_ns);
	r = runaway_engine_adopt(d->engine, i->lane_id, &s, since, i->incident_id);
	if (r == -ENOENT)
		r = runaway_incident_self_clear(d->store, i->incident_id, FINDING_LANE_OFF,
						d->model);
	if (r < 0)
		log_error_errno(r, "cannot go on with incident %s", i->incident_id);
	else
		log_info("going on with incident %s", i->incident_id);
}

void daemon_adopt_incidents(struct daemon *d)
{
	runaway_store_each(d->store, adopt, d);
}
