/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/format.h"

static int print_doctor(struct cli *c, const cJSON *d)
{
	const cJSON *check, *checks = runaway_cli_get(d, "checks");

	cJSON_ArrayForEach (check, checks) {
		bool ok = runaway_json_true(check, "ok", false);
		const char *mend = runaway_cli_string(check, "mend");

		runaway_cli_paint(c, ok ? CLI_GREEN : CLI_RED, ok ? "ok    " : "FAIL  ");
		fprintf(c->out, "%-18s ", runaway_json_str(check, "name", "-"));
		runaway_cli_text(c, runaway_cli_string(check, "detail"));
		fputc('\n', c->out);
		if (mend) {
			fputs("      to mend: ", c->out);
			runaway_cli_text(c, mend);
			fputc('\n', c->out);
		}
	}
	return CLI_OK;
}

static int verdict(const cJSON *d)
{
	return runaway_json_true(d, "ok", false) ? CLI_OK : CLI_FAILED;
}

static const struct cli_verb verbs[] = {
	{ .name = "",
	  .summary = "each requirement of this host, pass or fail, with the mend",
	  .method = "doctor",
	  .print = print_doctor,
	  .verdict = verdict },
	{ 0 },
};

const struct cli_noun runaway_cli_doctor = { "doctor", "what this host must offer", verbs };
