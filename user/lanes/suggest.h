/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_SUGGEST_H
#define RUNAWAY_LANES_SUGGEST_H

/*
 * The word of the NULL-terminated list that was probably meant: the nearest by
 * edit distance (insert, delete, replace, swap of neighbours), at most a third
 * of the word away; NULL when none is near.
 */
const char *runaway_suggest(const char *word, const char *const *words);

#endif
