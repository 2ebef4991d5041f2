/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_STRBUF_H
#define RUNAWAY_BASE_STRBUF_H

/*
 * A growing byte string with a sticky error: append freely, look once at the
 * end. Always NUL-terminated when `data` is not NULL.
 */

#include <stdarg.h>
#include <stddef.h>

#include "base/macros.h"

struct strbuf {
	char *data; /* owned; NULL while empty */
	size_t len; /* bytes, the NUL not counted */
	size_t cap;
	int error; /* 0, or -ENOMEM (-E2BIG by the json writer): nothing was appended since */
};

#define STRBUF_INIT { 0 }

void strbuf_free(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* empties, keeps the memory, clears the error */
void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) _printf_(2, 3);
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap) _printf_(2, 0);
/* Makes room for `extra` bytes and the NUL behind them. Returns 0 or the sticky error. */
int strbuf_reserve(struct strbuf *b, size_t extra);
/* Shortens to len bytes; no effect when already shorter. */
void strbuf_truncate(struct strbuf *b, size_t len);
/* Hands the string to the caller (free() it); "" for an empty buffer, NULL on error. */
char *strbuf_take(struct strbuf *b);

#define _cleanup_strbuf_ _cleanup_(strbuf_free)

#endif
