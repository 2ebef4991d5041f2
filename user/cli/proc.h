/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_PROC_H
#define RUNAWAY_CLI_PROC_H

/* Views of one process, beside the tables of proc.c. */

#include "cli/cli.h"

int runaway_cli_print_proc(struct cli *c, const cJSON *p);    /* proc_show.c */
int runaway_cli_print_tree(struct cli *c, const cJSON *tree); /* proc_tree.c */
/* The ancestors, one a line, furthest first; returns how many. */
unsigned int runaway_cli_print_lineage(struct cli *c, const cJSON *lineage);
/* Parameter "limit" from --limit. */
int runaway_cli_limit_params(struct cli *c, struct json_writer *w);

#endif
