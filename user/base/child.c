/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/child.h"

#include <sys/wait.h>
#include <unistd.h>

bool runaway_child_reap(pid_t pid, unsigned int limit_ms)
{
	if (pid <= 0)
		return true;
	for (unsigned int ms = 0; waitpid(pid, NULL, WNOHANG) == 0; ms++) {
		if (ms >= limit_ms)
			return false;
		usleep(1000);
	}
	return true;
}
