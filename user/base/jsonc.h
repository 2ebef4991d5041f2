/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_JSONC_H
#define RUNAWAY_BASE_JSONC_H

/*
 * JSON with // and block comments for the configuration. Comments become
 * spaces, so that every offset, and with it every line number, stays true.
 */

#include <cjson/cJSON.h>
#include <stddef.h>

/* Blanks comments in place, strings left alone. Returns 0, or -EBADMSG for an open block comment.
 */
int runaway_jsonc_strip(char *text, size_t len);

/* 1-based line of a byte offset. */
unsigned int runaway_jsonc_line_at(const char *text, size_t len, size_t offset);

/*
 * 1-based line at which the value of `path` ("lanes[0].trigger.for_s") begins
 * in stripped text that parsed; 0 if there is no such path. Only called for
 * error messages.
 */
unsigned int runaway_jsonc_line_of(const char *text, size_t len, const char *path);

/*
 * First key that stands twice in one object: cJSON would keep both and a reader
 * would not know which one counts. Returns 0 (none), or 1 with the line of the
 * repetition and the key (malloc'ed; caller frees) filled in. -ENOMEM.
 */
int runaway_jsonc_find_duplicate(const char *text, size_t len, unsigned int *ret_line,
				 char **ret_key);

#endif
