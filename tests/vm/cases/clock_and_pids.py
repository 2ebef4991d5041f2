#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# guests: 6.1
# timeout_s: 90
"""
What only a machine of our own allows: the clock set back and forth, a sleep, and a handful
of pids.
"""

import subprocess
import time

from harness import main, never, test, wait_for
from scenes import OrphanMaker

DAY_S = 86400
SLEEP_S = 4


@test
def clock_steps(t):
    """CLOCK_REALTIME jumps by days: no age and no finding may follow it."""
    daemon = t.daemon({"sample_interval_ms": 250})
    _, pid, _ = OrphanMaker(t).make()
    wait_for(lambda: daemon.orphan(pid), 5, "an orphan")
    began, now = time.monotonic(), time.time()
    try:
        for step in (DAY_S, -2 * DAY_S, 400 * DAY_S, -3650 * DAY_S, 1):
            time.clock_settime(time.CLOCK_REALTIME, now + step)
            daemon.wait_ticks(2)
            age = daemon.orphan(pid)["orphan_age_s"]
            assert 0 <= age <= time.monotonic() - began + 10, f"age {age} after a step of {step} s"
            assert 0 <= daemon.api("status")["uptime_s"] < 600
            assert not daemon.findings()
            assert daemon.metrics().get("runaway_monitor_up") == 1
    finally:
        time.clock_settime(time.CLOCK_REALTIME, now + time.monotonic() - began)


def asleep_s():
    """What CLOCK_BOOTTIME has gone on by while the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def sleep_of_the_machine(seconds):
    """Suspended to memory, all of it; the clock in its hardware wakes it."""
    with open("/sys/class/rtc/rtc0/wakealarm", "w", encoding="ascii") as f:
        f.write(f"+{seconds}")
    with open("/sys/power/state", "w", encoding="ascii") as f:
        f.write("mem")


@test
def suspended(t):
    """The machine sleeps: CLOCK_BOOTTIME jumps, and no age, rate or finding with it."""
    daemon = t.daemon({"sample_interval_ms": 250})
    _, pid, _ = OrphanMaker(t, 200).make()
    wait_for(lambda: (daemon.orphan(pid) or {}).get("tree", {}).get("cpu_cores", 0) > 0.05, 10,
             "it burns")
    orphan, began, slept = daemon.orphan(pid), time.clock_gettime(time.CLOCK_BOOTTIME), asleep_s()
    sleep_of_the_machine(SLEEP_S)
    slept = asleep_s() - slept
    print(f"  # slept {slept:.2f} s")
    assert slept >= 1, "it did not sleep"

    def wrong():
        now, passed = daemon.orphan(pid), time.clock_gettime(time.CLOCK_BOOTTIME) - began
        aged = now["orphan_age_s"] - orphan["orphan_age_s"]
        # Asleep or not, it is as old as CLOCK_BOOTTIME says; and nobody burned meanwhile.
        return (not -0.5 <= aged <= passed + 0.5 and (aged, passed)) \
            or (now["start_ns"] != orphan["start_ns"] and now) \
            or (now["tree"]["cpu_cores"] > 0.75 and now["tree"]) or daemon.findings()

    never(wrong, 3, "after the machine has slept")
    daemon.wait_ticks(2)
    assert daemon.orphan(pid)["orphan_age_s"] - orphan["orphan_age_s"] >= slept - 0.5
    assert daemon.metrics().get("runaway_monitor_up") == 1


@test
def pids_come_back_at_once(t):
    """With 1,000 numbers, each comes round many times while the marked orphans live."""
    with open("/proc/sys/kernel/pid_max", "r+", encoding="ascii") as f:
        before = f.read().strip()
        t.defer(lambda: open("/proc/sys/kernel/pid_max", "w", encoding="ascii").write(before))
        f.seek(0)
        f.write("1000")
    daemon = t.daemon({"sample_interval_ms": 250})
    t.spawn([t.helper("forkstorm"), "10000000", "0", "0", "4"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
    maker = t.spawn([t.helper("marked"), "200", "20"], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE)
    truth = {}
    for line in maker.stdout:
        if line == b"done\n":
            break
        n, origin, orphan = (int(x) for x in line.split())
        truth[f"c{n}"] = (origin, orphan, f"o{n}")
        time.sleep(0.02)
    last = [f"c{n}" for n in range(180, 200)]

    def faults():
        have = {o["comm"]: o for o in daemon.api("orphans")}
        return [name for name in last if name not in have
                or (have[name]["origin"]["pid"], have[name]["pid"],
                    have[name]["origin"]["comm"]) != truth[name]]

    wait_for(lambda: not faults(), 10, "each with its own origin")
    assert not [o for o in daemon.api("orphans") if o["comm"] == "forkstorm"], "a false orphan"


if __name__ == "__main__":
    main()
