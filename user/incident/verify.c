/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checking a state directory from outside: nothing is opened for writing, nothing is mended. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "base/fs.h"
#include "base/macros.h"
#include "incident/internal.h"

/* Enough to see what is wrong; all are counted. */
#define PROBLEMS_MAX 100

struct seen {
	char incident_id[40];
	char status[24]; /* by its newest state line; "" when only events name it */
	char event_status[24];
	uint64_t events;
	UT_hash_handle hh;
};

struct verifier {
	const char *state_dir;
	const char *file; /* the one being read */
	struct json_writer problems;
	struct strbuf problems_text;
	uint64_t problem_count;
	uint64_t events; /* lines of events.jsonl */
	char head[RUNAWAY_SHA256_HEX];
	char (*line_sha)[RUNAWAY_SHA256_HEX]; /* of each event line */
	size_t line_cap;
	struct seen *seen;
};

static void problem(struct verifier *v, const char *file, uint64_t line, const char *why)
{
	if (v->problem_count++ >= PROBLEMS_MAX)
		return;
	json_object_begin(&v->problems);
	json_kv_string(&v->problems, "file", file);
	if (line > 0)
		json_kv_uint(&v->problems, "line", line);
	else
		json_kv_null(&v->problems, "line");
	json_kv_string(&v->problems, "why", why);
	json_object_end(&v->problems);
}

static struct seen *see(struct verifier *v, const char *incident_id)
{
	struct seen *e;

	HASH_FIND_STR(v->seen, incident_id, e);
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	snprintf(e->incident_id, sizeof(e->incident_id), "%s", incident_id);
	HASH_ADD_STR(v->seen, incident_id, e);
	return e;
}

/* 0 and the incident named by a whole, sealed line; 1 when it is none (told). -ENOMEM. */
static int check_line(struct verifier *v, const struct runaway_line *line, cJSON **json,
		      struct seen **ret)
{
	const char *id;
	int err;

	if (line->too_long || !line->complete) {
		problem(v, v->file, line->number,
			line->complete ? "line too long" : "torn last line");
		return 1;
	}
	err = runaway_json_parse(line->text, line->len, json, NULL);
	if (err == -ENOMEM)
		return err;
	id = err == 0 ? runaway_json_str(*json, "incident_id", "") : "";
	if (err < 0 || !incident_id_valid(id)) {
		problem(v, v->file, line->number, err < 0 ? "not JSON" : "no valid incident_id");
		return 1;
	}
	if (!runaway_line_sealed(line->text, line->len))
		problem(v, v->file, line->number, "hash does not match the line: it was changed");
	*ret = see(v, id);
	return *ret ? 0 : -ENOMEM;
}

static int verify_state(void *ctx, const struct runaway_line *line)
{
	_cleanup_cjson_ cJSON *json = NULL;
	struct verifier *v = ctx;
	struct seen *e;
	int r = check_line(v, line, &json, &e);

	if (r != 0)
		return MIN(r, 0);
	snprintf(e->status, sizeof(e->status), "%s", runaway_json_str(json, "status", "?"));
	return 0;
}

static int note_event_line(struct verifier *v, const struct runaway_line *line)
{
	if (v->events == v->line_cap) {
		size_t cap = v->line_cap ? v->line_cap * 2 : 1024;
		void *grown = realloc(v->line_sha, cap * sizeof(*v->line_sha));

		if (!grown)
			return -ENOMEM;
		v->line_sha = grown;
		v->line_cap = cap;
	}
	runaway_sha256_hex(line->text, line->len, v->head);
	memcpy(v->line_sha[v->events++], v->head, sizeof(v->head));
	return 0;
}

static int verify_event(void *ctx, const struct runaway_line *line)
{
	_cleanup_cjson_ cJSON *json = NULL;
	struct verifier *v = ctx;
	char prev[RUNAWAY_SHA256_HEX];
	struct seen *e;
	int r, err;

	memcpy(prev, v->head, sizeof(prev));
	r = check_line(v, line, &json, &e);
	if (r < 0 || !line->complete)
		return MIN(r, 0);
	err = note_event_line(v, line);
	if (err < 0 || r > 0)
		return err;
	if (strcmp(runaway_json_str(json, "prev", ""), prev) != 0)
		problem(v, v->file, line->number,
			"prev is not the digest of the line before: a line was changed, removed or "
			"moved");
	if (runaway_json_u64(json, "seq", 0) != v->events)
		problem(v, v->file, line->number, "seq is not the line's number");
	snprintf(e->event_status, sizeof(e->event_status), "%s",
		 runaway_json_str(json, "new", "?"));
	e->events++;
	return 0;
}

static int verify_file(struct verifier *v, enum log_id log, runaway_line_fn fn)
{
	_cleanup_free_ char *path = runaway_path_join(v->state_dir, incident_log_names[log]);
	_cleanup_close_ int fd = -1;

	if (!path)
		return -ENOMEM;
	v->file = incident_log_names[log];
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return runaway_lines_each(fd, fn, v);
}

/* A readback knows how long the chain was: a cut end of events.jsonl shows here and nowhere else.
 */
static void verify_readback(struct verifier *v, const struct seen *e)
{
	_cleanup_free_ char *path = incident_readback_path(v->state_dir, e->incident_id);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, name = STRBUF_INIT;
	_cleanup_cjson_ cJSON *json = NULL;
	const cJSON *integrity;
	const char *head;
	uint64_t length;

	strbuf_addf(&name, "incidents/%s/readback.json", e->incident_id);
	if (!path || name.error)
		return;
	if (runaway_read_file(AT_FDCWD, path, INCIDENT_READBACK_MAX_BYTES, &text) < 0 ||
	    runaway_json_parse(text.data ? text.data : "", text.len, &json, NULL) < 0) {
		problem(v, name.data, 0, "missing or not readable");
		return;
	}
	integrity = runaway_json_get(json, "integrity");
	head = runaway_json_str(integrity, "chain_head", "");
	length = runaway_json_u64(integrity, "chain_length", 0);
	if (length > v->events)
		problem(v, name.data, 0, "events.jsonl is shorter than when this was written");
	else if (length == 0 || strcmp(v->line_sha[length - 1], head) != 0)
		problem(v, name.data, 0, "events.jsonl is not the one that this was written with");
}

static void verify_incidents(struct verifier *v)
{
	for (struct seen *e = v->seen; e; e = e->hh.next) {
		if (e->events == 0)
			problem(v, incident_log_names[LOG_EVENTS], 0,
				"an incident without any event");
		else if (e->status[0] == '\0')
			problem(v, incident_log_names[LOG_INCIDENTS], 0,
				"events of an incident that has no state");
		else if (strcmp(e->status, e->event_status) != 0)
			problem(v, incident_log_names[LOG_INCIDENTS], 0,
				"an incident's newest state is not what its newest event says");
		verify_readback(v, e);
	}
}

static void verifier_free(struct verifier *v)
{
	struct seen *e, *next;

	HASH_ITER (hh, v->seen, e, next) {
		HASH_DEL(v->seen, e);
		free(e);
	}
	free(v->line_sha);
	strbuf_free(&v->problems_text);
}

int runaway_store_verify(const char *state_dir, struct json_writer *w, bool *ret_ok)
{
	_cleanup_(verifier_free) struct verifier v = { .state_dir = state_dir };
	int err = runaway_digest_init();

	if (err == 0 && access(state_dir, R_OK | X_OK) < 0)
		err = -errno;
	if (err < 0)
		return err;
	strcpy(v.head, RUNAWAY_CHAIN_START);
	json_init(&v.problems, &v.problems_text, false);
	json_array_begin(&v.problems);
	err = verify_file(&v, LOG_INCIDENTS, verify_state);
	if (err == 0)
		err = verify_file(&v, LOG_EVENTS, verify_event);
	if (err < 0)
		return err;
	verify_incidents(&v);
	json_array_end(&v.problems);
	if (v.problems_text.error)
		return v.problems_text.error;
	json_object_begin(w);
	json_kv_bool(w, "ok", v.problem_count == 0);
	json_kv_uint(w, "events", v.events);
	json_kv_uint(w, "incidents", HASH_COUNT(v.seen));
	json_kv_string(w, "head", v.events > 0 ? v.head : "");
	json_kv_uint(w, "problem_count", v.problem_count);
	json_key(w, "problems");
	json_raw(w, v.problems_text.data, v.problems_text.len);
	json_object_end(w);
	*ret_ok = v.problem_count == 0;
	return 0;
}
