// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pins: maps and programs as files below a folder of a BPF file system, for
 * bpftool and for the next daemon. Only such a folder is ever touched, and in it
 * only what is ours by its name in the kernel.
 */

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

#define NAME_PREFIX "rw_"

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

static bool has_prefix(const char *name)
{
	return strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0;
}

/* A map or a program whose name in the kernel begins with rw_. */
static bool is_ours(const char *path)
{
	union {
		struct bpf_map_info map;
		struct bpf_prog_info prog;
	} info = { 0 };
	_cleanup_close_ int fd = bpf_obj_get(path);
	uint32_t len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return false;
	return has_prefix(info.map.name) || has_prefix(info.prog.name);
}

/* Removes our pins in the folder. How many, or a negative errno. */
static int unpin(const char *pin_dir)
{
	_cleanup_free_ char *path = NULL;
	DIR *dir = opendir(pin_dir);
	struct dirent *e;
	int n = 0;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		free(TAKE_PTR(path));
		path = runaway_path_join(pin_dir, e->d_name);
		if (e->d_name[0] != '.' && path && is_ours(path) && unlink(path) == 0)
			n++;
	}
	closedir(dir);
	return n;
}

static int refuse(const char *pin_dir)
{
	log_error("%s is not in a BPF file system (mount -t bpf bpf /sys/fs/bpf): nothing was "
		  "touched",
		  pin_dir);
	return -EINVAL;
}

/* Makes the folder (not its parents) unless it is there. */
static int make_folder(const char *pin_dir)
{
	_cleanup_free_ char *copy = strdup(pin_dir);

	if (!copy)
		return -ENOMEM;
	if (!on_bpffs(dirname(copy)))
		return refuse(pin_dir);
	if (mkdir(pin_dir, 0700) < 0 && errno != EEXIST)
		return log_error_errno(-errno, "cannot make the pin directory %s", pin_dir);
	return on_bpffs(pin_dir) ? 0 : refuse(pin_dir);
}

int sensor_pins_take(struct runaway_sensor *s, const char *pin_dir)
{
	int r;

	s->pin_dir = strdup(pin_dir);
	if (!s->pin_dir)
		return -ENOMEM;
	r = make_folder(pin_dir);
	if (r < 0)
		return r;
	s->pin_lock_fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->pin_lock_fd < 0)
		return log_error_errno(-errno, "cannot open the pin directory %s", pin_dir);
	if (flock(s->pin_lock_fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another daemon uses the pin directory %s", pin_dir);
		return -EBUSY;
	}
	r = unpin(pin_dir);
	if (r > 0)
		log_info("replaced the pins that an earlier daemon left in %s", pin_dir);
	return r < 0 ? r : 0;
}

/* Where programs put records together: nothing to look at, and not everybody's to see. */
static bool is_scratch(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, "_buf") == 0;
}

static int pin_maps(struct runaway_sensor *s)
{
	struct bpf_map *map;
	char path[512];
	int r;

	bpf_object__for_each_map(map, s->skel->obj)
	{
		if (bpf_map__is_internal(map) || is_scratch(bpf_map__name(map)))
			continue;
		/* The folder already says whose they are: rw_procs is pinned as procs. */
		snprintf(path, sizeof(path), "%s/%s", s->pin_dir,
			 bpf_map__name(map) + strlen(NAME_PREFIX));
		r = bpf_map__pin(map, path);
		if (r < 0)
			return log_error_errno(r, "cannot pin map %s", path);
	}
	return 0;
}

int sensor_pins_make(struct runaway_sensor *s)
{
	struct bpf_program *prog;
	char path[512];
	int r;

	r = pin_maps(s);
	if (r < 0)
		return r;
	bpf_object__for_each_program(prog, s->skel->obj)
	{
		if (!bpf_program__autoload(prog))
			continue;
		snprintf(path, sizeof(path), "%s/prog_%s", s->pin_dir,
			 bpf_program__name(prog) + strlen(NAME_PREFIX));
		r = bpf_program__pin(prog, path);
		if (r < 0)
			return log_error_errno(r, "cannot pin program %s", path);
	}
	return 0;
}

int runaway_sensor_unload(const char *pin_dir)
{
	int n;

	if (access(pin_dir, F_OK) < 0)
		return -errno;
	if (!on_bpffs(pin_dir))
		return refuse(pin_dir);
	n = unpin(pin_dir);
	if (n < 0)
		return n;
	/* Somebody else's pins keep the folder. */
	if (rmdir(pin_dir) == 0)
		n++;
	return n ? 0 : -ENOENT;
}
