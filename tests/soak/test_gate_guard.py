#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
# timeout_s: 10800
"""A million forbidden signals for each kernel that is said to refuse them all, and its clock."""

import json
import re

import guests
from soak import experiment, main  # first: it knows where the harness is

# guest (tests/vm/matrix.py) -> the tier that it must reach
GUESTS = {"5.10": "T1", "6.1": "T1", "6.1-preempt": "T1", "6.12": "T1", "7": "T1",
          "5.10-no-lsm": "T2"}
BATCH = 500000  # attempts of one boot: a guest has its time limit
FLOOD = re.compile(r"/by_(\w+)/flood - (\d+) of (\d+) forbidden attempts passed, (\d+) signals arrived")
TIER = re.compile(r"/tier - (T\d) ")
WINDOWS = re.compile(r"# (\d+) windows that the clock was set into: (.*)")


def flood(guest, tier, by):
    def forbidden(t, row):
        boots = 0
        while row.tried < row.count:
            status, said = guests.boot(t, guest, "--only", "gate_guard", RUNAWAY_GATE_BY=by,
                                       RUNAWAY_GATE_ATTEMPTS=str(min(BATCH, row.count - row.tried)))
            floods = [found[1:] for found in FLOOD.findall(said) if found[0] == by]
            tiers = TIER.findall(said)
            if status or not floods or set(tiers) != {tier}:
                row.bad(f"{guest}: status {status}, tiers {tiers}: {said[-300:]}")
                return
            boots += 1
            for passed, of, arrived in floods:
                row.tried += int(of)
                row.bad(f"{guest}: delivered", max(int(passed), int(arrived)))
            row.kernel = guests.kernel(said)
        row.note(f"{tier}, {boots} boots")

    forbidden.__name__ = guests.name(f"forbidden_signals_{by}", guest)
    experiment(f"G9 {guest}" + ("" if by == "pid" else f" by {by}"),
               f"forbidden signals by nine routes while others preempt, guest `{guest}`, subject "
               f"known by its {by}", check=None, full=1000000)(forbidden)


# By pid is how the daemon has its gate guarded.
for name, expected in GUESTS.items():
    flood(name, expected, "pid")
    flood(name, expected, "cgroup")


def clock(guest):
    """The count is the guest's own (tests/vm/cases/gate_clock.py)."""
    def windows(t, row):
        status, said = guests.boot(t, f"{guest}-gate", "--only", "gate_clock")
        found = WINDOWS.search(said)
        if status or not found:
            row.bad(f"{guest}: status {status}: {said[-300:]}")
            return
        row.tried, row.kernel = int(found.group(1)), guests.kernel(said)
        row.note(", ".join(f"{n} {reason}" for reason, n in sorted(json.loads(found.group(2)).items())))

    windows.__name__ = guests.name("windows", guest)
    experiment(f"G6 {guest}", "windows over, to come, and open, that the wall clock was set into or "
               f"within, guest `{guest}-gate`", check=None, full=1000)(windows)


for name in ("5.10", "6.1", "6.12", "7"):
    clock(name)

if __name__ == "__main__":
    main()
