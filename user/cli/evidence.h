/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_CLI_EVIDENCE_H
#define RUNAWAY_CLI_EVIDENCE_H

#include "base/json.h"

/* "cpu_cores 1.12 (limit 0.5 cores), age_s 204 (limit 120 s)". */
void runaway_cli_add_evidence(struct strbuf *b, const cJSON *evidence);
/* "pid 102825", a cgroup's path, "host". */
void runaway_cli_add_subject(struct strbuf *b, const cJSON *subject);

#endif
