/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/glob.h"

#include <fnmatch.h>
#include <string.h>

#include "base/macros.h"

void runaway_glob_list_free(struct glob_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->pattern[i]);
	free(l->pattern);
	*l = (struct glob_list){ 0 };
}

int runaway_glob_list_add(struct glob_list *l, const char *pattern)
{
	_cleanup_free_ char *copy = NULL;
	char **grown;

	if (!*pattern)
		return -EINVAL;
	copy = strdup(pattern);
	grown = reallocarray(l->pattern, l->count + 1, sizeof(*grown));
	if (grown)
		l->pattern = grown;
	if (!copy || !grown)
		return -ENOMEM;
	l->pattern[l->count++] = TAKE_PTR(copy);
	return 0;
}

int runaway_glob_list_match(const struct glob_list *l, const char *value)
{
	if (!value)
		return -1;
	for (size_t i = 0; i < l->count; i++)
		if (fnmatch(l->pattern[i], value, 0) == 0)
			return (int)i;
	return -1;
}
