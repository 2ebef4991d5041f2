/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_INCIDENT_H
#define RUNAWAY_CLI_INCIDENT_H

#include "cli/cli.h"

/* The list (incident.c); the verbs stand in incident_steps.c. */
extern const struct cli_option runaway_cli_incident_list_options[];
int runaway_cli_incident_list_params(struct cli *c, struct json_writer *w);
int runaway_cli_print_incidents(struct cli *c, const cJSON *list);

/* What an approver signs with, and for which window (approve.c). */
struct cli_approval {
	const char *incident_id, *plan_sha256;
	const char *owner, *evidence;
	uint64_t start_ns, end_ns;     /* CLOCK_REALTIME */
	const struct runaway_key *key; /* NULL: not signed */
	const char *drill_key;	       /* NULL: no drill */
};
/*
 * Fetches the plan, sees that its digest is the one that was named, and hands the approval in by
 * `method`. CLI_OK or a status after a message.
 */
int runaway_cli_approve(struct cli *c, const char *method, const struct cli_approval *in,
			cJSON **ret_answer, const cJSON **ret_result);
/* "START/END": RFC 3339, or a duration from START ("10m", "2h"), START may be "now". */
int runaway_cli_window(struct cli *c, const char *text, uint64_t *ret_start_ns,
		       uint64_t *ret_end_ns);

/* The story of one incident on one screen (incident_show.c). */
int runaway_cli_print_incident(struct cli *c, const cJSON *doc);

#endif
