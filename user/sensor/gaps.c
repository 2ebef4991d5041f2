// SPDX-License-Identifier: GPL-2.0-or-later
/* What of the host this process cannot see, because of where it was started. */

#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "sensor/sensor_priv.h"

/* include/linux/proc_ns.h: inodes of the initial namespaces, the same on every kernel. */
#define CGROUP_NS_INIT_INO 0xEFFFFFFBU
#define PID_NS_INIT_INO	   0xEFFFFFFCU
#define USER_NS_INIT_INO   0xEFFFFFFDU

/* kernfs numbers its nodes from 1: the root of a hierarchy, whatever is mounted of it. */
#define CGROUP_ROOT_INO 1

static const struct {
	const char *name, *what, *mend;
} gaps[] = {
	[RUNAWAY_GAP_PID_NAMESPACE] = {
		"pid_namespace",
		"this daemon is in a pid namespace of its own: walk and /proc show that "
		"namespace only, so no scan counts and nothing is judged",
		"run it in the host's pid namespace: Kubernetes `hostPID: true`, docker and podman "
		"`--pid=host`",
	},
	[RUNAWAY_GAP_PROCFS] = {
		"procfs",
		"the procfs under --proc-root is that of another pid namespace: no scan counts "
		"and nothing is judged",
		"mount the host's procfs there; in Kubernetes `hostPID: true` does it",
	},
	[RUNAWAY_GAP_NO_CGROUPS] = {
		"cgroups",
		"no cgroup tree is mounted under the cgroup root: of cgroups made before the start "
		"only those of orphans have a name",
		"mount cgroup2 at /sys/fs/cgroup, or give its place with --cgroup-root; in "
		"Kubernetes mount the host's /sys/fs/cgroup by hostPath",
	},
	[RUNAWAY_GAP_CGROUP_PART] = {
		"cgroups",
		"what is mounted under the cgroup root is only a part of the host's tree: of cgroups "
		"made before the start only those of orphans have a name",
		"mount the whole tree: Kubernetes hostPath /sys/fs/cgroup, docker "
		"`--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:ro`",
	},
	[RUNAWAY_GAP_CGROUP_NAMESPACE] = {
		"cgroup_namespace",
		"this daemon is in a cgroup namespace: paths in /proc/PID/cgroup are relative to "
		"it and are not used",
		"run it in the host's cgroup namespace: Kubernetes `privileged: true`, docker "
		"`--cgroupns=host`",
	},
};
static_assert(ARRAY_SIZE(gaps) == RUNAWAY_GAP_MAX, "a text for each gap");

const char *runaway_gap_name(enum runaway_gap g)
{
	return gaps[g].name;
}

const char *runaway_gap_what(enum runaway_gap g)
{
	return gaps[g].what;
}

const char *runaway_gap_mend(enum runaway_gap g)
{
	return gaps[g].mend;
}

enum runaway_gap runaway_features_gap(const struct runaway_features *f)
{
	enum runaway_gap g = 0;

	while (g < RUNAWAY_GAP_MAX && !runaway_features_has_gap(f, g))
		g++;
	return g;
}

bool runaway_features_blind(const struct runaway_features *f)
{
	return runaway_features_has_gap(f, RUNAWAY_GAP_PID_NAMESPACE) ||
	       runaway_features_has_gap(f, RUNAWAY_GAP_PROCFS);
}

/* A kernel that has no such namespace has only the initial one. */
static bool is_foreign(int proc_fd, const char *ns, ino_t initial)
{
	struct stat st;

	return fstatat(proc_fd, ns, &st, 0) == 0 && st.st_ino != initial;
}

static void add(struct runaway_sensor *s, enum runaway_gap g, bool there)
{
	if (!there)
		return;
	s->features.gaps |= 1u << g;
	log_error("%s. To mend: %s", gaps[g].what, gaps[g].mend);
}

static bool is_part(const char *tree)
{
	struct stat st;

	return stat(tree, &st) == 0 && st.st_ino != CGROUP_ROOT_INO;
}

static void find_cgroup_gaps(struct runaway_sensor *s)
{
	bool whole;

	if (!s->cgroup_tree) {
		add(s, RUNAWAY_GAP_NO_CGROUPS, true);
		whole = false;
	} else {
		whole = !is_part(s->cgroup_tree);
		add(s, RUNAWAY_GAP_CGROUP_PART, !whole);
	}
	s->foreign_cgroup_ns = is_foreign(s->proc_fd, "self/ns/cgroup", CGROUP_NS_INIT_INO);
	/* With the whole v2 tree every path is known by its id, and nobody needs those of /proc. */
	add(s, RUNAWAY_GAP_CGROUP_NAMESPACE,
	    s->foreign_cgroup_ns && !(whole && s->features.cgroups == RUNAWAY_CGROUPS_V2));
}

void sensor_gaps_find(struct runaway_sensor *s)
{
	/* A procfs of a namespace that we are not in has no "self". */
	bool ours = faccessat(s->proc_fd, "self/ns/pid", F_OK, 0) == 0;

	add(s, RUNAWAY_GAP_PROCFS, !ours);
	add(s, RUNAWAY_GAP_PID_NAMESPACE, is_foreign(s->proc_fd, "self/ns/pid", PID_NS_INIT_INO));
	find_cgroup_gaps(s);
}

bool sensor_gaps_user_namespace(const struct runaway_sensor *s)
{
	return is_foreign(s->proc_fd, "self/ns/user", USER_NS_INIT_INO);
}
