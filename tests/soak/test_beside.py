#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Others that trace on the same host."""

import shutil
import subprocess
import time

from soak import FULL, LONG, experiment, main  # first: it knows where the harness is

from books import Books
from load import end, mixstorm, orphan_faults, settle

TRACERS = (
    ["perf", "record", "-q", "-a", "-e", "sched:sched_process_fork,sched:sched_process_exit",
     "-o", "/dev/null"],
    ["bpftrace", "-e", "tracepoint:sched:sched_process_fork { @[comm] = count(); } "
     "tracepoint:sched:sched_process_exit { @gone[pid] = count(); }"],
)


@experiment("L9", "a second copy of us, and in the long run perf and bpftrace, on the same events: "
            "seconds of storm", check=4, full=3600 if LONG else 300)
def foreign_tools(t, row):
    daemons = [t.daemon({"sample_interval_ms": 200}, name=name) for name in ("one", "two")]
    books = [Books(d) for d in daemons]
    tracers = [t.spawn(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
               for argv in TRACERS if FULL and shutil.which(argv[0])]
    until, forks = time.monotonic() + row.count, 0
    while time.monotonic() < until:
        p, made, _, stays = mixstorm(t, 5000, 200, row.rng.randrange(1 << 30))
        forks += made
        for d in daemons:
            lost = d.metrics().sum("runaway_events_lost_total")
            wrong = settle(lambda d=d, lost=lost: orphan_faults(d, "mixstorm", stays, not lost))
            row.bad(f"{d.name}: {wrong[:5]}", len(wrong))
        row.tried += made
        end(p)
        assert all(tracer.poll() is None for tracer in tracers), "a tracer ended"
    for tracer in tracers:
        tracer.terminate()
        tracer.wait(30)
    for d, b in zip(daemons, books):
        sent, dropped, missed, _ = b.settled()  # emitted = received + dropped, or it fails
        row.bad(f"{d.name}: {forks} forks, {sent['fork'] + missed} seen",
                max(0, forks - sent["fork"] - missed))
        row.note(f"{d.name}: dropped {sum(dropped.values())}, missed {missed}")
    row.note("beside " + ", ".join([d.name for d in daemons[1:]] + [a.args[0] for a in tracers]))


if __name__ == "__main__":
    main()
