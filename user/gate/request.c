/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the daemon, which may have been taken over. */
#include <string.h>

#include "base/clock.h"
#include "gate/state.h"
#include "gate/wire.h"

#define REASON(id) RUNAWAY_REASON_##id

struct request {
	struct runaway_gate *g;
	const cJSON *message;
	struct json_writer *w;
};

/* Members behind type, id and ok; NONE, or the error that is told instead of them. */
typedef enum runaway_reason (*answer_fn)(const struct request *r); /* NOLINT */

static enum runaway_reason on_hello(const struct request *r)
{
	(void)r;
	return REASON(ALREADY_CONFIGURED);
}

static enum runaway_reason on_status(const struct request *r)
{
	runaway_answer_status(r->g, r->w);
	return REASON(NONE);
}

static enum runaway_reason on_look(const struct request *r)
{
	runaway_answer_look(r->g, r->message, r->w);
	return REASON(NONE);
}

static enum runaway_reason on_check(const struct request *r)
{
	struct runaway_act act;

	runaway_act_judge(r->g, r->message, &act);
	runaway_answer_act(r->g, &act, false, r->w);
	runaway_act_end(&act);
	return REASON(NONE);
}

static enum runaway_reason on_apply(const struct request *r)
{
	struct runaway_act act;

	r->g->requests++;
	runaway_act_judge(r->g, r->message, &act);
	if (act.refused == REASON(NONE))
		runaway_act_carry_out(r->g, &act);
	else
		runaway_refusal_of_act(r->g, &act);
	runaway_answer_act(r->g, &act, true, r->w);
	runaway_act_end(&act);
	return REASON(NONE);
}

static enum runaway_reason on_disarm(const struct request *r)
{
	enum runaway_reason reason =
		runaway_gate_disarm(r->g, runaway_json_str(r->message, "by", "the daemon"),
				    runaway_json_str(r->message, "why", ""));

	json_kv_u64_string(r->w, "disarm_seq", r->g->audit.disarm_seq);
	return reason;
}

static enum runaway_reason on_release(const struct request *r)
{
	return runaway_gate_release(r->g, runaway_json_str(r->message, "release", ""));
}

static enum runaway_reason on_self_test(const struct request *r)
{
	/* Else what the last one found. */
	if (runaway_audit_has_room(&r->g->audit) &&
	    runaway_ration_take(&r->g->self_tests_asked, runaway_boot_ns()))
		runaway_gate_self_test(r->g);
	runaway_answer_self_test(r->g, r->w);
	json_kv_string(r->w, "tier", runaway_guard_tier_code(runaway_guard_tier(r->g->guard)));
	return REASON(NONE);
}

static enum runaway_reason on_audit(const struct request *r)
{
	json_key(r->w, "records");
	return runaway_audit_tail(&r->g->audit, runaway_json_u64(r->message, "after_seq", 0),
				  runaway_json_u64(r->message, "limit", 100), r->w) < 0
		       ? REASON(AUDIT_FAILED)
		       : REASON(NONE);
}

static enum runaway_reason on_refused(const struct request *r)
{
	return runaway_refusal_told(r->g, r->message);
}

static const struct {
	const char *type;
	answer_fn answer;
} requests[] = {
	{ "hello", on_hello },	   { "status", on_status },	  { "look", on_look },
	{ "check", on_check },	   { "apply", on_apply },	  { "disarm", on_disarm },
	{ "release", on_release }, { "self_test", on_self_test }, { "audit", on_audit },
	{ "refused", on_refused },
};

static enum runaway_reason answer_request(const struct request *r)
{
	const char *type = runaway_json_str(r->message, "type", "");

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (strcmp(requests[i].type, type) == 0)
			return requests[i].answer(r);
	return REASON(BAD_MESSAGE);
}

static void begin(struct json_writer *w, struct strbuf *b, const cJSON *message)
{
	strbuf_reset(b);
	json_init(w, b, false);
	json_object_begin(w);
	json_kv_string(w, "type", runaway_json_str(message, "type", ""));
	json_kv_string(w, "id", runaway_json_str(message, "id", ""));
}

static void write_error(struct strbuf *b, const cJSON *message, enum runaway_reason reason)
{
	struct json_writer w;

	begin(&w, b, message);
	json_kv_bool(&w, "ok", false);
	json_kv_string(&w, "error", runaway_reason_name(reason));
	json_kv_string(&w, "message", runaway_reason_text(reason));
	json_object_end(&w);
}

void runaway_gate_answer(struct runaway_gate *g, const char *text, size_t len, struct strbuf *out)
{
	_cleanup_cjson_ cJSON *message = NULL;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;
	enum runaway_reason error = REASON(BAD_MESSAGE);

	if (runaway_gate_message_parse(text, len, &message) == 0) {
		begin(&w, &b, message);
		json_kv_bool(&w, "ok", true);
		error = answer_request(&(struct request){ .g = g, .message = message, .w = &w });
		json_object_end(&w);
	}
	if (error != REASON(NONE)) {
		runaway_refusal_of_message(g, message, error);
		write_error(&b, message, error);
	}
	/* No answer can be too long for its frame; without memory there is none. */
	if (b.error || runaway_gate_frame_add(out, b.data, b.len) < 0)
		g->stop = true;
}

int runaway_gate_greet(struct runaway_gate *g, const char *id, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "type", "hello");
	json_kv_string(&w, "id", id);
	json_kv_bool(&w, "ok", true);
	runaway_answer_status(g, &w);
	json_object_end(&w);
	return b.error ? b.error : runaway_gate_frame_add(out, b.data, b.len);
}
