#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""Hosts with tens of thousands of idle tasks: what a scan costs, and that it stays in its budget."""

import contextlib
import os
import subprocess
import time

from soak import experiment, main  # first: it knows where the harness is

from harness import wait_for
from scenes import OrphanMaker

PID_MAX = "/proc/sys/kernel/pid_max"
# Processes and threads in each: tasks = the product.
CROWDS = ((1000, 1), (10000, 1), (15000, 2), (50000, 1), (25000, 4))
PASSES = 20
FULL_PASS_S = 5
CORE_SHARE = 0.01  # of one core, whole daemon, at 50,000 tasks and 1 Hz


@contextlib.contextmanager
def numbers_for(tasks):
    """Room for so many pids on this host; put back afterwards. Never lowered below what it was."""
    with open(PID_MAX, encoding="ascii") as f:
        before = int(f.read())
    wanted = max(before, tasks * 2)
    with open(PID_MAX, "w", encoding="ascii") as f:
        f.write(str(wanted))
    try:
        yield
    finally:
        with open(PID_MAX, "w", encoding="ascii") as f:
            f.write(str(before))


def cpu_s(daemon):
    total = 0
    for tid in os.listdir(f"/proc/{daemon.pid}/task"):
        with open(f"/proc/{daemon.pid}/task/{tid}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def figures(daemon):
    m = daemon.metrics()
    return (m.get("runaway_scan_duration_seconds_sum"), m.get("runaway_scan_duration_seconds_count"),
            cpu_s(daemon), time.monotonic())


def measure(daemon):
    """(ms a scan, share of a core, longest scan in ms) over some passes, full ones among them."""
    before = figures(daemon)
    time.sleep(PASSES + FULL_PASS_S)
    after = figures(daemon)
    d = [a - b for a, b in zip(after, before)]
    # Which was the longest has to be asked for, and answers are not what a scan costs.
    longest = 0
    until = time.monotonic() + 2 * FULL_PASS_S
    while time.monotonic() < until:
        longest = max(longest, daemon.api("status")["scan"]["duration_ms"])
        time.sleep(0.5)
    return d[0] / d[1] * 1e3, d[2] / d[3], longest


@experiment("L8", "1k to 100k idle tasks: ms a scan, share of a core; an orphan among them",
            check=None, full=len(CROWDS))
def idle_crowd(t, row):
    with numbers_for(max(n * m for n, m in CROWDS)):
        for count, threads in CROWDS[:row.count]:
            tasks = count * threads
            crowd = t.spawn([t.helper("crowd"), str(count), str(threads)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert crowd.stdout.readline() == b"ready\n"
            daemon = t.daemon({"limits": {"processes": 131072}}, name=f"crowd{tasks}")
            wait_for(lambda d=daemon, n=tasks: d.api("status")["scan"]["tasks"] >= n, 30, "all seen")
            daemon.wait_ticks(12)
            ms, share, most = measure(daemon)
            row.tried += 1
            row.note(f"{tasks:,} tasks: {ms:.2f} ms a scan, the longest {most:.0f} ms, "
                     f"{share * 100:.2f} % of a core")
            if tasks <= 50000:
                row.bad(f"{share * 100:.2f} % of a core for {tasks} tasks", share > CORE_SHARE)
            maker = OrphanMaker(t)
            _, pid, _ = maker.make()
            wait_for(lambda d=daemon, p=pid: d.orphan(p), 3, "an orphan among them")
            crowd.stdin.close()
            assert crowd.wait(120) == 0
            wait_for(lambda d=daemon: d.api("status")["processes"] < 1000 + count // 100, 60,
                     "the crowd is gone")
            assert daemon.stop() == 0


if __name__ == "__main__":
    main()
