/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli/format.h"

static int print_check(struct cli *c, const cJSON *result)
{
	(void)result; /* a configuration that is refused is an error, not a result */
	runaway_cli_text(c, c->arg[0]);
	fputs(": valid\n", c->out);
	return CLI_OK;
}

/* A file is checked before there is a daemon, too: runawayd does it by itself. */
static int check_alone(struct cli *c)
{
	char *argv[] = { (char *)"runawayd", (char *)"--check-config", (char *)c->arg[0], NULL };
	_cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
	_cleanup_cjson_ cJSON *result = NULL;
	int r = runaway_cli_program(c, argv, &said);

	if (r != CLI_OK)
		return r;
	result = cJSON_CreateObject();
	if (!result || !cJSON_AddTrueToObject(result, "ok"))
		return runaway_cli_fail(c, "failed", "out of memory");
	return runaway_cli_show(c, result);
}

static int run_check(struct cli *c)
{
	/* Standard input can be read once: it has been, for the daemon. */
	return runaway_cli_call_or(c, strcmp(c->arg[0], "-") == 0 ? NULL : check_alone);
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
	  .print = print_check,
	  .run = run_check },
	{ .name = "show", .summary = "the configuration in force (JSON)", .method = "config.show" },
	{ .name = "reload",
	  .summary = "read the file again; the old one stays if it is refused",
	  .method = "config.reload",
	  .print = print_reload },
	{ 0 },
};

const struct cli_noun runaway_cli_config = { "config", "configuration", verbs };
