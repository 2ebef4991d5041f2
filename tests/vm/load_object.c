// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load_object FILE [NAME...]: gives each program of a BPF object to this kernel's verifier and
 * prints a line for each:
 *
 *	loaded NAME INSTRUCTIONS SECTION
 *	refused NAME ERRNO SECTION
 *
 * INSTRUCTIONS is what the verifier processed. All are loaded at once but those named, and if that
 * fails one at a time: a kernel's type information takes long to read. The log of a refused one
 *follows on stderr. Maps are made small: they are not what is looked at.
 */

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_BYTES (4u << 20)
#define LOG_STATS 4 /* BPF_LOG_STATS: the verifier's summary alone */

static char said[1 << 16];

/* What libbpf says is shown when a program is refused before the verifier had it. */
static int to_said(enum libbpf_print_level level, const char *fmt, va_list args)
{
	size_t used = strlen(said);

	if (level == LIBBPF_WARN && used < sizeof(said) - 1)
		vsnprintf(said + used, sizeof(said) - used, fmt, args);
	return 0;
}

static void make_small(struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			bpf_map__set_max_entries(map, (unsigned int)getpagesize());
		else if (bpf_map__type(map) == BPF_MAP_TYPE_HASH)
			bpf_map__set_max_entries(map, 1);
	}
}

/* Global functions are verified first, each with a line of its own: the sum is the price. */
static unsigned long processed(const char *log)
{
	unsigned long sum = 0;
	const char *at = log;

	while ((at = strstr(at, "processed "))) {
		at += strlen("processed ");
		sum += strtoul(at, NULL, 10);
	}
	return sum;
}

struct one {
	char name[64], section[64];
	char *log;
};

static struct one programs[64];
static size_t program_count;

static struct one *find(const char *name)
{
	for (size_t i = 0; i < program_count; i++)
		if (strcmp(programs[i].name, name) == 0)
			return &programs[i];
	return NULL;
}

static int list(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	struct one *p;

	if (!obj)
		return -errno;
	program_count = 0;
	bpf_object__for_each_program(prog, obj)
	{
		p = &programs[program_count++];
		snprintf(p->name, sizeof(p->name), "%s", bpf_program__name(prog));
		snprintf(p->section, sizeof(p->section), "%s", bpf_program__section_name(prog));
		free(p->log);
		p->log = NULL;
	}
	bpf_object__close(obj);
	return 0;
}

/* Loads one program, or (name NULL) all but those on the list. */
static int load(const char *path, const char *name, char **apart, int level)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	struct one *p;
	bool wanted;
	int r;

	if (!obj)
		return -errno;
	said[0] = '\0';
	make_small(obj);
	bpf_object__for_each_program(prog, obj)
	{
		p = find(bpf_program__name(prog));
		wanted = name ? strcmp(p->name, name) == 0 : true;
		for (char **x = apart; !name && *x; x++)
			wanted = wanted && strcmp(p->name, *x) != 0;
		bpf_program__set_autoload(prog, wanted);
		if (!wanted)
			continue;
		free(p->log);
		p->log = calloc(1, level == LOG_STATS ? 1u << 16 : LOG_BYTES);
		if (!p->log)
			return -ENOMEM;
		bpf_program__set_log_level(prog, (unsigned int)level);
		bpf_program__set_log_buf(prog, p->log, level == LOG_STATS ? 1u << 16 : LOG_BYTES);
	}
	r = bpf_object__load(obj);
	bpf_object__close(obj);
	return r;
}

static int load_each(const char *path, char **apart)
{
	int refused = 0, r = list(path);
	bool together;

	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return -1;
	}
	together = load(path, NULL, apart, LOG_STATS) == 0;
	for (size_t i = 0; i < program_count; i++) {
		struct one *p = &programs[i];

		r = 0;
		if (!together || !p->log)
			r = load(path, p->name, NULL, LOG_STATS);
		if (r == 0) {
			printf("loaded %s %lu %s\n", p->name, processed(p->log), p->section);
			continue;
		}
		refused++;
		printf("refused %s %d %s\n", p->name, -r, p->section);
		load(path, p->name, NULL, 1);
		fprintf(stderr, "---- %s %s\n%s\n%s\n", path, p->name, said, p->log);
	}
	return refused;
}

int main(int argc, char **argv)
{
	int r;

	libbpf_set_print(to_said);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		fprintf(stderr, "usage: load_object FILE [NAME...]\n");
		return 2;
	}
	r = load_each(argv[1], argv + 2);
	return r < 0 ? 2 : r > 0;
}
