# SPDX-License-Identifier: GPL-2.0-or-later
"""What a fork and an exec cost with an agent at work, against the same without."""

import contextlib
import subprocess
import time

import figures
import host
from agents import Nothing, NodeExporter, ProcessExporter, Runawayd, Snoops, WebAgent, comparison
from figures import fmt
from report import Result
from session import Scraper

ADDED_US_MAX = 4.0
ADDED_SHARE_MAX = 0.05
# Half the width of the interval of what is added: more than this says nothing about 4 µs.
UNSURE_US_MAX = 1.5
# The exporters hook nothing: a few rounds show that.
EVERY = {Snoops: 2, NodeExporter: 5, ProcessExporter: 5}
WHAT = ("fork + exit", "spawn + exec + exit")


class Control(Nothing):
    """No agent either: what differs from `none` is noise."""

    name = "none, a second time"


class Maker:
    """bench_fx: one process after the other, on the load's CPU."""

    def __init__(self, s):
        self.s = s
        self.count, self.chunks = s.pick(1000, 300), s.pick(5, 3)
        argv = [s.helper("bench_fx"), str(self.count), str(self.chunks), s.helper("bench_true")]
        self.proc = s.spawn(argv, host.LOAD_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def visit(self):
        """(µs a fork, µs an exec): medians of the chunks."""
        self.proc.stdin.write(b"\n")
        self.proc.stdin.flush()
        ns = [int(x) for x in self.proc.stdout.readline().split()]
        if len(ns) != 2 * self.chunks:
            raise RuntimeError("bench_fx failed")
        return figures.median(ns[0::2]) / 1e3, figures.median(ns[1::2]) / 1e3

    @property
    def processes(self):
        """Made in a visit, warm-up included."""
        return 2 * (self.count * self.chunks + 200)


def visit(s, maker, kind):
    """(µs a fork, µs an exec, CPU µs of the agent per process)"""
    time.sleep(s.pick(0.3, 0.1))  # the one before: its programs and maps go after a grace period
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(kind(s))
        if isinstance(agent, WebAgent):
            stack.enter_context(Scraper(agent))
        time.sleep(s.pick(0.5, 0.1))
        cpu = agent.cpu_ns()
        fork, exec_ = maker.visit()
        agent_us = (agent.cpu_ns() - cpu) / 1e3 / maker.processes
    return fork, exec_, agent_us


def measure(s, kinds):
    """{kind: {round: (fork, exec, agent)}}, the first round discarded"""
    maker = Maker(s)
    found = {kind: {} for kind in kinds}
    for n in range(1 + s.pick(16, 3)):
        s.say(f"forks: round {n}" + (" (discarded)" if n == 0 else ""))
        now = [k for k in kinds if n % s.pick(EVERY.get(k, 1), 1) == 0]
        for kind in s.rng.sample(now, len(now)):
            got = visit(s, maker, kind)
            if n:
                found[kind][n] = got
    s.end(maker.proc)
    return found


def _added(found, kind, column):
    """Differences to `none` of the same round, in µs."""
    return [got[column] - found[Nothing][n][column] for n, got in found[kind].items()]


def _ratios(found, kind, column):
    return [got[column] / found[Nothing][n][column] for n, got in found[kind].items()]


def _table(result, found, column):
    base = [r[column] for r in found[Nothing].values()]
    rows = [("none", f"{fmt(figures.median(base))} µs", fmt(min(base)), "", "", "")]
    for kind, rounds in found.items():
        if kind is Nothing:
            continue
        values = [r[column] for r in rounds.values()]
        agent = fmt(figures.median([r[2] for r in rounds.values()]))
        rows.append((kind.name, f"{fmt(figures.median(values))} µs", fmt(min(values)),
                     figures.with_interval(_added(found, kind, column)) + " µs",
                     figures.with_interval(_ratios(found, kind, column), 4),
                     agent if kind is not Control else ""))
    result.table((WHAT[column], "median", "least", "added, paired [95 %]",
                  "ratio, paired [95 %]", "agent's CPU µs a process"), rows)


def _budget(result, found, column):
    added = figures.median(_added(found, Runawayd, column))
    share = figures.median(_ratios(found, Runawayd, column)) - 1
    result.budget(f"{WHAT[column]} with the sensor on", "≤ 4 µs and ≤ 5 % slower",
                  f"{added:+.2f} µs, {share * 100:+.1f} %",
                  added <= ADDED_US_MAX and share <= ADDED_SHARE_MAX)


def _check_certainty(result, found):
    """A drifting machine moves `none` too; what counts is whether the difference is known."""
    for column in (0, 1):
        base = [r[column] for r in found[Nothing].values()]
        result.notes.append(f"Spread of `none`, {WHAT[column]}: {figures.spread(base) * 100:.1f} % "
                            "(90th less 10th percentile, by the median).")
        for kind in (Runawayd, Control):
            low, high = figures.interval95(_added(found, kind, column))
            if (high - low) / 2 > UNSURE_US_MAX:
                result.refused.append(f"what {kind.name} adds to {WHAT[column]} is known to "
                                      f"{(high - low) / 2:.1f} µs only")


def run(s):
    result = Result()
    kinds, absent = comparison(s, Nothing, Control, Runawayd, Snoops, NodeExporter,
                               ProcessExporter)
    found = measure(s, kinds)
    for column in (0, 1):
        _budget(result, found, column)
        _table(result, found, column)
    _check_certainty(result, found)
    result.notes.append(
        f"A round visits all in random order; a visit is {s.pick(5, 3)} chunks of "
        f"{s.pick(1000, 300)} forks and as many execs in turn, of a static program of one "
        "page, all pinned to one CPU, and its median chunk counts. The agent has the other CPU; "
        "exporters are scraped once a second there, in every fifth round.")
    result.notes.append("Where this host is too noisy for a difference, the run times of the "
                        "programs themselves, in the next section, are the surer figure.")
    result.notes += absent
    result.rounds = f"{len(found[Nothing])} rounds and one discarded"
    return result
