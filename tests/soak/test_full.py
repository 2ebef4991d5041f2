#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rings and maps that are full: counted, shown, nothing ends, healed when there is room again."""

import json
import os
import signal
import subprocess

from soak import FULL, experiment, main  # first: it knows where the harness is

import procfs
from books import Books
from charges import agree, burn_in, seen_seconds
from harness import wait_for
from scenes import OrphanMaker

HEAL_S = 5


def storm(t, count, *more):
    p = t.spawn([t.helper("forkstorm"), str(count), *more], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL)
    assert p.wait(120) == 0


def agrees(t, daemon):
    """The model has exactly the processes that the kernel has in this test's cgroup."""
    shown = daemon.ctl("cgroup", "show", t.cgroup.label)
    return shown["process_count"] == len(t.cgroup.pids())


def failed_checks(daemon):
    r = daemon.ctl_run("-o", "json", "doctor")
    assert r.returncode in (0, 1), r
    return {c["name"] for c in json.loads(r.stdout)["checks"] if not c["ok"]}


def show_gaps(t):
    """A gap shows with the next record of its CPU and ring: one comes on each."""
    for cpu in os.sched_getaffinity(0):
        t.spawn(["taskset", "-c", str(cpu), t.helper("forkstorm"), "1", "0", "0"],
                stdout=subprocess.DEVNULL).wait(10)


def overflow_once(t, daemon, maker, books):
    """Stands still while more comes than the rings hold. Returns the orphans made meanwhile."""
    dropped = sum(books.counters.sums()[24:48])
    daemon.proc.send_signal(signal.SIGSTOP)
    while sum(books.counters.sums()[24:48]) < dropped + 1000:
        storm(t, 5000, "0", "5", "100")
    orphans = [maker.make()[1] for _ in range(20)]
    daemon.proc.send_signal(signal.SIGCONT)
    return orphans


@experiment("L5", "reader stopped while the rings overflow: losses, gaps, state afterwards",
            check=2, full=100)
def rings_full(t, row):
    t.need_cgroup()
    daemon = t.daemon()
    books, maker = Books(daemon), OrphanMaker(t)
    daemon.wait_ticks(1)
    for _ in row.cycles():
        rescans = daemon.api("status")["scan"]["rescans"]["loss"]
        orphans = overflow_once(t, daemon, maker, books)
        row.tried += 1
        wait_for(lambda orphans=orphans: {o["pid"] for o in daemon.api("orphans")} >= set(orphans),
                 HEAL_S, "the orphans whose records were lost")
        wait_for(lambda: agrees(t, daemon), HEAL_S, "the model agrees with the kernel again")
        show_gaps(t)
        dropped = sum(books.counters.sums()[24:48])

        def told(dropped=dropped):
            c = daemon.api("status")["counters"]
            return c["sequence_gaps"] == c["records_dropped"] == dropped

        wait_for(told, HEAL_S, "gaps in the sequence = records dropped")
        wait_for(lambda n=rescans: daemon.api("status")["scan"]["rescans"]["loss"] > n, HEAL_S,
                 "a rescan")
        wait_for(lambda: daemon.metrics().get("runaway_monitor_up") == 1, HEAL_S, "it is whole")
    assert daemon.metrics().sum("runaway_events_lost_total") == dropped
    assert "events" in failed_checks(daemon), "the doctor shows what was lost"
    row.note(f"{dropped} records dropped, each with its gap in the sequence")


def refused(daemon, what):
    """(refused by the kernel's map, refused by the model)"""
    c = daemon.api("status")["counters"]
    return c[f"kernel_{what}_full"], c[f"{what}_full"]


def has_room(daemon, limit):
    """The dead are let go when the kernel releases them, a loaded one takes its time."""
    status = daemon.api("status")
    return status["processes"] + status["remembered"] < limit - limit // 16


def burn_part(t, name, parts):
    parts.append(t.cgroup.child(name))
    return burn_in(t, parts[-1], 2000, 3, 400)


def margin_s(true_s):
    return 0.01 * true_s + 0.02


def crowd(t, count):
    p = t.spawn([t.helper("crowd"), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    return p


def leave(p):
    p.stdin.close()
    assert p.wait(60) == 0


@experiment("L7a", "process map full: 512 entries, more than ten times as many processes",
            check=1, full=100)
def process_map_full(t, row):
    t.need_cgroup()
    many = 10000 if FULL else 2500
    limit = max(512, len(procfs.all_stats()) + 256)
    daemon = t.daemon({"limits": {"processes": limit}, "sample_interval_ms": 500})
    for n in row.cycles():
        before = refused(daemon, "processes")
        p = crowd(t, many)
        row.tried += 1
        daemon.wait_ticks(2)
        after = refused(daemon, "processes")
        row.bad(f"cycle {n}: refused {before} → {after}",
                not all(a - b >= many - limit for a, b in zip(after, before)))
        m = daemon.metrics()
        row.bad("not in /metrics", m.get("runaway_map_errors_total", map="procs") != after[0]
                and m.get("runaway_map_errors_total", map="procs") < after[0])
        row.bad("not in doctor", "capacity" not in failed_checks(daemon))
        # What short processes and a burner without an entry use is counted once all the same.
        parts = []
        try:
            agree(daemon, lambda k, n=n, parts=parts: burn_part(t, f"part{n}.{k}", parts), margin_s)
        except AssertionError as e:
            row.bad(f"cycle {n}: {e}")
        leave(p)
        daemon.wait_ticks(3)
        true = parts[-1].cpu_usec() / 1e6
        row.bad("counted twice when they left", seen_seconds(daemon, parts[-1]) > true + margin_s(true))
        wait_for(lambda: agrees(t, daemon), 10, "the model agrees with the kernel again")
        wait_for(lambda: has_room(daemon, limit), 20, "there is room again")
        maker = OrphanMaker(t)  # one for each cycle: a helper lives ten minutes
        _, orphan, _ = maker.make()
        wait_for(lambda pid=orphan: daemon.orphan(pid), 5, "an orphan is seen again")
        assert daemon.orphan(orphan)["origin"]["known"]
        leave(maker.proc)
        for part in parts:
            os.rmdir(part.dir)
    wait_for(lambda: daemon.metrics().get("runaway_monitor_up") == 1, HEAL_S, "it is whole")
    row.note(f"limit {limit}, {many} processes, {refused(daemon, 'processes')[0]} inserts refused, "
             f"CPU as in cpu.stat")


def cgroup_faults(daemon, folders):
    """Cgroups that are not shown with their path and their one process."""
    wrong = []
    for cg in folders:
        r = daemon.ctl_run("-o", "json", "cgroup", "show", cg.label)
        shown = json.loads(r.stdout) if r.returncode == 0 else {}
        if shown.get("process_count") != 1:
            wrong.append(f"{cg.label}: {shown.get('process_count')}")
    return wrong


@experiment("L7b", "cgroup map full: 100 entries, 1,000 cgroups", check=1, full=100)
def cgroup_map_full(t, row):
    top = t.need_cgroup().child("many")
    limit = max(100, sum(1 for _ in os.walk(top.dir.split(t.token)[0])) + 50)
    many = limit + 900
    daemon = t.daemon({"limits": {"cgroups": limit, "metric_series": 1},
                       "sample_interval_ms": 500})
    for n in row.cycles():
        before = refused(daemon, "cgroups")
        folders = [top.child(f"g{i}") for i in range(many)]
        p = t.spawn([t.helper("bench_mk"), str(many), top.dir, str(many)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"ready\n"
        row.tried += 1
        daemon.wait_ticks(2)
        after = refused(daemon, "cgroups")
        row.bad(f"refused {before} → {after}", not all(a > b for a, b in zip(after, before)))
        row.bad("not in doctor", "capacity" not in failed_checks(daemon))
        row.bad("not in /metrics",
                daemon.metrics().get("runaway_map_errors_total", map="cgroups") < before[0] + 1)
        # Those that stay while the others go: known by path and members when there is room.
        stay = [folders[i] for i in range(many - 10, many)]
        sleepers = [t.spawn(["sleep", "600"], cgroup=cg) for cg in stay]
        leave(p)
        # Every other time the ring is full meanwhile, and read by nobody: that they went is lost, too.
        if n % 2 == 0:
            daemon.proc.send_signal(signal.SIGSTOP)
            storm(t, 10000, "0", "5", "100")
        for cg in folders[:-10]:
            os.rmdir(cg.dir)
        daemon.proc.send_signal(signal.SIGCONT)
        try:
            wait_for(lambda stay=stay: not cgroup_faults(daemon, stay), 20, "known again")
        except AssertionError:
            wrong = cgroup_faults(daemon, stay)
            row.bad(f"not known again: {wrong[:5]}", len(wrong))
        for s in sleepers:
            s.kill()
            s.wait()
        for cg in stay:
            os.rmdir(cg.dir)
    row.note(f"limit {limit}, {many} cgroups, {refused(daemon, 'cgroups')[0]} inserts refused")


if __name__ == "__main__":
    main()
