#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# guests: 7 6.1-preempt
# timeout_s: 100
"""
On kernels that preempt a tracepoint's programs some runs are skipped. What is skipped is
counted, shown, and healed by the scan; beside us another tool keeps updating a map.
"""

import os
import subprocess
import time

import facts
import procfs
from harness import POLL_S, main, test, wait_for
from scenes import OrphanMaker

ORPHANS = 120
# From 7.0 on runs are skipped under load, and it is waited for; 6.1 has yet to skip its first.
SKIPS = os.environ["RUNAWAY_GUEST"] == "7"
COUNT = int(os.environ.get("RUNAWAY_MISS_FORKS", "0"))  # so many forks, whenever the first is skipped
# A million want vfork, which takes a fourth of a fork's time there, and many who wait for their
# turn behind the noise at once.
STORMS, FORKS, PARALLEL = (25, 1000, 0) if COUNT else (4, 400, 2)
ROUNDS = COUNT // (FORKS * STORMS) or (8 if SKIPS else 1)


def misses(daemon):
    return {lab["program"]: int(v)
            for lab, v in daemon.metrics().series("runaway_program_misses_total")}


def noise(t):
    """Two of them; a helper lives for minutes, so that each storm has its own."""
    made = [t.spawn([t.helper("map_noise")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            for _ in range(2)]
    for p in made:
        assert p.stdout.readline() == b"ready\n"
    return made


def storm(t, maker, most):
    """Storms at once beside the noise, and so many orphans at most made in their midst."""
    orphans, others = [], noise(t)
    forks = [t.helper("forkstorm"), str(FORKS), "0", "10", str(PARALLEL)]
    storms = [t.spawn(forks, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
              for _ in range(STORMS)]
    while any(p.poll() is None for p in storms):
        if len(orphans) < most:
            orphans.append(maker.make()[1])
        else:
            time.sleep(POLL_S)
    assert all(p.poll() is None for p in others), "the noise ended first"
    for p in others:
        p.kill()
        p.wait()
    return orphans


def healed(t, daemon, orphans):
    """Everybody who lives is known, and nobody else."""
    wait_for(lambda: {o["pid"] for o in daemon.api("orphans")} >= set(orphans), 3,
             f"all {len(orphans)} orphans, whether their events were seen or not")
    wait_for(lambda: daemon.ctl("cgroup", "show", t.need_cgroup().label)["process_count"]
             == len(t.cgroup.pids()), 5, "the model agrees with the kernel")


@test
def skipped_runs_are_counted_and_healed(t):
    daemon = t.daemon()
    host = procfs.host_forks()
    daemon.wait_ticks(2)  # what came before the kernel's figure is in the daemon's, too
    base = daemon.metrics().get("runaway_process_forks_total")
    base_missed = misses(daemon)["rw_fork"]
    made = orphans = 0
    for _ in range(ROUNDS):
        maker = OrphanMaker(t)
        stay = storm(t, maker, max(ORPHANS // ROUNDS, 4) if COUNT else ORPHANS)
        made += FORKS * STORMS
        orphans += len(stay)
        daemon.wait_ticks(2)
        healed(t, daemon, stay)
        maker.proc.kill()  # and its orphans end
        maker.proc.wait()
        if not COUNT and sum(misses(daemon).values()):
            break
    daemon.wait_ticks(2)

    # Counted: each fork is one that was told of, or a run that the kernel says it skipped.
    seen = daemon.metrics().get("runaway_process_forks_total") - base
    skipped = misses(daemon)
    host = procfs.host_forks() - host
    missed = skipped["rw_fork"] - base_missed
    print(f"  # {made} forks made, {seen:.0f} seen, {missed} skipped; kernel {host}; {skipped}")
    if SKIPS:
        assert sum(skipped.values()) > 0, "nothing was skipped: nothing was tested"
    assert made <= seen + missed <= host, (made, seen, missed, host)

    # Shown: by status, doctor and the loss that made the model look again.
    before = sum(misses(daemon).values())
    status = daemon.api("status")
    after = sum(misses(daemon).values())  # even now one more may be skipped
    assert before <= status["counters"]["program_misses"] <= after, (before, status, after)
    doctor = {c["name"]: c for c in daemon.ctl_doctor()["checks"]}
    assert doctor["program_misses"]["ok"] == (sum(skipped.values()) == 0), doctor
    assert status["scan"]["rescans"]["loss"] >= (sum(skipped.values()) > 0), status["scan"]

    # Healed: each round was, and now that all of them have ended nobody is left.
    healed(t, daemon, [])
    assert daemon.metrics().get("runaway_monitor_up") == 1
    skipped = sum(skipped.values())
    outcome = "all healed" if skipped else "nothing to heal"
    print(f"  # {made} forks, {orphans} orphans, {skipped} runs skipped: {outcome}")
    facts.add(misses=f"{skipped} in {made} forks, {outcome}")


if __name__ == "__main__":
    main()
