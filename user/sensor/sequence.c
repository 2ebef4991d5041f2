// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records that are missing by their sequence numbers. A number is taken before
 * room is: a program that runs on the same CPU in between (from an interrupt; since
 * 7.0 whenever this one is preempted) puts its later number into the ring first.
 * So a number that was passed over has until the second scan to come; only
 * then it counts as missing.
 */

#include "sensor/sensor_priv.h"

#define WINDOW 64

void sensor_sequence_note(struct sensor_sequence *q, uint64_t seq, uint64_t *gaps)
{
	uint64_t n = seq - q->last, back = q->last - seq - 1;

	if (seq <= q->last) {
		/* Late, or the same number once more. */
		if (seq < q->last && back < WINDOW) {
			q->passed &= ~(UINT64_C(1) << back);
			q->old &= q->passed;
		}
		return;
	}
	if (!q->last) {
		/* What was before it nobody knows. */
	} else if (n >= WINDOW) {
		/* Nobody is late by so many: the ring was full. */
		*gaps += sensor_sequence_open(q) + n - 1;
		q->passed = q->old = 0;
	} else {
		*gaps += (uint64_t)__builtin_popcountll(q->passed >> (WINDOW - n));
		q->passed = q->passed << n | ((UINT64_C(1) << (n - 1)) - 1);
		q->old <<= n;
	}
	q->last = seq;
}

uint64_t sensor_sequence_open(const struct sensor_sequence *q)
{
	return (uint64_t)__builtin_popcountll(q->passed);
}

uint64_t sensor_sequence_settle(struct sensor_sequence *q)
{
	uint64_t missing = (uint64_t)__builtin_popcountll(q->old);

	q->passed &= ~q->old;
	q->old = q->passed;
	return missing;
}
