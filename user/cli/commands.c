/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli/cli.h"

/* In the order of a look at a host: is it up, what burns, what does it mean, what was done. */
const struct cli_noun *const runaway_cli_nouns[] = {
	&runaway_cli_status, &runaway_cli_doctor,  &runaway_cli_proc,	  &runaway_cli_cgroup,
	&runaway_cli_lane,   &runaway_cli_finding, &runaway_cli_incident, &runaway_cli_gate,
	&runaway_cli_drill,  &runaway_cli_config,  &runaway_cli_store,	  NULL,
};

const struct cli_noun *runaway_cli_find_noun(const char *name)
{
	for (const struct cli_noun *const *n = runaway_cli_nouns; *n; n++)
		if (strcmp((*n)->name, name) == 0)
			return *n;
	return NULL;
}

const struct cli_verb *runaway_cli_find_verb(const struct cli_noun *n, const char *name)
{
	for (const struct cli_verb *v = n->verb; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}
