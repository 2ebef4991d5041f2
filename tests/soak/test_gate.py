#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
# timeout_s: 1800
"""The gate's races with their full counts; make check has the same with small ones."""

import os

from soak import experiment, main, of_make_check  # first: it knows where the harness is

# "# what: N tried, N wrong", or how often it came out otherwise than the test says
FOUND = r"^# (.*?): (\d+) tried, (?:(\d+) (?:wrong|signalled other))?(.*)"


def race(t, row, name):
    program = os.path.join(t.build, "tests", "unit", "gate", "test_race")
    found = of_make_check(row, [program, name], {"RUNAWAY_GATE_TRIES": str(row.count)}, FOUND)
    if not found:
        return
    what, tried, wrong, rest = found.groups()
    row.tried = int(tried)
    row.bad(what, int(wrong or 0))
    row.note(what + ("" if wrong else ": " + rest))


@experiment("G2", "the target's pid goes to another process on the way to the signal",
            check=None, full=10000)
def pid_reused(t, row):
    race(t, row, "reused_pids_are_not_signalled")


@experiment("G3", "the target executes another program on the way to the signal",
            check=None, full=10000)
def program_swapped(t, row):
    race(t, row, "other_programs_are_not_signalled")


@experiment("G4a", "one approval submitted twice, one behind the other", check=None, full=10000)
def submitted_twice(t, row):
    race(t, row, "submitted_twice_at_once")


@experiment("G8a", "the gate is killed on the way to the signal and started anew: no signal without "
            "INTENT, none twice, none guessed", check=None, full=10000)
def gate_killed(t, row):
    race(t, row, "killed_at_every_step")


if __name__ == "__main__":
    main()
