#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""What a CI job leaves behind in the way of a daemon, or under a daemon's name, and who else may."""

import os
import shutil
import signal
import subprocess
import sys

import procfs
from harness import main, test, wait_for
from scenes import BROWSER_LANE, GENERIC_LANE, short_lanes

JOB = {"CI": "true", "GITHUB_RUN_ID": "4711"}
LOAD = "300"  # permille of a core
# A driver that starts a browser in a session of its own, as Puppeteer does, and ends without
# closing it.
DRIVER = '#!/bin/sh\nsetsid "$@" &\nsleep 0.3\nexit 0\n'
SUITE = '#!/bin/sh\n"$@" &\nwait\n'
DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.argv[1], sys.argv[1:])
os._exit(0)
"""


def program(t, name):
    """Something that burns, under another name."""
    path = t.path(name)
    shutil.copy(t.helper("spin"), path)
    os.chmod(path, 0o755)
    return path


def started(t, path):
    return wait_for(lambda: [s.pid for s in procfs.all_stats() if t.ours(s.pid)
                             and procfs.exe(s.pid) == path], 10, f"{path} runs")[0]


def left_by(t, command, name, args, env):
    """Started by something that ends well at once; its pid."""
    path = program(t, name)
    p = t.spawn([*command, path, *args], env=env, stdin=subprocess.DEVNULL)
    pid = started(t, path)
    assert p.wait(10) == 0
    return pid


def lost_by(t, command, name, env):
    """Started by something that is killed; its pid."""
    path = program(t, name)
    p = t.spawn([*command, path, LOAD], env=env, stdin=subprocess.DEVNULL)
    pid = started(t, path)
    p.kill()
    p.wait()
    return pid


@test
def daemons_and_what_looks_like_them(t):
    lanes = short_lanes(t, age_s=1, for_s=1, cpu_cores_min=0.05)
    daemon = t.daemon({"sample_interval_ms": 200, "lanes": lanes})
    driver = [t.write("driver.sh", DRIVER, 0o755)]
    suite = [t.write("suite.sh", SUITE, 0o755)]
    browser = (LOAD, "--headless=new")
    for folder in ("job", "person", "lost", "kept"):
        os.mkdir(t.path(folder))
    # name: (pid, `daemonised`, lane)
    cases = {
        "a job's browser": (left_by(t, driver, "job/chrome", browser, JOB), "unknown",
                            BROWSER_LANE),
        "a person's browser": (left_by(t, driver, "person/chrome", browser, {}), "yes", None),
        "a job's daemon": (left_by(t, [sys.executable, "-c", DAEMON], "workerd", [LOAD], JOB),
                           "unknown", None),
        "a job's lost database": (lost_by(t, suite, "lost/postgres", JOB), "no", GENERIC_LANE),
        "a person's database": (lost_by(t, suite, "kept/postgres", {}), "yes", None),
    }
    for name, (pid, daemonised, _) in cases.items():
        o = wait_for(lambda p=pid: daemon.orphan(p), 5, f"{name} is an orphan")
        assert o["daemonised"] == daemonised and o["by_design"] == (daemonised == "yes"), \
            f"{name}: {o}"
    for name, (pid, _, lane) in cases.items():
        if lane:
            wait_for(lambda p=pid, n=lane: daemon.findings(p, n), 20, f"a finding about {name}")
    daemon.wait_ticks(15)
    want = {(pid, lane) for pid, _, lane in cases.values() if lane}
    got = {(f["subject"]["root_pid"], f["lane_id"]) for f in daemon.findings()
           if t.ours(f["subject"]["root_pid"])}
    assert got == want, f"{got}, not {want}: {cases}"
    for name, (pid, _, _) in cases.items():
        assert daemon.show(pid)["cpu_cores"] > 0.05, f"{name} did not burn"
    incident = daemon.incidents(cases["a job's browser"][0])[0]["incident_id"]
    why = daemon.ctl("incident", "readback", incident)["packet"]["why_not_by_design"]
    assert "driver.sh exited with code 0" in why and "CI job" in why, why
    incident = daemon.incidents(cases["a job's lost database"][0])[0]["incident_id"]
    why = daemon.ctl("incident", "readback", incident)["packet"]["why_not_by_design"]
    assert "suite.sh was killed by signal 9" in why, why
    for pid, _, _ in cases.values():
        t.signal(pid, signal.SIGTERM)


@test
def the_group_outlives_its_root(t):
    """Two workers of one suite; the one that the finding is about ends, and so does no incident."""
    daemon = t.daemon({"sample_interval_ms": 200,
                       "lanes": short_lanes(t, age_s=1, for_s=1, cpu_cores_min=0.05)})
    path = program(t, "worker")
    suite = t.write("pair.sh", '#!/bin/sh\n"$@" &\n"$@" &\nwait\n', 0o755)
    p = t.spawn([suite, path, LOAD], env=JOB, stdin=subprocess.DEVNULL)
    pids = wait_for(lambda: len(found := [s.pid for s in procfs.descendants(p.pid)
                                          if procfs.exe(s.pid) == path]) == 2 and found, 10, "both")
    p.kill()
    p.wait()
    before = wait_for(lambda: [f for f in daemon.findings(lane=GENERIC_LANE)
                               if f["subject"]["root_pid"] in pids], 20, "a finding")[0]
    first = before["subject"]["root_pid"]
    (second,) = set(pids) - {first}
    t.signal(first, signal.SIGKILL)
    after = wait_for(lambda: daemon.findings(second), 10, "the finding goes on with the other")[0]
    assert (after["incident_id"], after["since"]) == (before["incident_id"], before["since"]), \
        (before, after)
    daemon.kill()
    daemon.start()
    again = wait_for(lambda: daemon.findings(second), 10, "so it does over a restart")[0]
    assert again["incident_id"] == before["incident_id"], again
    ours = [i for i in daemon.incidents() if i["subject"]["root_pid"] in pids]
    assert [(i["incident_id"], i["status"], i["subject"]["root_pid"]) for i in ours] == \
        [(before["incident_id"], "open", second)], ours
    doc = daemon.ctl("incident", "readback", before["incident_id"])
    (moved,) = [e["data"] for e in doc["events"] if e["type"] == "subject"]
    assert (moved["from"]["root_pid"], moved["to"]["root_pid"]) == (first, second), moved
    assert doc["packet"]["process_group"]["root"]["pid"] == second, doc["packet"]
    t.signal(second, signal.SIGTERM)
    wait_for(lambda: daemon.incidents(second)[0]["resolution_path"] == "self_cleared", 10,
             "the incident clears")
    assert daemon.ctl("store", "verify")["ok"]


if __name__ == "__main__":
    main()
