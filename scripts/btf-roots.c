/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btf-roots BTF ROOTS: writes the C declarations of the listed types, and of all
 * that these hold by value, from a BTF file. Used by gen-vmlinux.
 *
 * A line of ROOTS is "KIND NAME"; KIND is struct, union, enum, typedef or
 * enumerator (the enum that has it, for enums without a name). A '?' before it
 * means that this kernel may lack it. '#' begins a comment.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void emit(void *ctx, const char *fmt, va_list args)
{
	vfprintf(ctx, fmt, args);
}

/* Does the enum t (32 or 64 bits) have the enumerator? */
static bool has_enumerator(const struct btf *btf, const struct btf_type *t, const char *name)
{
	for (__u16 i = 0; i < btf_vlen(t); i++) {
		__u32 off = btf_is_enum64(t) ? btf_enum64(t)[i].name_off : btf_enum(t)[i].name_off;

		if (!strcmp(btf__name_by_offset(btf, off), name))
			return true;
	}
	return false;
}

static int find_enumerator(const struct btf *btf, const char *name)
{
	__u32 n = btf__type_cnt(btf);

	for (__u32 id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (btf_is_any_enum(t) && has_enumerator(btf, t, name))
			return (int)id;
	}
	return -ENOENT;
}

static int find_root(const struct btf *btf, const char *kind, const char *name)
{
	static const struct {
		const char *name;
		__u32 kind;
	} kinds[] = { { "struct", BTF_KIND_STRUCT },
		      { "union", BTF_KIND_UNION },
		      { "enum", BTF_KIND_ENUM },
		      { "typedef", BTF_KIND_TYPEDEF } };
	int id;

	if (!strcmp(kind, "enumerator"))
		return find_enumerator(btf, name);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kind, kinds[i].name))
			continue;
		id = btf__find_by_name_kind(btf, name, kinds[i].kind);
		if (id < 0 && kinds[i].kind == BTF_KIND_ENUM)
			id = btf__find_by_name_kind(btf, name, BTF_KIND_ENUM64);
		return id;
	}
	return -EINVAL;
}

/* One line of the list. 0, or a negative errno that has been told. */
static int dump_root(struct btf_dump *dump, const struct btf *btf, char *line)
{
	char *hash = strchr(line, '#'), *kind, *name;
	bool optional;
	int id, r;

	if (hash)
		*hash = '\0';
	kind = strtok(line, " \t\n");
	if (!kind)
		return 0;
	name = strtok(NULL, " \t\n");
	optional = kind[0] == '?';
	if (!name || strtok(NULL, " \t\n")) {
		fprintf(stderr, "btf-roots: not \"KIND NAME\": %s\n", kind);
		return -EINVAL;
	}
	id = find_root(btf, kind + optional, name);
	if (id < 0 && optional && id != -EINVAL)
		return 0;
	if (id < 0) {
		fprintf(stderr, "btf-roots: no %s %s: %s\n", kind, name, strerror(-id));
		return id;
	}
	r = btf_dump__dump_type(dump, (__u32)id);
	if (r < 0)
		fprintf(stderr, "btf-roots: cannot write %s %s: %s\n", kind, name, strerror(-r));
	return r;
}

static int dump_roots(struct btf_dump *dump, const struct btf *btf, FILE *list)
{
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (!r && getline(&line, &size, list) >= 0)
		r = dump_root(dump, btf, line);
	free(line);
	return r;
}

int main(int argc, char **argv)
{
	struct btf_dump *dump = NULL;
	struct btf *btf = NULL;
	FILE *list = NULL;
	int r;

	if (argc == 2 && !strcmp(argv[1], "--libbpf")) {
		puts(libbpf_version_string());
		return 0;
	}
	if (argc != 3) {
		fprintf(stderr, "usage: btf-roots BTF ROOTS | --libbpf\n");
		return 2;
	}
	btf = btf__parse(argv[1], NULL);
	list = fopen(argv[2], "r");
	if (!btf || !list) {
		fprintf(stderr, "btf-roots: %s: %s\n", btf ? argv[2] : argv[1], strerror(errno));
		r = -errno;
		goto out;
	}
	dump = btf_dump__new(btf, emit, stdout, NULL);
	r = dump ? dump_roots(dump, btf, list) : -errno;
out:
	btf_dump__free(dump);
	btf__free(btf);
	if (list)
		fclose(list);
	return r || fflush(stdout) ? 1 : 0;
}
