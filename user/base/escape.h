/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_ESCAPE_H
#define RUNAWAY_BASE_ESCAPE_H

/*
 * A process name, an argument or a path is any byte string. These are the only
 * ways one reaches a sink; each appends to `b` what that sink can carry.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

/*
 * For a terminal or a log line: printable UTF-8 as it is; C0, DEL, C1,
 * backslash, U+2028/9, bidirectional controls and invalid bytes as \xNN (each
 * byte) so that the output is one line and moves no cursor.
 */
void runaway_escape_text(struct strbuf *b, const char *s, size_t len);

/*
 * Inside a JSON string, quotes not included: RFC 8259, and C1, DEL, U+2028/9
 * and bidirectional controls as \uNNNN; each invalid byte becomes \ufffd, and so
 * does NUL, which no C string that is read back could hold.
 */
void runaway_escape_json(struct strbuf *b, const char *s, size_t len);

/*
 * Inside a Prometheus label value, quotes not included: \\ \" \n escaped, other
 * controls (those named above) as \xNN text with the backslash escaped, each
 * invalid byte as U+FFFD.
 */
void runaway_escape_label(struct strbuf *b, const char *s, size_t len);

/*
 * As UTF-8 into a buffer: valid sequences as they are, each invalid byte as U+FFFD, and NUL behind
 * them. What was written is left as it is by a second time. False: cut, between two characters.
 */
bool runaway_utf8_clean(char *to, size_t size, const char *s, size_t len);

/* Length in bytes of the valid UTF-8 sequence at s, 0 if it is not one. */
size_t runaway_utf8_len(const char *s, size_t len);

#endif
