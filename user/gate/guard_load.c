// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading and attaching one kind of the guard's programs. */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fdinfo.h"
#include "base/log.h"
#include "gate/guard_priv.h"

static const char *kind_prefix(enum guard_kind kind)
{
	return kind == GUARD_KIND_LSM ? "rw_lsm_" : "rw_fmr_";
}

/* file_ioctl_compat came with 6.8; before it, file_ioctl sees 32-bit callers too. */
static bool has_compat_hook(enum guard_kind kind)
{
	if (kind == GUARD_KIND_LSM)
		return libbpf_find_vmlinux_btf_id("file_ioctl_compat", BPF_LSM_MAC) > 0;
	return libbpf_find_vmlinux_btf_id("security_file_ioctl_compat", BPF_MODIFY_RETURN) > 0;
}

static bool belongs(const struct bpf_program *prog, enum guard_kind kind, bool compat)
{
	const char *name = bpf_program__name(prog), *prefix = kind_prefix(kind);

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	return compat || strcmp(name + strlen(prefix), "ioctl32") != 0;
}

/* The map that only programs write from now on; read without bpf(2). */
static int freeze_counts(struct runaway_guard *g)
{
	int fd = bpf_map__fd(g->skel->maps.rw_gate_counts), r = bpf_map_freeze(fd);
	void *p;

	if (r < 0)
		return r;
	p = mmap(NULL, sizeof(*g->counts) * RW_GATE_HOOKS, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	g->counts = p;
	return 0;
}

static int open_fdinfo(const struct bpf_program *prog)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_program__fd(prog));
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int attach_one(struct runaway_guard *g, struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach(prog);

	if (!link)
		return -errno;
	g->fdinfo[g->n_links] = open_fdinfo(prog);
	g->program[g->n_links] = bpf_program__name(prog);
	g->links[g->n_links++] = link;
	return 0;
}

/* The program on bpf(2) comes last: it may refuse this very process the next attachment. */
static int attach_all(struct runaway_guard *g, char *why, size_t size)
{
	struct bpf_program *prog, *last = NULL;
	int r;

	bpf_object__for_each_program(prog, g->skel->obj)
	{
		if (!bpf_program__autoload(prog))
			continue;
		if (strcmp(bpf_program__name(prog) + strlen("rw_lsm_"), "bpf") == 0) {
			last = prog;
			continue;
		}
		r = attach_one(g, prog);
		if (r < 0) {
			snprintf(why, size, "%s does not attach: %s", bpf_program__name(prog),
				 runaway_strerror(r));
			return r;
		}
	}
	r = last ? attach_one(g, last) : -ENOENT;
	if (r < 0)
		snprintf(why, size, "the bpf hook does not attach: %s", runaway_strerror(r));
	return r;
}

static int load(struct runaway_guard *g, enum guard_kind kind)
{
	struct bpf_program *prog;
	bool compat = has_compat_hook(kind);
	int r;

	g->skel = rw_gate_bpf__open();
	if (!g->skel)
		return -errno;
	bpf_object__for_each_program(prog, g->skel->obj)
		bpf_program__set_autoload(prog, belongs(prog, kind, compat));
	g->skel->rodata->rw_gate_conf = g->conf;
	r = rw_gate_bpf__load(g->skel);
	if (r < 0)
		return r;
	r = freeze_counts(g);
	return r < 0 ? r : guard_witness_open(g);
}

int guard_load(struct runaway_guard *g, enum guard_kind kind, char *why, size_t size)
{
	int r = load(g, kind);

	if (r < 0)
		snprintf(why, size, "programs do not load: %s", runaway_strerror(r));
	else
		r = attach_all(g, why, size);
	if (r < 0) {
		guard_unload(g);
		return r;
	}
	g->kind = kind;
	return 0;
}

void guard_unload(struct runaway_guard *g)
{
	for (; g->n_links; g->n_links--) {
		bpf_link__destroy(g->links[g->n_links - 1]);
		if (g->fdinfo[g->n_links - 1] >= 0)
			close(g->fdinfo[g->n_links - 1]);
	}
	ring_buffer__free(g->ring);
	g->ring = NULL;
	if (g->counts)
		munmap((void *)g->counts, sizeof(*g->counts) * RW_GATE_HOOKS);
	g->counts = NULL;
	rw_gate_bpf__destroy(g->skel);
	g->skel = NULL;
	g->kind = GUARD_KIND_NONE;
}

bool guard_may_be_skipped(const struct runaway_guard *g)
{
	uint64_t misses;

	/* What cannot be read is taken for the worse. */
	for (size_t i = 0; i < g->n_links; i++)
		if (runaway_prog_misses(g->fdinfo[i], &misses) != -ENOENT)
			return true;
	return false;
}

bool runaway_guard_program(const struct runaway_guard *g, size_t i, const char **ret_name,
			   uint64_t *ret_misses)
{
	if (i >= g->n_links)
		return false;
	*ret_name = g->program[i];
	if (runaway_prog_misses(g->fdinfo[i], ret_misses) < 0)
		*ret_misses = 0;
	return true;
}
