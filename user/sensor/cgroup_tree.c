// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The folders of the mounted cgroup tree. Each has a score of files, of which the kernel would be
 * asked five times as much as of the folders: nothing is asked of them, so no fts(3), which asks
 * of everything, or else trusts in a number of folders that changes while it reads.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "sensor/sensor_priv.h"

#define ROOT_INO 1 /* of a whole hierarchy: fs/kernfs/dir.c; in a namespace it is another */

/* One that was told of, and has not been looked into. */
struct folder {
	char *path; /* below the tree, "" is its root; owned */
	uint64_t id;
	unsigned int level;
};

struct walk {
	struct runaway_sensor *s;
	dev_t dev; /* nothing is crossed that is mounted below */
	struct folder *todo;
	size_t count, cap;
};

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ _cleanup_(closedirp)

static void tell(struct runaway_sensor *s, const struct folder *f, uint64_t parent_id)
{
	struct rw_cgroup_ev ev = {
		.op = RW_CG_FOUND, .cgroup_id = f->id, .parent_id = parent_id, .level = f->level
	};
	const char *path = f->level > 0 ? f->path : "/";
	size_t len = strlen(path);

	if (len < sizeof(ev.path)) {
		memcpy(ev.path, path, len + 1);
		ev.path_len = len + 1;
	}
	sensor_emit(s, &ev.hdr, RW_CGROUP, sizeof(ev));
}

/* Takes f->path, whatever comes of it. */
static int put(struct walk *w, const struct folder *f)
{
	if (w->count == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 64;
		struct folder *more = reallocarray(w->todo, cap, sizeof(*more));

		if (!more) {
			free(f->path);
			return -ENOMEM;
		}
		w->todo = more;
		w->cap = cap;
	}
	w->todo[w->count++] = *f;
	return 0;
}

/* One that was removed meanwhile is no loss. */
static int look_at(struct walk *w, const struct folder *up, int dirfd, const char *name)
{
	struct folder f = { .level = up->level + 1 };
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode) || st.st_dev != w->dev)
		return 0;
	if (asprintf(&f.path, "%s/%s", up->path, name) < 0)
		return -ENOMEM;
	f.id = st.st_ino;
	tell(w->s, &f, up->id);
	return put(w, &f);
}

static int look_into(struct walk *w, const struct folder *f)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *e;
	int r = 0;

	if (asprintf(&path, "%s%s", w->s->cgroup_tree, f->path) < 0)
		return -ENOMEM;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (;;) {
		int err = 0;

		errno = 0;
		e = readdir(dir);
		if (!e)
			break;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
			err = look_at(w, f, dirfd(dir), e->d_name);
		if (err < 0)
			r = err;
	}
	/* So a folder ends that is removed while it is read. */
	return errno && errno != ENOENT ? -errno : r;
}

int sensor_cgroups_snapshot(struct runaway_sensor *s)
{
	uint64_t began = runaway_cpu_ns();
	struct folder root = { 0 };
	struct walk w = { .s = s };
	struct stat st;
	int r;

	if (!s->cgroup_tree)
		return 0;
	if (stat(s->cgroup_tree, &st) < 0)
		return -errno;
	w.dev = st.st_dev;
	s->cgroup_tree_whole = st.st_ino == ROOT_INO;
	root.id = st.st_ino;
	root.path = strdup("");
	if (!root.path)
		return -ENOMEM;
	tell(s, &root, 0);
	r = put(&w, &root);
	while (w.count > 0) {
		struct folder f = w.todo[--w.count];
		int err = look_into(&w, &f);

		free(f.path);
		if (err < 0)
			r = err;
	}
	free(w.todo);
	s->cgroup_tree_ns = runaway_boot_ns();
	s->cgroup_tree_cost_ns = runaway_cpu_ns() - began;
	return r;
}
