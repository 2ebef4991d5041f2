/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_BTF_H
#define RUNAWAY_BASE_BTF_H

/*
 * Where the running kernel tells its types. Named when an object is opened, libbpf looks for a
 * type there alone; left to itself it goes on to the modules' types when there is none (older and
 * newer forms of a structure are never there together), and listing those needs
 * CAP_SYS_ADMIN: libbpf before 1.4 then fails with EPERM instead of doing without.
 */
#define RUNAWAY_KERNEL_BTF "/sys/kernel/btf/vmlinux"

#endif
