/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings, incidents and lanes. */
#include "out/documents.h"

#include <string.h>

/* Container, pod and unit that a path names; out of memory leaves them unknown. */
static void write_names(const char *path, struct json_writer *w)
{
	struct runaway_cgroup_names names = { 0 };

	if (path)
		(void)runaway_cgroup_names_parse(path, &names);
	json_kv_string(w, "container_id", names.container_id);
	json_kv_string(w, "pod_uid", names.pod_uid);
	json_kv_string(w, "unit", names.unit);
	runaway_cgroup_names_free(&names);
}

static void write_subject(const struct runaway_finding *f, const struct subject_now *s,
			  struct json_writer *w)
{
	json_key(w, "subject");
	json_object_begin(w);
	json_kv_string(w, "kind", runaway_subject_kind_name(f->subject.kind));
	if (f->subject.id.pid) {
		json_kv_uint(w, "root_pid", f->subject.id.pid);
		json_kv_u64_string(w, "start_ns", f->subject.id.start_ns);
	} else {
		json_kv_null(w, "root_pid");
		json_kv_null(w, "start_ns");
	}
	runaway_out_write_comm(w, "comm", s->comm);
	runaway_out_write_comm(w, "origin_comm", s->origin_comm);
	json_kv_string(w, "cgroup", s->cgroup);
	write_names(s->cgroup, w);
	json_object_end(w);
}

static void write_finding(const struct runaway_view *v, const struct group_index *g,
			  const struct runaway_finding *f, struct json_writer *w)
{
	struct subject_now s;

	runaway_out_subject_now(v, g, f, &s);
	json_object_begin(w);
	json_kv_string(w, "lane_id", f->lane->lane_id);
	json_kv_string(w, "alertname", f->lane->alertname);
	json_kv_string(w, "classification", runaway_classification_name(f->lane->classification));
	json_kv_string(w, "action_policy", runaway_policy_name(f->lane->action_policy));
	json_kv_string(w, "severity", runaway_severity_name(f->lane->severity));
	runaway_out_write_boot_time(v, w, "since", f->since_ns);
	json_key(w, "evidence");
	runaway_evidence_write(w, f->evidence, f->evidence_count);
	write_subject(f, &s, w);
	if (s.known)
		json_kv_fixed(w, "cpu_cores", s.cpu_cores, 3);
	else
		json_kv_null(w, "cpu_cores");
	if (s.known && s.processes_known)
		json_kv_uint(w, "processes", s.processes);
	else
		json_kv_null(w, "processes");
	json_kv_string(w, "incident_id", f->incident_id[0] ? f->incident_id : NULL);
	json_object_end(w);
}

void runaway_doc_findings(const struct runaway_view *v, struct json_writer *w)
{
	struct group_index g;
	int err = runaway_out_group_index_init(&g, v->model);

	if (err)
		w->out->error = err;
	json_array_begin(w);
	for (const struct runaway_finding *f = runaway_engine_findings(v->engine); f;
	     f = f->hh.next)
		write_finding(v, &g, f, w);
	json_array_end(w);
	runaway_out_group_index_free(&g);
}

struct incident_ctx {
	struct json_writer *w;
	enum incident_status status;
	const char *lane;
	size_t left;
};

static void incident_add(void *ctx, const struct incident *i)
{
	struct incident_ctx *c = ctx;

	if (c->left == 0)
		return;
	if (c->status != INCIDENT_STATUS_MAX && i->status != c->status)
		return;
	if (c->lane && strcmp(i->lane_id, c->lane) != 0)
		return;
	c->left--;
	runaway_incident_write_summary(c->w, i);
}

void runaway_doc_incidents(const struct runaway_view *v, enum incident_status status_filter,
			   const char *lane, size_t limit, struct json_writer *w)
{
	struct incident_ctx c = {
		.w = w,
		.status = status_filter,
		.lane = lane,
		.left = limit ? limit : SIZE_MAX,
	};

	json_array_begin(w);
	runaway_store_each(v->store, incident_add, &c);
	json_array_end(w);
}

void runaway_doc_lanes(const struct lane_set *lanes, const char *lane_id, struct json_writer *w)
{
	json_array_begin(w);
	for (size_t i = 0; i < lanes->count; i++) {
		if (!lane_id || strcmp(lanes->lane[i].lane_id, lane_id) == 0)
			runaway_lane_write(w, &lanes->lane[i]);
	}
	json_array_end(w);
}
