/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * From a line to a call: parse, find the method, check role and parameters
 * against its table, run it into a buffer of its own, and only then write the
 * answer. A method that fails half-way leaves nothing of its result behind.
 */

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "out/control_private.h"

#define ID_MAX_BYTES 128

int runaway_control_fail(struct control_call *call, const char *code, const char *fmt, ...)
{
	char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&message, fmt, ap) < 0)
		message = NULL;
	va_end(ap);
	free(call->message);
	call->message = message;
	call->code = code;
	return -1;
}

/* ---- answers ---- */

static void write_error(struct json_writer *w, const char *code, const char *message)
{
	json_key(w, "error");
	json_object_begin(w);
	json_kv_string(w, "code", code);
	json_kv_string(w, "message", message ? message : "out of memory");
	json_object_end(w);
}

static void write_id(struct json_writer *w, const cJSON *id)
{
	json_key(w, "id");
	if (id && cJSON_IsString(id))
		json_string(w, id->valuestring);
	else if (id && cJSON_IsNumber(id))
		json_double(w, id->valuedouble);
	else
		json_null(w);
}

static void put_error(struct strbuf *out, const cJSON *id, const char *code, const char *message)
{
	struct json_writer w;

	json_init(&w, out, false);
	json_object_begin(&w);
	write_id(&w, id);
	write_error(&w, code, message);
	json_object_end(&w);
	strbuf_addc(out, '\n');
}

void runaway_control_error_line(const char *code, const char *message, struct strbuf *out)
{
	put_error(out, NULL, code, message);
}

/* A newline inside valid JSON is white space between values; a line has room for none. */
static void one_line(struct strbuf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] == '\n')
			b->data[i] = ' ';
}

static void put_result(struct strbuf *out, const cJSON *id, struct strbuf *result)
{
	struct json_writer w;

	one_line(result);
	json_init(&w, out, false);
	json_object_begin(&w);
	write_id(&w, id);
	json_key(&w, "result");
	json_raw(&w, result->data, result->len);
	json_object_end(&w);
	strbuf_addc(out, '\n');
}

/* ---- checks ---- */

static bool id_ok(const cJSON *id)
{
	if (!id || cJSON_IsNull(id))
		return true;
	if (cJSON_IsString(id))
		return strlen(id->valuestring) <= ID_MAX_BYTES;
	return cJSON_IsNumber(id) && isfinite(id->valuedouble);
}

static int check_envelope(struct control_call *call, const cJSON *req)
{
	static const char *const known[] = { "id", "method", "params" };
	unsigned int seen[ARRAY_SIZE(known)] = { 0 };
	const cJSON *item;

	cJSON_ArrayForEach (item, req) {
		size_t k = 0;

		while (k < ARRAY_SIZE(known) && strcmp(item->string, known[k]) != 0)
			k++;
		if (k == ARRAY_SIZE(known))
			return runaway_control_fail(call, "usage", "unknown key \"%.64s\"",
						    item->string);
		if (seen[k]++)
			return runaway_control_fail(call, "usage", "\"%s\" is given twice",
						    item->string);
	}
	if (!cJSON_IsString(runaway_json_get(req, "method")))
		return runaway_control_fail(call, "usage", "\"method\" must be a string");
	item = runaway_json_get(req, "params");
	if (cJSON_IsNull(item))
		item = NULL;
	if (item && !cJSON_IsObject(item))
		return runaway_control_fail(call, "usage", "\"params\" must be an object");
	call->params = item;
	return 0;
}

static int check_uint(struct control_call *call, const struct control_param *p, const cJSON *item)
{
	double v = item->valuedouble;

	if (!cJSON_IsNumber(item) || v != floor(v))
		return runaway_control_fail(call, "usage", "\"%s\" must be a whole number",
					    p->name);
	if (!(v >= (double)p->min && v <= (double)p->max))
		return runaway_control_fail(call, "usage", "\"%s\" must be from %llu to %llu",
					    p->name, (unsigned long long)p->min,
					    (unsigned long long)p->max);
	return 0;
}

static int check_string(struct control_call *call, const struct control_param *p, const cJSON *item)
{
	size_t len;

	if (!cJSON_IsString(item))
		return runaway_control_fail(call, "usage", "\"%s\" must be a string", p->name);
	len = strlen(item->valuestring);
	if (len < p->min || len > p->max)
		return runaway_control_fail(call, "usage", "\"%s\" must have %llu to %llu bytes",
					    p->name, (unsigned long long)p->min,
					    (unsigned long long)p->max);
	return 0;
}

static int check_param(struct control_call *call, const struct control_param *p, const cJSON *item)
{
	switch (p->type) {
	case PARAM_UINT:
		return check_uint(call, p, item);
	case PARAM_STRING:
		return check_string(call, p, item);
	case PARAM_BOOL:
		if (cJSON_IsBool(item))
			return 0;
		break;
	}
	return runaway_control_fail(call, "usage", "\"%s\" must be true or false", p->name);
}

static int check_params(struct control_call *call, const struct control_method *m)
{
	bool seen[CONTROL_PARAMS_MAX] = { 0 };
	const cJSON *item;

	cJSON_ArrayForEach (item, call->params) {
		size_t k = 0;

		while (k < CONTROL_PARAMS_MAX && m->param[k].name &&
		       strcmp(m->param[k].name, item->string) != 0)
			k++;
		if (k == CONTROL_PARAMS_MAX || !m->param[k].name)
			return runaway_control_fail(call, "usage", "%s has no parameter \"%.64s\"",
						    m->name, item->string);
		if (seen[k])
			return runaway_control_fail(call, "usage", "\"%s\" is given twice",
						    item->string);
		seen[k] = true;
		if (check_param(call, &m->param[k], item) < 0)
			return -1;
	}
	for (size_t k = 0; k < CONTROL_PARAMS_MAX && m->param[k].name; k++)
		if (m->param[k].required && !seen[k])
			return runaway_control_fail(call, "usage", "%s needs \"%s\"", m->name,
						    m->param[k].name);
	return 0;
}

/* ---- the call ---- */

static int run_method(struct control_call *call, const struct control_method *m,
		      struct strbuf *result)
{
	struct json_writer w;

	json_init(&w, result, false);
	if (m->run(call, &w) < 0)
		return -1;
	if (result->error || !result->len)
		return runaway_control_fail(call, "failed", "out of memory");
	if (result->len > CONTROL_ANSWER_MAX)
		return runaway_control_fail(call, "failed",
					    "the answer is larger than %zu MiB: ask for less",
					    CONTROL_ANSWER_MAX / 1024 / 1024);
	return 0;
}

/* m: NULL when there is no such method. What the request says else was not looked at. */
static void deny(struct control_call *call, const struct runaway_peer *peer,
		 const struct control_method *m, const cJSON *req)
{
	const struct runaway_call denied = {
		.method = m ? m->name : "",
		.peer = *peer,
		.params = runaway_json_get(req, "params"),
	};

	if (peer->role == ROLE_NONE)
		runaway_control_fail(call, "denied", "this user has no role here");
	else
		runaway_control_fail(call, "denied", "%s needs the role %s, yours is %s", m->name,
				     runaway_role_name(m->least), runaway_role_name(peer->role));
	if (m && !m->run && call->env->ops->denied)
		call->env->ops->denied(call->env->ctx, &denied);
}

static const struct control_method *find_method(struct control_call *call,
						const struct runaway_peer *peer, const cJSON *req)
{
	const char *name = cJSON_GetStringValue(runaway_json_get(req, "method"));
	const struct control_method *m = name ? runaway_control_method(name) : NULL;

	if (peer->role == ROLE_NONE)
		deny(call, peer, m, req);
	else if (check_envelope(call, req) < 0)
		return NULL;
	else if (!m)
		runaway_control_fail(call, "usage", "unknown method \"%.64s\"", name);
	else if (peer->role < m->least)
		deny(call, peer, m, req);
	else if (check_params(call, m) == 0)
		return m;
	return NULL;
}

/* The daemon answers, through runaway_control_reply(): perhaps before it returns. */
static int hand_over(struct control_call *call, const struct control_method *m,
		     struct control_client *c, const cJSON *id)
{
	struct control_env *env = call->env;
	struct runaway_call handed = {
		.method = m->name,
		.peer = c->peer,
		.params = call->params,
	};

	if (!env->ops->call)
		return runaway_control_fail(call, "failed", "not served here");
	if (id) {
		c->waiting_id = cJSON_Duplicate(id, true);
		if (!c->waiting_id)
			return runaway_control_fail(call, "failed", "out of memory");
	}
	handed.token = c->waiting = ++env->last_token;
	env->ops->call(env->ctx, &handed);
	return 0;
}

static const char *why_no_request(int err)
{
	switch (err) {
	case -E2BIG:
		return "the request is nested too deeply";
	case -ENOMEM:
		return "out of memory";
	default:
		return "the line is no JSON";
	}
}

void runaway_control_answer_later(struct control_client *c, const char *code, const char *text)
{
	_cleanup_strbuf_ struct strbuf result = STRBUF_INIT;
	_cleanup_cjson_ cJSON *id = TAKE_PTR(c->waiting_id);

	c->waiting = 0;
	strbuf_adds(&result, text ? text : "");
	if (code)
		put_error(&c->out, id, code, text);
	else if (result.error || !result.len)
		put_error(&c->out, id, "failed", "out of memory");
	else
		put_result(&c->out, id, &result);
}

static int answer_request(struct control_call *call, struct control_client *c, const cJSON *req,
			  const cJSON *id)
{
	_cleanup_strbuf_ struct strbuf result = STRBUF_INIT;
	const struct control_method *m = find_method(call, &c->peer, req);

	if (!m)
		return -1;
	if (!m->run)
		return hand_over(call, m, c, id);
	if (run_method(call, m, &result) < 0)
		return -1;
	put_result(&c->out, id, &result);
	return 0;
}

void runaway_control_answer(struct control_env *env, struct control_client *c, const char *line,
			    size_t len)
{
	_cleanup_cjson_ cJSON *req = NULL;
	struct control_call call = { .env = env };
	const cJSON *id;
	int r = runaway_json_parse(line, len, &req, NULL);

	if (r < 0) {
		runaway_control_error_line(r == -ENOMEM ? "failed" : "usage", why_no_request(r),
					   &c->out);
		return;
	}
	if (!cJSON_IsObject(req)) {
		runaway_control_error_line("usage", "the request must be an object", &c->out);
		return;
	}
	id = runaway_json_get(req, "id");
	if (!id_ok(id)) {
		runaway_control_error_line(
			"usage", "\"id\" must be a number or a string of at most 128 bytes",
			&c->out);
		return;
	}
	if (answer_request(&call, c, req, id) < 0)
		put_error(&c->out, id, call.code, call.message);
	free(call.message);
}
