// SPDX-License-Identifier: GPL-2.0-or-later
/* The mounted cgroup tree: which one, what is in it, and what the kernel side charged. */

#include <fts.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define CGROUP_BATCH 256

const char *runaway_cgroup_source_name(enum runaway_cgroup_source s)
{
	static const char *const names[] = {
		[RUNAWAY_CGROUPS_NONE] = "none",
		[RUNAWAY_CGROUPS_V2] = "v2",
		[RUNAWAY_CGROUPS_HYBRID] = "hybrid",
		[RUNAWAY_CGROUPS_V1] = "v1",
	};

	return (size_t)s < ARRAY_SIZE(names) ? names[s] : "none";
}

static bool has_magic(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == magic;
}

int sensor_cgroups_detect(const char *root, enum runaway_cgroup_source *ret_source, char **ret_tree)
{
	static const struct {
		const char *sub; /* below root */
		long magic;
		enum runaway_cgroup_source source;
	} layouts[] = {
		{ "", CGROUP2_SUPER_MAGIC, RUNAWAY_CGROUPS_V2 },
		{ "unified", CGROUP2_SUPER_MAGIC, RUNAWAY_CGROUPS_HYBRID },
		{ "cpu,cpuacct", CGROUP_SUPER_MAGIC, RUNAWAY_CGROUPS_V1 },
		{ "cpuacct", CGROUP_SUPER_MAGIC, RUNAWAY_CGROUPS_V1 },
		{ "cpu", CGROUP_SUPER_MAGIC, RUNAWAY_CGROUPS_V1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		_cleanup_free_ char *path = i == 0 ? strdup(root)
						   : runaway_path_join(root, layouts[i].sub);

		if (!path)
			return -ENOMEM;
		/* Paths in the tree begin with the slash that its root must not end with. */
		for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
			path[n - 1] = '\0';
		if (!has_magic(path, layouts[i].magic))
			continue;
		*ret_source = layouts[i].source;
		*ret_tree = TAKE_PTR(path);
		return 0;
	}
	*ret_source = RUNAWAY_CGROUPS_NONE;
	*ret_tree = NULL;
	return 0;
}

int sensor_cgroups_hierarchy(const char *proc_root, const char *controller)
{
	_cleanup_free_ char *path = runaway_path_join(proc_root, "cgroups");
	_cleanup_fclose_ FILE *f = NULL;
	char line[256], name[64];
	int id;

	if (!path)
		return -ENOMEM;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %d", name, &id) == 2 && strcmp(name, controller) == 0)
			return id;
	return -ENOENT;
}

int sensor_cgroups_snapshot(struct runaway_sensor *s)
{
	char *roots[] = { s->cgroup_tree, NULL };
	size_t skip;
	FTSENT *e;
	FTS *fts;

	if (!s->cgroup_tree)
		return 0;
	skip = strlen(s->cgroup_tree);
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!fts)
		return -errno;
	while ((e = fts_read(fts))) {
		struct rw_cgroup_ev ev = { .op = RW_CG_FOUND };
		const char *rel;
		size_t len;

		if (e->fts_info != FTS_D)
			continue;
		rel = e->fts_pathlen > skip ? e->fts_path + skip : "/";
		len = strlen(rel);
		ev.cgroup_id = e->fts_statp->st_ino;
		ev.level = e->fts_level;
		if (e->fts_level > 0)
			ev.parent_id = e->fts_parent->fts_number;
		e->fts_number = (long)ev.cgroup_id;
		if (len < sizeof(ev.path)) {
			memcpy(ev.path, rel, len + 1);
			ev.path_len = len + 1;
		}
		sensor_emit(s, &ev.hdr, RW_CGROUP, sizeof(ev));
	}
	fts_close(fts);
	return 0;
}

static void told(struct runaway_sensor *s, uint64_t id, uint64_t cpu_ns)
{
	struct rw_cgroup_cpu rec = { .cgroup_id = id, .cpu_ns = cpu_ns };
	struct seen_cgroup *c;

	HASH_FIND(hh, s->cgroups, &id, sizeof(id), c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return;
		c->id = id;
		HASH_ADD(hh, s->cgroups, id, sizeof(c->id), c);
	} else if (c->cpu_ns == cpu_ns) {
		return;
	}
	c->cpu_ns = cpu_ns;
	sensor_emit(s, &rec.hdr, RW_CGROUP_CPU, sizeof(rec));
}

/* Forgets cgroups that the kernel side has dropped (their end came as RW_CG_RELEASE). */
static void forget_gone(struct runaway_sensor *s, size_t entries)
{
	struct seen_cgroup *c, *tmp;
	struct rw_cgroup v;

	if (HASH_COUNT(s->cgroups) <= entries + 64)
		return;
	HASH_ITER (hh, s->cgroups, c, tmp) {
		if (bpf_map__lookup_elem(s->skel->maps.rw_cgroups, &c->id, sizeof(c->id), &v,
					 sizeof(v), 0) == 0)
			continue;
		HASH_DEL(s->cgroups, c);
		free(c);
	}
}

int sensor_cgroups_read(struct runaway_sensor *s)
{
	int fd = bpf_map__fd(s->skel->maps.rw_cgroups), r;
	struct rw_cgroup value[CGROUP_BATCH];
	uint64_t key[CGROUP_BATCH], cursor = 0;
	size_t entries = 0;
	uint32_t count;
	bool first = true;

	do {
		count = CGROUP_BATCH;
		r = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, key, value, &count,
					 NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < count; i++)
			told(s, key[i], value[i].cpu_ns);
		entries += count;
		first = false;
	} while (r == 0);
	s->cgroup_entries = entries;
	forget_gone(s, entries);
	return 0;
}
