#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
"""Killed, restarted, suspended, with its programs pinned: the model goes on as if nothing had been."""

import signal
import time

from soak import experiment, main  # first: it knows where the harness is

from books import Books
from continuity import continuity, kill_at_random, same_as_fresh, untold
from harness import wait_for
from load import settle
from scenes import OrphanMaker

SUSPENDED_S = 30


def restart(t, daemon, origins, rng):
    """As systemd does it; somebody is orphaned while nobody looks."""
    maker = OrphanMaker(t)
    assert daemon.stop() == 0
    origin, orphan, _ = maker.make()
    origins[orphan] = origin
    time.sleep(rng.uniform(0, 0.5))
    daemon.start()
    kept = continuity(daemon)
    assert kept["pins"] == "adopted" and kept["whole"], kept


def suspend(t, daemon, origins):
    daemon.proc.send_signal(signal.SIGSTOP)
    origin, orphan, _ = OrphanMaker(t).make()
    origins[orphan] = origin
    time.sleep(SUSPENDED_S)
    daemon.proc.send_signal(signal.SIGCONT)
    wait_for(daemon.is_ready, 10, "it goes on")


@experiment("S1", "pinned daemon: SIGKILL at random moments, a restart for every tenth of them, "
            "stopped for 30 s; stories, books, a fresh scan", check=None, full=200)
def killed_restarted_suspended(t, row):
    daemon, origins = kill_at_random(t, "killed", row.count, row.rng)
    row.tried += row.count
    for _ in range(row.count // 10):
        restart(t, daemon, origins, row.rng)
        row.tried += 1
    suspend(t, daemon, origins)
    row.tried += 1
    books = Books(daemon)  # emitted = received + dropped over all of them, or it fails
    dropped = daemon.api("status")["counters"]["records_dropped"]
    wrong = list(settle(lambda: untold(daemon, origins, dropped > 0), 10))
    row.bad(f"{len(wrong)} stories of {len(origins)}: {wrong[:5]}", len(wrong))
    same_as_fresh(t, daemon)
    row.note(f"{row.count} kills, {row.count // 10} restarts, 1 stop; {len(origins)} orphans, all "
             f"found; {dropped} records dropped, "
             f"{len(untold(daemon, origins))} origins unknown for that; "
             f"{books.others} records of others while the books were read; journal "
             f"{continuity(daemon)['journal']['bytes']} bytes")


if __name__ == "__main__":
    main()
