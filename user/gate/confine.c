/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/confine.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "base/seccomp_arch.h"

/* ---- user and capabilities ---- */

static int set_capabilities(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const uint32_t low = (uint32_t)caps, high = (uint32_t)(caps >> 32);
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = low, .permitted = low },
		{ .effective = high, .permitted = high },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int drop_bounding_set(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return -errno;
	return 0;
}

static int become(uid_t uid, gid_t gid)
{
	/* Or the change of the user would take the capabilities that are to stay. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Believed only when it was looked at. */
static int see_what_is_left(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];
	uid_t r, e, s;

	if (getresuid(&r, &e, &s) < 0 || syscall(SYS_capget, &head, d) < 0)
		return -errno;
	if (r == 0 || e == 0 || s == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    prctl(PR_GET_DUMPABLE) != 0 || (d[0].inheritable | d[1].inheritable) != 0 ||
	    ((uint64_t)d[1].permitted << 32 | d[0].permitted) != caps ||
	    ((uint64_t)d[1].effective << 32 | d[0].effective) != caps)
		return -EPERM;
	return 0;
}

int runaway_confine_drop(uid_t uid, gid_t gid, uint64_t caps)
{
	int err;

	if (uid == 0 || gid == 0)
		return -EINVAL;
	if (geteuid() == 0) {
		err = drop_bounding_set();
		if (err == 0)
			err = become(uid, gid);
		if (err < 0)
			return err;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	err = set_capabilities(caps);
	if (err < 0)
		return err;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return see_what_is_left(caps);
}

int runaway_confine_limit(__rlimit_resource_t resource, rlim_t value)
{
	const struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

	return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

/* ---- system calls ---- */

#define FILTER_MAX 1024

struct filter {
	struct sock_filter op[FILTER_MAX];
	size_t len;
};

static void add(struct filter *f, struct sock_filter op)
{
	if (f->len < FILTER_MAX)
		f->op[f->len] = op;
	f->len++;
}

static void load(struct filter *f, size_t offset)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void answer(struct filter *f, uint32_t what)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

/* Goes on when equal, else past the next `skip` instructions. */
static void go_on_if(struct filter *f, uint32_t value, size_t skip)
{
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, (uint8_t)skip));
}

/* Instructions of one check: each half of the argument is loaded, masked, compared. */
#define CHECK_OPS 6

static void check_half(struct filter *f, unsigned int arg, size_t half, uint64_t mask,
		       uint64_t value, size_t skip)
{
	/* Both architectures are little-endian: the low half comes first. */
	load(f, offsetof(struct seccomp_data, args) + 8 * (size_t)arg + 4 * half);
	add(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
					    (uint32_t)(mask >> (32 * half))));
	go_on_if(f, (uint32_t)(value >> (32 * half)), skip);
}

/* Falls through to the next line of the list unless all of this one fits. */
static void allow(struct filter *f, const struct runaway_syscall *s)
{
	size_t left = (size_t)s->checks * CHECK_OPS + 1;

	load(f, offsetof(struct seccomp_data, nr));
	go_on_if(f, s->nr, left);
	for (unsigned int i = 0; i < s->checks; i++) {
		for (size_t half = 0; half < 2; half++) {
			left -= CHECK_OPS / 2;
			check_half(f, s->check[i].arg, half, s->check[i].mask, s->check[i].value,
				   left);
		}
	}
	answer(f, SECCOMP_RET_ALLOW);
}

int runaway_confine_syscalls(const struct runaway_syscall *allowed, size_t count)
{
	/* Not allocated: behind the filter there is no way to give memory back. */
	struct filter program = { .len = 0 }, *f = &program;
	struct sock_fprog prog;

	load(f, offsetof(struct seccomp_data, arch));
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RUNAWAY_SECCOMP_ARCH, 1, 0));
	answer(f, SECCOMP_RET_KILL_PROCESS);
	load(f, offsetof(struct seccomp_data, nr));
	add(f,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, RUNAWAY_SECCOMP_MAX_NR, 0, 1));
	answer(f, SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < count; i++)
		allow(f, &allowed[i]);
	answer(f, SECCOMP_RET_ERRNO | EPERM);
	if (f->len > FILTER_MAX)
		return -E2BIG;
	prog = (struct sock_fprog){ .len = (unsigned short)f->len, .filter = f->op };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0 ? -errno : 0;
}
