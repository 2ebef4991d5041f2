/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/landlock.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/macros.h"

/* <linux/landlock.h>, which Debian 12 has without the member that matters here. */
#define RULESET_VERSION	 (1U << 0)   /* LANDLOCK_CREATE_RULESET_VERSION */
#define SCOPE_SIGNAL	 (1ULL << 1) /* LANDLOCK_SCOPE_SIGNAL */
#define SCOPE_SIGNAL_ABI 6

struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

int runaway_landlock_scope_signals(void)
{
	const struct ruleset_attr attr = { .scoped = SCOPE_SIGNAL };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
	_cleanup_close_ int fd = -1;

	/* Not built in (ENOSYS), switched off at boot (EOPNOTSUPP), or too old. */
	if (abi < SCOPE_SIGNAL_ABI)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 1;
}
