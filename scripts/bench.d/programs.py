# SPDX-License-Identifier: GPL-2.0-or-later
"""How long our own programs run in the path of who forks and executes."""

import figures
from agents import Runawayd
from figures import fmt
from forks import ADDED_US_MAX, WHAT, Maker
from report import Result
from scan import program_costs

FORK = ("rw_fork", "rw_exit", "rw_free")
PATHS = {WHAT[0]: FORK, WHAT[1]: (*FORK, "rw_exec")}


def measure(s):
    """{program: [ns a run in each pass]}"""
    found = {}
    with Runawayd(s) as agent:
        maker = Maker(s)
        for n in range(1 + s.pick(7, 2)):
            s.say(f"programs: pass {n}" + (" (discarded)" if n == 0 else ""))
            for name, (ns, runs) in program_costs(agent, maker.visit).items():
                if n and runs > 100:
                    found.setdefault(name, []).append(ns / runs)
        s.end(maker.proc)
    return found


def run(s):
    result = Result()
    found = measure(s)
    for what, programs in PATHS.items():
        us = sum(figures.median(found[p]) for p in programs) / 1e3
        result.budget(f"{what}: our programs", "≤ 4 µs", f"{us:.2f} µs", us <= ADDED_US_MAX)
    result.table(("program", "ns a run, median", "least", "most"),
                 [(f"`{name}`", fmt(figures.median(ns)), fmt(min(ns)), fmt(max(ns)))
                  for name, ns in sorted(found.items())])
    result.notes.append("The same load as above, with `bpf_stats_enabled=1`; about 20 ns of each run "
                        "are the statistics' own. `rw_free` runs after a grace period, in an "
                        "interrupt, and finds cold caches. The environment of each exec is the same "
                        "as that of the one before it, as for what one parent starts; one that is "
                        "not known yet costs up to 1 µs more.")
    result.rounds = f"{len(next(iter(found.values())))} passes and one discarded"
    return result
