#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""kill -9 of the daemon with the full count; make check has the same with a small one."""

import os
import sys

from soak import experiment, main, of_make_check  # first: it knows where the harness is

from harness import ROOT


@experiment("S1b", "SIGKILL of the daemon at random moments around one finding: one incident, one "
            "id, a whole chain", check=None, full=1000)
def kills(t, row):
    program = os.path.join(ROOT, "tests", "e2e", "test_restart.py")
    found = of_make_check(row, [sys.executable, program, t.build, "killed_again_and_again"],
                          {"RUNAWAY_TEST_KILLS": str(row.count),
                           "E2E_SEED": str(row.rng.randrange(1000000))}, r"# (\d+) kills")
    row.tried = int(found.group(1)) if found else 0


if __name__ == "__main__":
    main()
