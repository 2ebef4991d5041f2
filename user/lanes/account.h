/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUNAWAY_LANES_ACCOUNT_H
#define RUNAWAY_LANES_ACCOUNT_H

/* Private to the room: what each lane's findings have cost. Never goes back, and outlives the lane.
 */

#include <stdint.h>

struct lane_accounts; /* NULL: none yet */

/* Makes the account of a lane when there is none. 0 or -ENOMEM. */
int runaway_account_ensure(struct lane_accounts **head, const char *lane_id);
/* A lane without an account is charged nothing. */
void runaway_account_charge(struct lane_accounts *head, const char *lane_id, uint64_t cpu_ns);
uint64_t runaway_account_cpu_ns(const struct lane_accounts *head, const char *lane_id);
void runaway_accounts_free(struct lane_accounts *head);

#endif
