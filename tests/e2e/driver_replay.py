# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings of browsers, judged again, and what must come out."""

import json
import subprocess

from driver_cases import BROWSER_LANE, CHROMEDRIVER, CHROMIUM
from harness import CLEAN_ENV
from scenes import short_lanes


def replay_lanes(t, **times):
    lanes = short_lanes(t, **times)
    for lane in lanes:
        lane["match"].pop("cgroup_any", None)  # of the live tests, for their own processes
    return lanes


def replay(t, path, config):
    r = subprocess.run([t.runawayd, "--replay", path, "--config", config], cwd=t.tmp,
                       env=CLEAN_ENV, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                       check=False)
    assert r.returncode == 0 and not r.stderr, f"{path}: {r.returncode} {r.stderr[-500:]!r}"
    return r.stdout


def expected(case):
    """(lane, root, origin) of each finding, in their order."""
    if not case.root:
        return []
    first = [(case.lane, case.root, case.origin)]
    # Its SIGTERM left the browser behind.
    again = [(BROWSER_LANE, CHROMIUM, CHROMEDRIVER)] if case.root == CHROMEDRIVER else []
    return first + again


def told(out):
    """The same, of a replay; and each finding that opened has ended, with its process."""
    lines = [json.loads(line) for line in out.decode("utf-8").splitlines()]
    findings = [x for x in lines if x["record"] == "finding"]
    opened = [x for x in findings if x["event"] == "opened"]
    ended = {x["subject"]: x["why"] for x in findings if x["event"] == "ended"}
    assert ended == {x["subject"]: "ended" for x in opened}, ended
    subjects = {x["line"]["incident_id"]: x["line"]["subject"] for x in lines
                if x["record"] == "incident" and x["line"].get("subject")}
    about = [subjects[x["incident_id"]] for x in opened]
    return [(x["lane_id"], s["comm"], s["origin_comm"]) for x, s in zip(opened, about)]
