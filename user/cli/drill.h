/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_DRILL_H
#define RUNAWAY_CLI_DRILL_H

#include "cli/cli.h"
#include "gate/key.h"

/*
 * What a drill ends: a process of this program, in a cgroup of its own that is named
 * after the drill's throw-away key. It ends by itself when the client does, and after
 * two minutes in any case.
 */
struct drill_fixture {
	pid_t pid;    /* 0: none */
	int leash;    /* write end of a pipe: closing it ends the fixture; -1 */
	char *cgroup; /* its folder, owned; NULL: none */
};

/* v1: the hierarchy of the cpuacct or cpu controller; else v2. CLI_OK or a status after a message.
 */
int runaway_cli_fixture_start(struct cli *c, const struct runaway_key *key, bool v1,
			      struct drill_fixture *ret);
/* Ends it if it still runs, and removes its cgroup. */
void runaway_cli_fixture_end(struct drill_fixture *f);

#endif
