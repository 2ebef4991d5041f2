/* SPDX-License-Identifier: GPL-2.0-or-later */

/* From a parsed command line to one request, and from its answer to what is shown. */

#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/format.h"

#define PID_MAX INT32_MAX /* of pid_t: what the kernel never gives is just not there */

static const struct {
	const char *code;
	int status;
} codes[] = {
	{ "failed", CLI_FAILED },	{ "usage", CLI_USAGE },
	{ "denied", CLI_DENIED },	{ "gate_refused", CLI_GATE_REFUSED },
	{ "not_found", CLI_NOT_FOUND },
};

int runaway_cli_status_of(const char *code)
{
	for (size_t i = 0; code && i < ARRAY_SIZE(codes); i++)
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].status;
	return CLI_FAILED;
}

const char *runaway_cli_code_of(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].status == status)
			return codes[i].code;
	return "failed";
}

static void write_error_document(FILE *f, const char *code, const char *message)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct json_writer w;

	json_init(&w, &b, true);
	json_object_begin(&w);
	json_key(&w, "error");
	json_object_begin(&w);
	json_kv_string(&w, "code", code);
	json_kv_string(&w, "message", message);
	json_object_end(&w);
	json_object_end(&w);
	strbuf_addc(&b, '\n');
	if (!b.error)
		fwrite(b.data, 1, b.len, f);
}

int runaway_cli_fail(struct cli *c, const char *code, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&message, fmt, ap) < 0)
		message = NULL;
	va_end(ap);
	if (c->json) {
		write_error_document(c->out, code, message ? message : "out of memory");
		return runaway_cli_status_of(code);
	}
	if (message)
		runaway_escape_text(&text, message, strlen(message));
	fprintf(c->err, "runawayctl: %s\n", text.len ? text.data : "out of memory");
	return runaway_cli_status_of(code);
}

/* ---- the request ---- */

/* Of the verb in force. CLI_OK, or a status after a message. */
static int write_request(struct cli *c, struct strbuf *ret)
{
	struct json_writer w;
	int r = CLI_OK;

	json_init(&w, ret, false);
	json_object_begin(&w);
	json_kv_uint(&w, "id", 1);
	json_kv_string(&w, "method", c->verb->method);
	if (c->verb->params) {
		json_key(&w, "params");
		json_object_begin(&w);
		r = c->verb->params(c, &w);
		json_object_end(&w);
	}
	json_object_end(&w);
	if (r != CLI_OK)
		return r;
	if (ret->error)
		return runaway_cli_fail(c, "failed", "out of memory");
	if (ret->len > CLI_REQUEST_MAX)
		return runaway_cli_fail(c, "usage", "the request is larger than 1 MiB");
	return CLI_OK;
}

static int read_answer(struct cli *c, const cJSON *answer, const cJSON **ret_result)
{
	const cJSON *error = runaway_json_get(answer, "error");
	const cJSON *result = runaway_json_get(answer, "result");

	if (cJSON_IsObject(error))
		return runaway_cli_fail(c, runaway_json_str(error, "code", "failed"), "%s",
					runaway_json_str(error, "message", "no reason was given"));
	if (!result)
		return runaway_cli_fail(c, "failed", "the answer is not understood");
	*ret_result = result;
	return CLI_OK;
}

/* ret_unserved: gets true, and nothing is said, when no daemon listens; NULL: that is an error. */
static int ask_line(struct cli *c, const struct strbuf *line, bool *ret_unserved,
		    cJSON **ret_answer, const cJSON **ret_result)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	struct cli_error error;
	int r;

	r = runaway_cli_exchange(c->socket, line->data, line->len,
				 isatty(fileno(c->err)) ? c->err : NULL, &text, &error);
	if (r < 0 && error.unserved && ret_unserved) {
		*ret_unserved = true;
		return CLI_FAILED;
	}
	if (r < 0)
		return runaway_cli_fail(c, error.code, "%s", error.text);
	if (!text.len || runaway_json_parse(text.data, text.len, &answer, NULL) < 0)
		return runaway_cli_fail(c, "failed", "the answer is no JSON");
	r = read_answer(c, answer, ret_result);
	if (r == CLI_OK)
		*ret_answer = TAKE_PTR(answer);
	return r;
}

int runaway_cli_ask_line(struct cli *c, const struct strbuf *line, cJSON **ret_answer,
			 const cJSON **ret_result)
{
	return ask_line(c, line, NULL, ret_answer, ret_result);
}

int runaway_cli_show(struct cli *c, const cJSON *result)
{
	int r = CLI_OK;

	c->now_ns = runaway_real_ns();
	if (c->json || !c->verb->print)
		runaway_cli_write_document(c->out, result);
	else
		r = c->verb->print(c, result);
	if (r == CLI_OK && c->verb->verdict)
		r = c->verb->verdict(result);
	return r;
}

int runaway_cli_call_or(struct cli *c, int (*alone)(struct cli *c))
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_cjson_ cJSON *answer = NULL;
	const cJSON *result = NULL;
	bool unserved = false;
	int r = write_request(c, &line);

	if (r == CLI_OK)
		r = ask_line(c, &line, alone ? &unserved : NULL, &answer, &result);
	if (unserved)
		return alone(c);
	return r == CLI_OK ? runaway_cli_show(c, result) : r;
}

int runaway_cli_call(struct cli *c)
{
	return runaway_cli_call_or(c, NULL);
}

/* ---- parameters that several verbs share ---- */

int runaway_cli_pid_params(struct cli *c, struct json_writer *w)
{
	char *end;
	unsigned long pid;

	errno = 0;
	pid = strtoul(c->arg[0], &end, 10);
	if (!isdigit((unsigned char)*c->arg[0]) || *end || errno || pid < 1 || pid > PID_MAX)
		return runaway_cli_fail(c, "usage", "\"%s\" is no process id (1 to %d)", c->arg[0],
					PID_MAX);
	json_kv_uint(w, "pid", pid);
	return CLI_OK;
}

int runaway_cli_read_file(struct cli *c, const char *path, struct strbuf *ret)
{
	bool standard = strcmp(path, "-") == 0;
	_cleanup_close_ int fd = standard ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char buf[16 * 1024];

	if (!standard && fd < 0)
		return runaway_cli_fail(c,
					errno == ENOENT	  ? "not_found"
					: errno == EACCES ? "denied"
							  : "failed",
					"%s: %s", path, strerror(errno));
	for (;;) {
		ssize_t n = read(standard ? STDIN_FILENO : fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return runaway_cli_fail(c, "failed", "%s: %s", path, strerror(errno));
		if (n == 0)
			return CLI_OK;
		strbuf_add(ret, buf, (size_t)n);
		if (ret->len > CLI_REQUEST_MAX)
			return runaway_cli_fail(c, "usage", "%s is larger than 1 MiB", path);
	}
}

int runaway_cli_file_params(struct cli *c, struct json_writer *w)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = runaway_cli_read_file(c, c->arg[0], &text);

	if (r != CLI_OK)
		return r;
	/* A string of JSON carries any text, but the daemon's copy of it would end at a NUL. */
	if (text.len && memchr(text.data, '\0', text.len))
		return runaway_cli_fail(c, "usage", "%s is no text", c->arg[0]);
	json_kv_string(w, "name", c->arg[0]);
	json_kv_string(w, "text", text.len ? text.data : "");
	return CLI_OK;
}
