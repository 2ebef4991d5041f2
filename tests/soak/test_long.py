#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""The long run."""

import time

from soak import LONG, experiment, main  # first: it knows where the harness is

from load import Footprint, back_to_its_start, end, mixstorm


@experiment("L10", "at 5,000 forks a second: seconds; memory, descriptors and entries stay flat",
            check=None, full=86400 if LONG else 900)
def long_run(t, row):
    daemon = t.daemon()
    end(mixstorm(t, 50000, 0, 1)[0])
    daemon.wait_ticks(3)
    before, started, forks = Footprint(daemon), time.monotonic(), 0
    while time.monotonic() - started < row.count:
        due = time.monotonic() + 1
        p, made, _, _ = mixstorm(t, 5000, 0, row.rng.randrange(1 << 30))
        end(p)
        forks += made
        time.sleep(max(0, due - time.monotonic()))
    row.tried = forks
    back_to_its_start(t, daemon, row, before)
    m = daemon.metrics()
    row.note(f"{forks / (time.monotonic() - started):.0f} forks/s for {row.count} s, "
             f"{m.sum('runaway_events_lost_total'):.0f} records lost, "
             f"{m.get('runaway_scan_overruns_total'):.0f} scans late")


if __name__ == "__main__":
    main()
