/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"

const char *runaway_cli_gate_state(const cJSON *gate)
{
	if (!runaway_json_true(gate, "enabled", false))
		return "disabled";
	if (!runaway_json_true(gate, "alive", false))
		return "not running";
	if (runaway_json_true(gate, "disarmed", false))
		return "disarmed";
	return runaway_json_true(gate, "armed", false) ? "armed" : "not armed";
}
