# SPDX-License-Identifier: GPL-2.0-or-later
"""A cgroup's CPU as the sensor sums it up, against the kernel's own figure."""

import subprocess
import time

import host
from agents import Runawayd
from figures import fmt
from metrics import Metrics
from report import Result

TOLERANCE = 0.005
STORM = ("100", "500", "2")  # µs each burns, from and to; at a time


def _seen(agent, cgroup):
    m = Metrics(agent.web().get()[1])
    return (m.get("runaway_cgroup_cpu_seconds_total", cgroup=cgroup.label) or 0.0,
            m.get("runaway_short_lived_cpu_seconds_total"), m.sum("runaway_events_lost_total"))


def _storm(s, cgroup, seconds):
    """Short processes in the cgroup for that long; how many."""
    made, end = 0, time.monotonic() + seconds
    count = s.pick(20000, 3000)
    while time.monotonic() < end:
        p = s.spawn([s.helper("forkstorm"), str(count), *STORM], host.LOAD_CPU, cgroup=cgroup,
                    stdout=subprocess.DEVNULL)
        if p.wait(120):
            raise RuntimeError("forkstorm failed")
        s.end(p)
        made += count
    return made


def run(s):
    result = Result()
    with s.cgroup() as cgroup:
        if not cgroup:
            result.refused.append("no writable cgroup v2 tree")
            return result
        with Runawayd(s) as agent:
            time.sleep(2.5)  # two scans: the cgroup is known
            before, true_before = _seen(agent, cgroup), cgroup.cpu_usec()
            s.say("accuracy: storm of short processes")
            started = time.monotonic()
            made = _storm(s, cgroup, s.pick(60, 4))
            took = time.monotonic() - started
            time.sleep(2.5)
            true = (cgroup.cpu_usec() - true_before) / 1e6
            after = _seen(agent, cgroup)
    seen, short, lost = (b - a for a, b in zip(before, after))
    gap = (seen - true) / true
    result.budget("a cgroup's CPU against `cpu.stat`, short processes only", "within 0.5 %",
                  f"{gap * 100:+.3f} %", abs(gap) <= TOLERANCE)
    result.table(("processes", "seconds", "`cpu.stat` s", "runawayd s", "difference",
                  "of processes no scan saw, whole host, s", "records lost"),
                 [(f"{made:,}", fmt(took), f"{true:.3f}", f"{seen:.3f}", f"{gap * 100:+.3f} %",
                   f"{short:.3f}", int(lost))])
    result.notes.append(f"Each process burns {STORM[0]} to {STORM[1]} µs and exits, "
                        f"{STORM[2]} at a time, in a cgroup of their own.")
    result.rounds = "one storm"
    return result
