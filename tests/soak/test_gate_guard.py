#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
# timeout_s: 10800
"""A million forbidden signals for each kernel that is said to refuse them all."""

import os
import pathlib
import re
import subprocess

from soak import experiment, main  # first: it knows where the harness is

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# guest (tests/vm/matrix.py) -> the tier that it must reach
GUESTS = {"5.10": "T1", "6.1": "T1", "6.1-preempt": "T1", "6.12": "T1", "7": "T1",
          "5.10-no-lsm": "T2"}
BATCH = 500000  # attempts of one boot: a guest has its time limit
FLOOD = re.compile(r"flood - (\d+) of (\d+) forbidden attempts passed, (\d+) signals arrived")
TIER = re.compile(r"/tier - (T\d) ")
KERNEL = re.compile(r"^# Linux (\S+) (\S+),", re.M)


def boot(t, guest, attempts):
    done = subprocess.run(
        [ROOT / "tests/vm/run", guest, t.build, "--only", "gate_guard"],
        env={**os.environ, "RUNAWAY_GATE_ATTEMPTS": str(attempts)},
        capture_output=True, text=True, check=False)  # fmt: skip
    return done.returncode, done.stdout


def flood(guest, tier):
    def forbidden(t, row):
        boots = 0
        while row.tried < row.count:
            status, said = boot(t, guest, min(BATCH, row.count - row.tried))
            floods, tiers = FLOOD.findall(said), TIER.findall(said)
            if status or not floods or set(tiers) != {tier}:
                row.bad(f"{guest}: status {status}, tiers {tiers}: {said[-300:]}")
                return
            boots += 1
            for passed, of, arrived in floods:
                row.tried += int(of)
                row.bad(f"{guest}: delivered", max(int(passed), int(arrived)))
            row.kernel = " ".join(KERNEL.search(said).groups())
        row.note(f"{tier}, {boots} boots")

    forbidden.__name__ = "forbidden_signals_" + re.sub(r"\W", "_", guest)
    experiment(f"G9 {guest}", "forbidden signals by nine routes while others preempt, guest "
               f"`{guest}`", check=None, full=1000000)(forbidden)


for name, expected in GUESTS.items():
    flood(name, expected)

if __name__ == "__main__":
    main()
