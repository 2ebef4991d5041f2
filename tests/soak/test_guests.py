#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
# timeout_s: 10800
"""Storms on other kernels than this one: skipped runs of programs, and lineage."""

import json
import re

import guests
from soak import SEED, experiment, main  # first: it knows where the harness is

LIMIT_S = 4 * 3600  # a million forks take more than one
# guest -> (forks, whether runs are skipped there for certain): from 7.0 on a tracepoint's programs
# are preempted, 6.1 has yet to skip its first.
MISSES = {"7": (1000000, True), "6.1-preempt": (100000, False)}
# make check runs misses.py with 1,600 forks; each boot here is another storm with the whole count.
HEALED = re.compile(r"# (\d+) forks, (\d+) orphans, (\d+) runs skipped: (.*)$", re.M)
# guest -> counts of L1 (rounded down to whole batches), L2 and L3 (of each shape there)
LINEAGE = {"5.10": (5400, 2000, 20), "6.1": (5400, 2000, 20), "6.12": (5400, 2000, 20),
           "7": (5400, 2000, 20), "6.12-arm64": (1100, 1000, 25)}
STORMS = (("L1", "lineage", "orphans of parents with 1, 8 and 64 threads, ended in 4 ways"),
          ("L2", "race", "exit_group of 8 threads, each with a child"),
          ("L3", "shapes", "ways in which a child changes its parent, or seems to"))
ROW = re.compile(r"# row (\{.*\})$", re.M)


def misses(guest, count, certain):
    def skipped_and_healed(t, row):
        status, said = guests.boot(t, guest, "--step", "misses", "--limit", str(LIMIT_S),
                                   RUNAWAY_MISS_FORKS=str(row.count))
        row.kernel = guests.kernel(said)
        found = HEALED.search(said)
        if status or not found:
            row.bad(f"status {status}: {said[-500:]}")
            return
        forks, orphans, skipped, outcome = found.groups()
        row.tried = int(forks)
        row.note(f"{skipped} runs skipped, {orphans} orphans made meanwhile: {outcome}")
        row.bad("nothing was skipped", certain and not int(skipped))

    skipped_and_healed.__name__ = guests.name("skipped", guest)
    experiment(f"L6 {guest}", "forks while programs are preempted and another tool updates a map, "
               f"guest `{guest}`", check=None, full=count)(skipped_and_healed)


def lineage(guest, name, step, what, count):
    def in_guest(t, row):
        status, said = guests.boot(t, guest, "--step", step, "--limit", str(LIMIT_S),
                                   RUNAWAY_SOAK="full", RUNAWAY_SOAK_COUNT=str(row.count),
                                   RUNAWAY_SOAK_SEED=str(SEED))
        row.kernel = guests.kernel(said)
        found = ROW.search(said)
        if found:
            of_guest = json.loads(found.group(1))
            row.tried = of_guest["tried"]
            row.bad(f"{guest}: {said[-500:]}", of_guest["wrong"] + of_guest["splats"])
            row.notes += of_guest["notes"]
        if not found or status and not row.wrong:
            row.bad(f"status {status}: {said[-500:]}")

    in_guest.__name__ = guests.name(step, guest)
    experiment(f"{name} {guest}", f"{what}, guest `{guest}`", check=None, full=count)(in_guest)


for booted, (forks, sure) in MISSES.items():
    misses(booted, forks, sure)
for booted, counts in LINEAGE.items():
    for (row_name, matrix_step, words), many in zip(STORMS, counts):
        lineage(booted, row_name, matrix_step, words, many)

if __name__ == "__main__":
    main()
