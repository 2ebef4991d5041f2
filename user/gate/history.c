/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate/history.h"

#include <string.h>

#include "base/macros.h"

void runaway_history_free(struct runaway_history *h)
{
	free(h->intent);
	*h = (struct runaway_history){ 0 };
}

int runaway_history_add(struct runaway_history *h, const struct runaway_intent *intent)
{
	if (h->count == RUNAWAY_HISTORY_MAX)
		return -ENOSPC;
	if (h->count == h->room) {
		size_t room = MAX(h->room * 2, (size_t)16);
		struct runaway_intent *more = reallocarray(h->intent, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		h->intent = more;
		h->room = room;
	}
	h->intent[h->count++] = *intent;
	return 0;
}

bool runaway_history_answer(struct runaway_history *h, uint64_t seq)
{
	for (size_t i = h->count; i-- > 0;)
		if (h->intent[i].seq == seq && !h->intent[i].answered)
			return h->intent[i].answered = true;
	return false;
}

size_t runaway_history_unknown(const struct runaway_history *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count; i++)
		n += !h->intent[i].answered;
	return n;
}

bool runaway_history_has_nonce(const struct runaway_history *h, const char *nonce)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->intent[i].nonce, nonce) == 0)
			return true;
	return false;
}

bool runaway_history_has_target(const struct runaway_history *h, const char *plan_sha256,
				uint32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->intent[i].pid == pid && h->intent[i].start_ns == start_ns &&
		    strcmp(h->intent[i].plan_sha256, plan_sha256) == 0)
			return true;
	return false;
}

bool runaway_history_is_of(const struct runaway_history *h, uint64_t seq, uint32_t pid,
			   uint64_t start_ns)
{
	for (size_t i = h->count; i-- > 0;)
		if (h->intent[i].seq == seq)
			return h->intent[i].pid == pid && h->intent[i].start_ns == start_ns;
	return false;
}

size_t runaway_history_since(const struct runaway_history *h, const char *lane_id, bool drill,
			     uint64_t boot_ns)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count; i++)
		if (h->intent[i].boot_ns >= boot_ns && h->intent[i].drill == drill &&
		    strcmp(h->intent[i].lane_id, lane_id) == 0)
			n++;
	return n;
}

const struct runaway_intent *runaway_history_last(const struct runaway_history *h, bool drill)
{
	for (size_t i = h->count; i-- > 0;)
		if (h->intent[i].drill == drill)
			return &h->intent[i];
	return NULL;
}
