/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <string.h>

#include "base/macros.h"
#include "lanes/suggest.h"

#define WORD_MAX 64

/* Optimal string alignment distance; both words at most WORD_MAX long. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t row[3][WORD_MAX + 1];

	for (size_t j = 0; j <= nb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);

			now[j] = MIN(replace, MIN(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
	}
	return row[na % 3][nb];
}

const char *runaway_suggest(const char *word, const char *const *words)
{
	size_t len = strlen(word), best = SIZE_MAX;
	const char *found = NULL;

	if (!len || len > WORD_MAX)
		return NULL;
	for (; *words; words++) {
		size_t n = strlen(*words), d;

		if (n > WORD_MAX)
			continue;
		d = distance(word, len, *words, n);
		if (d <= MAX(len, n) / 3 && d < best) {
			best = d;
			found = *words;
		}
	}
	return found;
}
