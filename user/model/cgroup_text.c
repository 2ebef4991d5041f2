/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The most telling line of a /proc/PID/cgroup text: "hierarchy:controllers:path" a line. */

#include <string.h>

#include "model/internal.h"

/*
 * How telling a line is. The v2 line where it says more than the root, then the
 * controllers that runtimes always set, then systemd's own hierarchy.
 */
static int line_rank(const char *controllers, size_t n)
{
	static const char *const order[] = { "pids", "memory", "cpu", "cpuacct", "name=systemd" };

	if (n == 0)
		return (int)ARRAY_SIZE(order) + 1;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		size_t len = strlen(order[i]);

		for (size_t at = 0; at < n;) {
			size_t one = 0;

			while (at + one < n && controllers[at + one] != ',')
				one++;
			if (one == len && strncmp(controllers + at, order[i], len) == 0)
				return (int)(ARRAY_SIZE(order) - i);
			at += one + 1;
		}
	}
	return 0;
}

struct best {
	const char *path;
	size_t len;
	int rank;
};

static void judge_line(const char *line, size_t n, struct best *best)
{
	static const char deleted[] = " (deleted)";
	const char *ctl = memchr(line, ':', n), *path;
	size_t len;
	int rank;

	if (!ctl)
		return;
	ctl++;
	path = memchr(ctl, ':', n - (size_t)(ctl - line));
	if (!path)
		return;
	rank = line_rank(ctl, (size_t)(path - ctl));
	path++;
	len = n - (size_t)(path - line);
	if (len == 0 || path[0] != '/')
		return;
	if (len > sizeof(deleted) - 1 &&
	    memcmp(path + len - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1) == 0)
		len -= sizeof(deleted) - 1;
	/* A root says nothing, whatever the hierarchy; any other line is better. */
	if (len == 1)
		rank = -1;
	if (best->path && rank <= best->rank)
		return;
	*best = (struct best){ .path = path, .len = len, .rank = rank };
}

char *runaway_cgroup_text_path(const char *text, int *ret_err)
{
	struct best best = { 0 };
	char *copy;

	if (ret_err)
		*ret_err = 0;
	while (*text) {
		size_t n = strcspn(text, "\n");

		judge_line(text, n, &best);
		text += n + (text[n] == '\n');
	}
	if (!best.path)
		return NULL;
	copy = strndup(best.path, best.len);
	if (!copy && ret_err)
		*ret_err = -ENOMEM;
	return copy;
}
