// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the sensor keeps in its hands for the time without privileges. Before
 * 5.19 the kernel refuses every bpf() to such a process where unprivileged BPF
 * is off, lookups in its own maps included (c8644cd0efe7 changed that). So
 * nothing here needs it: maps are mapped, walks are files that are opened anew
 * each time, and what the kernel counts of a program is in its fdinfo.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fdinfo.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define BPFFS "/sys/fs/bpf"

static void *map_shared(struct bpf_map *map, size_t size)
{
	size_t page = (size_t)getpagesize();
	void *p = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A BPF file system that nobody else sees: needs CAP_SYS_ADMIN. */
static int private_bpffs(void)
{
	_cleanup_close_ int fs = (int)syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC);

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
}

/*
 * An iterator's link as a file. It has a name for a moment only; who holds the
 * descriptor can open it for ever, by way of /proc/self/fd. No dot in it: the BPF
 * file system refuses such names. One that a killed daemon has left is in the way.
 */
static int file_of_link(int link_fd, const char *folder)
{
	_cleanup_close_ int fs = private_bpffs();
	_cleanup_close_ int file = -1;
	char path[PATH_MAX];

	if (fs >= 0)
		snprintf(path, sizeof(path), "/proc/self/fd/%d/walk", fs);
	else
		snprintf(path, sizeof(path), "%s/rw_walk_%d", folder, getpid());
	unlink(path);
	if (bpf_obj_pin(link_fd, path) < 0)
		return -errno;
	file = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	/* Who it is later is nobody in particular; only the descriptor leads here. */
	if (file < 0 || chmod(path, 0444) < 0) {
		int r = -errno;

		unlink(path);
		return r;
	}
	if (unlink(path) < 0)
		return -errno;
	return TAKE_FD(file);
}

static int walk_open(const struct sensor_walk *w)
{
	char path[64];
	int fd;

	if (w->file_fd < 0)
		return bpf_iter_create(w->link_fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->file_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sensor_walk_open(const struct sensor_walk *w)
{
	return walk_open(w);
}

/* Not a file: the walk is made by bpf() each time, which 5.19 and newer allow. */
static void keep_walk(struct runaway_sensor *s, struct sensor_walk *w)
{
	struct runaway_features *f = &s->features;

	w->file_fd = file_of_link(w->link_fd, s->pin_dir ? s->pin_dir : BPFFS);
	if (w->file_fd < 0)
		snprintf(f->why_walk_by_bpf, sizeof(f->why_walk_by_bpf), "%s",
			 runaway_strerror(w->file_fd));
}

/* Where the kernel counts the runs that it skipped, if it does. */
static void keep_misses(struct runaway_sensor *s)
{
	char path[64];
	uint64_t n;

	for (size_t i = 0; i < s->prog_count; i++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->prog[i].fd);
		s->misses_fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (runaway_prog_misses(s->misses_fd[i], &n) == 0)
			s->features.counts_misses = true;
		memcpy(s->stats.prog[i].name, s->prog[i].name, sizeof(s->prog[i].name));
	}
	s->stats.prog_count = s->prog_count;
}

int sensor_keep(struct runaway_sensor *s)
{
	int n = libbpf_num_possible_cpus();

	if (n < 0)
		return n;
	s->ncpu = (unsigned int)n;
	s->counters = map_shared(s->skel->maps.rw_counters, s->ncpu * sizeof(*s->counters));
	s->markers = map_shared(s->skel->maps.rw_markers, sizeof(*s->markers));
	if (!s->counters || !s->markers)
		return log_error_errno(-errno, "cannot map the kernel side's maps");
	keep_misses(s);
	keep_walk(s, &s->task_walk);
	keep_walk(s, &s->cgroup_walk);
	return 0;
}

void sensor_keep_close(struct runaway_sensor *s)
{
	for (size_t i = 0; i < RUNAWAY_PROGS_MAX; i++)
		runaway_closep(&s->misses_fd[i]);
	runaway_closep(&s->task_walk.file_fd);
	runaway_closep(&s->cgroup_walk.file_fd);
}
