#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main case, to its end: the orphaned browser goes by one approved SIGTERM to its root."""

import time

import procfs
from gatescene import Scene
from harness import SLOWNESS, main, test, wait_for
from scenes import BROWSER_LANE, Browser, short_lanes


@test
def orphaned_browser_ends_by_one_signal(t):
    s = Scene(t, lanes=short_lanes(t, cpu_cores_min=0.2))  # on a busy machine, too
    browser = Browser(t)
    browser.kill_smoke()
    incident = wait_for(lambda: s.d.findings(browser.pid, BROWSER_LANE), 30 * SLOWNESS,
                        "a finding")[0]["incident_id"]
    wait_for(lambda: s.d.orphan(browser.pid)["tree"]["cpu_cores"] > 0.2, 10 * SLOWNESS, "it burns")
    tree = [p.pid for p in browser.tree()]
    assert len(tree) >= 6, tree
    digest, plan = s.plan(incident)
    (target,) = plan["targets"]
    assert target["pid"] == browser.pid and target["comm"] == "chromium", target
    assert target["exe"].endswith("/chromium"), target
    s.approve(incident, digest)
    signalled = time.monotonic()
    assert s.apply(incident, digest)["outcome"] == "signalled"
    wait_for(lambda: not any(procfs.alive(pid) for pid in tree), 10 * SLOWNESS, "the tree is gone")
    took = time.monotonic() - signalled
    print(f"  # {len(tree)} processes were gone {took:.2f} s after SIGTERM to the root")
    assert took <= 3 * SLOWNESS, took
    doc = s.wait_status(incident, "resolved")
    assert doc["incident"]["resolution_path"] == "remediated", doc["incident"]
    (check,) = doc["post_checks"]
    assert check["ok"] and check["processes_checked"] >= len(tree), check
    assert check["before"]["cpu_cores"] > 0.1 and check["after"]["cpu_cores"] == 0, check
    assert check["alert_state"] == "resolved", check
    senders = {e["data"]["sender"]["pid"] for e in doc["events"] if e["type"] == "signal"
               and e["data"]["target"]["pid"] == browser.pid and e["data"]["name"] == "SIGTERM"}
    assert senders == {s.gate_status()["process"]["actuator_pid"]}, senders
    assert [lane["status"] for lane in s.d.incidents(browser.pid, BROWSER_LANE)] == ["resolved"]


if __name__ == "__main__":
    main()
