#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing is lost without being counted: emitted = received + dropped. More in tests/soak."""

import subprocess

from bpfmap import CpuMap
from harness import SLOWNESS, few, main, test, wait_for
from scenes import OrphanMaker

FORKS = 50000 if SLOWNESS == 1 else 2000  # emulated, a fork of 7.2 takes many milliseconds
KERNEL_TYPES = 24  # RW_KERNEL_TYPES of include/runaway/wire.h
NAMES = {"fork": 1, "exec": 2, "exit": 3, "free": 18}


def storm(t, count, *more):
    p = t.spawn([t.helper("forkstorm"), str(count), *more], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE)
    p.communicate(timeout=120 * SLOWNESS)
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
def started_in_the_middle_of_a_storm(t):
    """Forks, exits and orphans while programs are attached and the first snapshot is taken."""
    maker = OrphanMaker(t)
    orphans = [maker.make()[1] for _ in range(50)]
    noise = t.spawn([t.helper("forkstorm"), str(few(40000)), "0", "20"], stdin=subprocess.DEVNULL,
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
    assert noise.wait(60 * SLOWNESS) == 0
    wait_for(lambda: agrees(t, daemon), 5, "the model agrees with /proc")


def agrees(t, daemon):
    """The model has exactly the processes that the kernel has in this test's cgroup."""
    shown = daemon.ctl("cgroup", "show", t.need_cgroup().label)
    return shown["process_count"] == len(t.cgroup.pids())


if __name__ == "__main__":
    main()
