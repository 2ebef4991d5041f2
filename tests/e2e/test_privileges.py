#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The daemon that serves and scans can do nothing: no root, no capability, no signal."""

import os
import shutil
import stat
import subprocess

import procfs
from harness import CLEAN_ENV, main, test, wait_for
from scenes import OrphanMaker


def check(pid):
    tasks = os.listdir(f"/proc/{pid}/task")
    for task in tasks:
        s = procfs.status(pid, task)
        for key in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(s[key], 16) == 0, f"{key} {s[key]}"
        assert "0" not in s["Uid"].split() and "0" not in s["Gid"].split(), s
        assert s["Groups"].split() in ([], s["Gid"].split()[:1]), s["Groups"]
        assert s["NoNewPrivs"] == "1", s["NoNewPrivs"]
    return tasks


@test
def nothing_left_after_ready(t):
    daemon = t.daemon({"sample_interval_ms": 100})
    tasks = check(daemon.pid)
    assert len(tasks) == 1, "one thread"
    status = daemon.ctl("status")
    s = procfs.status(daemon.pid)
    assert status["privileges_dropped"] is True and status["uid"] == int(s["Uid"].split()[0])
    assert int(status["cap_effective"], 16) == 0, status["cap_effective"]
    assert status["gate"]["enabled"] is False, status["gate"]

    # It goes on to see, judge and serve all the same.
    maker = OrphanMaker(t)
    for _ in range(5):
        _, pid, _ = maker.make()
        wait_for(lambda p=pid: daemon.orphan(p), 2, "an orphan made after the drop")
        check(daemon.pid)
    orphan = daemon.orphan(pid)
    assert orphan["args"] and orphan["exe"], orphan
    daemon.wait_ticks(20)
    check(daemon.pid)
    m = daemon.metrics()
    assert m.get("runaway_monitor_up") == 1
    for component in ("bpf", "scan", "cgroup", "store"):
        assert m.get("runaway_sensor_up", component=component) == 1, component
    assert daemon.stop() == 0


@test
def files_are_not_for_everybody(t):
    daemon = t.daemon()
    state = os.stat(daemon.state_dir)
    uid = int(procfs.status(daemon.pid)["Uid"].split()[0])
    assert state.st_uid == uid, "the state belongs to the daemon's user"
    assert not state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_IWGRP
    for folder, _, files in os.walk(daemon.state_dir):
        for name in files:
            mode = os.stat(os.path.join(folder, name)).st_mode
            assert not mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_IROTH), f"{name}: {mode:o}"


@test
def without_root_it_says_what_is_missing(t):
    folder = t.path("nobody")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    program = shutil.copy(t.runawayd, folder)
    r = subprocess.run([program, "--state-dir", f"{folder}/state", "--runtime-dir",
                        f"{folder}/run", "--web.listen-address", "127.0.0.1:0"],
                       user=65534, group=65534, extra_groups=[], env=CLEAN_ENV, timeout=20,
                       stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert r.returncode == 3, r
    assert b"CAP_BPF" in r.stderr or b"root" in r.stderr, r.stderr


if __name__ == "__main__":
    main()
