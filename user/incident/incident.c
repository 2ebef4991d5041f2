/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The incident itself: names of its states, memory, the element of a list. */
#include "incident/incident.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "incident/internal.h"

static const char *const status_names[] = {
	[INCIDENT_OPEN] = "open",
	[INCIDENT_TRIAGED] = "triaged",
	[INCIDENT_DRY_RUN_READY] = "dry_run_ready",
	[INCIDENT_APPROVED] = "approved",
	[INCIDENT_ACTING] = "acting",
	[INCIDENT_POST_CHECK] = "post_check",
	[INCIDENT_RESOLVED] = "resolved",
	[INCIDENT_CLOSED] = "closed",
};
static_assert(ARRAY_SIZE(status_names) == INCIDENT_STATUS_MAX, "a name for every state");

static const char *const paths[] = { "self_cleared", "no_action", "remediated", "manual", NULL };
static_assert(ARRAY_SIZE(paths) == INCIDENT_PATHS + 1, "a counter for every path");

const char *const incident_remediation_names[REMEDIATION_MAX] = {
	[REMEDIATION_NONE] = "none",
	[REMEDIATION_PENDING] = "pending",
	[REMEDIATION_SUCCEEDED] = "succeeded",
	[REMEDIATION_FAILED] = "failed",
};

const char *runaway_incident_status_name(enum incident_status s)
{
	return (unsigned int)s < INCIDENT_STATUS_MAX ? status_names[s] : "unknown";
}

int runaway_incident_status_parse(const char *s, enum incident_status *ret)
{
	for (size_t i = 0; s && i < ARRAY_SIZE(status_names); i++)
		if (strcmp(s, status_names[i]) == 0) {
			*ret = (enum incident_status)i;
			return 0;
		}
	return -EINVAL;
}

const char *const *runaway_resolution_paths(void)
{
	return paths;
}

struct incident_record *incident_record_new(void)
{
	return calloc(1, sizeof(struct incident_record));
}

void incident_record_drop_texts(struct incident_record *rec)
{
	struct incident *i = &rec->i;

	for (size_t n = 0; n < rec->event_count; n++)
		free(rec->event[n]);
	free(TAKE_PTR(rec->event));
	rec->event_count = 0;
	free(TAKE_PTR(i->finding_json));
	free(TAKE_PTR(i->lineage_json));
	free(TAKE_PTR(i->packet_json));
	for (enum incident_array a = 0; a < INCIDENT_ARRAYS; a++)
		incident_documents_free(&i->doc[a]);
	free(TAKE_PTR(i->point));
	i->point_count = 0;
	rec->texts_dropped = true;
}

void incident_record_free(struct incident_record *rec)
{
	if (!rec)
		return;
	incident_record_drop_texts(rec);
	free(rec->i.title);
	free(rec->i.env);
	free(rec->i.comm);
	free(rec->i.origin_comm);
	free(rec->i.cgroup);
	free(rec);
}

int incident_record_add_event(struct incident_record *rec, const char *line, size_t len)
{
	_cleanup_free_ char *copy = NULL;
	char **grown;

	copy = strndup(line, len);
	if (!copy)
		return -ENOMEM;
	/* The first one says how it began; of the others the newest stay. */
	if (rec->event_count == INCIDENT_EVENTS_MAX) {
		free(rec->event[1]);
		memmove(&rec->event[1], &rec->event[2],
			(INCIDENT_EVENTS_MAX - 2) * sizeof(*rec->event));
		rec->event[INCIDENT_EVENTS_MAX - 1] = TAKE_PTR(copy);
		rec->events_cut++;
		return 0;
	}
	grown = realloc(rec->event, (rec->event_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	rec->event = grown;
	rec->event[rec->event_count++] = TAKE_PTR(copy);
	return 0;
}

static void kv_text(struct json_writer *w, const char *key, const char *v)
{
	json_kv_string(w, key, v && v[0] ? v : NULL);
}

static void write_subject(struct json_writer *w, const struct incident *i)
{
	json_key(w, "subject");
	json_object_begin(w);
	json_kv_string(w, "kind", runaway_subject_kind_name(i->subject_kind));
	json_kv_string(w, "key", i->subject_key);
	if (i->root.pid != 0) {
		json_kv_uint(w, "root_pid", i->root.pid);
		json_kv_u64_string(w, "start_ns", i->root.start_ns);
	} else {
		json_kv_null(w, "root_pid");
		json_kv_null(w, "start_ns");
	}
	json_kv_string(w, "comm", i->comm);
	json_kv_string(w, "origin_comm", i->origin_comm);
	json_kv_string(w, "cgroup", i->cgroup);
	json_object_end(w);
}

void incident_summary_members(struct json_writer *w, const struct incident *i)
{
	json_kv_string(w, "incident_id", i->incident_id);
	json_kv_string(w, "lane_id", i->lane_id);
	json_kv_string(w, "status", runaway_incident_status_name(i->status));
	json_kv_string(w, "severity", runaway_severity_name(i->severity));
	json_kv_string(w, "title", i->title);
	json_kv_string(w, "env", i->env);
	json_kv_time(w, "opened_at", i->opened_realtime_ns);
	json_kv_time(w, "updated_at", i->updated_realtime_ns);
	json_kv_time(w, "resolved_at", i->resolved_realtime_ns);
	kv_text(w, "resolution_path", i->resolution_path);
	write_subject(w, i);
	kv_text(w, "boot_id", i->boot_id);
	kv_text(w, "recurrence_of", i->recurrence_of);
	json_kv_bool(w, "drill", i->drill);
	json_kv_string(w, "remediation", incident_remediation_names[i->remediation]);
	json_kv_time(w, "acted_at", i->acted_realtime_ns);
}

void runaway_incident_write_summary(struct json_writer *w, const struct incident *i)
{
	json_object_begin(w);
	incident_summary_members(w, i);
	json_object_end(w);
}
