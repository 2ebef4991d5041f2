/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/reason.h"

#include <string.h>

static const struct {
	const char *name, *text;
	enum runaway_condition condition;
} reasons[RUNAWAY_REASON_COUNT] = { [RUNAWAY_REASON_NONE] = { "", "", RUNAWAY_CONDITION_COUNT },
#define X(condition, id, name, text)                                                               \
	[RUNAWAY_REASON_##id] = { (name), (text), RUNAWAY_CONDITION_##condition },
				    RUNAWAY_REASONS(X)
#undef X
};

static const char *const conditions[RUNAWAY_CONDITION_COUNT] = {
#define X(id, name) [RUNAWAY_CONDITION_##id] = (name),
	RUNAWAY_CONDITIONS(X)
#undef X
};

const char *runaway_condition_name(enum runaway_condition condition)
{
	return conditions[condition];
}

const char *runaway_reason_name(enum runaway_reason reason)
{
	return reasons[reason].name;
}

enum runaway_reason runaway_reason_by_name(const char *name)
{
	for (int i = RUNAWAY_REASON_NONE + 1; i < RUNAWAY_REASON_COUNT; i++)
		if (strcmp(reasons[i].name, name) == 0)
			return (enum runaway_reason)i;
	return RUNAWAY_REASON_NONE;
}

const char *runaway_reason_text(enum runaway_reason reason)
{
	return reasons[reason].text;
}

enum runaway_condition runaway_reason_condition(enum runaway_reason reason)
{
	return reasons[reason].condition;
}
