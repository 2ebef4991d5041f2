// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * map_noise: another BPF tool on the host. Updates and deletes entries of a hash map of
 * its own as fast as it can, until it is told to end (or after its life). Prints
 * "ready" once it has begun. Each update turns classic tracepoint programs off on its CPU.
 */

#include <linux/bpf.h>
#include <signal.h>
#include <sys/syscall.h>

#include "helper.h"

static int bpf_call(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int main(void)
{
	union bpf_attr create = { 0 }, change = { 0 }, gone = { 0 };
	uint64_t key = 0, value = 1;
	int fd;

	limit_life();
	create.map_type = BPF_MAP_TYPE_HASH;
	create.key_size = sizeof(key);
	create.value_size = sizeof(value);
	create.max_entries = 4096;
	fd = bpf_call(BPF_MAP_CREATE, &create);
	if (fd < 0)
		die("BPF_MAP_CREATE");
	change.map_fd = (uint32_t)fd;
	change.key = (uint64_t)(uintptr_t)&key;
	change.value = (uint64_t)(uintptr_t)&value;
	gone.map_fd = (uint32_t)fd;
	gone.key = change.key; /* and nothing else, or it is refused */
	puts("ready");
	fflush(stdout);
	for (;; key = (key + 1) % 4096) {
		if (bpf_call(BPF_MAP_UPDATE_ELEM, &change))
			die("BPF_MAP_UPDATE_ELEM");
		if (bpf_call(BPF_MAP_DELETE_ELEM, &gone))
			die("BPF_MAP_DELETE_ELEM");
	}
}
