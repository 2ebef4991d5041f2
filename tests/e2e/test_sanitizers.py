#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sanitizer of SAN=1 finds reaches the tests, also out of a process that may not speak."""

import shlex
import subprocess

from harness import ROOT, main, test
from sanitizer import EXIT_STATUS, Reports

ENDED = "ended by a sanitizer"
FAULTS = {"overrun": "heap-buffer-overflow", "leak": ENDED,
          "overflow": "runtime error: Signed integer overflow"}


def compiled(t):
    """The program with the faults, by the flags of SAN=1; its reports are its own."""
    flags = subprocess.run(["make", "-s", "--no-print-directory", "SAN=1", "san-flags"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout
    gate = [f"user/gate/{name}.c" for name in ("actuator", "actuator_probe", "confine")]
    path = t.path("faulty")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-g", "-O1", *shlex.split(flags), "-Iinclude",
                    "-Iuser", f'-DRUNAWAY_SAN_REPORTS="{t.tmp}/sanitizer-reports"', "-o", path,
                    "tests/helpers/faulty/faulty.c", "tests/sanitizer.c", *gate], cwd=ROOT, check=True)
    return path


def run(t, program, fault, place):
    """(exit status, what the reports say)"""
    reports = Reports(t.tmp)
    r = subprocess.run([program, fault, place], stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=60, check=False)
    return r.returncode, reports.text()


@test
def each_fault_is_told(t):
    program = compiled(t)
    for place in ("free", "user", "actuator"):
        assert run(t, program, "nothing", place) == (0, ""), place
        for fault, words in FAULTS.items():
            status, said = run(t, program, fault, place)
            if (fault, place) == ("leak", "actuator"):
                assert (status, said) == (0, ""), "behind a filter nobody can look for it"
                continue
            if place == "actuator":
                words = ENDED  # there is no memory for more
            assert status == EXIT_STATUS and words in said, (fault, place, status, said)


if __name__ == "__main__":
    main()
