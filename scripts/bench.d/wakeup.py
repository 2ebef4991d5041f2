# SPDX-License-Identifier: GPL-2.0-or-later
"""Does a scan of thousands of tasks delay a real-time thread on the same CPU?"""

import contextlib
import subprocess
import time

import figures
import host
from agents import Agent, Nothing, Runawayd
from figures import fmt
from report import Result

INTERVAL_US = 500
HISTOGRAM_US = 50000


def parse_histogram(text):
    """({µs: samples}, samples beyond the histogram, greatest µs)"""
    counts, over, most = {}, 0, 0
    for line in text.splitlines():
        words = line.split()
        if line.startswith("# Histogram Overflows:"):
            over = int(words[-1])
        elif line.startswith("# Max Latencies:"):
            most = int(words[-1])
        elif len(words) == 2 and words[0].isdigit() and int(words[1]):
            counts[int(words[0])] = int(words[1])
    return counts, over, most


def quantile(counts, over, q):
    left = (sum(counts.values()) + over) * q
    for us in sorted(counts):
        left -= counts[us]
        if left <= 0:
            return us
    return HISTOGRAM_US


def cyclictest(s, seconds):
    """(p99.9, greatest) in µs"""
    argv = ["cyclictest", "-q", "-t1", "-p80", f"-a{host.AGENT_CPU}", "-m", f"-i{INTERVAL_US}",
            f"-D{seconds}", f"-h{HISTOGRAM_US}"]
    p = s.spawn(argv, host.AGENT_CPU, stdout=subprocess.PIPE, stderr=s.log)
    text = p.stdout.read().decode()
    if p.wait():
        raise RuntimeError("cyclictest failed: " + s.log_tail())
    s.end(p)
    counts, over, most = parse_histogram(text)
    return quantile(counts, over, 0.999), most


def _visit(s, kind, seconds):
    with contextlib.ExitStack() as stack:
        stack.enter_context(kind(s))
        time.sleep(1.2)
        return cyclictest(s, seconds)


def _rounds(s, result, tasks, rounds, seconds):
    """Puts a budget, rows and a note of so many tasks into `result`."""
    kinds = [Nothing, Runawayd]
    found = {kind: [] for kind in kinds}
    with s.tasks(total=tasks):
        for n in range(rounds):
            s.say(f"wakeup: {tasks} tasks, round {n + 1}")
            for kind in s.rng.sample(kinds, len(kinds)):
                found[kind].append(_visit(s, kind, seconds))
    added = [b[0] - a[0] for a, b in zip(found[Nothing], found[Runawayd])]
    base = figures.median([r[0] for r in found[Nothing]])
    low, high = figures.interval95(added)
    result.budget(f"real-time wake-up (cyclictest p99.9) on the CPU that scans {tasks:,} tasks",
                  "unchanged within noise",
                  f"{figures.median(added):+.0f} µs [{low:+.0f}, {high:+.0f}] on {base:.0f} µs",
                  low <= 0)
    if low <= 0:
        unseen = fmt(max(high, 0) / max(base, 1) * 100)
        result.notes.append(f"{tasks:,} tasks: no regression detected; one of up to {unseen} % of "
                            "p99.9 would not have been seen (upper end of the 95 % interval of "
                            "paired differences).")
    return [(f"{tasks:,}", kind.name, f"{figures.median([r[0] for r in got]):.0f}",
             f"{min(r[0] for r in got)} to {max(r[0] for r in got)}", max(r[1] for r in got))
            for kind, got in found.items()]


def run(s):
    result = Result()
    if Agent.missing("cyclictest"):
        result.refused.append("cyclictest is not installed (package rt-tests)")
        return result
    rounds, seconds = s.pick(9, 1), s.pick(6, 1)
    rows = [row for tasks in (s.big, s.crowd)
            for row in _rounds(s, result, tasks, rounds, seconds)]
    result.table(("tasks", "beside", "p99.9 µs, median", "over the rounds", "greatest µs"), rows)
    result.rounds = f"{rounds} rounds of {seconds} s for each number of tasks, a thread of " \
                    f"priority 80 every {INTERVAL_US} µs"
    return result
