#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main case: a smoke test is killed, its browser spins on under init."""

import json
import os
import time

import procfs
from harness import main, test, wait_for
from scenes import BROWSER_LANE, Browser, short_lanes

READBACK_KEYS = {"schema_version", "incident", "finding", "lineage", "samples", "packet", "plans",
                 "approvals", "actions", "post_checks", "assets", "events", "artifacts",
                 "integrity"}


def check_powerless(daemon):
    """No capability and no root while it scans and serves."""
    for task in os.listdir(f"/proc/{daemon.pid}/task"):
        s = procfs.status(daemon.pid, task)
        assert int(s["CapEff"], 16) == 0, s["CapEff"]
        assert "0" not in s["Uid"].split(), s["Uid"]


def check_story(orphan, browser):
    origin = orphan["origin"]
    assert orphan["comm"] == "chromium", orphan["comm"]
    assert orphan["exe"].endswith("/chromium"), orphan["exe"]
    assert any(a.startswith("--remote-debugging-port") for a in orphan["args"]), orphan["args"]
    assert origin["known"] and origin["pid"] == browser.smoke_pid, origin
    assert origin["comm"] == "smoke.sh", origin
    assert origin["args"][-2:] == ["--job", "4711"], origin["args"]
    assert origin["exit"]["signal"] == 9, origin["exit"]
    assert origin["exit"]["after_fork_s"] > 0, origin["exit"]
    lineage = [(p["comm"], p["alive"]) for p in orphan["lineage"]]
    assert lineage[0] == ("smoke.sh", False), lineage
    assert lineage[1] == ("step.sh", True), lineage
    assert not orphan["by_design"]
    assert orphan["tree"]["processes"] >= 6, orphan["tree"]
    assert orphan["reaper"]["pid"] == procfs.stat(browser.pid).ppid, orphan["reaper"]
    assert BROWSER_LANE in orphan["lanes"], orphan["lanes"]


def burns_in_renderer(daemon, browser):
    """The tree burns while its root does not: what a look at PPID 1 alone would miss."""
    orphan = daemon.orphan(browser.pid)
    root = daemon.ctl("proc", "show", str(browser.pid))
    renderer = daemon.ctl("proc", "show", str(browser.renderer().pid))
    return (orphan["tree"]["cpu_cores"] > 0.5 and root["cpu_cores"] < 0.25
            and renderer["cpu_cores"] > 0.4 and orphan)


def check_readback(daemon, incident_id):
    path = os.path.join(daemon.state_dir, "incidents", incident_id, "readback.json")
    with open(path, encoding="utf-8") as f:
        doc = json.load(f)
    assert set(doc) >= READBACK_KEYS, READBACK_KEYS - set(doc)
    assert doc["schema_version"] == "runaway_incident_readback_v1"
    assert doc["incident"]["incident_id"] == incident_id
    assert doc["finding"]["lane_id"] == BROWSER_LANE
    assert [p["comm"] for p in doc["lineage"]][0] == "smoke.sh", doc["lineage"]
    assert doc["samples"], "no samples"
    assert doc["packet"], "no packet"
    assert doc["events"], "no events"
    return doc


@test
def browser_whose_smoke_test_was_killed(t):
    daemon = t.daemon({"lanes": short_lanes(t)})
    browser = Browser(t)
    assert daemon.orphan(browser.pid) is None, "an orphan before its parent died"

    browser.kill_smoke()
    killed = time.monotonic()
    wait_for(lambda: [o for o in daemon.ctl("proc", "orphans") if o["pid"] == browser.pid
                      and o["origin"]["known"] and o["tree"]["processes"] >= 6],
             5, "the browser is an orphan of known origin")
    took = time.monotonic() - killed
    print(f"  # seen {took * 1000:.0f} ms after the kill")
    assert took <= 1.0, f"seen after {took:.2f} s"
    check_story(daemon.orphan(browser.pid), browser)
    wait_for(lambda: burns_in_renderer(daemon, browser), 10, "the tree's CPU is the renderer's")
    check_powerless(daemon)

    finding = wait_for(lambda: daemon.findings(browser.pid, BROWSER_LANE), 20, "a finding")[0]
    print(f"  # found {time.monotonic() - killed:.1f} s after the kill")
    evidence = {e["metric"]: e for e in finding["evidence"]}
    assert evidence["cpu_cores"]["value"] >= evidence["cpu_cores"]["limit"] == 0.5, evidence
    assert evidence["age_s"]["value"] >= evidence["age_s"]["limit"] == 2, evidence
    incident = daemon.incidents(browser.pid, BROWSER_LANE)[0]
    assert incident["incident_id"] == finding["incident_id"]
    assert incident["status"] == "open", incident
    assert incident["subject"]["origin_comm"] == "smoke.sh", incident
    m = daemon.metrics()
    assert m.get("runaway_orphan_groups", lane=BROWSER_LANE) == \
        len(daemon.findings(lane=BROWSER_LANE)) == 1
    assert m.get("runaway_finding_cpu_cores", lane=BROWSER_LANE, comm="chromium",
                 origin_comm="smoke.sh") > 0.4
    check_powerless(daemon)
    check_readback(daemon, finding["incident_id"])
    assert [f["subject"]["comm"] for f in daemon.findings()
            if f["subject"]["root_pid"] in browser.crashpads()] == []
    assert browser.crashpads(), "this Chromium made no crashpad handler: the test saw none"
    for pid in browser.crashpads():
        assert daemon.orphan(pid)["by_design"], "crashpad is an orphan by design"

    browser.end()
    wait_for(lambda: not daemon.findings(browser.pid), 20, "the finding clears")
    cleared = wait_for(lambda: [i for i in daemon.incidents(browser.pid)
                                if i["status"] == "resolved"], 5, "the incident is resolved")
    assert len(cleared) == 1 and cleared[0]["resolution_path"] == "self_cleared", cleared
    assert cleared[0]["incident_id"] == finding["incident_id"]
    wait_for(browser.gone, 5, "the browser has gone")
    wait_for(lambda: daemon.metrics().get("runaway_orphan_groups", lane=BROWSER_LANE) == 0, 5,
             "no orphan group")
    wait_for(lambda: daemon.orphan(browser.pid) is None, 5, "no orphan")
    doc = check_readback(daemon, finding["incident_id"])
    assert doc["incident"]["status"] == "resolved", doc["incident"]
    assert doc == daemon.ctl("incident", "readback", finding["incident_id"])
    assert daemon.ctl("store", "verify")["ok"]


@test
def browser_orphaned_before_the_sensor_started(t):
    lanes = short_lanes(t, cpu_cores_min=0.1)  # on a busy machine the page may get no half core
    browser = Browser(t)
    browser.kill_smoke()
    wait_for(lambda: procfs.stat(browser.pid).ppid != browser.smoke_pid, 5, "it is an orphan")
    daemon = t.daemon({"lanes": lanes})

    orphan = wait_for(lambda: daemon.orphan(browser.pid), 2, "the first snapshot has the orphan")
    assert not orphan["origin"]["known"], orphan["origin"]
    assert orphan["origin"]["comm"] is None and orphan["orphaned_at"] is None, orphan
    assert orphan["comm"] == "chromium" and orphan["exe"].endswith("/chromium"), orphan
    assert any(a.startswith("--headless") for a in orphan["args"]), orphan["args"]
    finding = wait_for(lambda: daemon.findings(browser.pid, BROWSER_LANE), 20, "a finding")[0]
    assert finding["subject"]["origin_comm"] is None, finding["subject"]
    assert daemon.incidents(browser.pid)[0]["status"] == "open"
    browser.end()
    wait_for(lambda: [i for i in daemon.incidents(browser.pid)
                      if i["resolution_path"] == "self_cleared"], 20, "the incident clears")


if __name__ == "__main__":
    main()
