#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""Orphans inside of containers: who inherits them there, and what they are called on the host."""

import os
import signal

import procfs
from containers import SHAPES, Container, InnerOrphans, crun_argv
from harness import main, never, test, wait_for
from scenes import GENERIC_LANE, short_lanes

FAST_MS = 200


def start(t):
    """Little load is enough, so that many containers may burn at once on a small machine."""
    t.need_cgroup()
    lanes = short_lanes(t, age_s=0, for_s=0.4, clear_for_s=0.4, cpu_cores_min=0.02)
    return t.daemon({"sample_interval_ms": FAST_MS, "lanes": lanes})


def check_names(cgroup, container):
    assert cgroup["container_id"] == container.id, cgroup
    assert cgroup["pod_uid"] == container.pod_uid, cgroup


def check_story(daemon, maker, made):
    """The orphan as the host sees it: host pids only, its container, its way there."""
    origin, inner, pid = made
    container = maker.container
    orphan = wait_for(lambda: daemon.orphan(pid), 5, "an orphan")
    assert orphan["cgroup"]["path"] == container.label, orphan["cgroup"]
    check_names(orphan["cgroup"], container)
    assert orphan["cgroup"]["runtime"] == container.runtime, orphan["cgroup"]
    assert orphan["reaper"] == {"pid": container.pid, "comm": "sleep",
                                "kind": "namespace_init"}, orphan["reaper"]
    lineage = orphan["lineage"]
    assert [p["comm"] for p in lineage[:2]] == ["orphan_maker"] * 2, lineage
    assert orphan["origin"]["exit"]["signal"] == 9 and orphan["origin"]["known"]
    # Numbers of the host, each: what forked it lives and is seen under its number there.
    assert lineage[1]["pid"] == procfs.stat(lineage[1]["pid"]).pid and lineage[1]["alive"]
    assert container.has(lineage[1]["pid"]), lineage[1]
    assert procfs.status(pid)["NSpid"].split() == [str(pid), str(inner)]
    assert not {origin, inner, 1} & {pid, orphan["origin"]["pid"], lineage[1]["pid"]}, orphan
    assert orphan["pgid"] not in (0, 1, origin, inner), orphan["pgid"]


def check_finding(daemon, container, pid):
    finding = wait_for(lambda: daemon.findings(pid, GENERIC_LANE), 30, "a finding")[0]
    assert finding["subject"]["root_pid"] == pid
    assert finding["subject"]["cgroup"] == container.label
    check_names(finding["subject"], container)
    packet = daemon.ctl("incident", "readback", finding["incident_id"])["packet"]
    assert container.id in str(packet), packet


@test
def handed_to_an_init_that_does_not_reap(t):
    """In the cgroups of six runtimes at once."""
    daemon = start(t)
    containers = [Container(t, shape) for shape in SHAPES]
    made = []
    for container in containers:
        maker = InnerOrphans(container)
        made.append((maker, maker.make()))
    for maker, numbers in made:
        check_story(daemon, maker, numbers)
    for maker, (_, _, pid) in made:
        check_finding(daemon, maker.container, pid)
    m = daemon.metrics()
    assert m.get("runaway_orphans_reparented_total", reaper="namespace_init") >= len(made)
    # `sleep` reaps nobody: what ends stays a zombie, and is no runaway any more.
    for _, (_, _, pid) in made:
        t.signal(pid, signal.SIGKILL)
    pids = [pid for _, (_, _, pid) in made]
    wait_for(lambda: not [f for f in daemon.findings() if f["subject"]["root_pid"] in pids], 10,
             "the findings are over")
    assert all(procfs.stat(pid).state == "Z" for pid in pids), "somebody reaped them"
    assert not [pid for pid in pids if daemon.orphan(pid)], "a zombie is no orphan"
    assert {i["status"] for pid in pids for i in daemon.incidents(pid)} == {"resolved"}


@test
def handed_to_a_subreaper_inside(t):
    daemon = start(t)
    container = Container(t, "containerd, systemd")
    hold_r, hold_w = os.pipe()
    t.defer(os.close, hold_w)
    argv = crun_argv(t, "exec", "--preserve-fds=1", container.id, "/helpers/subreaper", "3")
    proc = t.spawn(["sh", "-c", f'exec "$@" 3<&{hold_r}', "sh", *argv], bufsize=0, stdin=-1,
                   stdout=-1, pass_fds=(hold_r,))
    os.close(hold_r)
    origin, inner = (int(x) for x in proc.stdout.readline().split())
    pid = container.host_pid(inner)
    subreaper = procfs.stat(pid).ppid
    orphan = wait_for(lambda: daemon.orphan(pid), 5, "an orphan")
    assert container.has(subreaper) and subreaper != container.pid
    assert orphan["reaper"] == {"pid": subreaper, "comm": "subreaper", "kind": "subreaper"}, orphan
    assert orphan["origin"]["pid"] not in (origin, inner) and orphan["hops"] == 1, orphan
    check_names(orphan["cgroup"], container)
    # Its reaper ends: the second hop leads to the container's init.
    proc.stdin.write(b"\n")
    orphan = wait_for(lambda: (o := daemon.orphan(pid)) and o["hops"] == 2 and o, 5, "a second hop")
    assert orphan["reaper"]["pid"] == container.pid, orphan["reaper"]
    assert orphan["reaper"]["kind"] == "namespace_init", orphan["reaper"]


@test
def ends_with_its_container(t):
    """The kernel ends what is in the namespace: nobody inherits, nothing stays open."""
    daemon = start(t)
    container = Container(t, "cri-o")
    maker = InnerOrphans(container)
    pids = [maker.make()[2] for _ in range(3)]
    for pid in pids:
        wait_for(lambda p=pid: daemon.orphan(p), 5, "an orphan")
    root = wait_for(lambda: [f for f in daemon.findings() if f["subject"]["root_pid"] in pids], 30,
                    "a finding")[0]["subject"]["root_pid"]
    t.signal(container.pid, signal.SIGKILL)
    wait_for(lambda: not [pid for pid in pids if daemon.orphan(pid)], 5, "no orphan is left")
    wait_for(lambda: [i["resolution_path"] for i in daemon.incidents(root)] == ["self_cleared"], 10,
             "the incident is resolved")
    never(lambda: [o for o in daemon.api("orphans")
                   if o["cgroup"] and o["cgroup"]["container_id"] == container.id], 1,
          "an orphan of a container that is gone")


@test
def left_behind_by_docker_exec(t):
    """A step that came in from outside, as CI runners do it, loses who started it there."""
    daemon = start(t)
    container = Container(t, "docker, systemd")
    step = container.exec("/helpers/spin", "300")
    pid = wait_for(lambda: [p for p in container.pids() if procfs.stat(p).comm == "spin"], 10,
                   "the step runs")[0]
    parent = procfs.stat(pid).ppid
    assert not container.has(parent) or parent != container.pid, "started from outside"
    step.kill()
    wait_for(lambda: procfs.stat(pid).ppid != parent, 5, "it changed hands")

    def as_in_proc():
        """crun may be its reaper for a moment, and end: then it has changed hands twice."""
        shown = daemon.orphan(pid)
        return shown if shown and shown["reaper"]["pid"] == procfs.stat(pid).ppid else None

    orphan = wait_for(as_in_proc, 5, "an orphan, with the reaper that /proc has")
    assert not container.has(orphan["reaper"]["pid"]), orphan["reaper"]
    assert orphan["reaper"]["kind"] in ("init", "subreaper"), orphan["reaper"]
    assert orphan["origin"]["comm"] == "crun" and not orphan["by_design"], orphan
    check_finding(daemon, container, pid)


@test
def an_init_is_nobodys_orphan(t):
    """Who created the container has ended, as it should: its init is left behind by design."""
    daemon = start(t)
    container = Container(t, init=("/helpers/spin", "300"))
    orphan = wait_for(lambda: daemon.orphan(container.pid), 5, "known as an orphan")
    assert orphan["by_design"], orphan
    daemon.wait_ticks(10)
    assert not daemon.findings(container.pid), "a container's init is no runaway"


if __name__ == "__main__":
    main()
