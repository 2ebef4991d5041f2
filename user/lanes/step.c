/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verdict: numbers, limits and elapsed time in, nothing else. Unknown is
 * NaN, and every comparison below is written so that NaN makes it false.
 */

#include <math.h>

#include "base/macros.h"
#include "lanes/step.h"
#include "lanes/tables.h"

/*
 * Observations that a hold time must contain. A machine that slept, or a daemon
 * that was stopped, comes back with a clock that is far ahead: two looks with
 * an hour between them are not an hour of watching.
 */
#define HOLD_TICKS_MIN 3

bool runaway_lane_crossed(const struct lane *lane, const struct lane_numbers *n)
{
	bool any = false;

	for (size_t i = 0; i < LIMIT_KEYS; i++) {
		double limit = limit_get(&lane->trigger, &runaway_limit_keys[i]);

		if (isnan(limit))
			continue;
		if (!(number_get(n, &runaway_limit_keys[i]) >= limit))
			return false;
		any = true;
	}
	return any;
}

/*
 * The trigger asks for all of its numbers, so the opposite is that one of them
 * came down: to its clear limit, or below the trigger's own where there is none.
 */
static bool calm(const struct lane *lane, const struct lane_numbers *n)
{
	for (size_t i = 0; i < LIMIT_KEYS; i++) {
		const struct limit_key *k = &runaway_limit_keys[i];
		double limit = limit_get(&lane->trigger, k), clear = NAN;
		double value = number_get(n, k);

		if (isnan(limit) || k->grows)
			continue;
		if (k->clear_name)
			clear = clear_get(&lane->clear, k);
		if (isnan(clear) ? value < limit : value <= clear)
			return true;
	}
	return false;
}

static void write_evidence(const struct lane *lane, const struct lane_numbers *n,
			   struct evidence *ev, size_t *ret_n)
{
	size_t count = 0;

	for (size_t i = 0; i < LIMIT_KEYS; i++) {
		const struct limit_key *k = &runaway_limit_keys[i];
		double limit = limit_get(&lane->trigger, k);

		if (!isnan(limit))
			ev[count++] =
				(struct evidence){ k->metric, k->unit, number_get(n, k), limit };
	}
	*ret_n = count;
}

/* Has it held for for_s, seen often enough? A clock that went back makes it younger, not older. */
static bool held(uint64_t since_ns, uint64_t lapsed_ns, uint32_t ticks, uint64_t now_ns,
		 double for_s)
{
	uint64_t elapsed_ns = now_ns > since_ns ? now_ns - since_ns : 0;

	if (!(for_s > 0))
		return true;
	return ticks >= HOLD_TICKS_MIN &&
	       (double)elapsed_ns - (double)lapsed_ns >= for_s * (double)NSEC_PER_SEC;
}

/* Counts one more observation of a condition; a first one starts its clock. 0 means "not now". */
static void observe(bool holds, uint64_t now_ns, uint64_t *since_ns, uint32_t *ticks)
{
	if (!holds) {
		*since_ns = 0;
		*ticks = 0;
		return;
	}
	if (!*since_ns)
		*since_ns = MAX(now_ns, UINT64_C(1));
	if (*ticks < UINT32_MAX)
		(*ticks)++;
}

/* A pending condition that failed at this tick: is it only a lapse? */
static bool lapses(struct lane_state *state, uint64_t now_ns, double for_s)
{
	if (state->open || !state->true_since_ns || now_ns < state->last_ns)
		return false;
	state->lapsed_ns += now_ns - state->last_ns;
	return (double)state->lapsed_ns <= LANE_LAPSE * for_s * (double)NSEC_PER_SEC;
}

enum lane_verdict runaway_lane_step(const struct lane *lane, bool matched,
				    const struct lane_numbers *n, uint64_t now_ns,
				    struct lane_state *state,
				    struct evidence ev[static RUNAWAY_EVIDENCE_MAX], size_t *ret_n)
{
	bool condition = matched && runaway_lane_crossed(lane, n);
	bool lapse = matched && !condition && lapses(state, now_ns, lane->trigger.for_s);

	write_evidence(lane, n, ev, ret_n);
	state->last_ns = now_ns;
	if (!lapse)
		observe(condition, now_ns, &state->true_since_ns, &state->true_ticks);
	if (!state->true_since_ns)
		state->lapsed_ns = 0;

	if (!state->open) {
		if (!condition)
			return lapse ? LANE_PENDING : LANE_IDLE;
		if (!held(state->true_since_ns, state->lapsed_ns, state->true_ticks, now_ns,
			  lane->trigger.for_s))
			return LANE_PENDING;
		state->open = true;
		state->clear_since_ns = 0;
		state->clear_ticks = 0;
		return LANE_OPENED;
	}

	if (!matched) {
		*state = (struct lane_state){ 0 };
		return LANE_CLEARED;
	}
	observe(!condition && calm(lane, n), now_ns, &state->clear_since_ns, &state->clear_ticks);
	if (!state->clear_since_ns)
		return LANE_HOLDING;
	if (!held(state->clear_since_ns, 0, state->clear_ticks, now_ns, lane->clear.for_s))
		return LANE_CLEARING;
	*state = (struct lane_state){ 0 };
	return LANE_CLEARED;
}
