#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# guests: 7-no-lsm 5.10-tier 6.1-tier 6.12-tier
"""
A daemon with its gate where the kernel enforces less than it could: everybody who asks is told
the same tier, and one that requires the kernel's guard does not arm itself.
"""

from gate_guard import expected
from gatescene import Scene
from harness import main, test, wait_for

NAMES = {"T2": "kernel-enforced (fmod_ret)", "T3": "best effort"}


@test
def says_what_it_is(t):
    tier, s = expected(), Scene(t, require_kernel_guard=True)
    status = s.gate_status()
    assert (status["tier"], status["tier_name"]) == (tier, NAMES[tier]), status
    assert status["kernel_enforced"] is (tier == "T2") and not status["armed"], status
    process = status["process"]
    assert process["closed_by"] == "guard_missing" and process["self_test"]["passed"], process
    assert "bpf is not in /sys/kernel/security/lsm" in process["tier_why"], process
    assert ("may skip it" in process["tier_why"]) is (tier == "T3"), process
    wait_for(lambda: s.d.metrics().get("runaway_gate_enabled") == 1, 10, "metrics know of it")
    m = s.d.metrics()
    assert m.get("runaway_gate_kernel_enforced") == (tier == "T2") and m.get("runaway_gate_armed") == 0
    ready = s.d.http("/readyz").body.decode()
    assert "gate: not armed" in ready and tier in ready and NAMES[tier] in ready, ready
    (check,) = [c for c in s.d.ctl("doctor", status=1)["checks"] if c["name"] == "gate"]
    assert not check["ok"] and tier in str(check), check
    print(f"# {tier}: {status['why']}")


if __name__ == "__main__":
    main()
