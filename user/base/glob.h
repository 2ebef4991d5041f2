/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_GLOB_H
#define RUNAWAY_BASE_GLOB_H

/* Shell globs on the whole value, as fnmatch(3) without flags: '*' crosses '/'. */

#include <stdbool.h>
#include <stddef.h>

/* Patterns, owned by whoever holds the struct. */
struct glob_list {
	char **pattern;
	size_t count;
};

void runaway_glob_list_free(struct glob_list *l);
/* Copies pattern. Returns 0, -EINVAL for an empty one, -ENOMEM. */
int runaway_glob_list_add(struct glob_list *l, const char *pattern);
/* Index of the first pattern that matches the whole of value, -1 if none (or value is NULL). */
int runaway_glob_list_match(const struct glob_list *l, const char *value);

#endif
