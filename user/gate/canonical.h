/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_CANONICAL_H
#define RUNAWAY_GATE_CANONICAL_H

/*
 * A struct and its one JSON text, both ways, from one table. Private to the documents
 * and to their tests.
 */

#include <stddef.h>

#include "base/strbuf.h"

enum field_kind {
	FIELD_CONST, /* a string that is always `text` */
	FIELD_TEXT,  /* char[size], NUL-terminated, at most RUNAWAY_PATH */
	FIELD_HEX,   /* char[size], "" or exactly size - 1 lower-case hex digits */
	FIELD_BOOL,
	FIELD_U32,    /* a number */
	FIELD_U64,    /* a decimal string */
	FIELD_I64,    /* a decimal string */
	FIELD_TIME,   /* uint64_t wall ns, as RFC 3339 with milliseconds */
	FIELD_OBJECT, /* struct at offset, described by `fields` */
	FIELD_LIST,   /* array of at most `max` elements of `size` bytes described by fields[0] */
	FIELD_END,
};

struct field {
	const char *key; /* sorted by strcmp(); of a list's element: of no meaning */
	enum field_kind kind;
	size_t offset;
	size_t size;
	const char *text;
	const struct field *fields;
	size_t max, count_offset; /* of a list; its size_t count */
};

/* An object with all members of `fields`. As runaway_plan_write(). */
int canonical_write(const struct field *fields, const void *doc, struct strbuf *out);
/* As runaway_plan_read(); `doc` (size bytes) is untouched on failure. */
int canonical_read(const struct field *fields, const char *text, size_t len, void *doc,
		   size_t size);

#endif
