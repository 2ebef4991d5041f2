/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the audit back at start: is it whole, and what did it leave behind? */
#include <string.h>

#include "base/lines.h"
#include "gate/audit.h"

struct loader {
	struct runaway_audit *a;
	struct runaway_history *history;
	uint64_t open_earlier; /* INTENT of an earlier boot that has no RESULT so far */
	bool torn_end;	       /* the file does not end with a newline */
};

static void set_text(char *to, size_t size, const cJSON *json, const char *key)
{
	snprintf(to, size, "%s", runaway_json_str(json, key, ""));
}

static int load_intent(struct loader *l, const cJSON *json)
{
	struct runaway_intent i = {
		.seq = l->a->seq,
		.boot_ns = runaway_json_u64(json, "boot_ns", 0),
		.start_ns = runaway_json_u64(json, "start_ns", 0),
		.pid = (uint32_t)runaway_json_u64(json, "pid", 0),
		.drill = runaway_json_true(json, "drill", false),
	};

	if (strcmp(runaway_json_str(json, "boot_id", ""), l->a->boot_id) != 0) {
		l->a->unknown_earlier += l->open_earlier != 0;
		l->open_earlier = i.seq;
		return 0;
	}
	set_text(i.incident_id, sizeof(i.incident_id), json, "incident_id");
	set_text(i.lane_id, sizeof(i.lane_id), json, "lane_id");
	set_text(i.plan_sha256, sizeof(i.plan_sha256), json, "plan_sha256");
	set_text(i.nonce, sizeof(i.nonce), json, "nonce");
	return runaway_history_add(l->history, &i);
}

static void load_result(struct loader *l, const cJSON *json)
{
	uint64_t seq = runaway_json_u64(json, "intent", 0);

	if (seq == l->open_earlier)
		l->open_earlier = 0;
	else
		(void)runaway_history_answer(l->history, seq);
}

static int load_record(struct loader *l, const cJSON *json)
{
	const char *type = runaway_json_str(json, "type", "");

	if (strcmp(type, "intent") == 0)
		return load_intent(l, json);
	if (strcmp(type, "result") == 0)
		load_result(l, json);
	if (strcmp(type, "disarm") == 0) {
		l->a->disarm_seq = l->a->seq;
		set_text(l->a->disarmed_by, sizeof(l->a->disarmed_by), json, "by");
	}
	if (strcmp(type, "release") == 0)
		l->a->disarm_seq = 0;
	return 0;
}

/* A sealed line: the next of the chain, or the chain is broken. */
static int load_sealed(struct loader *l, const struct runaway_line *line)
{
	_cleanup_cjson_ cJSON *json = NULL;
	int err = runaway_json_parse(line->text, line->len, &json, NULL);

	if (err == -ENOMEM)
		return err;
	/* What is no JSON has no predecessor. */
	if (strcmp(runaway_json_str(json, "prev", ""), l->a->head) != 0 ||
	    runaway_json_u64(json, "seq", 0) != l->a->seq + 1) {
		l->a->failed = RUNAWAY_REASON_AUDIT_BROKEN;
		return 0;
	}
	l->a->seq++;
	set_text(l->a->head, sizeof(l->a->head), json, "hash");
	return load_record(l, json);
}

static int load_line(void *ctx, const struct runaway_line *line)
{
	struct loader *l = ctx;

	if (l->a->failed != RUNAWAY_REASON_NONE)
		return 0;
	l->torn_end = !line->complete;
	/* Whole but for its newline it may have been acted upon: it counts. */
	if (runaway_line_sealed(line->text, line->len))
		return load_sealed(l, line);
	/* Cut by a crash or a full disk before anything followed from it. A whole record that
	 * somebody changed is missed by the one behind it: that one names its digest. */
	l->a->torn_lines++;
	return 0;
}

int runaway_audit_load(struct runaway_audit *a, struct runaway_history *history, bool *ret_torn_end)
{
	struct loader l = { .a = a, .history = history };
	int err = runaway_lines_each(a->fd, load_line, &l);

	if (err < 0)
		return err;
	a->unknown_earlier += l.open_earlier != 0;
	*ret_torn_end = l.torn_end;
	return 0;
}
