/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of incidents.jsonl: the whole state of an incident, there and back. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"
#include "incident/internal.h"

#define STATE_SCHEMA "runaway_incident_state_v1"

static void kv_raw(struct json_writer *w, const char *key, const char *json)
{
	json_key(w, key);
	if (json)
		json_raw(w, json, strlen(json));
	else
		json_null(w);
}

static void write_state(struct strbuf *b, const struct incident_record *rec, bool documents)
{
	const struct incident *i = &rec->i;
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "schema_version", STATE_SCHEMA);
	json_kv_uint(&w, "event_seq", rec->event_seq);
	incident_summary_members(&w, i);
	kv_raw(&w, "finding", documents ? i->finding_json : NULL);
	kv_raw(&w, "lineage", documents ? i->lineage_json : NULL);
	kv_raw(&w, "packet", documents ? i->packet_json : NULL);
	/* Never cut: what was approved and what was done cannot be made anew. */
	incident_documents_write(&w, i);
	if (!documents)
		json_kv_bool(&w, "documents_cut", true);
	json_object_end(&w);
	runaway_line_seal(b);
}

void incident_state_line(struct strbuf *b, const struct incident_record *rec)
{
	write_state(b, rec, true);
	if (b->error || b->len < RUNAWAY_LINE_MAX)
		return;
	/* Hostile arguments can be long; the reader's limit counts, readback.json has it all. */
	strbuf_reset(b);
	write_state(b, rec, false);
}

static void copy_json(struct json_writer *w, const cJSON *json)
{
	const cJSON *child;

	if (cJSON_IsObject(json)) {
		json_object_begin(w);
		cJSON_ArrayForEach (child, json) {
			json_key(w, child->string);
			copy_json(w, child);
		}
		json_object_end(w);
	} else if (cJSON_IsArray(json)) {
		json_array_begin(w);
		cJSON_ArrayForEach (child, json)
			copy_json(w, child);
		json_array_end(w);
	} else if (cJSON_IsString(json)) {
		json_string(w, json->valuestring);
	} else if (cJSON_IsNumber(json)) {
		json_double(w, json->valuedouble);
	} else if (cJSON_IsBool(json)) {
		json_bool(w, cJSON_IsTrue(json));
	} else {
		json_null(w);
	}
}

int incident_json_text(const cJSON *json, char **ret)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	char *text;

	if (!json || cJSON_IsNull(json))
		return 0;
	/* Not cJSON's printer: it would put C1 and the like on the line as they are. */
	json_init(&w, &b, false);
	copy_json(&w, json);
	text = strbuf_take(&b);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int copy_text(const cJSON *obj, const char *key, char **ret)
{
	const char *v = runaway_json_str(obj, key, NULL);

	if (!v)
		return 0;
	*ret = strdup(v);
	return *ret ? 0 : -ENOMEM;
}

/* Into a fixed field; what does not fit was not written by us. */
static int copy_fixed(const cJSON *obj, const char *key, char *field, size_t size)
{
	const char *v = runaway_json_str(obj, key, "");
	const size_t len = strlen(v);

	if (len >= size)
		return -EBADMSG;
	memcpy(field, v, len + 1);
	return 0;
}

static int copy_time(const cJSON *obj, const char *key, uint64_t *ret)
{
	const char *v = runaway_json_str(obj, key, NULL);

	if (!v)
		return 0;
	return runaway_rfc3339_parse(v, ret) < 0 ? -EBADMSG : 0;
}

static int parse_names(const cJSON *json, const cJSON *subject, struct incident *i)
{
	const char *sev = runaway_json_str(json, "severity", "");
	const char *kind = runaway_json_str(subject, "kind", "");

	while (i->severity < RUNAWAY_SEVERITY_MAX &&
	       strcmp(sev, runaway_severity_name(i->severity)) != 0)
		i->severity++;
	while (i->subject_kind < RUNAWAY_SUBJECT_MAX &&
	       strcmp(kind, runaway_subject_kind_name(i->subject_kind)) != 0)
		i->subject_kind++;
	if (i->severity == RUNAWAY_SEVERITY_MAX || i->subject_kind == RUNAWAY_SUBJECT_MAX)
		return -EBADMSG;
	if (runaway_incident_status_parse(runaway_json_str(json, "status", NULL), &i->status) < 0)
		return -EBADMSG;
	return 0;
}

/* Lines of earlier versions have neither. */
static int parse_remediation(const cJSON *json, struct incident *i)
{
	const char *name = runaway_json_str(json, "remediation", "none");

	while (i->remediation < REMEDIATION_MAX &&
	       strcmp(name, incident_remediation_names[i->remediation]) != 0)
		i->remediation++;
	if (i->remediation == REMEDIATION_MAX)
		return -EBADMSG;
	return copy_time(json, "acted_at", &i->acted_realtime_ns);
}

static int parse_fixed(const cJSON *json, const cJSON *subject, struct incident *i)
{
	const struct {
		const cJSON *from;
		const char *key;
		char *field;
		size_t size;
	} fields[] = {
		{ json, "incident_id", i->incident_id, sizeof(i->incident_id) },
		{ json, "lane_id", i->lane_id, sizeof(i->lane_id) },
		{ json, "resolution_path", i->resolution_path, sizeof(i->resolution_path) },
		{ json, "recurrence_of", i->recurrence_of, sizeof(i->recurrence_of) },
		{ json, "boot_id", i->boot_id, sizeof(i->boot_id) },
		{ subject, "key", i->subject_key, sizeof(i->subject_key) },
	};

	for (size_t n = 0; n < ARRAY_SIZE(fields); n++)
		if (copy_fixed(fields[n].from, fields[n].key, fields[n].field, fields[n].size) < 0)
			return -EBADMSG;
	if (!incident_id_valid(i->incident_id) || i->lane_id[0] == '\0')
		return -EBADMSG;
	if (copy_time(json, "opened_at", &i->opened_realtime_ns) < 0 ||
	    copy_time(json, "updated_at", &i->updated_realtime_ns) < 0 ||
	    copy_time(json, "resolved_at", &i->resolved_realtime_ns) < 0)
		return -EBADMSG;
	i->root.pid = (uint32_t)runaway_json_u64(subject, "root_pid", 0);
	i->root.start_ns = runaway_json_u64(subject, "start_ns", 0);
	i->drill = runaway_json_true(json, "drill", false);
	return parse_remediation(json, i);
}

static int parse_texts(const cJSON *json, const cJSON *subject, struct incident *i)
{
	int err = copy_text(json, "title", &i->title);

	if (err == 0)
		err = copy_text(json, "env", &i->env);
	if (err == 0)
		err = copy_text(subject, "comm", &i->comm);
	if (err == 0)
		err = copy_text(subject, "origin_comm", &i->origin_comm);
	if (err == 0)
		err = copy_text(subject, "cgroup", &i->cgroup);
	if (err == 0)
		err = incident_json_text(runaway_json_get(json, "finding"), &i->finding_json);
	if (err == 0)
		err = incident_json_text(runaway_json_get(json, "lineage"), &i->lineage_json);
	if (err == 0)
		err = incident_json_text(runaway_json_get(json, "packet"), &i->packet_json);
	return err == 0 ? incident_documents_parse(json, i) : err;
}

static void parse_swap(const cJSON *json, struct incident_record *rec)
{
	const cJSON *packet = runaway_json_get(json, "packet");
	const cJSON *swap = runaway_json_get(packet, "swap");

	if (!runaway_json_get(swap, "first_used_bytes"))
		return;
	rec->swap_known = true;
	rec->swap_first_bytes = runaway_json_u64(swap, "first_used_bytes", 0);
	if (copy_time(swap, "first_seen_at", &rec->swap_first_realtime_ns) < 0)
		rec->swap_known = false;
}

int incident_state_parse(const cJSON *json, struct incident_record **ret)
{
	_cleanup_(incident_record_freep) struct incident_record *rec = incident_record_new();
	const cJSON *subject = runaway_json_get(json, "subject");
	int err;

	if (!rec)
		return -ENOMEM;
	if (strcmp(runaway_json_str(json, "schema_version", ""), STATE_SCHEMA) != 0)
		return -EBADMSG;
	err = parse_names(json, subject, &rec->i);
	if (err == 0)
		err = parse_fixed(json, subject, &rec->i);
	if (err == 0)
		err = parse_texts(json, subject, &rec->i);
	if (err < 0)
		return err;
	rec->event_seq = runaway_json_u64(json, "event_seq", 0);
	parse_swap(json, rec);
	*ret = TAKE_PTR(rec);
	return 0;
}
