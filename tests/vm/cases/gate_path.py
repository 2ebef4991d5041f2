#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# guests: 5.10 7
# timeout_s: 100
"""
One approved signal where the kernel itself enforces the gate: daemon, authoriser and actuator
are subjects of the guard, and their work is possible all the same.
"""

from gateproc import alive
from gatescene import Scene
from harness import SLOWNESS, main, test, wait_for


@test
def one_signal_under_the_guard(t):
    s = Scene(t, require_kernel_guard=True)
    status = s.gate_status()
    assert status["tier"] == "T1" and status["kernel_enforced"], status
    wait_for(lambda: s.d.metrics().get("runaway_gate_kernel_enforced") == 1, 10, "metrics say so")
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    assert s.apply_refused(incident, digest) == "approval_missing"
    s.approve(incident, digest)
    applied = s.apply(incident, digest)
    assert applied["outcome"] == "signalled", applied
    wait_for(lambda: not alive(pid), 5 * SLOWNESS, "the target is gone")
    s.wait_status(incident, "resolved")
    kinds = [r["type"] for r in s.audit()]
    assert kinds.count("intent") == kinds.count("result") == 1, kinds
    status = s.gate_status()
    # What the kernel allowed is what the audit says was sent, or the gate were closed.
    assert status["armed"] and status["tier"] == "T1", status


if __name__ == "__main__":
    main()
