/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `lane test --replay`: runawayd's own work. No daemon runs, no privilege is needed. */

#include <string.h>

#include "cli/cli.h"

/* Its lines as the elements of one array; what is no JSON breaks nothing else. */
static int as_document(struct cli *c, char **argv)
{
	_cleanup_strbuf_ struct strbuf said = STRBUF_INIT;
	char *rest = NULL;
	bool first = true;
	int r = runaway_cli_program(c, argv, &said);

	if (r != CLI_OK)
		return r;
	fputc('[', c->out);
	for (char *line = said.data ? strtok_r(said.data, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		fprintf(c->out, "%s%s", first ? "" : ",\n", line);
		first = false;
	}
	fputs("]\n", c->out);
	return CLI_OK;
}

int runaway_cli_lane_replay(struct cli *c, const char *recording, const char *config)
{
	char *argv[] = { (char *)"runawayd", (char *)"--replay", (char *)recording,
			 (char *)"--config", (char *)config,	 NULL };

	return c->json ? as_document(c, argv) : runaway_cli_become_program(c, argv);
}
