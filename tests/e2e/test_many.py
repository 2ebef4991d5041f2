#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with so many tasks that most scans look at the busy ones only."""

import json
import signal
import subprocess

from charges import agree, burn_in
from harness import SLOWNESS, few, main, test, wait_for
from scenes import OrphanMaker, orphan_lane

TASKS = 6000
# Emulated, a process takes milliseconds to begin and to end: then they are threads of fewer.
CROWD = few(TASKS)
FULL_PASS_S = 5
LANE = orphan_lane("e2e_many", 0.06, 0.05, 2)


@test
def a_crowd_that_sleeps(t):
    cgroup = t.need_cgroup()
    crowd = t.spawn([t.helper("crowd"), str(CROWD), str(TASKS // CROWD)], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
    assert crowd.stdout.readline() == b"ready\n"
    daemon = t.daemon({"lanes": [LANE]})
    status = daemon.api("status")
    assert status["processes"] > CROWD, status["processes"]
    assert status["scan"]["tasks"] > TASKS, status["scan"]

    # One that was cold for longer than the memory of the scans, then burns.
    sleeper = OrphanMaker(t, 900).make()[1]
    wait_for(lambda: daemon.orphan(sleeper), 2, "an orphan among many is seen at once")
    t.signal(sleeper, signal.SIGSTOP)
    daemon.wait_ticks(3 * FULL_PASS_S)
    wait_for(lambda: not daemon.findings(sleeper), 10, "what sleeps is no finding")
    t.signal(sleeper, signal.SIGCONT)
    wait_for(lambda: daemon.findings(sleeper), FULL_PASS_S + 2 + 3, "it is found when it wakes")

    # What short processes and a thread-less burner use is counted as exactly as ever. Each of
    # the two moves into the cgroup with up to a tick on it: see test_cgroup_cpu.py.
    agree(daemon, lambda n: burn_in(t, cgroup.child(f"part{n}"), 3000, 4, 500),
          lambda true: 0.005 * true + 0.01, settle_ticks=FULL_PASS_S + 2)

    # They all go at once; nobody is left in the model.
    crowd.stdin.close()
    assert crowd.wait(20 * SLOWNESS) == 0
    wait_for(lambda: daemon.api("status")["processes"] < CROWD // 6, FULL_PASS_S + 5,
             "the crowd is gone")
    # Samples may be dropped when thousands end in one batch (the next scan says the same
    # again); what happened to whom may not.
    lost = {name["event"]: value for name, value in
            daemon.metrics().series("runaway_events_lost_total") if value}
    assert not set(lost) - {"task", "cpu", "free"}, lost
    # Whose sample was lost is not gone for that.
    orphan = daemon.orphan(sleeper)
    assert orphan and orphan["origin"]["known"], orphan
    assert daemon.running() and json.loads(daemon.ctl_run("-o", "json", "status").stdout)["up"]


if __name__ == "__main__":
    main()
