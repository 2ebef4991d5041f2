#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is lost without being counted: emitted = received + dropped, forks = the kernel's."""

import os
import signal
import subprocess

import procfs
from bpfmap import CpuMap
from harness import main, test, wait_for
from scenes import OrphanMaker

FORKS = 50000
KERNEL_TYPES = 24  # RW_KERNEL_TYPES of include/runaway/wire.h
NAMES = {"fork": 1, "exec": 2, "exit": 3, "free": 18}


def storm(t, count, *more):
    p = t.spawn([t.helper("forkstorm"), str(count), *more], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE)
    p.communicate(timeout=120)
    assert p.returncode == 0


def received(daemon):
    m = daemon.metrics()
    return {lab["event"]: v for lab, v in m.series("runaway_events_received_total")}


class Counters(CpuMap):
    """The kernel side's own counters, by enum rw_type."""

    def __init__(self, pid):
        super().__init__(pid, "rw_counters")

    def emitted(self):
        return self.sums()[:KERNEL_TYPES]

    def dropped(self):
        return self.sums()[KERNEL_TYPES:2 * KERNEL_TYPES]


@test
def emitted_is_received_plus_dropped(t):
    daemon = t.daemon({"sample_interval_ms": 200})
    counters = Counters(daemon.pid)
    start = received(daemon)
    storm(t, FORKS, "1", "20")

    def emitted():
        return counters.emitted(), counters.dropped()

    def settled():
        """At rest: nothing was emitted while the daemon's own figure was read."""
        before = emitted()
        got = received(daemon)
        if emitted() != before:
            return None
        sent, dropped = before
        gap = {name: sent[i] - got[name] for name, i in NAMES.items() if sent[i] != got[name]}
        return None if gap else (sent, dropped, got)

    sent, dropped, got = wait_for(settled, 30, "emitted == received + dropped")
    # A record that found no room is counted as dropped and not as emitted... or as both:
    # either way the sequence has no gap that is not accounted for.
    assert sum(dropped) == daemon.api("status")["counters"]["records_dropped"]
    assert got["fork"] - start["fork"] >= FORKS - dropped[NAMES["fork"]]
    print(f"  # emitted {sum(sent)}, dropped {sum(dropped)}")
    assert daemon.api("status")["counters"]["sequence_gaps"] == sum(dropped)
    assert sum(dropped) == 0, "a storm of this size must fit"


@test
def forks_agree_with_the_kernel(t):
    daemon = t.daemon()
    host = procfs.host_forks()
    daemon.wait_ticks(2)  # what came before the kernel's figure is in the daemon's, too
    m = daemon.metrics()
    base = {k: m.get(f"runaway_process_{k}_total") for k in ("forks", "exits")}
    storm(t, FORKS, "0", "5")
    host_before = procfs.host_forks() - host
    daemon.wait_ticks(2)
    m = daemon.metrics()
    seen = {k: m.get(f"runaway_process_{k}_total") - base[k] for k in base}
    host_after = procfs.host_forks() - host
    print(f"  # forks seen {seen['forks']:.0f}, kernel {host_before} (with threads), made {FORKS}")
    # The kernel's figure has new threads too; between its two readings others may fork.
    assert FORKS <= seen["forks"] <= host_after, (seen, host_after)
    assert seen["exits"] >= FORKS
    assert m.sum("runaway_events_lost_total") == 0


@test
def nothing_stays_behind(t):
    """Fifty thousand processes came and went: no entry of them is left."""
    daemon = t.daemon()
    storm(t, FORKS // 2, "0", "5")
    daemon.wait_ticks(2)
    resident = procfs.rss_bytes(daemon.pid)
    storm(t, FORKS // 2, "0", "5")
    wait_for(lambda: daemon.metrics().get("runaway_map_entries", map="procs")
             <= len(procfs.all_stats()) + 50, 10, "the map holds what there is")
    wait_for(lambda: agrees(t, daemon), 5, "the model agrees with /proc")
    assert daemon.api("status")["remembered"] <= 2000, daemon.api("status")["remembered"]
    grown = procfs.rss_bytes(daemon.pid) - resident
    print(f"  # resident {resident >> 10} KiB after the first half, {grown >> 10:+d} KiB after all")
    assert grown < 4 << 20 or t.sanitized, "memory grows with the number of processes that ever lived"
    for name, _ in daemon.metrics().series("runaway_map_errors_total"):
        assert daemon.metrics().get("runaway_map_errors_total", **name) == 0, name


@test
def started_in_the_middle_of_a_storm(t):
    """Forks, exits and orphans while programs are attached and the first snapshot is taken."""
    maker = OrphanMaker(t)
    orphans = [maker.make()[1] for _ in range(50)]
    noise = t.spawn([t.helper("forkstorm"), "40000", "0", "20"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL)
    daemon = t.daemon(start=False).spawn()
    while b"watching" not in daemon.log():
        assert daemon.running()
        if len(orphans) < 600:
            orphans.append(maker.make()[1])
    orphans += [maker.make()[1] for _ in range(50)]
    assert noise.poll() is None, "the storm was over too early to mean anything"
    wait_for(lambda: {o["pid"] for o in daemon.api("orphans")} >= set(orphans), 3,
             "every orphan made before, during and after the start")
    print(f"  # {len(orphans)} orphans, {len(orphans) - 100} of them during the start")
    assert noise.wait(60) == 0
    wait_for(lambda: agrees(t, daemon), 5, "the model agrees with /proc")


@test
def overflow_is_counted_and_healed(t):
    """The daemon stands still while more comes than the rings hold."""
    daemon = t.daemon()
    counters = Counters(daemon.pid)
    maker = OrphanMaker(t)
    daemon.wait_ticks(1)
    daemon.proc.send_signal(signal.SIGSTOP)
    storm(t, 5000, "0", "5", "100")
    while counters.dropped()[NAMES["fork"]] < 1000:
        storm(t, 5000, "0", "5", "100")
    # Made while nobody listened and no record had room.
    orphans = [maker.make()[1] for _ in range(20)]
    daemon.proc.send_signal(signal.SIGCONT)
    wait_for(lambda: {o["pid"] for o in daemon.api("orphans")} >= set(orphans), 3,
             "the next scan finds the orphans whose records were lost")
    wait_for(lambda: agrees(t, daemon), 5, "the model agrees with /proc again")
    dropped = sum(counters.dropped())
    print(f"  # {dropped} records dropped")
    # A gap shows with the next record of its CPU and ring: one comes on each.
    for cpu in os.sched_getaffinity(0):
        t.spawn(["taskset", "-c", str(cpu), t.helper("forkstorm"), "1", "0", "0"],
                stdout=subprocess.DEVNULL).wait(10)
    wait_for(lambda: daemon.api("status")["counters"]["sequence_gaps"] == dropped, 5,
             "the sequence shows every record that was dropped")
    status = daemon.api("status")
    assert status["counters"]["records_dropped"] == dropped, status["counters"]
    # The loss is known at the end of a scan; the next one is the rescan.
    wait_for(lambda: daemon.api("status")["scan"]["rescans"]["loss"] >= 1, 5, "a rescan")
    m = daemon.metrics()
    assert m.sum("runaway_events_lost_total") == dropped
    wait_for(lambda: daemon.metrics().get("runaway_monitor_up") == 1, 5, "it is whole again")


def agrees(t, daemon):
    """The model has exactly the processes that the kernel has in this test's cgroup."""
    shown = daemon.ctl("cgroup", "show", t.need_cgroup().label)
    return shown["process_count"] == len(t.cgroup.pids())


if __name__ == "__main__":
    main()
