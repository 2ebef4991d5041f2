/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/no_signals.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "base/seccomp_arch.h"

#ifndef FIOSETOWN
#define FIOSETOWN 0x8901 /* asm-generic/sockios.h, as is the next */
#define SIOCSPGRP 0x8902
#endif

enum when { ALWAYS, WHEN, UNLESS };

/* Arguments that decide are ints to the kernel: it looks at the low half, and so does this. */
static const struct rule {
	uint32_t nr;
	enum when when;
	unsigned int arg;
	uint32_t value;
} rules[] = {
	{ SYS_kill, ALWAYS, 0, 0 },
	{ SYS_tkill, ALWAYS, 0, 0 },
	{ SYS_rt_sigqueueinfo, ALWAYS, 0, 0 },
	{ SYS_rt_tgsigqueueinfo, ALWAYS, 0, 0 },
	{ SYS_pidfd_send_signal, ALWAYS, 0, 0 },
	{ SYS_pidfd_getfd, ALWAYS, 0, 0 },
	{ SYS_process_vm_writev, ALWAYS, 0, 0 },
	/* What goes through a ring is seen by no filter. */
	{ SYS_io_uring_setup, ALWAYS, 0, 0 },
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks traces the process itself */
	{ SYS_ptrace, ALWAYS, 0, 0 },
#endif
	{ SYS_fcntl, WHEN, 1, F_SETOWN },
	{ SYS_fcntl, WHEN, 1, F_SETSIG },
	{ SYS_fcntl, WHEN, 1, F_SETOWN_EX },
	{ SYS_fcntl, WHEN, 1, F_SETLEASE },
	{ SYS_fcntl, WHEN, 1, F_NOTIFY },
	{ SYS_ioctl, WHEN, 1, FIOSETOWN },
	{ SYS_ioctl, WHEN, 1, SIOCSPGRP },
	{ SYS_prlimit64, UNLESS, 0, 0 },
};

#define LOAD(offset)	 ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset)))
#define EQUAL(k, jt, jf) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), (jt), (jf)))
#define ANSWER(what)	 ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (what)))
#define REFUSE		 ANSWER(SECCOMP_RET_ERRNO | EPERM)

#define RULE_OPS   5
#define FILTER_OPS (6 + RULE_OPS * (ARRAY_SIZE(rules) + 1) + 1)

/* Both architectures are little-endian: the low half comes first. The number is loaded before
 * and after. */
static struct sock_filter *add_rule(struct sock_filter *op, const struct rule *r)
{
	if (r->when == ALWAYS) {
		*op++ = EQUAL(r->nr, 0, 1);
		*op++ = REFUSE;
		return op;
	}
	*op++ = EQUAL(r->nr, 0, RULE_OPS - 2);
	*op++ = LOAD(offsetof(struct seccomp_data, args) + 8 * (size_t)r->arg);
	*op++ = r->when == WHEN ? EQUAL(r->value, 0, 1) : EQUAL(r->value, 1, 0);
	*op++ = REFUSE;
	*op++ = LOAD(offsetof(struct seccomp_data, nr));
	return op;
}

int runaway_no_signals(void)
{
	const struct rule others_threads = { SYS_tgkill, UNLESS, 0, (uint32_t)getpid() };
	struct sock_filter filter[FILTER_OPS], *op = filter;
	struct sock_fprog prog = { .filter = filter };

	*op++ = LOAD(offsetof(struct seccomp_data, arch));
	*op++ = EQUAL(RUNAWAY_SECCOMP_ARCH, 1, 0);
	*op++ = REFUSE;
	*op++ = LOAD(offsetof(struct seccomp_data, nr));
	*op++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, RUNAWAY_SECCOMP_MAX_NR, 0,
					     1);
	*op++ = REFUSE;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		op = add_rule(op, &rules[i]);
	op = add_rule(op, &others_threads);
	*op++ = ANSWER(SECCOMP_RET_ALLOW);
	prog.len = (unsigned short)(op - filter);
	/* Not by seccomp(2), which the filter of a service manager may refuse. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0 ? -errno : 0;
}
