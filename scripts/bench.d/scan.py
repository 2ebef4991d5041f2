# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to look at 10,000 tasks, and what others pay for it."""

import json
import subprocess
import time

import figures
import host
from agents import NodeExporter, ProcessExporter, Runawayd, comparison
from figures import fmt
from report import Result

SHARE_MAX = 0.005
RATIO_MIN = {ProcessExporter: 500, NodeExporter: 45}
THRASH = ("64", "200")  # MiB, ms between: more than the caches of a core hold, five times a scan
READS = {
    Runawayd: "of each task its CPU, parent, name and flags in kernel memory; of each process that "
              "changed also ids, exe, RSS and cgroup. Its figure per scrape is a scan, the verdict "
              "on every process and the answer of `/metrics`",
    NodeExporter: "`/proc/PID/stat` of all and lists `/proc/PID/task`, and counts states and "
                  "threads; no process is told from another",
    ProcessExporter: "of each process `stat`, `status`, `io`, `cmdline`, `cgroup`, `limits`, "
                     "`wchan`, the number of `fd` and `smaps_rollup`, and of each thread `stat`, "
                     "`status`, `io`, `cgroup`, `cmdline` and `wchan`: more than runawayd reads, "
                     "and much of its cost is that",
}


class Window:
    """Seconds in which an agent is left alone, or scraped once a second."""

    def __init__(self, agent):
        self.agent = agent
        self.cpu_ns = self.seconds = self.scan_s = self.scans = 0.0

    def rest(self, seconds):
        scanned = self.agent.scan_figures()
        cpu, started = self.agent.cpu_ns(), time.monotonic()
        time.sleep(seconds)
        self.cpu_ns, self.seconds = self.agent.cpu_ns() - cpu, time.monotonic() - started
        now = self.agent.scan_figures()
        self.scan_s, self.scans = now[0] - scanned[0], now[1] - scanned[1]
        return self

    @property
    def scan_ms(self):
        return self.scan_s / self.scans * 1e3

    @property
    def scan_share(self):
        return self.scan_s / self.seconds

    @property
    def cpu_share(self):
        return self.cpu_ns / 1e9 / self.seconds


def program_names(ids):
    """{id: name} from bpftool."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, check=True)
    return {p["id"]: p.get("name", "?") for p in json.loads(shown.stdout) if p["id"] in ids}


def program_costs(agent, work):
    """{program: (ns in all, runs)} of what `work` made the kernel run."""
    with host.bpf_stats():
        before = agent.programs()
        work()
        after = agent.programs()
    names = program_names(set(after))
    costs = {}
    for prog, (ns, runs) in after.items():
        old_ns, old_runs = before.get(prog, (0, 0))
        name = names.get(prog, str(prog))
        have = costs.get(name, (0, 0))
        costs[name] = (have[0] + ns - old_ns, have[1] + runs - old_runs)
    return costs


def scrape_once_a_second(agent, scrapes):
    """(CPU ms per scrape, latencies in s)"""
    web = agent.web()
    web.get()  # the first one reads what later ones remember
    took, cpu = [], agent.cpu_ns()
    for _ in range(scrapes):
        due = time.monotonic() + 1
        took.append(web.get()[0])
        time.sleep(max(0.0, due - time.monotonic()))
    cpu = agent.cpu_ns() - cpu
    web.close()
    return cpu / 1e6 / scrapes, took


def side_by_side(s, kinds):
    """{kind: ([CPU ms per scrape of each round], [latency of each scrape])}"""
    found = {kind: ([], []) for kind in kinds}
    for n in range(s.pick(3, 1)):
        s.say(f"scan: scrapes, round {n + 1}")
        for kind in s.rng.sample(kinds, len(kinds)):
            scrapes = s.pick(4, 1) if kind is ProcessExporter else s.pick(10, 2)
            with kind(s) as agent:
                cpu, took = scrape_once_a_second(agent, scrapes)
            found[kind][0].append(cpu)
            found[kind][1].extend(took)
    return found


def alone(s):
    """(window in quiet, window with cold caches, walk's (ns, runs) and passes with stats on)"""
    with Runawayd(s) as agent:
        time.sleep(2)
        s.say("scan: quiet host")
        quiet = Window(agent).rest(s.pick(15, 2))
        s.say("scan: cold caches")
        thrash = s.spawn([s.helper("bench_thrash"), *THRASH], host.AGENT_CPU)
        time.sleep(1)
        cold = Window(agent).rest(s.pick(60, 2))
        s.end(thrash)
        s.say("scan: BPF run time")
        counted = Window(agent)
        costs = program_costs(agent, lambda: counted.rest(s.pick(10, 2)))
        walk = max(costs.items(), key=lambda item: item[1][0])
    return quiet, cold, (walk[0], *walk[1], counted.scans)


def _walk_table(result, tasks, quiet, cold, walk):
    name, ns, runs, passes = walk
    rows = [
        ("quiet host", fmt(quiet.scan_ms), fmt(quiet.scan_ms * 1e3 / tasks),
         fmt(quiet.scan_share * 100) + " %", fmt(quiet.cpu_share * 100) + " %"),
        ("caches emptied between scans", fmt(cold.scan_ms), fmt(cold.scan_ms * 1e3 / tasks),
         fmt(cold.scan_share * 100) + " %", fmt(cold.cpu_share * 100) + " %"),
    ]
    result.table((f"{tasks:,} tasks", "ms a scan", "µs a task", "core, scans",
                  "core, whole daemon"), rows)
    result.notes.append(
        f"The BPF program alone (`{name}`, `bpf_stats_enabled=1`, a pass of its own): "
        f"{fmt(ns / passes / 1e6)} ms a scan, {fmt(ns / max(runs, 1))} ns a run, "
        f"{fmt(runs / passes)} runs a scan; about 20 ns of each run are the statistics' own.")
    result.notes.append(
        "A scan is timed by the wall clock from its begin to its end "
        "(`runaway_scan_duration_seconds`): walk, draining of the rings and applying what they "
        "held. The whole daemon is `schedstat` of all its threads, BPF included. The mean "
        f"over {fmt(cold.seconds, 2)} s counts every kind of pass, cheap or full.")


def _peer_table(result, found, scan_ms):
    ours = figures.median(found[Runawayd][0])
    rows = []
    for kind, (cpu, took) in found.items():
        ms = figures.median(cpu)
        ratio = ("1", "") if kind is Runawayd else (fmt(ms / ours), fmt(ms / scan_ms))
        rows.append((kind.name, fmt(ms), fmt(min(cpu)), fmt(figures.percentile(took, 50) * 1e3),
                     fmt(figures.percentile(took, 99) * 1e3), len(took), *ratio))
        if kind in RATIO_MIN:
            result.budget(f"a scrape of {kind.name} against a scan of ours",
                          f"≥ {RATIO_MIN[kind]} times the CPU", fmt(ms / scan_ms) + " times",
                          ms / scan_ms >= RATIO_MIN[kind])
        result.notes.append(f"{kind.name} reads {READS[kind]}.")
    result.table(("scraped once a second", "CPU ms a scrape", "least", "latency p50 ms", "p99 ms",
                  "scrapes", "× runawayd", "× its scan"), rows)


def run(s):
    result = Result()
    kinds, absent = comparison(s, Runawayd, NodeExporter, ProcessExporter)
    with s.tasks(total=s.big):
        tasks = host.tasks()
        found = side_by_side(s, kinds)
        quiet, cold, walk = alone(s)
    result.budget(f"scanning {s.big:,} tasks at 1 Hz, cold caches", "≤ 0.5 % of a core",
                  f"{fmt(cold.scan_share * 100)} % ({fmt(cold.scan_ms)} ms a scan)",
                  cold.scan_share <= SHARE_MAX)
    _walk_table(result, tasks, quiet, cold, walk)
    _peer_table(result, found, cold.scan_ms)
    result.notes += absent
    result.rounds = f"{len(found[Runawayd][0])} rounds of scrapes, in random order"
    return result
