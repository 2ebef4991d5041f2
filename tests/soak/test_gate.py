#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""The gate's races with their full counts; make check has the same with small ones."""

import os
import re
import subprocess

from soak import experiment, main  # first: it knows where the harness is


@experiment("G2-G8", "pid reused, program swapped, gate killed, approval submitted twice, at each "
            "step on the way to a signal", check=None, full=10000)
def races(t, row):
    r = subprocess.run([os.path.join(t.build, "tests", "unit", "gate", "test_race")],
                       env={**os.environ, "RUNAWAY_GATE_TRIES": str(row.count)},
                       capture_output=True, text=True, check=False)
    print(r.stdout)
    for line in r.stdout.splitlines():
        found = re.search(r"# (.*?): (\d+) tried, (\d+) (wrong|signalled other)?", line)
        if found:
            row.tried += int(found.group(2))
            if found.group(4) and int(found.group(3)):
                row.bad(line, int(found.group(3)))
    if r.returncode:
        row.bad(r.stderr[-500:])


if __name__ == "__main__":
    main()
