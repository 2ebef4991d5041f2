// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking the kernel what it has, by trying it. */

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/btf.h"
#include "base/log.h"
#include "sensor/sensor_priv.h"

static void skelp(struct rw_bpf **skel)
{
	rw_bpf__destroy(*skel);
}
#define _cleanup_skel_ _cleanup_(skelp)

static void btf_freep(struct btf **types)
{
	btf__free(*types);
}

/* An instance in which nothing loads until switched on, and maps are tiny. */
static struct rw_bpf *open_tiny(void)
{
	struct rw_bpf *skel = sensor_open_skel();
	struct bpf_program *prog;
	struct bpf_map *map;

	if (!skel)
		return NULL;
	bpf_object__for_each_program(prog, skel->obj) bpf_program__set_autoload(prog, false);
	bpf_object__for_each_map(map, skel->obj)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			bpf_map__set_max_entries(map, getpagesize());
		else if (bpf_map__type(map) == BPF_MAP_TYPE_HASH)
			bpf_map__set_max_entries(map, 1);
	}
	return skel;
}

int sensor_features_ask_ssids(int *ret_ssid_cpu, int *ret_ssid_cpuacct)
{
	_cleanup_skel_ struct rw_bpf *skel = open_tiny();
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r;

	if (!skel)
		return -errno;
	bpf_program__set_autoload(skel->progs.rw_features_ask, true);
	r = rw_bpf__load(skel);
	if (r < 0)
		return r;
	r = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.rw_features_ask), &opts);
	if (r < 0)
		return r;
	if (!skel->bss->rw_features.probed)
		return -EIO;
	*ret_ssid_cpu = skel->bss->rw_features.ssid_cpu;
	*ret_ssid_cpuacct = skel->bss->rw_features.ssid_cpuacct;
	return 0;
}

/*
 * What follows tries programs of a few instructions, made here: each of ours, opened for the same
 * question, would be fitted to all of the kernel's types first, a tenth of a second at each start.
 */
static const struct bpf_insn nothing[] = {
	/* return 0; */
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
	{ .code = BPF_JMP | BPF_EXIT },
};

static struct bpf_insn kernel_function(int id)
{
	return (struct bpf_insn){ .code = BPF_JMP | BPF_CALL,
				  .src_reg = BPF_PSEUDO_KFUNC_CALL,
				  .imm = id };
}

/* The program, or a negative errno. */
static int try_load(enum bpf_prog_type type, const struct bpf_insn *insns, size_t count,
		    const struct bpf_prog_load_opts *opts)
{
	return bpf_prog_load(type, "rw_try", "GPL", insns, count, opts);
}

static int try_any(void)
{
	_cleanup_close_ int fd =
		try_load(BPF_PROG_TYPE_RAW_TRACEPOINT, nothing, ARRAY_SIZE(nothing), NULL);

	return fd < 0 ? fd : 0;
}

/*
 * fentry on a static function: it may have been inlined (no BTF), the kernel
 * may lack trampolines, or refuse to attach. Only an attached program counts.
 */
static bool try_reparent(const struct btf *types, char *why, size_t size)
{
	int id = btf__find_by_name_kind(types, "kill_orphaned_pgrp", BTF_KIND_FUNC);
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_btf_id = (__u32)id);
	_cleanup_close_ int prog = -1, link = -1;

	if (id < 0) {
		snprintf(why, size, "kill_orphaned_pgrp is not in this kernel's BTF (inlined)");
		return false;
	}
	prog = try_load(BPF_PROG_TYPE_TRACING, nothing, ARRAY_SIZE(nothing), &opts);
	if (prog < 0) {
		snprintf(why, size, "fentry/kill_orphaned_pgrp does not load: %s",
			 runaway_strerror(prog));
		return false;
	}
	link = bpf_raw_tracepoint_open(NULL, prog);
	if (link < 0) {
		snprintf(why, size, "fentry/kill_orphaned_pgrp does not attach: %s",
			 runaway_strerror(link));
		return false;
	}
	return true;
}

/* bpf_task_from_pid and its like are there for this program type, or they are not. */
static bool try_hot(const struct btf *types)
{
	int from_pid = btf__find_by_name_kind(types, "bpf_task_from_pid", BTF_KIND_FUNC);
	int release = btf__find_by_name_kind(types, "bpf_task_release", BTF_KIND_FUNC);
	/* t = bpf_task_from_pid(1); if (t) bpf_task_release(t); return 0; */
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1 },
		kernel_function(from_pid),
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_0 },
		kernel_function(release),
		nothing[0],
		nothing[1],
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_SLEEPABLE);
	_cleanup_close_ int fd = -1;

	if (from_pid < 0 || release < 0)
		return false;
	fd = try_load(BPF_PROG_TYPE_SYSCALL, insns, ARRAY_SIZE(insns), &opts);
	return fd >= 0;
}

int sensor_features_choose(struct runaway_features *f, unsigned int without)
{
	_cleanup_(btf_freep) struct btf *types = NULL;
	struct utsname u;
	int r = try_any();

	if (r < 0)
		return r;
	types = btf__parse(RUNAWAY_KERNEL_BTF, NULL);
	if (!types)
		return -errno;
	f->btf = true;
	if (without & RUNAWAY_WITHOUT_FENTRY)
		snprintf(f->why_no_fentry, sizeof(f->why_no_fentry), "left out by --without");
	else
		f->fentry_reparent =
			try_reparent(types, f->why_no_fentry, sizeof(f->why_no_fentry));
	f->reparent_hook = f->fentry_reparent ? "fentry" : "exit_children";
	f->hot_pass = !(without & RUNAWAY_WITHOUT_HOT) && try_hot(types);
	if (!f->hot_pass)
		snprintf(f->why_no_hot, sizeof(f->why_no_hot), "%s",
			 without & RUNAWAY_WITHOUT_HOT ? "left out by --without"
						       : "this kernel lacks its functions, 6.10 "
							 "has them");
	f->scan = f->hot_pass ? "iter_task+hot" : "iter_task";
	if (uname(&u) == 0)
		snprintf(f->release, sizeof(f->release), "%s", u.release);
	snprintf(f->libbpf, sizeof(f->libbpf), "%u.%u", libbpf_major_version(),
		 libbpf_minor_version());
	return 0;
}

int runaway_features_parse_without(const char *list, unsigned int *ret_without)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} optional[] = {
		{ "fentry", RUNAWAY_WITHOUT_FENTRY },
		{ "hot", RUNAWAY_WITHOUT_HOT },
	};
	_cleanup_free_ char *copy = strdup(list);
	unsigned int without = 0, before;
	char *rest = copy, *word;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ","))) {
		before = without;
		for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
			if (strcmp(word, optional[i].name) == 0)
				without |= optional[i].bit;
		if (without == before)
			return -EINVAL;
	}
	*ret_without = without;
	return 0;
}

static int discard(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

int runaway_features_probe(struct runaway_features *ret)
{
	libbpf_print_fn_t old = libbpf_set_print(discard);
	struct runaway_features f = { 0 };
	int r = sensor_features_choose(&f, 0);

	if (r == 0)
		*ret = f;
	libbpf_set_print(old);
	return r;
}
