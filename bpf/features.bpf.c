// SPDX-License-Identifier: (GPL-2.0-or-later OR BSD-2-Clause)
/*
 * What this kernel's types look like, asked of the kernel and not of its
 * version: run once, read by user space, where cgroups are v1's.
 */

#include "rw.h"

struct rw_features rw_features;

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __weak __ksym;

__hidden struct task_struct *rw_plain(struct task_struct *t)
{
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(t, bpf_core_type_id_kernel(struct task_struct));
	return t;
}

SEC("raw_tp/sys_enter")
int rw_features_ask(void *ctx)
{
	rw_features.ssid_cpu = -1;
	rw_features.ssid_cpuacct = -1;
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		rw_features.ssid_cpu = bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, cpuacct_cgrp_id))
		rw_features.ssid_cpuacct =
			bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id);
	rw_features.probed = 1;
	return 0;
}
