/* SPDX-License-Identifier: GPL-2.0-or-later */
/* readback.json: the whole story of one incident in one document. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/macros.h"
#include "incident/internal.h"

#define READBACK_SCHEMA "runaway_incident_readback_v1"

static char *path_in(const char *state_dir, const char *incident_id, const char *name)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "%s/incidents/%s%s", state_dir, incident_id, name);
	return strbuf_take(&b);
}

char *incident_readback_path(const char *state_dir, const char *incident_id)
{
	return path_in(state_dir, incident_id, "/readback.json");
}

bool incident_readback_exists(const struct incident_store *s, const struct incident *i)
{
	_cleanup_free_ char *path = incident_readback_path(s->state_dir, i->incident_id);

	return path && access(path, R_OK) == 0;
}

static void number(struct json_writer *w, const char *key, double v, int decimals)
{
	if (isnan(v))
		json_kv_null(w, key);
	else
		json_kv_fixed(w, key, v, decimals);
}

static void write_samples(struct json_writer *w, const struct incident *i)
{
	json_array_begin(w);
	for (size_t n = 0; n < i->point_count; n++) {
		const struct incident_point *p = &i->point[n];

		json_object_begin(w);
		json_kv_time(w, "at", p->realtime_ns);
		number(w, "cpu_cores", p->cpu_cores, 3);
		number(w, "cpu_seconds", p->cpu_seconds, 3);
		json_kv_uint(w, "processes", p->processes);
		json_kv_uint(w, "rss_bytes", p->rss_bytes);
		json_object_end(w);
	}
	json_array_end(w);
}

static void raw_or(struct json_writer *w, const char *key, const char *json, const char *otherwise)
{
	const char *text = json ? json : otherwise;

	json_key(w, key);
	json_raw(w, text, strlen(text));
}

static void write_events(struct json_writer *w, const struct incident_record *rec)
{
	json_key(w, "events");
	json_array_begin(w);
	for (size_t n = 0; n < rec->event_count; n++)
		json_raw(w, rec->event[n], strlen(rec->event[n]));
	json_array_end(w);
}

/* `line_sha256` is what the next event's `prev` says: sha256 of the whole line. */
static void write_integrity(struct json_writer *w, const struct incident_store *s,
			    const struct incident_record *rec)
{
	char sha[RUNAWAY_SHA256_HEX];

	json_key(w, "integrity");
	json_object_begin(w);
	json_kv_bool(w, "verified", s->chain_ok);
	json_kv_uint(w, "chain_length", s->next_seq - 1);
	json_kv_string(w, "chain_head", s->next_seq > 1 ? s->chain_head : NULL);
	json_kv_uint(w, "events_cut", rec->events_cut);
	json_key(w, "event_hashes");
	json_array_begin(w);
	for (size_t n = 0; n < rec->event_count; n++) {
		runaway_sha256_hex(rec->event[n], strlen(rec->event[n]), sha);
		json_string(w, sha);
	}
	json_array_end(w);
	json_object_end(w);
}

static void write_empty(struct json_writer *w, const char *key)
{
	json_key(w, key);
	json_array_begin(w);
	json_array_end(w);
}

static void write_document(struct json_writer *w, const struct incident_store *s,
			   const struct incident_record *rec)
{
	const struct incident *i = &rec->i;

	json_object_begin(w);
	json_kv_string(w, "schema_version", READBACK_SCHEMA);
	json_key(w, "incident");
	json_object_begin(w);
	incident_summary_members(w, i);
	json_kv_string(w, "host_label", s->host_label);
	json_object_end(w);
	raw_or(w, "finding", i->finding_json, "null");
	raw_or(w, "lineage", i->lineage_json, "[]");
	json_key(w, "samples");
	write_samples(w, i);
	raw_or(w, "packet", i->packet_json, "null");
	incident_documents_write(w, i);
	write_empty(w, "assets");
	write_events(w, rec);
	write_empty(w, "artifacts");
	write_integrity(w, s, rec);
	json_object_end(w);
}

int incident_readback_write_file(struct incident_store *s, struct incident_record *rec)
{
	_cleanup_free_ char *folder = path_in(s->state_dir, rec->i.incident_id, "");
	_cleanup_free_ char *path = incident_readback_path(s->state_dir, rec->i.incident_id);
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	int err;

	if (!folder || !path)
		return -ENOMEM;
	json_init(&w, &b, true);
	write_document(&w, s, rec);
	strbuf_addc(&b, '\n');
	if (b.error)
		return b.error;
	err = s->ops->mkdir_p(folder, 0750);
	return err < 0 ? err : s->ops->replace(path, b.data, b.len, 0640);
}

static int parse_file(const struct incident_store *s, const struct incident *i, struct strbuf *text,
		      cJSON **ret)
{
	_cleanup_free_ char *path = incident_readback_path(s->state_dir, i->incident_id);
	int err;

	if (!path)
		return -ENOMEM;
	err = runaway_read_file(AT_FDCWD, path, INCIDENT_READBACK_MAX_BYTES, text);
	if (err < 0)
		return err;
	return runaway_json_parse(text->data ? text->data : "", text->len, ret, NULL);
}

int runaway_incident_write_readback(struct incident_store *s, const char *incident_id,
				    struct json_writer *w)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_cjson_ cJSON *json = NULL;
	struct incident_record *rec;
	struct incident *i;

	HASH_FIND_STR(s->incidents, incident_id, i);
	if (!i)
		return -ENOENT;
	rec = incident_record_of(i);
	/* What memory no longer has, the file tells; a damaged file must not damage the answer. */
	if (rec->texts_dropped && parse_file(s, i, &text, &json) == 0) {
		while (text.len > 0 && text.data[text.len - 1] == '\n')
			strbuf_truncate(&text, text.len - 1);
		json_raw(w, text.data, text.len);
	} else {
		write_document(w, s, rec);
	}
	return w->out->error;
}

static void restore_points(struct incident *i, const cJSON *samples)
{
	const cJSON *sample;

	cJSON_ArrayForEach (sample, samples) {
		struct incident_point p = {
			.cpu_cores = runaway_json_num(sample, "cpu_cores", NAN),
			.cpu_seconds = runaway_json_num(sample, "cpu_seconds", NAN),
			.processes = (uint32_t)runaway_json_u64(sample, "processes", 0),
			.rss_bytes = runaway_json_u64(sample, "rss_bytes", 0),
		};
		const char *at = runaway_json_str(sample, "at", "");

		if (runaway_rfc3339_parse(at, &p.realtime_ns) < 0)
			continue;
		if (incident_timeline_add(i, &p) < 0)
			return;
	}
}

static void restore_spacing(struct incident *i, const cJSON *samples)
{
	int count = cJSON_GetArraySize(samples);
	uint64_t first = 0, last = 0;

	i->point_spacing_ns = NSEC_PER_SEC;
	if (count < 2)
		return;
	if (runaway_rfc3339_parse(runaway_json_str(cJSON_GetArrayItem(samples, 0), "at", ""),
				  &first) < 0 ||
	    runaway_rfc3339_parse(
		    runaway_json_str(cJSON_GetArrayItem(samples, count - 1), "at", ""), &last) < 0)
		return;
	while (last > first && (last - first) / i->point_spacing_ns >= INCIDENT_POINTS_MAX)
		i->point_spacing_ns *= 2;
}

void incident_readback_restore(struct incident_store *s, struct incident_record *rec,
			       bool *ret_current)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_cjson_ cJSON *json = NULL;
	char at[RUNAWAY_RFC3339_LEN];
	const cJSON *incident, *samples;

	if (parse_file(s, &rec->i, &text, &json) < 0)
		return;
	samples = runaway_json_get(json, "samples");
	incident = runaway_json_get(json, "incident");
	restore_spacing(&rec->i, samples);
	restore_points(&rec->i, samples);
	*ret_current = strcmp(runaway_json_str(incident, "status", ""),
			      runaway_incident_status_name(rec->i.status)) == 0 &&
		       strcmp(runaway_json_str(incident, "updated_at", ""),
			      runaway_rfc3339(rec->i.updated_realtime_ns, at)) == 0;
}
