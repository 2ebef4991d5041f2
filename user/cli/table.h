/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_TABLE_H
#define RUNAWAY_CLI_TABLE_H

/*
 * A table whose columns line up on a terminal: widths are display columns, wide
 * and combining characters included; cells are escaped; columns that may shrink
 * are cut when the terminal is narrower than the table.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/strbuf.h"

struct table_column {
	const char *title;
	bool right;  /* numbers */
	bool shrink; /* may be cut */
};

struct table {
	const struct table_column *column;
	size_t columns;
	char **cell; /* owned, escaped, row by row */
	size_t cells, cap;
	bool error; /* out of memory: the table is incomplete */
};

void runaway_table_init(struct table *t, const struct table_column *column, size_t columns);
void runaway_table_free(struct table *t);
/* The next cell; NULL or "" shows "-". */
void runaway_table_add(struct table *t, const char *text);
/* The same from a buffer, which is emptied for the next one. */
void runaway_table_take(struct table *t, struct strbuf *b);
/* limit: columns of the terminal, 0: nothing is cut. */
void runaway_table_print(const struct table *t, FILE *f, unsigned int limit, bool bold_head,
			 bool utf8);

/* Display columns of escaped text. */
unsigned int runaway_table_width(const char *text);
/* Bytes of the longest beginning that fits `columns` columns. */
size_t runaway_table_fit(const char *text, unsigned int columns);

#define _cleanup_table_ _cleanup_(runaway_table_free)

#endif
