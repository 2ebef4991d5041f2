# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon on a host where nothing happens."""

import time

import host
from agents import Runawayd, memory_kib
from figures import fmt
from report import Result
from scan import Window

# (share of a core, MiB resident)
SMALL, BIG = (0.001, 12), (0.01, 40)


def _measure(s, tasks):
    with s.tasks(total=tasks) as paused, Runawayd(s) as agent:
        time.sleep(s.pick(3, 1))
        there = host.tasks()
        before = agent.status()["scan"]["rescans"]
        window = Window(agent).rest(s.pick(60, 2))
        after = agent.status()["scan"]["rescans"]
        rescans = sum(after.values()) - sum(before.values())
        return {"there": there, "paused": paused, "window": window, "rescans": rescans,
                "rss": memory_kib(agent.pid) / 1024,
                "anon": memory_kib(agent.pid, "RssAnon") / 1024,
                "maps": agent.map_bytes() / 2 ** 20}


def run(s):
    result = Result()
    rows = []
    for tasks, (share_max, rss_max) in ((500, SMALL), (s.big, BIG)):
        s.say(f"rest: {tasks} tasks")
        m = _measure(s, tasks)
        w = m["window"]
        result.budget(f"daemon at rest, {tasks:,} tasks", f"≤ {fmt(share_max * 100)} % of a core",
                      f"{fmt(w.cpu_share * 100)} %", w.cpu_share <= share_max)
        result.budget(f"memory, {tasks:,} tasks", f"≤ {rss_max} MiB resident",
                      f"{fmt(m['rss'])} MiB", m["rss"] <= rss_max)
        rows.append((f"{m['there']:,}", fmt(w.cpu_share * 100) + " %",
                     fmt(w.cpu_ns / 1e6 / w.scans), fmt(w.scan_ms), int(w.scans), m["rescans"],
                     fmt(m["rss"]), fmt(m["anon"]), fmt(m["maps"])))
    result.table(("tasks", "of a core", "CPU ms a tick", "ms a scan", "scans", "that write all",
                  "RSS MiB", "anonymous MiB", "BPF maps MiB"), rows)
    result.notes.append(
        f"CPU is `schedstat` of all threads over {s.pick(60, 2)} s, nobody scrapes. "
        "The maps are kernel memory (`memlock`, allocated whole at the start) and not part of RSS.")
    result.rounds = "one window each"
    return result
