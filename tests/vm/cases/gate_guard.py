#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2 v1
# timeout_s: 200
"""
The kernel guard of the signal gate against an attacker with every capability, and what it
claims to be: that must follow from what this kernel is, and no guest may claim more.
"""

import os
import sys

TOP = "/sys/fs/cgroup"
RACED = (5, 12)  # from this version on the kernel skips fmod_ret programs that are under way


def expected():
    with open("/sys/kernel/security/lsm", encoding="ascii") as f:
        if "bpf" in f.read().strip().split(","):
            return "T1"
    version = tuple(int(n) for n in os.uname().release.split(".")[:2])
    return "T3" if version >= RACED else "T2"


def main():
    program = os.path.join(os.environ["RUNAWAY_BUILD"], "tests/helpers/gate_attack")
    argv = [program, "--expect", expected()]
    if not os.path.exists(f"{TOP}/cgroup.procs"):
        argv += ["--by", "pid", "--no-control", "--attempts", "1000"]
    else:
        argv += ["--by", "cgroup", "--cgroup", TOP, "--everybody"]
        # Where some get through, a few show it.
        attempts = os.environ.get("RUNAWAY_GATE_ATTEMPTS", "50000")
        argv += ["--attempts", attempts if expected() in ("T1", "T2") else "5000"]
    sys.stdout.flush()
    os.execv(program, argv)


if __name__ == "__main__":
    main()
