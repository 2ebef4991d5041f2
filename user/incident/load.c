/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the logs back at opening. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "incident/internal.h"

/* Between two trims while loading: memory stays bounded, however long the log is. */
#define TRIM_EVERY 512

struct loader {
	struct incident_store *s;
	struct incident_log *log;
	int (*take)(struct loader *ld, const cJSON *json, const struct runaway_line *line);
	bool unreadable;	 /* the line before this one is no JSON: torn if it is the last */
	uint64_t unreadable_len; /* … its text */
	char unreadable_sha[RUNAWAY_SHA256_HEX];
	uint64_t new_incidents;
};

/* The line stays in the file for good: what comes next is appended behind it. */
static void keep(struct loader *ld, uint64_t len, const char *sha)
{
	ld->log->committed += len + 1;
	ld->log->last_len = len;
	memcpy(ld->log->last_sha, sha, RUNAWAY_SHA256_HEX);
	if (ld->log == &ld->s->log[LOG_EVENTS]) {
		memcpy(ld->s->chain_head, sha, RUNAWAY_SHA256_HEX);
		ld->s->next_seq++;
	}
}

static void count_bad(struct loader *ld)
{
	ld->s->bad_lines++;
	if (ld->log == &ld->s->log[LOG_EVENTS])
		ld->s->chain_ok = false;
}

/* A line behind it proves that the unreadable one is damage in the middle, not a torn tail. */
static void keep_unreadable(struct loader *ld)
{
	if (!ld->unreadable)
		return;
	count_bad(ld);
	keep(ld, ld->unreadable_len, ld->unreadable_sha);
	ld->unreadable = false;
}

static int load_line(void *ctx, const struct runaway_line *line)
{
	_cleanup_cjson_ cJSON *json = NULL;
	struct loader *ld = ctx;
	char sha[RUNAWAY_SHA256_HEX];
	int err;

	keep_unreadable(ld);
	runaway_sha256_hex(line->text, line->len, sha);
	if (!line->complete)
		return 0; /* whatever it says, it was never acknowledged */
	if (line->too_long) {
		count_bad(ld);
		keep(ld, line->bytes, sha);
		ld->log->last_sha[0] = '\0'; /* nothing to compare: it was not read */
		return 0;
	}
	err = runaway_json_parse(line->text, line->len, &json, NULL);
	if (err == -ENOMEM)
		return err;
	if (err < 0 || !cJSON_IsObject(json)) {
		ld->unreadable = true;
		ld->unreadable_len = line->len;
		memcpy(ld->unreadable_sha, sha, sizeof(sha));
		return 0;
	}
	err = ld->take(ld, json, line);
	if (err == -EBADMSG)
		count_bad(ld);
	else if (err < 0)
		return err;
	keep(ld, line->len, sha);
	return 0;
}

/* The newer state takes the place of the older one; what only memory knows goes over. */
static void replace_state(struct incident_store *s, struct incident *old,
			  struct incident_record *rec)
{
	struct incident_record *was = incident_record_of(old);
	struct incident_record older;
	UT_hash_handle hh;

	if (!rec->swap_known) {
		rec->swap_known = was->swap_known;
		rec->swap_first_bytes = was->swap_first_bytes;
		rec->swap_first_realtime_ns = was->swap_first_realtime_ns;
	}
	if (old->status < INCIDENT_RESOLVED && rec->i.status >= INCIDENT_RESOLVED)
		incident_store_count_resolved(s, &rec->i);
	if (old->acted_realtime_ns != rec->i.acted_realtime_ns)
		incident_store_count_attempt(s, &rec->i);
	/* In place, so that the table keeps the order of opening. */
	hh = was->i.hh;
	older = *was;
	*was = *rec;
	was->i.hh = hh;
	*rec = older;
	incident_record_free(rec);
}

static int take_state(struct loader *ld, const cJSON *json, const struct runaway_line *line)
{
	struct incident_store *s = ld->s;
	struct incident_record *rec;
	struct incident *old, *i;
	int err;

	if (!runaway_line_sealed(line->text, line->len))
		return -EBADMSG;
	err = incident_state_parse(json, &rec);
	if (err < 0)
		return err;
	i = &rec->i;
	HASH_FIND_STR(s->incidents, i->incident_id, old);
	if (old) {
		replace_state(s, old, rec);
		return 0;
	}
	HASH_ADD_STR(s->incidents, incident_id, i);
	incident_store_count_opened(s, i);
	if (i->status >= INCIDENT_RESOLVED)
		incident_store_count_resolved(s, i);
	if (i->acted_realtime_ns)
		incident_store_count_attempt(s, i);
	if (++ld->new_incidents % TRIM_EVERY == 0)
		incident_store_trim(s);
	return 0;
}

static void note_recorded(struct incident_record *rec, const cJSON *json)
{
	const cJSON *data = runaway_json_get(json, "data");
	uint64_t seq = runaway_json_u64(json, "seq", 0);

	/* An event made good at a later opening names the state that it belongs to. */
	if (strcmp(runaway_json_str(json, "type", ""), "recovered") == 0)
		seq = runaway_json_u64(data, "event_seq", 0);
	rec->recorded_seq = MAX(rec->recorded_seq, seq);
	(void)runaway_incident_status_parse(runaway_json_str(json, "new", NULL),
					    &rec->recorded_status);
}

static int take_event(struct loader *ld, const cJSON *json, const struct runaway_line *line)
{
	struct incident_store *s = ld->s;
	const char *id = runaway_json_str(json, "incident_id", "");
	struct incident_record *rec;
	struct incident *i;

	if (runaway_json_u64(json, "seq", 0) != s->next_seq ||
	    strcmp(runaway_json_str(json, "prev", ""), s->chain_head) != 0 ||
	    !runaway_line_sealed(line->text, line->len))
		s->chain_ok = false;
	HASH_FIND_STR(s->incidents, id, i);
	if (!i)
		return incident_id_valid(id) ? 0 : -EBADMSG;
	rec = incident_record_of(i);
	note_recorded(rec, json);
	return rec->texts_dropped ? 0 : incident_record_add_event(rec, line->text, line->len);
}

static int load_file(struct loader *ld)
{
	_cleanup_close_ int fd = open(ld->log->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t size;
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = runaway_lines_each(fd, load_line, ld);
	if (err < 0)
		return err;
	size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return -errno;
	if ((uint64_t)size > ld->log->committed) {
		ld->log->foreign_tail = true;
		ld->s->torn_lines++;
	}
	return 0;
}

int incident_load(struct incident_store *s)
{
	struct loader states = { .s = s, .log = &s->log[LOG_INCIDENTS], .take = take_state };
	struct loader events = { .s = s, .log = &s->log[LOG_EVENTS], .take = take_event };
	int err = load_file(&states);

	incident_store_trim(s);
	return err < 0 ? err : load_file(&events);
}
