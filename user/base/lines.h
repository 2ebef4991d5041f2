/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_LINES_H
#define RUNAWAY_BASE_LINES_H

/* Reading a log line by line with a bound on what one line may cost. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nothing longer is ever written; a longer line is skipped, not read. */
#define RUNAWAY_LINE_MAX (1024 * 1024)

struct runaway_line {
	const char *text; /* not NUL-terminated */
	size_t len;	  /* bytes of text, the newline excluded; 0 when too_long */
	uint64_t bytes;	  /* the same as in the file, however long */
	uint64_t offset;  /* of its first byte in the file */
	uint64_t number;  /* 1-based */
	bool complete;	  /* ended by a newline */
	bool too_long;
};

/* Returns 0 to go on, or a negative errno, which ends the reading and is returned. */
typedef int (*runaway_line_fn)(void *ctx, const struct runaway_line *line);

/* From the present position of fd to its end. 0, or a negative errno. */
int runaway_lines_each(int fd, runaway_line_fn fn, void *ctx);

#endif
