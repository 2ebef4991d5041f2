/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_LOG_H
#define RUNAWAY_BASE_LOG_H

/*
 * One line per message on stderr, as text or as a JSON object. Errors are
 * logged once, at the edge, by whoever decides what they mean. Hostile bytes
 * in arguments are escaped: a message is always one line without control
 * characters.
 */

#include <stdarg.h>
#include <stdbool.h>

#include "base/macros.h"

enum runaway_log_level {
	RUNAWAY_LOG_ERROR,
	RUNAWAY_LOG_WARNING,
	RUNAWAY_LOG_INFO,
	RUNAWAY_LOG_DEBUG,
};

void runaway_log_set_level(enum runaway_log_level level);
void runaway_log_set_json(bool json);

/* "error", "warning", "info", "debug". Returns 0, or -EINVAL for another word. */
int runaway_log_parse_level(const char *word, enum runaway_log_level *ret);

void runaway_log(enum runaway_log_level level, const char *fmt, ...) _printf_(2, 3);

/* A text of several lines (a library's, with a callback of its own): each a line of the log. */
void runaway_log_lines(enum runaway_log_level level, const char *fmt, va_list ap) _printf_(2, 0);

#define log_error(...)	 runaway_log(RUNAWAY_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) runaway_log(RUNAWAY_LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 runaway_log(RUNAWAY_LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 runaway_log(RUNAWAY_LOG_DEBUG, __VA_ARGS__)

/* Log and return in one expression; appends ": <strerror>". Returns `err` (negative errno). */
#define log_error_errno(err, fmt, ...)                                                             \
	({                                                                                         \
		int _e = (err);                                                                    \
		log_error(fmt ": %s" __VA_OPT__(, ) __VA_ARGS__, runaway_strerror(_e));            \
		_e;                                                                                \
	})
#define log_warning_errno(err, fmt, ...)                                                           \
	({                                                                                         \
		int _e = (err);                                                                    \
		log_warning(fmt ": %s" __VA_OPT__(, ) __VA_ARGS__, runaway_strerror(_e));          \
		_e;                                                                                \
	})

/* Text of an errno, negative or positive; static storage. */
const char *runaway_strerror(int err);

#endif
