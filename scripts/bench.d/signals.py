# SPDX-License-Identifier: GPL-2.0-or-later
"""What the signal audit costs whoever sends a signal (program rw_signal)."""

import json
import os
import signal
import subprocess
import time

import host
from agents import Runawayd
from figures import fmt
from report import Result
from scan import program_costs

PROGRAM = "rw_signal"
# A shell that burns a little and takes SIGTERM without ending; its parent is gone.
ORPHAN = "sh -c 'trap : TERM; while :; do :; done' & echo $!"
STRANGER = ["sh", "-c", "trap : TERM USR1; while :; do sleep 0.1; done"]
DEADLINE_S = 30


class Watching(Runawayd):
    """With a lane that opens an incident about the orphan at once, so that its tree is watched."""

    def commands(self):
        argv = super().commands()
        with open(os.path.join(self.dir, "runawayd.json"), "w", encoding="ascii") as f:
            json.dump({"lanes": [{
                "lane_id": "bench_signals", "alertname": "HostOrphanBench", "severity": "P3",
                "classification": "host_resource_runaway_process",
                "action_policy": "capacity_triage_no_process_remediation",
                "match": {"cgroup_any": ["*"]}, "trigger": {"cpu_cores_min": 0.05, "for_s": 0},
                "clear": {"cpu_cores_max": 0.01, "for_s": 600}}]}, f)
        return argv

    def watches(self, pid):
        return any(i["subject"]["root_pid"] == pid
                   for i in json.loads(self.web().get("/api/v1/incidents")[1]))


def _send(pid, sig, count):
    for _ in range(count):
        os.kill(pid, sig)


def _row(agent, what, pid, sig, count):
    ns, runs = program_costs(agent, lambda: _send(pid, sig, count))[PROGRAM]
    return (what, f"{runs:,}", f"{count / runs * 100:.0f} %", fmt(ns / runs))


def _orphan(s):
    maker = s.spawn(["sh", "-c", ORPHAN], host.LOAD_CPU, stdout=subprocess.PIPE)
    pid = int(maker.stdout.readline())
    s.end(maker)
    return pid


def run(s):
    result, count = Result(), s.pick(20000, 2000)
    stranger = s.spawn(STRANGER, host.LOAD_CPU)
    time.sleep(0.3)  # its trap is set
    rows = []
    with Runawayd(s) as agent:
        rows.append(_row(agent, "nobody is watched", stranger.pid, signal.SIGUSR1, count))
    pid = _orphan(s)
    try:
        with Watching(s) as agent:
            end = time.monotonic() + DEADLINE_S
            while not agent.watches(pid):
                if time.monotonic() > end:
                    raise RuntimeError("no incident about the orphan")
                time.sleep(0.1)
            time.sleep(1.5)  # the next tick tells the kernel
            rows += [_row(agent, "an incident is open, the target is not of its tree",
                          stranger.pid, signal.SIGUSR1, count),
                     _row(agent, "the target is watched, the signal ends nobody", pid,
                          signal.SIGCONT, count),
                     _row(agent, "the target is watched: recorded", pid, signal.SIGTERM, count)]
    finally:
        os.kill(pid, signal.SIGKILL)
    s.end(stranger)
    result.table((f"`{PROGRAM}`", "runs", "of them ours", "ns a run"), rows)
    result.notes.append("`bpf_stats_enabled=1`; about 20 ns of each are the statistics' own. The "
                        "program runs at every signal of the host; SIGCHLD of others are among "
                        "the runs.")
    result.rounds = f"{count:,} signals of each kind"
    return result
