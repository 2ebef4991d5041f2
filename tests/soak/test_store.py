#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""Damaged logs of incidents, with the full count; make check has the same with a small one."""

import os
import re
import subprocess

from soak import experiment, main  # first: it knows where the harness is


@experiment("S5", "bits flipped in the logs of the store, ends cut off or zeroed: nothing crashes, "
            "what is valid stays, the rest is reported", check=None, full=100000)
def damaged_logs(t, row):
    r = subprocess.run([os.path.join(t.build, "tests", "unit", "incident", "test_load")],
                       env={**os.environ, "RUNAWAY_TEST_MUTATIONS": str(row.count),
                            "RUNAWAY_TEST_SEED": str(row.rng.randrange(1 << 31))},
                       capture_output=True, text=True, check=False)
    found = re.search(r"# (\d+) damaged logs opened", r.stdout)
    row.tried = int(found.group(1)) if found else row.count
    if r.returncode:
        row.bad(r.stderr[-500:])


if __name__ == "__main__":
    main()
