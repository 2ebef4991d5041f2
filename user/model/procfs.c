/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only /proc tells: arguments, markers and exe of processes that ran before the sensor. */

#include <string.h>

#include "model/internal.h"

/* Arguments seen at exec stand: a process may rewrite what /proc shows. */
static int procfs_args(struct runaway_model *m, struct runaway_proc *p, const char *s, size_t len)
{
	struct runaway_image *i;

	if (len == 0 || (p->execed && p->image && p->image->args))
		return 0;
	i = image_own(p);
	return i ? image_set_args(m, i, s, MIN(len, (size_t)RW_ARGS_MAX)) : -ENOMEM;
}

static int procfs_markers(struct runaway_model *m, struct runaway_proc *p, const char *s,
			  size_t len)
{
	struct runaway_ci *ci = NULL;
	int err = p->ci ? 0 : runaway_ci_parse(s, len, (const char *const *)m->ci_markers, &ci);

	if (err < 0 || !ci)
		return err;
	ci = ci_intern(m, ci, p->id);
	if (!ci)
		return -ENOMEM;
	ci_join(m, p, ci);
	runaway_ci_unref(ci);
	return 0;
}

static size_t cut_deleted(const char *s, size_t len)
{
	static const char mark[] = " (deleted)";
	const size_t n = sizeof(mark) - 1;

	if (len > n && memcmp(s + len - n, mark, n) == 0)
		return len - n;
	return len;
}

/* Whoever shares the image runs the same file: the path is filled in for all of them. */
static int procfs_exe(struct runaway_proc *p, const char *s, size_t len)
{
	len = cut_deleted(s, strnlen(s, len));
	if (len == 0 || (p->image && p->image->exe))
		return 0;
	if (!p->image)
		p->image = image_new();
	if (!p->image)
		return -ENOMEM;
	p->image->exe = strndup(s, len);
	return p->image->exe ? 0 : -ENOMEM;
}

int process_set_cgroup_text(struct runaway_proc *p, const char *s, size_t len)
{
	_cleanup_free_ char *text = strndup(s, len);
	char *path;
	int err = 0;

	if (!text)
		return -ENOMEM;
	path = runaway_cgroup_text_path(text, &err);
	if (err < 0)
		return err;
	free(p->cgroup_text);
	free(p->cgroup_path);
	p->cgroup_text = TAKE_PTR(text);
	p->cgroup_path = path;
	return 0;
}

int model_procfs(struct runaway_model *m, const struct rw_procfs *r, size_t len)
{
	struct runaway_proc *p;

	if (r->bytes > len - sizeof(*r))
		return -EBADMSG;
	p = process_living(m, id_of(&r->id));
	if (!p) {
		m->counters.unknown_process++;
		return 0;
	}
	switch (r->what) {
	case RW_PROCFS_ARGS:
		return procfs_args(m, p, r->data, r->bytes);
	case RW_PROCFS_MARKERS:
		return procfs_markers(m, p, r->data, r->bytes);
	case RW_PROCFS_EXE:
		return procfs_exe(p, r->data, r->bytes);
	case RW_PROCFS_CGROUP:
		return process_set_cgroup_text(p, r->data, r->bytes);
	default:
		return -EBADMSG;
	}
}
