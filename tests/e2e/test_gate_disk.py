#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""No durable record, no signal: an approved plan on disks that are full, and when they have room again."""

import contextlib
import errno
import os
import subprocess

from gatescene import VIEWER, Scene, alive
from harness import SLOWNESS, main, never, test, wait_for


def small_disk(t, path, size):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", path], check=True)
    t.defer(lambda: subprocess.run(["umount", "-l", path], check=False))


@contextlib.contextmanager
def filled(folder):
    """Not one page is left on that disk."""
    ballast = os.path.join(folder, "ballast")
    with open(ballast, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError as e:
            assert e.errno == errno.ENOSPC, e
    try:
        yield
    finally:
        os.unlink(ballast)


def until(s, incident, digest, full):
    """Refusals are recorded: one after the other, until the last page that was begun is full, too."""
    def ask():
        s.refused(VIEWER, "incident", "apply", incident, "--plan", digest, status=3)
        return full()

    wait_for(ask, 30, "the disk is noticed")


def approved(s):
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    s.approve(incident, digest)
    return pid, incident, digest


@test
def full_disks(t):
    state, gate = t.path("daemon", "state"), t.path("daemon", "state.gate")
    small_disk(t, state, "256k")
    small_disk(t, gate, "64k")
    s = Scene(t)
    assert (s.d.state_dir, s.gate_dir) == (state, gate)
    pid, incident, digest = approved(s)

    # The incidents' disk: the daemon asks nobody to signal.
    with filled(state):
        until(s, incident, digest, lambda: s.d.metrics().get("runaway_store_write_errors_total"))
        assert s.apply_refused(incident, digest) == "store_failed"
        assert "intent" not in {r["type"] for r in s.audit()}, "the gate was not asked"
        assert s.d.metrics().get("runaway_gate_refusals_total", reason="store_failed") == 1
        assert alive(pid)
    # It heals by itself; the refused attempt is over, and the incident can be walked on.
    wait_for(lambda: s.d.api("status")["store"] | {"degraded": False, "pending_lines": 0} ==
             s.d.api("status")["store"], 10, "all is written that waited for the disk")
    assert s.d.ctl("store", "verify")["ok"]
    last = s.readback(incident)["actions"][-1]
    assert last["outcome"] == "refused" and "cannot be written" in last["why"], last
    assert s.gate_status()["armed"] and alive(pid) and not s.events(incident, "signal")

    # The audit's disk: the gate refuses and closes, and says by what.
    with filled(gate):
        until(s, incident, digest, lambda: "gate" in s.explain(incident, digest)[1])
        assert s.explain(incident, digest)[1]["gate"] == "audit_failed"
        assert s.apply_refused(incident, digest) == "audit_failed"
        status = s.gate_status()
        assert not status["armed"] and status["process"]["closed_by"] == "audit_failed", status
        assert "cannot be written" in status["why"], status
        wait_for(lambda: b"audit cannot be written" in s.d.http("/readyz").body, 10, "/readyz says it")
        assert s.run(None, "doctor").returncode == 1
        assert "intent" not in {r["type"] for r in s.audit()}
        assert alive(pid)
    # What could not be written is gone for good: room alone does not open it again, a new gate does.
    never(lambda: s.gate_status()["armed"], 1, "armed again by itself")
    s.d.stop()
    s.start()
    assert s.gate_status()["armed"], s.gate_status()
    if s.status(incident) != "approved":
        digest, _ = s.plan(incident)
        s.approve(incident, digest)
    assert s.apply(incident, digest)["outcome"] == "signalled"
    wait_for(lambda: not alive(pid), 5 * SLOWNESS, "the target is gone")
    s.wait_status(incident, "resolved")
    assert s.d.ctl("store", "verify")["ok"]


if __name__ == "__main__":
    main()
