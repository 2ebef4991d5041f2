# SPDX-License-Identifier: GPL-2.0-or-later
"""From the death of a parent to its orphan in the answer of the control socket."""

import os
import signal
import subprocess
import time

import figures
import host
from agents import Runawayd
from figures import fmt
from report import Result

P99_MAX_S = 0.1
REQUEST = b'{"id":1,"method":"proc.orphans","params":{}}\n'
DEADLINE_S = 5


class Asker:
    """One connection; asks again as soon as it has the answer."""

    def __init__(self, agent):
        self.sock = agent.control()

    def orphans(self):
        self.sock.sendall(REQUEST)
        parts = []
        while not parts or not parts[-1].endswith(b"\n"):
            got = self.sock.recv(1 << 20)
            if not got:
                raise RuntimeError("the control socket was closed")
            parts.append(got)
        return b"".join(parts)

    def close(self):
        self.sock.close()


def _one(maker, asker):
    """Seconds until it is seen with its origin, and the questions that took."""
    maker.stdin.write(b"\n")
    maker.stdin.flush()
    _, pid, at_ns = (int(x) for x in maker.stdout.readline().split())
    key, asked = b'"pid":%d,' % pid, 0
    try:
        while True:
            answer = asker.orphans().replace(b'": ', b'":').replace(b"  ", b"")
            asked += 1
            if key in answer:
                return time.monotonic() - at_ns / 1e9, asked
            if time.monotonic() - at_ns / 1e9 > DEADLINE_S:
                raise RuntimeError(f"orphan {pid} is not seen")
    finally:
        os.kill(pid, signal.SIGTERM)  # it lives until we end it: its pid is nobody else's


def _measure(s, total):
    delays, asked = [], []
    with s.tasks(total=total) as _, Runawayd(s) as agent:
        time.sleep(1.5)
        maker = s.spawn([s.helper("orphan_maker")], host.LOAD_CPU, bufsize=0,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        asker = Asker(agent)
        for _ in range(s.pick(200, 30)):
            seconds, questions = _one(maker, asker)
            delays.append(seconds)
            asked.append(questions)
            time.sleep(s.rng.uniform(0.005, 0.025))  # out of step with the scans
        asker.close()
        s.end(maker)
    return delays, asked


def run(s):
    result = Result()
    rows = []
    for total in (500, s.big):
        s.say(f"latency: {total} tasks")
        delays, asked = _measure(s, total)
        p99 = figures.percentile(delays, 99)
        result.budget(f"orphan event to API, {total:,} tasks", "p99 ≤ 100 ms",
                      f"p50 {fmt(figures.percentile(delays, 50) * 1e3)} ms, "
                      f"p99 {fmt(p99 * 1e3)} ms", p99 <= P99_MAX_S)
        rows.append((f"{total:,}", len(delays), fmt(figures.percentile(delays, 50) * 1e3),
                     fmt(figures.percentile(delays, 90) * 1e3), fmt(p99 * 1e3),
                     fmt(max(delays) * 1e3), figures.median(asked)))
    result.table(("tasks", "orphans", "p50 ms", "p90 ms", "p99 ms", "most ms",
                  "questions until seen, median"), rows)
    result.notes.append(
        "From just before `kill -9` of the parent, so its exit is part of it, to the end of the "
        "first answer of `proc.orphans` that names the orphan; one connection asks without pause.")
    result.rounds = f"{s.pick(200, 30)} orphans each, one after the other"
    return result
