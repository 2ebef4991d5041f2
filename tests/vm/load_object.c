// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * load_object FILE...: gives each program of each BPF object to this kernel's verifier,
 * one program at a time, and prints a line for each:
 *
 *	loaded NAME INSTRUCTIONS SECTION
 *	refused NAME ERRNO SECTION
 *
 * INSTRUCTIONS is what the verifier processed. The log of a refused one follows on stderr. Maps are
 * made small: they are not what is looked at.
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

static char log_text[LOG_BYTES];
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
static unsigned long processed(void)
{
	unsigned long sum = 0;
	const char *at = log_text;

	while ((at = strstr(at, "processed "))) {
		at += strlen("processed ");
		sum += strtoul(at, NULL, 10);
	}
	return sum;
}

static int load_one(const char *path, const char *name, int level)
{
	struct bpf_program *prog, *chosen = NULL;
	struct bpf_object *obj;
	int r;

	log_text[0] = said[0] = '\0';
	obj = bpf_object__open_file(path, NULL);
	if (!obj)
		return -errno;
	make_small(obj);
	bpf_object__for_each_program(prog, obj)
	{
		bpf_program__set_autoload(prog, strcmp(bpf_program__name(prog), name) == 0);
		if (strcmp(bpf_program__name(prog), name) == 0)
			chosen = prog;
	}
	bpf_program__set_log_level(chosen, (unsigned int)level);
	bpf_program__set_log_buf(chosen, log_text, sizeof(log_text));
	r = bpf_object__load(obj);
	bpf_object__close(obj);
	return r;
}

static int load_each(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int r, refused = 0;

	if (!obj) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	bpf_object__for_each_program(prog, obj)
	{
		const char *name = bpf_program__name(prog);

		r = load_one(path, name, LOG_STATS);
		if (r == 0) {
			printf("loaded %s %lu %s\n", name, processed(),
			       bpf_program__section_name(prog));
			continue;
		}
		refused++;
		printf("refused %s %d %s\n", name, -r, bpf_program__section_name(prog));
		load_one(path, name, 1);
		fprintf(stderr, "---- %s %s\n%s\n%s\n", path, name, said, log_text);
	}
	bpf_object__close(obj);
	return refused;
}

int main(int argc, char **argv)
{
	int refused = 0, r;

	libbpf_set_print(to_said);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		r = load_each(argv[i]);
		if (r < 0)
			return 2;
		refused += r;
	}
	return refused ? 1 : 0;
}
