#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How the driver inside a guest judges a program, and that the matrix says what each must use."""

import contextlib
import io
import os
import sys
import tempfile

import guest
import matrix

# what a program says -> (passed, failed)
JUDGED = {
    "one that passed": ("1..1\nok a (0.1 s)\n", 0, (1, 0)),
    "one that failed": ("1..1\nnot ok a - why\n", 1, (0, 1)),
    "one that was skipped": ("1..1\nok a # SKIP no v1 tree\n", 0, (0, 1)),
    "fewer than planned": ("1..2\nok a\n", 0, (1, 1)),
    "no result at all": ("# nothing\n", 0, (0, 1)),
    "a bad end after what passed": ("1..1\nok a\n", 3, (1, 1)),
}


def judged(said, status):
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as f:
        f.write(f"#!/bin/sh\nprintf '%s' '{said}'\nexit {status}\n")
    os.chmod(f.name, 0o755)
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            counts = guest.run("t", [f.name], {}, 20)
    finally:
        os.unlink(f.name)
    lines = out.getvalue().splitlines()
    # The host counts the lines again.
    again = (sum(x.startswith("ok ") for x in lines), sum(x.startswith("not ok ") for x in lines))
    return counts if counts == again and "# SKIP" not in out.getvalue() else (counts, again)


def main():
    guest.TREE = "/"
    tests = {name: judged(said, status) == counts
             for name, (said, status, counts) in JUDGED.items()}
    tests["every guest has a walk, every step a hook"] = all(
        set(matrix.variants(name)) == {"", *matrix.STEPS} for name in matrix.GUESTS)
    tests["without fentry it is the fallback"] = \
        matrix.variants("7")["fallback"] == "exit_children iter_task+hot"
    tests["every step of a guest is there"] = all(
        step in matrix.STEPS for g in matrix.GUESTS.values() for step in g["steps"])
    print(f"1..{len(tests)}")
    for name, ok in tests.items():
        print(f"{'ok' if ok else 'not ok'} {name}{'' if ok else ' - it is not so'}")
    return 0 if all(tests.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
