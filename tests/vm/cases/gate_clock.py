#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# guests: 6.12
# timeout_s: 300
"""
Somebody who sets the wall clock opens no maintenance window by it: neither one that is over
nor one that is to come, before the approval, after it, or while the gate looks. Only here may
a test set the clock.
"""

import json
import os
import random
import time

from gateproc import MINUTE_NS, Gate, canonical, counting_orphan, rfc3339
from harness import main, test, wait_for

TRIES = 1000 if "gate" in os.environ.get("RUNAWAY_GUEST", "") else 30


def step(ns):
    """Sets the wall clock forward or back."""
    time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns() + ns)


def approve(gate, plan, start_ns, end_ns):
    """An approval for a window so far from now, by the clocks as they are now."""
    now, boot = time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return canonical(gate.approval(plan, window_start=rfc3339(now + start_ns),
                                   window_end=rfc3339(now + end_ns),
                                   deadline_boot_ns=str(max(1, boot + end_ns))))


# (seconds from now to the window's start and to its end, how far the clock is set) so that the
# wall clock is in the window afterwards
def into_the_past(rng):
    end = rng.randint(-1200, -1)
    return end - 600, end, end - rng.randint(0, 600)


def into_the_future(rng):
    start = rng.randint(1, 1200)
    return start, start + 600, start + rng.randint(0, 600)


def out_and_in(rng):
    """The window is open, and the clock is set by more than the tolerance, within it."""
    return -600, 600, rng.choice((-1, 1)) * rng.randint(3, 500)


@test
def no_window_is_opened_by_the_clock(t):
    rng = random.Random(4711)
    gate = Gate(t).start()
    pid, terms = counting_orphan(t)
    reasons = {}
    for i in range(TRIES):
        start_s, end_s, by_s = (into_the_past, into_the_future, out_and_in)[i % 3](rng)
        plan = canonical(gate.plan(gate.target(pid)))
        approval = approve(gate, plan, start_s * 10**9, end_s * 10**9)
        step(by_s * 10**9)
        done = gate.apply(plan, approval)
        step(-by_s * 10**9)
        assert done["allowed"] is False, (start_s, end_s, by_s, done)
        reasons[done["reason"]] = reasons.get(done["reason"], 0) + 1
    assert terms() == 0
    # A plan "of the future" is the dry-run's matter; the rest the window's and the clock's.
    known = {"clock_moved", "window_deadline", "window_over", "window_not_open", "plan_not_yet",
             "plan_expired", "approval_not_yet"}
    assert set(reasons) <= known and reasons.get("clock_moved"), reasons
    print(f"# {TRIES} windows that the clock was set into: {json.dumps(reasons)}")
    # With the clock as it was, one that is open lets it through.
    plan = canonical(gate.plan(gate.target(pid)))
    done = gate.apply(plan, approve(gate, plan, -MINUTE_NS, 10 * MINUTE_NS))
    assert done["allowed"], done
    wait_for(lambda: terms() == 1, 10, "one SIGTERM")


@test
def edges_of_a_window_are_kept(t):
    """A window of two seconds: before it and after it nothing, within it the signal."""
    gate = Gate(t).start()
    pid, terms = counting_orphan(t)
    plan = canonical(gate.plan(gate.target(pid)))
    early = approve(gate, plan, 3 * 10**9, 5 * 10**9)
    assert gate.apply(plan, early)["reason"] == "window_not_open"
    time.sleep(5.2)
    assert gate.apply(plan, early)["reason"] in ("window_over", "window_deadline")
    assert terms() == 0
    inside = approve(gate, plan, 10**9, 60 * 10**9)
    assert gate.apply(plan, inside)["reason"] == "window_not_open"
    time.sleep(1.2)
    assert gate.apply(plan, inside)["allowed"]
    wait_for(lambda: terms() == 1, 10, "one SIGTERM")


if __name__ == "__main__":
    main()
