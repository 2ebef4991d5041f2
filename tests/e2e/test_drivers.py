#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout_s: 600
"""
Real drivers and real browsers, killed in every way of docs/browsers.md. All that die
the same way are there at once, under one daemon.
"""

import json

import procfs
import recordings
from driver_cases import CASES, CHROMEDRIVER
from driver_job import Job
from driver_replay import expected, replay, replay_lanes, told
from harness import main, test, wait_for
from scenes import short_lanes

# A browser that leaves needs a second or two for it, on a busy machine more. CPU: some
# burn side by side here, and each gets its part of the machine only.
TIMES = {"age_s": 6, "for_s": 3, "clear_for_s": 2, "cpu_cores_min": 0.1}
LEAVES_WITHIN_S = 20


def start(t, cases, times, args):
    daemon = t.daemon({"lanes": short_lanes(t, **times)}, args=args)
    jobs = [Job(t, case) for case in cases]
    for job in jobs:
        job.wait_ready()
    for job in jobs:
        job.spin()
    for job in jobs:
        wait_for(job.burns, 40, f"{job.case.name}: the page spins")
    return daemon, jobs


def of_job(job, things):
    """Findings, incidents or orphans in the job's cgroup."""
    def path(x):
        return x["subject"]["cgroup"] if "subject" in x else x["cgroup"]["path"]
    return [x for x in things if path(x) == job.cgroup.label]


def story(daemon, job):
    """The orphan, once the exits above it have been told as well: nobody is woken for those."""
    orphan = daemon.orphan(job.root)
    if not orphan or not orphan["origin"]["exit"]:
        return None
    step = [p["alive"] for p in orphan["lineage"] if p["comm"] == "step.sh"]
    return orphan if step == [job.case.kill != "group"] else None


def check_orphan(daemon, job):
    """Who it is, who started it and how that one died, under which runner and job."""
    case = job.case
    wait_for(lambda: daemon.orphan(job.root), 5, f"{case.name}: an orphan")
    orphan = wait_for(lambda: story(daemon, job), 5, f"{case.name}: its story")
    origin = orphan["origin"]
    assert (orphan["comm"], orphan["by_design"]) == (case.root, False), orphan
    assert origin["known"] and origin["comm"] == case.origin, f"{case.name}: {origin}"
    assert origin["exit"]["signal"] == 9, f"{case.name}: {origin}"
    assert orphan["ci"]["runner"] == "gitea", f"{case.name}: {orphan['ci']}"
    assert ("act_runner", True) in [(p["comm"], p["alive"]) for p in orphan["lineage"]], orphan
    leader = procfs.stat(job.root).pgid
    assert procfs.alive(leader) is not case.dead_leader, f"{case.name}: leader {leader}"
    assert orphan["tree"]["processes"] >= 6, f"{case.name}: {orphan['tree']}"


def check_survivor(daemon, job):
    case = job.case
    found = wait_for(lambda: of_job(job, daemon.findings()), 40, f"{case.name}: a finding")
    told = [(f["lane_id"], f["subject"]["root_pid"], f["subject"]["comm"],
             f["subject"]["origin_comm"]) for f in found]
    assert told == [(case.lane, job.root, case.root, case.origin)], f"{case.name}: {told}"


def end(t, daemon, job, patient):
    """SIGTERM to the root ends a browser. chromedriver leaves its browser behind, an orphan."""
    t.signal(job.root, 15)
    if job.case.root == CHROMEDRIVER:
        orphan = wait_for(lambda: daemon.orphan(job.browser), 10, f"{job.case.name}: left behind")
        origin = orphan["origin"]
        assert (origin["comm"], origin["exit"]["signal"]) == (CHROMEDRIVER, 15), origin
        if patient:
            wait_for(lambda: daemon.findings(job.browser), 40, f"{job.case.name}: found, too")
        t.signal(job.browser, 15)


def check_gone(daemon, job):
    wait_for(lambda: not job.browsers(), LEAVES_WITHIN_S, f"{job.case.name}: all of it leaves")
    wait_for(lambda: not [o for o in of_job(job, daemon.api("orphans")) if not o["by_design"]], 5,
             f"{job.case.name}: no orphan is left")


def play(t, cases, times=None, args=(), patient=False):
    """Starts them all, kills what is to be killed, and compares with the table."""
    daemon, jobs = start(t, cases, {**TIMES, **(times or {})}, args)
    for job in jobs:
        job.kill()
    stay = [job for job in jobs if job.case.root]
    for job in stay:
        check_orphan(daemon, job)
    for job in jobs:
        if job not in stay:
            check_gone(daemon, job)
    for job in stay:
        check_survivor(daemon, job)
    for job in stay:
        end(t, daemon, job, patient)
    for job in stay:
        check_gone(daemon, job)
    wait_for(lambda: not daemon.findings(), 20, "every finding has ended")
    for job in jobs:
        told = {i["subject"]["root_pid"] for i in of_job(job, daemon.incidents())}
        assert told <= {job.root, job.browser} if job in stay else not told, \
            f"{job.case.name}: {told}"
    return daemon, jobs


def killed(*kills):
    return [case for case in CASES if case.kill in kills]


def check_replay(t, jobs, recording):
    """What was recorded, cut down to each job as the fixtures are, is judged as it was live."""
    records = recordings.read(recording)
    config = t.write("replay.json", json.dumps({"lanes": replay_lanes(t, **TIMES)}))
    for job in jobs:
        path = t.path(job.case.name + ".rec")
        with open(path, "wb") as f:
            f.write(recordings.Trim(records, job.runner.pid, job.cgroup.label).run())
        findings = told(replay(t, path, config))
        assert findings == expected(job.case)[:1], f"{job.case.name}: {findings}"


@test
def drivers_are_killed(t):
    recording = t.path("kernel.rec")
    daemon, jobs = play(t, killed("driver", "client"), args=["--record", recording])
    daemon.wait_ticks(1)
    assert daemon.stop() == 0
    check_replay(t, jobs, recording)


@test
def steps_are_killed(t):
    play(t, killed("group"))


@test
def browsers_are_killed(t):
    play(t, killed("root"))


if __name__ == "__main__":
    main()
