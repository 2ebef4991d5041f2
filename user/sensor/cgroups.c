// SPDX-License-Identifier: GPL-2.0-or-later
/* The mounted cgroup tree: which one, what is in it, and what the kernel side charged. */

#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define CGROUP_BATCH 256
#define REREAD_SHARE 100 /* reading the tree again may cost a hundredth of a core */

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

/*
 * What became of cgroups while their events were lost or there was no room for them. Not
 * in a namespace: there the tree is a part of what the kernel side tells of, and the
 * paths are others.
 */
bool sensor_cgroups_reread(struct runaway_sensor *s, bool resync)
{
	s->cgroup_tree_due |= resync;
	if (!s->cgroup_tree_due || s->snapshotting || !s->cgroup_tree_whole ||
	    runaway_boot_ns() - s->cgroup_tree_ns < REREAD_SHARE * s->cgroup_tree_cost_ns)
		return false;
	s->cgroup_tree_due = false;
	return sensor_cgroups_snapshot(s) == 0;
}

int sensor_cgroups_read(struct runaway_sensor *s)
{
	struct rw_cgroup_line line[CGROUP_BATCH];
	int fd = sensor_walk_open(&s->cgroup_walk);
	ssize_t n;

	if (fd < 0)
		return fd;
	s->skel->bss->rw_scan_cgroups = 0;
	while ((n = read(fd, line, sizeof(line))) > 0 || (n < 0 && errno == EINTR))
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(line[0]); i++) {
			struct rw_cgroup_cpu rec = { .cgroup_id = line[i].cgroup_id,
						     .cpu_ns = line[i].cpu_ns };

			sensor_emit(s, &rec.hdr, RW_CGROUP_CPU, sizeof(rec));
		}
	n = n < 0 ? -errno : 0;
	close(fd);
	s->cgroup_entries = s->skel->bss->rw_scan_cgroups;
	return (int)n;
}
