/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_GATE_TABLES_H
#define RUNAWAY_GATE_TABLES_H

/* The documents' tables, for their tests: keys sorted, members at their places. */

#include "gate/canonical.h"

extern const struct field runaway_plan_fields[];
extern const struct field runaway_approval_fields[];
extern const struct field runaway_release_fields[];

#endif
