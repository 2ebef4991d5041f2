// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking over the programs and maps that an earlier daemon pinned, so that the
 * kernel side goes on as if nothing had happened: only if they are exactly what
 * this daemon would load, or its records would be misread.
 */

#include <string.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "sensor/sensor_priv.h"

/* What was loaded. Value of the pinned map `stamp`. */
struct stamp {
	char build[RUNAWAY_SHA256_HEX];	   /* of the BPF object */
	char settings[RUNAWAY_SHA256_HEX]; /* of its constants, sizes and the programs chosen */
	char version[48];		   /* for people */
};

static void add_settings(const struct runaway_sensor *s, struct strbuf *b)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	strbuf_add(b, s->skel->rodata, sizeof(*s->skel->rodata));
	bpf_object__for_each_map(map, s->skel->obj)
		strbuf_addf(b, "%s %u\n", bpf_map__name(map), bpf_map__max_entries(map));
	bpf_object__for_each_program(prog, s->skel->obj)
		strbuf_addf(b, "%s %d\n", bpf_program__name(prog), bpf_program__autoload(prog));
}

void sensor_stamp_make(const struct runaway_sensor *s, struct stamp *ret)
{
	_cleanup_strbuf_ struct strbuf settings = STRBUF_INIT;
	size_t size = 0;
	const void *elf = rw_bpf__elf_bytes(&size);

	memset(ret, 0, sizeof(*ret));
	runaway_sha256_hex(elf, size, ret->build);
	add_settings(s, &settings);
	if (settings.data)
		runaway_sha256_hex(settings.data, settings.len, ret->settings);
	snprintf(ret->version, sizeof(ret->version), "%s (%s)", RUNAWAY_VERSION, RUNAWAY_COMMIT);
}

static void stamp_path(const struct runaway_sensor *s, char *path, size_t size)
{
	snprintf(path, size, "%s/stamp", s->pin_dir);
}

int sensor_stamp_pin(const struct runaway_sensor *s)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	_cleanup_close_ int fd = -1;
	uint32_t zero = 0;
	struct stamp st;
	char path[512];

	sensor_stamp_make(s, &st);
	stamp_path(s, path, sizeof(path));
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rw_stamp", sizeof(zero), sizeof(st), 1, &opts);
	if (fd < 0 || bpf_map_update_elem(fd, &zero, &st, BPF_ANY) < 0 || bpf_map_freeze(fd) < 0 ||
	    bpf_obj_pin(fd, path) < 0)
		return log_error_errno(-errno, "cannot pin %s", path);
	return 0;
}

static int stamp_read(const struct runaway_sensor *s, struct stamp *ret)
{
	struct bpf_map_info info = { 0 };
	_cleanup_close_ int fd = -1;
	uint32_t len = sizeof(info), zero = 0;
	char path[512];

	stamp_path(s, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	/* The value is copied as long as the map says: ask before it is. */
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != BPF_MAP_TYPE_ARRAY ||
	    info.value_size != sizeof(*ret) || bpf_map_lookup_elem(fd, &zero, ret) < 0)
		return -EBADMSG;
	ret->build[sizeof(ret->build) - 1] = '\0';
	ret->settings[sizeof(ret->settings) - 1] = '\0';
	ret->version[sizeof(ret->version) - 1] = '\0';
	return 0;
}

static _printf_(2, 3) int not_ours(struct runaway_sensor *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->continuity.why, sizeof(s->continuity.why), fmt, ap);
	va_end(ap);
	return 0;
}

/* 1 when the pins are what would be loaded now; else 0 and why. */
static int compare_stamp(struct runaway_sensor *s)
{
	struct stamp theirs, ours;
	int r = stamp_read(s, &theirs);

	if (r == -ENOENT)
		return not_ours(s, "they are incomplete: there is no stamp");
	if (r < 0)
		return not_ours(s, "their stamp cannot be read: %s", runaway_strerror(r));
	sensor_stamp_make(s, &ours);
	if (strcmp(theirs.build, ours.build) != 0)
		return not_ours(s,
				"they are of another build: runawayd %s, BPF object %.12s, "
				"not %.12s",
				theirs.version, theirs.build, ours.build);
	if (strcmp(theirs.settings, ours.settings) != 0)
		return not_ours(s, "they were loaded with other limits, or for another cgroup "
				   "layout or kernel");
	return 1;
}

/* ---- taking ---- */
static int take_maps(struct runaway_sensor *s)
{
	struct bpf_map *map;
	char path[512];

	bpf_object__for_each_map(map, s->skel->obj)
	{
		_cleanup_close_ int fd = -1;

		if (!sensor_pin_of_map(s, map, path, sizeof(path))) {
			/* The programs hold theirs; nobody would use another. */
			if (!bpf_map__is_internal(map))
				bpf_map__set_autocreate(map, false);
			continue;
		}
		fd = bpf_obj_get(path);
		if (fd < 0)
			return not_ours(s, "they are incomplete: %s is missing", path);
		if (bpf_map__reuse_fd(map, fd) < 0)
			return not_ours(s, "%s cannot be used", path);
	}
	return 1;
}

static int take_prog(struct runaway_sensor *s, struct bpf_program *prog)
{
	struct sensor_prog *p = &s->prog[s->prog_count];
	char path[512];
	int fd;

	if (s->prog_count == RUNAWAY_PROGS_MAX)
		return not_ours(s, "there are too many programs");
	sensor_pin_of_prog(s, prog, "prog", path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return not_ours(s, "they are incomplete: %s is missing", path);
	snprintf(p->name, sizeof(p->name), "%s", bpf_program__name(prog));
	p->fd = fd;
	s->prog_count++;
	if (prog == s->skel->progs.rw_hot) {
		s->hot_prog_fd = fd;
		return 1;
	}
	sensor_pin_of_prog(s, prog, "link", path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return not_ours(s, "they are incomplete: %s is missing", path);
	s->adopted_link[s->adopted_links++] = fd;
	if (prog == s->skel->progs.rw_walk)
		s->task_walk.link_fd = fd;
	else if (prog == s->skel->progs.rw_cg_walk)
		s->cgroup_walk.link_fd = fd;
	return 1;
}

static int take_progs(struct runaway_sensor *s)
{
	struct bpf_program *prog;
	int r = 1;

	bpf_object__for_each_program(prog, s->skel->obj) if (r == 1 && bpf_program__autoload(prog))
		r = take_prog(s, prog);
	if (r != 1)
		return r;
	bpf_object__for_each_program(prog, s->skel->obj) bpf_program__set_autoload(prog, false);
	return 1;
}

void sensor_adopt_close(struct runaway_sensor *s)
{
	for (size_t i = 0; i < s->prog_count; i++)
		runaway_closep(&s->prog[i].fd);
	for (size_t i = 0; i < s->adopted_links; i++)
		runaway_closep(&s->adopted_link[i]);
	s->prog_count = s->adopted_links = 0;
	s->task_walk.link_fd = s->cgroup_walk.link_fd = s->hot_prog_fd = -1;
}

int sensor_adopt(struct runaway_sensor *s)
{
	int r;

	r = compare_stamp(s);
	if (r == 1)
		r = take_progs(s);
	if (r == 1)
		r = take_maps(s);
	if (r != 1)
		sensor_adopt_close(s);
	return r;
}

const char *runaway_pins_name(enum runaway_pins p)
{
	static const char *const names[] = {
		[RUNAWAY_PINS_NONE] = "none",
		[RUNAWAY_PINS_MADE] = "made",
		[RUNAWAY_PINS_ADOPTED] = "adopted",
		[RUNAWAY_PINS_REPLACED] = "replaced",
	};

	return (size_t)p < ARRAY_SIZE(names) ? names[p] : "none";
}
