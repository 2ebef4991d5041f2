#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# timeout_s: 200
"""
The kernel guard of the signal gate against an attacker with every capability, and what it
claims to be: that must follow from what this kernel is, and no guest may claim more. The
attacker is known to the guard by its pid, as the gate's processes are; in some guests once
more by its cgroup alone.
"""

import os
import re
import subprocess
import sys

TOP = "/sys/fs/cgroup"
RACED = (5, 12)  # from this version on the kernel skips fmod_ret programs that are under way
MANY, SOME = 50000, 5000
BOTH = ("6.12",)


def expected():
    with open("/sys/kernel/security/lsm", encoding="ascii") as f:
        if "bpf" in f.read().strip().split(","):
            return "T1"
    version = tuple(int(n) for n in os.uname().release.split(".")[:2])
    return "T3" if version >= RACED else "T2"


def modes():
    """[(how the attacker is known, attempts)]; RUNAWAY_GATE_BY names one."""
    # Where some get through, a few show it.
    many = MANY if expected() in ("T1", "T2") else SOME
    found = [("pid", many), ("cgroup", SOME)] if os.environ["RUNAWAY_GUEST"] in BOTH else \
        [("pid", many)]
    asked = os.environ.get("RUNAWAY_GATE_BY")
    if asked:
        found = [(asked, os.environ["RUNAWAY_GATE_ATTEMPTS"])]
    return found


def attack(by, attempts, *more):
    """Its results, under the name of the mode; its exit status."""
    argv = [os.path.join(os.environ["RUNAWAY_BUILD"], "tests/helpers/gate_attack"),
            "--expect", expected(), "--by", by, "--attempts", str(attempts), *more]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            print(re.sub(r"^(ok|not ok) ", rf"\1 by_{by}/", line), end="", flush=True)
    return p.returncode


def main():
    # That the routes work without a guard is the same for both.
    more = [[], ["--no-control"]]
    return max(abs(attack(*mode, "--cgroup", TOP, "--everybody", *more[i]))
               for i, mode in enumerate(modes()))


if __name__ == "__main__":
    sys.exit(main())
