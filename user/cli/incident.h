/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_INCIDENT_H
#define RUNAWAY_CLI_INCIDENT_H

#include "cli/cli.h"

/* The story of one incident on one screen (incident_show.c). */
int runaway_cli_print_incident(struct cli *c, const cJSON *doc);

#endif
