# SPDX-License-Identifier: GPL-2.0-or-later
"""The books of a daemon: emitted = received + dropped, for each kind of record, since a moment."""

from bpfmap import CpuMap
from harness import wait_for

KERNEL_TYPES = 24  # RW_KERNEL_TYPES of include/runaway/wire.h
NAMES = {"fork": 1, "exec": 2, "exit": 3, "children": 4, "reparent": 5, "cgroup": 6,
         "task": 16, "cpu": 17, "free": 18}


class Books:
    def __init__(self, daemon):
        self.daemon = daemon
        self.counters = CpuMap(daemon.pid, "rw_counters")
        self.others = 0  # records of others that came while it was looked at
        self.start = self._settled()

    def emitted(self):
        return self.counters.sums()[:KERNEL_TYPES]

    def dropped(self):
        return self.counters.sums()[KERNEL_TYPES:2 * KERNEL_TYPES]

    def _read(self):
        m = self.daemon.metrics()
        got = {lab["event"]: v for lab, v in m.series("runaway_events_received_total")}
        return got, m.get("runaway_program_misses_total", program="rw_fork") or 0

    def _once(self):
        """At rest: nothing was emitted while the daemon's own figure was read."""
        before = self.emitted(), self.dropped()
        got, missed = self._read()
        if (self.emitted(), self.dropped()) != before:
            return None
        sent = {name: before[0][i] for name, i in NAMES.items()}
        dropped = {name: before[1][i] for name, i in NAMES.items()}
        if any(sent[n] != got[n] + dropped[n] for n in ("fork", "exec", "exit", "free")):
            return None
        return sent, dropped, missed, got

    def _between(self):
        """On a host that is never at rest: what was received lies between what had been emitted
        before the rings were drained and what has been since. Exact but for those few."""
        before = self.emitted(), self.dropped()
        self.daemon.wait_ticks(2)
        got, missed = self._read()
        after = self.emitted(), self.dropped()
        for name in ("fork", "exec", "exit", "free"):
            i = NAMES[name]
            low, high = before[0][i] - after[1][i], after[0][i] - before[1][i]
            assert low <= got[name] <= high, f"{name}: {got[name]} received, {low} to {high} sent"
        self.others = sum(after[0]) - sum(before[0])
        return ({name: after[0][i] for name, i in NAMES.items()},
                {name: after[1][i] for name, i in NAMES.items()}, missed, got)

    def _settled(self):
        try:
            return wait_for(self._once, 20, "emitted == received + dropped")
        except AssertionError:
            return self._between()

    def settled(self):
        """(emitted, dropped, runs of rw_fork that were missed, received) since it was made"""
        now = self._settled()
        both = [({k: a[k] - b[k] for k in a} if isinstance(a, dict) else a - b)
                for a, b in zip(now, self.start)]
        return tuple(both)
