/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_BASE_SECCOMP_ARCH_H
#define RUNAWAY_BASE_SECCOMP_ARCH_H

/* What a system call filter has to ask first: whose numbers these are. */

#include <linux/audit.h>
#include <stdint.h>

#if defined(__x86_64__)
#define RUNAWAY_SECCOMP_ARCH   AUDIT_ARCH_X86_64
#define RUNAWAY_SECCOMP_MAX_NR 0x3fffffffU /* x32 sets bit 30 */
#elif defined(__aarch64__)
#define RUNAWAY_SECCOMP_ARCH   AUDIT_ARCH_AARCH64
#define RUNAWAY_SECCOMP_MAX_NR UINT32_MAX
#else
#error "system call filters are written for x86_64 and aarch64"
#endif

#endif
