#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""
The kernel guard on this host, whatever this host allows: each route of an attacker hurts
without it, and with it either is refused or the guard says that it enforces nothing. The
tiers themselves are told apart in virtual machines (tests/vm/cases/gate_guard.py).
"""

import os
import re
import subprocess

from harness import main, test

TIERS = {"T1": "kernel-enforced", "T2": "kernel-enforced (fmod_ret)", "T3": "best effort",
         "T4": "limited by seccomp", "T5": "disabled"}  # fmt: skip


@test
def claims_what_it_does(t):
    program = os.path.join(t.build, "tests/helpers/gate_attack")
    done = subprocess.run([program, "--by", "pid"], capture_output=True, text=True, timeout=200,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    tier = re.search(r"^ok tier - (T\d) ([^:]+): (.+) \(", done.stdout, re.M)
    assert tier and TIERS[tier.group(1)] == tier.group(2), done.stdout
    print(f"# {tier.group(0)}")
    hurt = re.findall(r"^ok without/(\w+)", done.stdout, re.M)
    refused = re.findall(r"^ok guarded/(\w+)", done.stdout, re.M)
    assert len(hurt) >= 20, "the attacker could do little to begin with"
    if tier.group(1) in ("T4", "T5"):
        assert not refused and "ok unguarded/claim" in done.stdout
        assert re.search(r"no kernel guard: .*: \w+", tier.group(3)), "it says why"
    else:
        assert set(hurt) <= set(refused), set(hurt) - set(refused)


if __name__ == "__main__":
    main()
