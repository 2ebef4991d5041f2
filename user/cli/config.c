/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"

static int print_check(struct cli *c, const cJSON *result)
{
	(void)result; /* a configuration that is refused is an error, not a result */
	runaway_cli_text(c, c->arg[0]);
	fputs(": valid\n", c->out);
	return CLI_OK;
}

static int print_reload(struct cli *c, const cJSON *result)
{
	(void)result;
	fputs("reloaded\n", c->out);
	return CLI_OK;
}

static const struct cli_verb verbs[] = {
	{ .name = "check",
	  .args = "FILE",
	  .summary = "validate a file; nothing is changed",
	  .method = "config.check",
	  .args_min = 1,
	  .args_max = 1,
	  .params = runaway_cli_file_params,
	  .print = print_check },
	{ .name = "show", .summary = "the configuration in force (JSON)", .method = "config.show" },
	{ .name = "reload",
	  .summary = "read the file again; the old one stays if it is refused",
	  .method = "config.reload",
	  .print = print_reload },
	{ 0 },
};

const struct cli_noun runaway_cli_config = { "config", "configuration", verbs };
