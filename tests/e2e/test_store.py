#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The incident store on a disk that is full, cut off, or was tampered with."""

import errno
import json
import os
import shutil
import signal
import subprocess

from harness import main, test, wait_for
from scenes import OrphanMaker, orphan_lane


def config(t):
    """A lane for this test's orphans: those of a program beside it may burn as well."""
    lane = orphan_lane("e2e_store", 0.05, 0.01, 0, calm_for_s=60)
    if t.top:
        lane["match"]["cgroup_any"] = [t.top.label + "/*"]
    return {"sample_interval_ms": 200, "lanes": [lane]}


def one_incident(t, daemon, maker=None):
    """An orphan burns, is found, and ends; returns the id of its incident."""
    maker = maker or OrphanMaker(t, 200)
    _, pid, _ = maker.make()
    incident = wait_for(lambda: daemon.incidents(pid), 10, "an incident")[0]
    t.signal(pid, signal.SIGTERM)
    wait_for(lambda: daemon.incidents(pid)[0]["status"] == "resolved", 10, "it is resolved")
    return incident["incident_id"]


def small_disk(t, name):
    path = t.path(name)
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", path], check=True)
    t.defer(lambda: subprocess.run(["umount", "-l", path], check=False))
    return path


def fill(path):
    """A file that takes the last byte of its disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
    finally:
        os.close(fd)


@test
def full_disk(t):
    disk = small_disk(t, "disk")
    daemon = t.daemon(config(t), start=False)
    daemon.state_dir = os.path.join(disk, "state")
    daemon.start()
    before = one_incident(t, daemon)
    ballast = os.path.join(disk, "ballast")
    fill(ballast)
    # The incident lives in memory and is served; the loss of the disk is said.
    maker = OrphanMaker(t, 200)
    while daemon.metrics().get("runaway_store_write_errors_total") == 0:
        full = one_incident(t, daemon, maker)
    m = daemon.metrics()
    assert m.get("runaway_sensor_up", component="store") == 0
    assert m.get("runaway_monitor_up") == 1, "it sees and judges all the same"
    assert daemon.api("status")["store"]["degraded"] is True
    assert daemon.ctl("incident", "readback", full)["incident"]["status"] == "resolved"
    os.unlink(ballast)
    wait_for(lambda: daemon.metrics().get("runaway_sensor_up", component="store") == 1, 10,
             "the disk takes it again")
    assert daemon.api("status")["store"]["pending_lines"] == 0
    assert daemon.ctl("store", "verify")["ok"]
    known = {i["incident_id"] for i in daemon.incidents()}
    assert {before, full} <= known
    assert daemon.stop() == 0
    daemon.start()
    assert {i["incident_id"] for i in daemon.incidents()} == known, "lost over the restart"
    assert daemon.ctl("store", "verify")["ok"]


@test
def torn_last_line(t):
    daemon = t.daemon(config(t))
    first = one_incident(t, daemon)
    daemon.kill()
    for name in ("incidents.jsonl", "events.jsonl"):
        with open(os.path.join(daemon.state_dir, name), "ab") as f:
            f.write(b'{"incident_id":"inc_2026')
    daemon.start()
    status = daemon.api("status")["store"]
    assert status["torn_lines"] == 2 and status["chain_ok"], status
    assert [i["incident_id"] for i in daemon.incidents()] == [first]
    with open(os.path.join(daemon.state_dir, "events.jsonl.corrupt"), "rb") as f:
        assert b'{"incident_id":"inc_2026' in f.read(), "the torn bytes are kept"
    second = one_incident(t, daemon)
    assert second != first
    assert daemon.ctl("store", "verify")["ok"]


@test
def tampered_chain(t):
    daemon = t.daemon(config(t))
    one_incident(t, daemon)
    one_incident(t, daemon)
    daemon.stop()
    path = os.path.join(daemon.state_dir, "events.jsonl")
    subprocess.run(["cp", "-a", daemon.state_dir, t.path("whole")], check=True)
    with open(path, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    assert len(lines) >= 4
    forgeries = {"changed": [lines[0].replace(b"e2e_store", b"e2e_stare")
                             if b"e2e_store" in lines[0]
                             else lines[0].replace(b"open", b"opem"), *lines[1:]],
                 "removed": [lines[0], *lines[2:]],
                 "swapped": [lines[1], lines[0], *lines[2:]]}
    for name, forged in forgeries.items():
        assert forged != lines, name
        with open(path, "wb") as f:
            f.writelines(forged)
        daemon.start()
        r = daemon.ctl_run("-o", "json", "store", "verify")
        assert r.returncode == 1, f"{name}: {r}"
        verdict = json.loads(r.stdout)
        assert verdict["ok"] is False and verdict["problems"], f"{name}: {verdict}"
        assert daemon.api("status")["store"]["chain_ok"] is False, name
        assert b"does not verify" in daemon.log(), name
        daemon.stop()
        shutil.rmtree(daemon.state_dir)
        subprocess.run(["cp", "-a", t.path("whole"), daemon.state_dir], check=True)
    daemon.start()
    assert daemon.ctl("store", "verify")["ok"]


if __name__ == "__main__":
    main()
