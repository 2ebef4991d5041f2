/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sanitizers are there to find, in places where they cannot say so:
 * faulty overrun|overflow|leak free|user|actuator
 */
#include <linux/capability.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/actuator_priv.h"
#include "gate/confine.h"

#define NOBODY 65534

/* Or what nobody looks at is not done. */
static volatile int sink;

static int overrun(const char *p, volatile int n)
{
	return p[n];
}

static int overflow(volatile int n)
{
	return INT_MAX - 9 + n;
}

static int leak(volatile int n)
{
	char *volatile p = malloc((size_t)n);

	p = NULL;
	return p != NULL;
}

static int give_up(const char *place)
{
	if (strcmp(place, "free") == 0)
		return 0;
	if (strcmp(place, "user") == 0)
		return runaway_confine_drop(NOBODY, NOBODY, 0);
	/* As the actuator does: no file, no byte, seven system calls. */
	if (close_range(0, ~0U, 0) < 0 ||
	    runaway_confine_drop(NOBODY, NOBODY, UINT64_C(1) << CAP_KILL) < 0 ||
	    runaway_confine_limit(RLIMIT_NPROC, 0) < 0 ||
	    runaway_confine_limit(RLIMIT_FSIZE, 0) < 0)
		return -1;
	return runaway_confine_syscalls(runaway_actuator_syscalls, runaway_actuator_syscalls_count);
}

int main(int argc, char **argv)
{
	/* The actuator cannot have more memory either. */
	char *volatile p = malloc(10);

	if (argc != 3 || give_up(argv[2]) < 0)
		_exit(2);
	if (strcmp(argv[1], "overrun") == 0)
		sink = overrun(p, 10);
	else if (strcmp(argv[1], "overflow") == 0)
		sink = overflow(10);
	else if (strcmp(argv[1], "leak") == 0)
		sink = leak(10);
	/* The gate's processes end so: nothing looks for leaks there, and no filter would let it.
	 */
	if (strcmp(argv[2], "actuator") == 0)
		_exit(0);
	free(p);
	return 0;
}
