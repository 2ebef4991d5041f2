#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
# timeout_s: 900
"""Each condition of the gate's judgement is held by a test: taken out, some test fails."""

import re
import subprocess

from harness import ROOT, main, test


@test
def every_condition_is_held_by_a_test(t):
    r = subprocess.run(["make", "--no-print-directory", f"SAN={int(t.sanitized)}", "mutants"],
                       cwd=ROOT, capture_output=True, text=True, check=False)
    print("# " + r.stdout.replace("\n", "\n# "))
    assert r.returncode == 0, (r.stdout[-2000:], r.stderr[-2000:])
    counts = [int(n) for n in re.findall(r": (\d+) mutants, 0 survived", r.stdout)]
    assert len(counts) == 2 and sum(counts) > 200, counts


if __name__ == "__main__":
    main()
