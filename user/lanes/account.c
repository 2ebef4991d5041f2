/* SPDX-License-Identifier: GPL-2.0-or-later */
#define HASH_NONFATAL_OOM 1

#include "lanes/account.h"

#include <string.h>
#include <uthash.h>

#include "base/macros.h"

struct lane_accounts {
	char *lane_id;
	uint64_t cpu_ns;
	UT_hash_handle hh;
};

static struct lane_accounts *find(const struct lane_accounts *head, const char *lane_id)
{
	struct lane_accounts *a;

	HASH_FIND_STR(head, lane_id, a);
	return a;
}

int runaway_account_ensure(struct lane_accounts **head, const char *lane_id)
{
	struct lane_accounts *a = find(*head, lane_id);

	if (a)
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->lane_id = strdup(lane_id);
	if (a->lane_id)
		HASH_ADD_KEYPTR(hh, *head, a->lane_id, strlen(a->lane_id), a);
	if (!a->lane_id || find(*head, lane_id) != a) {
		free(a->lane_id);
		free(a);
		return -ENOMEM;
	}
	return 0;
}

void runaway_account_charge(struct lane_accounts *head, const char *lane_id, uint64_t cpu_ns)
{
	struct lane_accounts *a = find(head, lane_id);

	if (a)
		a->cpu_ns += cpu_ns;
}

uint64_t runaway_account_cpu_ns(const struct lane_accounts *head, const char *lane_id)
{
	const struct lane_accounts *a = find(head, lane_id);

	return a ? a->cpu_ns : 0;
}

void runaway_accounts_free(struct lane_accounts *head)
{
	struct lane_accounts *a, *next;

	HASH_ITER (hh, head, a, next) {
		HASH_DEL(head, a);
		free(a->lane_id);
		free(a);
	}
}
