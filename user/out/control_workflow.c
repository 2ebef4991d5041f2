/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The methods that change an incident or speak to the gate. The daemon answers them; here stand
 * only their names, the least role of the caller, and what their parameters may be.
 */
#include "out/control_private.h"

#define P_ID   { "id", PARAM_STRING, true, 1, 64 }
#define P_PLAN { "plan", PARAM_STRING, true, 64, 64 }
/* One that is not named is refused by the daemon, after what matters more: no such incident, no
 * gate. */
#define P_ANY_PLAN { "plan", PARAM_STRING, false, 64, 64 }
#define P_REASON   { "reason", PARAM_STRING, true, 1, 1024 }
#define P_MAYBE	   { "reason", PARAM_STRING, false, 1, 1024 }

const struct control_method runaway_control_workflow[] = {
	{ "incident.triage", ROLE_OPERATOR, NULL, { P_ID, P_MAYBE } },
	{ "incident.dry_run", ROLE_OPERATOR, NULL, { P_ID } },
	/* "approve": who reads it is about to approve it, and hears first whether he may. */
	{ "incident.plan",
	  ROLE_VIEWER,
	  NULL,
	  { P_ID, P_PLAN, { "approve", PARAM_BOOL, false, 0, 0 } } },
	/* The approval as the approver's own client wrote (and signed) it. */
	{ "incident.approve",
	  ROLE_OWNER,
	  NULL,
	  { P_ID, P_PLAN, { "approval", PARAM_STRING, true, 2, 16384 } } },
	{ "incident.explain", ROLE_OPERATOR, NULL, { P_ID, P_ANY_PLAN } },
	{ "incident.apply", ROLE_OPERATOR, NULL, { P_ID, P_ANY_PLAN } },
	{ "incident.post_check", ROLE_OPERATOR, NULL, { P_ID } },
	{ "incident.no_action", ROLE_OPERATOR, NULL, { P_ID, P_REASON } },
	{ "incident.resolve", ROLE_OPERATOR, NULL, { P_ID, P_MAYBE } },
	{ "incident.close", ROLE_OPERATOR, NULL, { P_ID } },
	{ "gate.status", ROLE_VIEWER, NULL, { { 0 } } },
	{ "gate.audit",
	  ROLE_VIEWER,
	  NULL,
	  { { "after_seq", PARAM_UINT, false, 0, UINT32_MAX },
	    { "limit", PARAM_UINT, false, 1, 1000 } } },
	{ "gate.disarm", ROLE_OPERATOR, NULL, { P_REASON } },
	{ "gate.release", ROLE_OWNER, NULL, { { "release", PARAM_STRING, true, 2, 16384 } } },
	/* A fixture that the caller started: what it says is checked against what the kernel told.
	 */
	{ "drill.open",
	  ROLE_OPERATOR,
	  NULL,
	  { { "pid", PARAM_UINT, true, 2, 4194304 }, { "key", PARAM_STRING, true, 64, 64 } } },
	{ "drill.approve",
	  ROLE_OPERATOR,
	  NULL,
	  { P_ID, P_PLAN, { "approval", PARAM_STRING, true, 2, 16384 } } },
	{ 0 },
};
