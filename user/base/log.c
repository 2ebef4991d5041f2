/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strbuf.h"

static const char *const level_word[] = {
	[RUNAWAY_LOG_ERROR] = "error",
	[RUNAWAY_LOG_WARNING] = "warning",
	[RUNAWAY_LOG_INFO] = "info",
	[RUNAWAY_LOG_DEBUG] = "debug",
};

/* Set at start-up, before there is a second thread. */
static enum runaway_log_level max_level = RUNAWAY_LOG_INFO;
static bool as_json;

void runaway_log_set_level(enum runaway_log_level level)
{
	max_level = level;
}

void runaway_log_set_json(bool json)
{
	as_json = json;
}

int runaway_log_parse_level(const char *word, enum runaway_log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_word); i++) {
		if (strcmp(word, level_word[i]) == 0) {
			*ret = (enum runaway_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *runaway_strerror(int err)
{
	/* Unsigned: INT_MIN has no positive counterpart. */
	const char *text = strerrordesc_np(err < 0 ? (int)-(unsigned int)err : err);

	return text ? text : "Unknown error";
}

static void build_text(struct strbuf *line, const char *time, const char *level,
		       const struct strbuf *msg)
{
	strbuf_addf(line, "%s %s ", time, level);
	runaway_escape_text(line, msg->data, msg->len);
}

static void build_json(struct strbuf *line, const char *time, const char *level,
		       const struct strbuf *msg)
{
	struct json_writer w;

	json_init(&w, line, false);
	json_object_begin(&w);
	json_kv_string(&w, "time", time);
	json_kv_string(&w, "level", level);
	json_key(&w, "msg");
	json_string_n(&w, msg->data, msg->len);
	json_object_end(&w);
}

void runaway_log_lines(enum runaway_log_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	char *line, *rest;

	if (vasprintf(&text, fmt, ap) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (*line)
			runaway_log(level, "%s", line);
}

void runaway_log(enum runaway_log_level level, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf msg = STRBUF_INIT, line = STRBUF_INIT;
	char time[RUNAWAY_RFC3339_LEN];
	int saved_errno = errno;
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&msg, fmt, ap);
	va_end(ap);

	runaway_rfc3339(runaway_real_ns(), time);
	(as_json ? build_json : build_text)(&line, time, level_word[level], &msg);
	strbuf_addc(&line, '\n');
	/* Nobody could be told that the log itself failed. */
	if (!msg.error && !line.error)
		(void)runaway_write_all(STDERR_FILENO, line.data, line.len);
	errno = saved_errno;
}
