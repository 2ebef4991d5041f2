#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""Damaged logs of incidents, with the full count; make check has the same with a small one."""

import os

from soak import experiment, main, of_make_check  # first: it knows where the harness is

MEMORY = "/dev/shm"  # each log is cut and written anew, which a disk would be waited for


@experiment("S5", "bits flipped in the logs of the store, ends cut off or zeroed: nothing crashes, "
            "what is valid stays, the rest is reported", check=None, full=100000)
def damaged_logs(t, row):
    program = os.path.join(t.build, "tests", "unit", "incident", "test_load")
    env = {"RUNAWAY_TEST_MUTATIONS": str(row.count),
           "RUNAWAY_TEST_SEED": str(row.rng.randrange(1 << 31))}
    if os.path.isdir(MEMORY):
        env["TMPDIR"] = MEMORY
    found = of_make_check(row, [program], env, r"# (\d+) damaged logs opened")
    row.tried = int(found.group(1)) if found else 0


if __name__ == "__main__":
    main()
