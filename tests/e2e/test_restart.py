#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""kill -9 of the daemon at random moments of the main case: one incident, one id, one chain."""

import json
import os
import random
import time

from harness import main, test, wait_for
from scenes import BROWSER_LANE, Browser, short_lanes

KILLS = int(os.environ.get("RUNAWAY_TEST_KILLS", "50"))  # make soak: 1000


def state_on_disk(daemon, pid):
    """Ids of the incidents of pid; a line may be torn by the kill, only as the last one."""
    path = os.path.join(daemon.state_dir, "incidents.jsonl")
    if not os.path.exists(path):
        return set()
    with open(path, "rb") as f:
        lines = [json.loads(line) for line in f.read().split(b"\n")[:-1] if line]
    return {i["incident_id"] for i in lines if i["subject"]["root_pid"] == pid}


@test
def killed_again_and_again(t):
    seed = int(os.environ.get("E2E_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    print(f"  # E2E_SEED={seed}")
    daemon = t.daemon({"sample_interval_ms": 200,
                       "lanes": short_lanes(t, age_s=0.2, for_s=0.5, clear_for_s=1,
                                            cpu_cores_min=0.1)}, start=False)
    browser = Browser(t)
    daemon.start()
    browser.kill_smoke()
    first_id, kills_before = None, 0
    for i in range(KILLS):
        # Some die while they start, some while the lane is about to open, some with it open.
        time.sleep(rng.choice((rng.uniform(0, 0.2), rng.uniform(0, 0.2), rng.uniform(0.2, 1.0))))
        if first_id is None and i >= KILLS // 5:
            wait_for(lambda: daemon.running() and daemon.is_ready(), 15, "ready")
            wait_for(lambda: daemon.findings(browser.pid, BROWSER_LANE), 20, "a finding before it is too late")
        daemon.kill()
        ids = state_on_disk(daemon, browser.pid)
        assert len(ids) <= 1, f"after kill {i + 1}: {ids}"
        if first_id is None and ids:
            first_id, kills_before = next(iter(ids)), i
        assert not ids or ids == {first_id}, f"after kill {i + 1}: {ids} was {first_id}"
        daemon.spawn()
    print(f"  # {KILLS} kills, {kills_before} of them before the incident {first_id}")

    wait_for(daemon.is_ready, 15, "ready after the last kill")
    finding = wait_for(lambda: daemon.findings(browser.pid, BROWSER_LANE), 10, "still a finding")[0]
    assert finding["incident_id"] == first_id, finding
    incidents = daemon.incidents(browser.pid)
    assert [i["incident_id"] for i in incidents] == [first_id], incidents
    assert incidents[0]["status"] == "open", incidents
    verdict = daemon.ctl("store", "verify")
    assert verdict["ok"] and not verdict["problems"], verdict
    browser.end()
    wait_for(lambda: daemon.incidents(browser.pid)[0]["resolution_path"] == "self_cleared", 15,
             "the incident clears")
    assert [i["incident_id"] for i in daemon.incidents(browser.pid)] == [first_id]
    assert daemon.ctl("store", "verify")["ok"]


@test
def subject_that_ended_while_the_daemon_was_down(t):
    daemon = t.daemon({"lanes": short_lanes(t, age_s=1, for_s=1, clear_for_s=1,
                                            cpu_cores_min=0.1)})
    browser = Browser(t)
    browser.kill_smoke()
    finding = wait_for(lambda: daemon.findings(browser.pid), 20, "a finding")[0]
    daemon.kill()
    browser.end()
    wait_for(lambda: not browser.tree(), 10, "the browser has gone")
    daemon.start()
    incident = wait_for(lambda: [i for i in daemon.incidents(browser.pid)
                                 if i["status"] == "resolved"], 10, "the incident is resolved")
    assert [(i["incident_id"], i["resolution_path"]) for i in incident] == \
        [(finding["incident_id"], "self_cleared")], incident
    assert not daemon.findings(browser.pid)
    assert daemon.ctl("store", "verify")["ok"]


if __name__ == "__main__":
    main()
