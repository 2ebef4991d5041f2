// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pins: maps, programs and their links as files below a folder of a BPF file
 * system, for the next daemon and for bpftool. A pinned link keeps its program
 * attached while nobody runs. Only such a folder is ever touched, and in it only
 * what is ours by its name in the kernel.
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
#define PINS_MAX    128 /* programs of ours in one folder */

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

static bool has_prefix(const char *name)
{
	return strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0;
}

enum pin_kind { PIN_OTHER, PIN_MAP, PIN_PROG, PIN_LINK };

/* What a descriptor stands for, as the kernel names its file. */
static enum pin_kind kind_of(int fd)
{
	char path[32], name[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return PIN_OTHER;
	name[n] = '\0';
	if (strstr(name, "bpf-map"))
		return PIN_MAP;
	if (strstr(name, "bpf-prog"))
		return PIN_PROG;
	return strstr(name, "bpf_link") || strstr(name, "bpf-link") ? PIN_LINK : PIN_OTHER;
}

/* A link has no name: it is ours if its program is pinned here, too. */
struct our_progs {
	uint32_t id[PINS_MAX];
	size_t count;
};

static bool is_ours(int fd, enum pin_kind kind, const struct our_progs *progs, uint32_t *ret_id)
{
	struct bpf_link_info link = { 0 };
	struct bpf_prog_info prog = { 0 };
	struct bpf_map_info map = { 0 };
	uint32_t len;

	*ret_id = 0;
	switch (kind) {
	case PIN_MAP:
		len = sizeof(map);
		return bpf_obj_get_info_by_fd(fd, &map, &len) == 0 && has_prefix(map.name);
	case PIN_PROG:
		len = sizeof(prog);
		if (bpf_obj_get_info_by_fd(fd, &prog, &len) < 0 || !has_prefix(prog.name))
			return false;
		*ret_id = prog.id;
		return true;
	case PIN_LINK:
		len = sizeof(link);
		if (bpf_obj_get_info_by_fd(fd, &link, &len) < 0)
			return false;
		for (size_t i = 0; i < progs->count; i++)
			if (progs->id[i] == link.prog_id)
				return true;
		return false;
	default:
		return false;
	}
}

typedef int (*pin_fn)(const char *path, enum pin_kind kind, uint32_t id, struct our_progs *progs);

/* Calls fn for each pin of ours in the folder. Sum of what it returned, or a negative errno. */
static int each_pin(const char *pin_dir, pin_fn fn, struct our_progs *progs)
{
	_cleanup_free_ char *path = NULL;
	DIR *dir = opendir(pin_dir);
	struct dirent *e;
	int n = 0;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		_cleanup_close_ int fd = -1;
		enum pin_kind kind;
		uint32_t id;

		free(TAKE_PTR(path));
		path = runaway_path_join(pin_dir, e->d_name);
		if (e->d_name[0] == '.' || !path)
			continue;
		fd = bpf_obj_get(path);
		kind = fd < 0 ? PIN_OTHER : kind_of(fd);
		if (is_ours(fd, kind, progs, &id))
			n += fn(path, kind, id, progs);
	}
	closedir(dir);
	return n;
}

static int note_prog(const char *path, enum pin_kind kind, uint32_t id, struct our_progs *progs)
{
	(void)path;
	if (kind == PIN_PROG && progs->count < PINS_MAX)
		progs->id[progs->count++] = id;
	return 0;
}

static int unpin_link(const char *path, enum pin_kind kind, uint32_t id, struct our_progs *progs)
{
	(void)id;
	(void)progs;
	return kind == PIN_LINK && unlink(path) == 0;
}

static int unpin_any(const char *path, enum pin_kind kind, uint32_t id, struct our_progs *progs)
{
	(void)kind;
	(void)id;
	(void)progs;
	return unlink(path) == 0;
}

int sensor_pins_remove(const char *pin_dir)
{
	struct our_progs progs = { 0 };
	int n, m;

	n = each_pin(pin_dir, note_prog, &progs);
	if (n < 0)
		return n;
	/* Links first: they are known by the programs that are pinned beside them. */
	n = each_pin(pin_dir, unpin_link, &progs);
	m = each_pin(pin_dir, unpin_any, &progs);
	return n < 0 ? n : m < 0 ? m : n + m;
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

/* The lock goes with the process, however it ends. */
static int lock_folder(const char *pin_dir)
{
	_cleanup_close_ int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return log_error_errno(-errno, "cannot open the pin directory %s", pin_dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another daemon uses the pin directory %s", pin_dir);
		return -EBUSY;
	}
	return TAKE_FD(fd);
}

int sensor_pins_lock(struct runaway_sensor *s, const char *pin_dir)
{
	int r;

	s->pin_dir = strdup(pin_dir);
	if (!s->pin_dir)
		return -ENOMEM;
	r = make_folder(pin_dir);
	if (r < 0)
		return r;
	s->pin_lock_fd = lock_folder(pin_dir);
	return s->pin_lock_fd < 0 ? s->pin_lock_fd : 0;
}

/* Where programs put records together: nothing to look at, and not everybody's to see. */
static bool is_scratch(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, "_buf") == 0;
}

bool sensor_pin_of_map(const struct runaway_sensor *s, const struct bpf_map *map, char *path,
		       size_t size)
{
	/* The folder already says whose they are: rw_procs is pinned as procs. */
	const char *name = bpf_map__name(map) + strlen(NAME_PREFIX);

	/* The constants are in the stamp. */
	if (map == s->skel->maps.bss)
		name = "bss";
	else if (bpf_map__is_internal(map) || is_scratch(name))
		return false;
	snprintf(path, size, "%s/%s", s->pin_dir, name);
	return true;
}

void sensor_pin_of_prog(const struct runaway_sensor *s, const struct bpf_program *prog,
			const char *kind, char *path, size_t size)
{
	snprintf(path, size, "%s/%s_%s", s->pin_dir, kind,
		 bpf_program__name(prog) + strlen(NAME_PREFIX));
}

static int pin_maps(struct runaway_sensor *s)
{
	struct bpf_map *map;
	char path[512];
	int r;

	bpf_object__for_each_map(map, s->skel->obj)
	{
		if (!sensor_pin_of_map(s, map, path, sizeof(path)))
			continue;
		r = bpf_map__pin(map, path);
		if (r < 0)
			return log_error_errno(r, "cannot pin map %s", path);
	}
	return 0;
}

static int pin_progs(struct runaway_sensor *s)
{
	const struct bpf_object_skeleton *k = s->skel->skeleton;
	char path[512];
	int r;

	for (int i = 0; i < k->prog_cnt; i++) {
		struct bpf_program *prog = *k->progs[i].prog;
		struct bpf_link *link = *k->progs[i].link;

		if (!bpf_program__autoload(prog))
			continue;
		sensor_pin_of_prog(s, prog, "prog", path, sizeof(path));
		r = bpf_program__pin(prog, path);
		if (r < 0)
			return log_error_errno(r, "cannot pin program %s", path);
		if (!link)
			continue;
		sensor_pin_of_prog(s, prog, "link", path, sizeof(path));
		r = bpf_link__pin(link, path);
		if (r < 0)
			return log_error_errno(r, "cannot pin link %s", path);
	}
	return 0;
}

int sensor_pins_make(struct runaway_sensor *s)
{
	int r;

	r = pin_maps(s);
	if (r == 0)
		r = pin_progs(s);
	/* Last: without it the others are not believed. */
	return r == 0 ? sensor_stamp_pin(s) : r;
}

int runaway_sensor_unload(const char *pin_dir)
{
	_cleanup_close_ int lock = -1;
	int n;

	if (access(pin_dir, F_OK) < 0)
		return -errno;
	if (!on_bpffs(pin_dir))
		return refuse(pin_dir);
	lock = lock_folder(pin_dir);
	if (lock < 0)
		return lock;
	n = sensor_pins_remove(pin_dir);
	if (n < 0)
		return n;
	/* Somebody else's pins keep the folder. */
	if (rmdir(pin_dir) == 0)
		n++;
	return n ? 0 : -ENOENT;
}
