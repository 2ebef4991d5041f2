#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
# timeout_s: 10800
"""A million forbidden signals for each kernel whose BPF LSM is to refuse them all."""

import os
import pathlib
import re
import subprocess

from soak import experiment, main  # first: it knows where the harness is

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GUESTS = ("5.10", "6.1", "6.1-preempt", "6.12", "7")
BATCH = 200000  # attempts of one boot: a guest has its time limit
FLOOD = re.compile(r"flood - (\d+) of (\d+) forbidden attempts passed, (\d+) signals arrived")
TIER = re.compile(r"/tier - (T\d) ")


def boot(t, guest, attempts):
    done = subprocess.run(
        [ROOT / "tests/vm/run", guest, t.build, "--only", "gate_guard"],
        env={**os.environ, "RUNAWAY_GATE_ATTEMPTS": str(attempts)},
        capture_output=True, text=True, check=False)  # fmt: skip
    return done.returncode, done.stdout


@experiment("G9", "forbidden signals by nine routes, under preemption, each kernel with the BPF LSM",
            check=None, full=1000000)  # fmt: skip
def forbidden_signals(t, row):
    for guest in GUESTS:
        tried = 0
        while tried < row.count:
            status, said = boot(t, guest, min(BATCH, row.count - tried))
            floods, tiers = FLOOD.findall(said), TIER.findall(said)
            if status or not floods or set(tiers) != {"T1"}:
                row.bad(f"{guest}: status {status}, tiers {tiers}: {said[-300:]}")
                return
            for passed, of, arrived in floods:
                tried += int(of)
                row.bad(f"{guest}: delivered", max(int(passed), int(arrived)))
        row.tried += tried
        row.note(f"{guest}: {tried}")


if __name__ == "__main__":
    main()
