// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking the kernel what it has, by trying it. */

#include <string.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "sensor/sensor_priv.h"

static void skelp(struct rw_bpf **skel)
{
	rw_bpf__destroy(*skel);
}
#define _cleanup_skel_ _cleanup_(skelp)

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

int sensor_features_ask(struct runaway_features *f, int *ret_ssid_cpu, int *ret_ssid_cpuacct)
{
	_cleanup_skel_ struct rw_bpf *skel = open_tiny();
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct utsname u;
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
	f->btf = true;
	*ret_ssid_cpu = skel->bss->rw_features.ssid_cpu;
	*ret_ssid_cpuacct = skel->bss->rw_features.ssid_cpuacct;
	if (uname(&u) == 0)
		snprintf(f->release, sizeof(f->release), "%s", u.release);
	snprintf(f->libbpf, sizeof(f->libbpf), "%u.%u", libbpf_major_version(),
		 libbpf_minor_version());
	return 0;
}

/*
 * fentry on a static function: it may have been inlined (no BTF), the kernel
 * may lack trampolines, or refuse to attach. Only an attached program counts.
 */
bool sensor_features_try_reparent(char *why, size_t size)
{
	_cleanup_skel_ struct rw_bpf *skel = NULL;
	struct bpf_link *link;
	int r;

	r = libbpf_find_vmlinux_btf_id("kill_orphaned_pgrp", BPF_TRACE_FENTRY);
	if (r < 0) {
		snprintf(why, size, "kill_orphaned_pgrp is not in this kernel's BTF (inlined)");
		return false;
	}
	skel = open_tiny();
	if (!skel)
		return false;
	bpf_program__set_autoload(skel->progs.rw_reparent, true);
	r = rw_bpf__load(skel);
	if (r < 0) {
		snprintf(why, size, "fentry/kill_orphaned_pgrp does not load: %s",
			 runaway_strerror(r));
		return false;
	}
	link = bpf_program__attach(skel->progs.rw_reparent);
	if (!link) {
		snprintf(why, size, "fentry/kill_orphaned_pgrp does not attach: %s",
			 runaway_strerror(errno));
		return false;
	}
	bpf_link__destroy(link);
	return true;
}

/* bpf_task_from_pid and its like are there for this program type, or they are not. */
bool sensor_features_try_hot(void)
{
	_cleanup_skel_ struct rw_bpf *skel = open_tiny();

	if (!skel)
		return false;
	bpf_program__set_autoload(skel->progs.rw_hot, true);
	return rw_bpf__load(skel) == 0;
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
	struct runaway_features f = { .scan = "iter_task", .reparent_hook = "exit_children" };
	int r, ssid_cpu, ssid_cpuacct;

	r = sensor_features_ask(&f, &ssid_cpu, &ssid_cpuacct);
	if (r == 0) {
		f.fentry_reparent =
			sensor_features_try_reparent(f.why_no_fentry, sizeof(f.why_no_fentry));
		if (f.fentry_reparent)
			f.reparent_hook = "fentry";
		f.hot_pass = sensor_features_try_hot();
		if (f.hot_pass)
			f.scan = "iter_task+hot";
		*ret = f;
	}
	libbpf_set_print(old);
	return r;
}
