/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an exec brought. Shared by the forks that never exec, so it is changed only by its owner. */

#include <string.h>

#include "model/internal.h"

struct runaway_image *image_new(void)
{
	struct runaway_image *i = calloc(1, sizeof(*i));

	if (i)
		i->refs = 1;
	return i;
}

struct runaway_image *image_ref(struct runaway_image *i)
{
	if (i)
		i->refs++;
	return i;
}

void image_unref(struct runaway_image *i)
{
	if (!i || --i->refs > 0)
		return;
	free(i->exe);
	free(i->args);
	free(i);
}

/*
 * Names come leaf first; a root dentry calls itself "/". A path whose upper part
 * is missing begins without a slash: it is no absolute path.
 */
char *image_path(const char *components, size_t len, bool cut)
{
	char *path, *at;

	if (len == 0)
		return NULL;
	path = malloc(len + 2);
	if (!path)
		return NULL;
	at = path + len + 1;
	*at = '\0';
	for (size_t i = 0; i < len;) {
		size_t n = strnlen(components + i, len - i);

		if (n > 0 && !(n == 1 && components[i] == '/')) {
			at -= n;
			memcpy(at, components + i, n);
			*--at = '/';
		}
		i += n + 1;
	}
	if (*at == '\0') {
		free(path);
		return NULL;
	}
	at += cut;
	memmove(path, at, strlen(at) + 1);
	return path;
}

int image_set_args(const struct runaway_model *m, struct runaway_image *i, const char *args,
		   size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	if (len == 0)
		return 0;
	runaway_redact_args(args, len, (const char *const *)m->redact, &b);
	if (b.error == 0 && b.len && b.data[b.len - 1] != '\0')
		strbuf_addc(&b, '\0');
	if (b.error < 0)
		return b.error;
	free(i->args);
	i->args_len = b.len;
	/* The buffer grew by doubling: what is kept for long is kept exact. */
	i->args = realloc(b.data, b.len + 1);
	if (!i->args)
		i->args = b.data;
	b.data = NULL;
	return 0;
}

struct runaway_image *image_own(struct runaway_proc *p)
{
	struct runaway_image *i, *shared = p->image;

	if (shared && shared->refs == 1)
		return shared;
	i = image_new();
	if (!i)
		return NULL;
	if (shared) {
		i->exe = shared->exe ? strdup(shared->exe) : NULL;
		i->exe_dev = shared->exe_dev;
		i->exe_ino = shared->exe_ino;
		i->exec_id = shared->exec_id;
		image_unref(shared);
	}
	p->image = i;
	return i;
}
