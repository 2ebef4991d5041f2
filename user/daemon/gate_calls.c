// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls about the gate itself: its state, its audit, its switches. */

#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"

static void say_status(struct pending_call *c)
{
	const struct runaway_gate_view *v = &c->d->runtime.gate;
	const struct gate_config *g = &c->d->config.gate;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, false);
	json_object_begin(&w);
	runaway_gate_view_write(v, &w);
	json_kv_bool(&w, "two_person", g->two_person);
	json_kv_bool(&w, "require_signature", g->require_signature);
	json_kv_bool(&w, "require_kernel_guard", g->require_kernel_guard);
	json_kv_string(&w, "host_label", c->d->host_label);
	json_key(&w, "process");
	if (c->d->gate.status_json && v->alive)
		json_raw(&w, c->d->gate.status_json, strlen(c->d->gate.status_json));
	else
		json_null(&w);
	json_object_end(&w);
	call_result(c, &b);
}

static void on_asked(void *ctx, int err, const cJSON *status)
{
	struct pending_call *c = ctx;

	c->d->gate.asking = false;
	if (err == 0)
		gate_take_status(c->d, status);
	say_status(c);
}

/* Asked anew: a file disarms without a word to the daemon. One question at a time, or viewers could
 * keep the gate busy. */
void call_status(struct pending_call *c)
{
	struct daemon_gate *g = &c->d->gate;

	if (!gate_works(c->d) || g->asking ||
	    gate_link_ask(g->link, "status", NULL, on_asked, c) < 0)
		say_status(c);
	else
		g->asking = true;
}

bool call_answered(struct pending_call *c, int err, const cJSON *answer)
{
	if (err < 0)
		call_fail(c, "failed", "the gate did not answer: %s", runaway_strerror(err));
	else if (!runaway_json_true(answer, "ok", false))
		call_fail(c, "gate_refused", "%s: %s", runaway_json_str(answer, "error", "?"),
			  runaway_json_str(answer, "message", "the gate refused"));
	else
		return true;
	return false;
}

static void on_answer(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;

	gate_ask_status(c->d);
	if (!call_answered(c, err, answer))
		return;
	text = cJSON_PrintUnformatted(answer);
	strbuf_adds(&b, text ? text : "");
	call_result(c, &b);
}

static void on_fresh_status(void *ctx, int err, const cJSON *status)
{
	struct pending_call *c = ctx;
	const char *text = c->data;
	_cleanup_cjson_ cJSON *answer = NULL;

	if (err == 0)
		gate_take_status(c->d, status);
	(void)runaway_json_parse(text, strlen(text), &answer, NULL);
	on_answer(c, 0, answer);
}

/* Who pulled a switch is answered when what is shown of the gate says so, too. */
static void on_switched(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;

	if (err == 0)
		c->data = cJSON_PrintUnformatted(answer);
	if (!c->data || gate_link_ask(c->d->gate.link, "status", NULL, on_fresh_status, c) < 0)
		on_answer(c, err, answer);
}

static bool works(struct pending_call *c)
{
	if (gate_works(c->d))
		return true;
	call_refuse_saying(c, RUNAWAY_REASON_GATE_DISABLED, "%s", c->d->runtime.gate.why);
	return false;
}

static int ask(struct pending_call *c, const char *type, struct strbuf *members, gate_answer_fn fn)
{
	int err = members->error;

	if (err == 0)
		err = gate_link_ask(c->d->gate.link, type, members->data, fn, c);
	if (err < 0)
		call_fail(c, "failed", "the gate cannot be asked: %s", runaway_strerror(err));
	return err;
}

/* Each reads and digests all of it, whoever asks; it does nothing else meanwhile. */
#define AUDITS_MAX 4

static void on_audit(void *ctx, int err, const cJSON *answer)
{
	struct pending_call *c = ctx;

	c->d->gate.audits--;
	on_answer(c, err, answer);
}

void call_audit(struct pending_call *c, const cJSON *params)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct daemon *d = c->d;
	struct json_writer w;

	if (!works(c))
		return;
	if (d->gate.audits == AUDITS_MAX) {
		call_fail(c, "failed", "%d others read the audit right now: try again", AUDITS_MAX);
		return;
	}
	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_uint(&w, "after_seq", runaway_json_u64(params, "after_seq", 0));
	json_kv_uint(&w, "limit", runaway_json_u64(params, "limit", 100));
	json_object_end(&w);
	d->gate.audits += ask(c, "audit", &b, on_audit) == 0;
}

static void disarm_members(struct strbuf *b, const char *by, const char *why)
{
	struct json_writer w;

	json_init(&w, b, false);
	json_object_begin(&w);
	json_kv_string(&w, "by", by);
	json_kv_string(&w, "why", why);
	json_object_end(&w);
}

/* Who cannot be told is made to end: a gate without its daemon does. */
static int tell_to_disarm(struct daemon *d, const struct strbuf *members, gate_answer_fn fn,
			  void *ctx)
{
	int err = members->error;

	if (err == 0)
		err = gate_link_ask_urgent(d->gate.link, "disarm", members->data, fn, ctx);
	if (err < 0)
		gate_link_give_up(d->gate.link);
	return err;
}

void call_disarm(struct pending_call *c, const cJSON *params)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int err;

	if (!works(c))
		return;
	disarm_members(&b, c->actor, runaway_json_str(params, "reason", ""));
	err = tell_to_disarm(c->d, &b, on_switched, c);
	if (err < 0)
		call_fail(c, "failed",
			  "the gate could not be told (%s): its connection is closed, at which it "
			  "ends",
			  runaway_strerror(err));
}

void call_release(struct pending_call *c, const cJSON *params)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	if (!works(c))
		return;
	json_init(&w, &b, false);
	json_object_begin(&w);
	json_kv_string(&w, "release", runaway_json_str(params, "release", ""));
	json_object_end(&w);
	(void)ask(c, "release", &b, on_switched);
}

static void on_disarmed(void *ctx, int err, const cJSON *answer)
{
	struct daemon *d = ctx;

	if (err < 0)
		log_error_errno(err, "SIGUSR2: the gate did not say that it is disarmed: its "
				     "connection is closed, at which it ends");
	else if (!runaway_json_true(answer, "ok", false))
		log_error("SIGUSR2: %s", runaway_json_str(answer, "message", "it did not disarm"));
	else
		log_warning("SIGUSR2: the gate is disarmed");
	gate_ask_status(d);
}

void gate_disarm_by_signal(struct daemon *d)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (!gate_works(d)) {
		log_info("SIGUSR2: the gate does not run, there is nothing to disarm");
		return;
	}
	disarm_members(&b, "SIGUSR2", "the daemon was told to by a signal");
	if (tell_to_disarm(d, &b, on_disarmed, d) < 0)
		log_error("SIGUSR2: the gate could not be told to disarm: its connection is "
			  "closed, at which it ends");
}
