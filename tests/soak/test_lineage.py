#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Orphans by the thousand, in every way in which a child can lose its parent."""

import os
import subprocess
import time

from soak import FULL, experiment, main  # first: it knows where the harness is

import procfs
import recording
from harness import SLOWNESS
from load import settle

INTERVAL_MS = 500
THREADS = (1, 8, 64)
WAYS = ("exit", "kill", "leader", "exec")
AT_ONCE = 1000  # orphans that live at a time: as many as thread_orphans takes


def pipes(t, argv, **kw):
    return t.spawn(argv, bufsize=1 << 16, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kw)


def go_on(maker):
    maker.stdin.write(b"\n")
    maker.stdin.flush()


def read_until(maker, *words):
    """(lines as lists of words, the word that ended them)"""
    lines = []
    for line in maker.stdout:
        parts = line.decode().split()
        if parts[0] in words:
            return lines, parts[0]
        lines.append(parts)
    raise AssertionError(f"{maker.args}: it ended without {words}")


def orphans_of(daemon, comm):
    return {o["pid"]: o for o in daemon.api("orphans") if o["comm"] == comm}


class Storm:
    """thread_orphans, batch by batch, against what the daemon says."""

    def __init__(self, t, daemon, row, comm="thread_orphans"):
        self.t, self.daemon, self.row, self.comm = t, daemon, row, comm
        self.late = 0
        self.worst_s = 0  # until all was right
        self.pairs = set()  # (parent, child) of all

    def check(self, expected):
        """expected: {child: parent}; these and no others are orphans."""
        def faults():
            have = orphans_of(self.daemon, self.comm)
            return ([c for c, parent in expected.items()
                     if c not in have or have[c]["origin"]["pid"] != parent
                     or not have[c]["origin"]["known"]]
                    + [c for c in have if c not in expected])

        began = time.monotonic()
        self.late += len(faults())
        look_s = time.monotonic() - began
        wrong = settle(faults)
        took_s = time.monotonic() - began
        self.worst_s = max(self.worst_s, took_s)
        # An interval, up to a twentieth late, and what looking takes: the first time, and the last.
        limit_s = SLOWNESS * 1.05 * INTERVAL_MS / 1000 + 3 * look_s
        self.row.bad(f"all was right after {took_s:.2f} s only", int(FULL and took_s > limit_s))
        self.row.bad(f"{len(wrong)} children of {len(expected)}: {wrong[:5]}", len(wrong))

    def run(self, threads, how, rounds):
        batch = max(1, min(rounds, AT_ONCE // threads))
        maker = pipes(self.t, [self.t.helper("thread_orphans"), str(rounds), str(batch),
                               str(threads), how])
        done = 0
        while done < rounds:
            lines, word = read_until(maker, "alive", "batch")
            expected = {int(c): int(parts[0]) for parts in lines for c in parts[1:]}
            assert len(expected) == len(lines) * threads
            if word == "alive":
                # The parents live, though their leaders ended or they are another program.
                self.daemon.wait_ticks(1)
                self.check({})
                go_on(maker)
                assert read_until(maker, "batch")[0] == []
            self.check(expected)
            done += len(lines)
            self.row.tried += len(expected)
            self.pairs |= {(parent, child) for child, parent in expected.items()}
            go_on(maker)
        maker.stdin.close()
        assert maker.wait(20) == 0


# Rounded down to whole parents: 131 with 64 threads for each of 12 kinds is the first above 100,000.
@experiment("L1", "orphans of parents with 1, 8 and 64 threads, ended in 4 ways",
            check=2400, full=100608)
def orphan_storm(t, row):
    daemon = t.daemon({"sample_interval_ms": INTERVAL_MS})
    storm = Storm(t, daemon, row)
    kinds = [(threads, how) for threads in THREADS for how in WAYS]
    row.rng.shuffle(kinds)
    for threads, how in kinds:
        storm.run(threads, how, max(1, row.count // len(kinds) // threads))
    row.note(f"{storm.late} not at the first look, all within {storm.worst_s:.2f} s")
    row.note(f"{daemon.metrics().sum('runaway_events_lost_total'):.0f} records lost")


@experiment("L2", "exit_group of 8 threads, each with a child", check=800, full=20000)
def exit_group_race(t, row):
    folder = t.path("rec")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "kernel.rec")
    daemon = t.daemon({"sample_interval_ms": INTERVAL_MS}, args=["--record", path])
    storm = Storm(t, daemon, row)
    storm.run(8, "exit", row.count // 8)
    assert daemon.stop() == 0
    # A rule that looks at the last thread alone sees the children that this one still had.
    last = set()
    for kind, body in recording.records(path):
        if kind == recording.CHILDREN:
            parent, live, kids = recording.children(body)
            if live == 0:
                last.update((parent, child) for child in kids)
    missed = len(storm.pairs - last)
    row.note(f"a rule that looks at the last thread alone would have missed {missed}")
    # Else nothing was tried: a sensor with that rule would have passed, too.
    row.bad("the race was not met", int(FULL and not missed))


def shape_names(t):
    out = subprocess.run([t.helper("shapes")], capture_output=True, check=True, timeout=10)
    return out.stdout.decode().split()


def shape_faults(daemon, cases, lossy):
    """lossy: records of this time were dropped, and counted. Then an origin may be unknown, if
    everything that named it was among them; it must not be another one."""
    have = {o["pid"]: o for o in daemon.api("orphans")}
    wrong = []
    for name, expect, origin, child in cases:
        orphan, stat = have.get(child), procfs.stat(child)
        if expect == "gone":
            why = orphan and orphan["origin"]["pid"] == origin and "still an orphan"
        elif stat is None:
            why = "not there"
        elif expect == "kept":
            shown = daemon.show(child)
            why = (orphan and "an orphan") or (shown is None and "unknown") \
                or (shown["ppid"] != stat.ppid and f"parent {shown['ppid']} for {stat.ppid}")
        else:
            why = (orphan is None and "no orphan") \
                or (orphan["reaper"]["pid"] != stat.ppid
                    and f"reaper {orphan['reaper']['pid']} for {stat.ppid}") \
                or (orphan["origin"]["known"] and orphan["origin"]["pid"] != origin
                    and f"origin {orphan['origin']['pid']} for {origin}") \
                or (not orphan["origin"]["known"] and not lossy and "origin unknown")
        if why:
            wrong.append(f"{name}: {child} {why}")
    return wrong


@experiment("L3", "ways in which a child changes its parent, or seems to: reaper as in /proc",
            check=4, full=200)
def shapes(t, row):
    daemon = t.daemon({"sample_interval_ms": INTERVAL_MS})
    names = shape_names(t)
    batch = min(row.count, 10)
    makers = {name: pipes(t, [t.helper("shapes"), name, str(row.count), str(batch)])
              for name in names}
    def lost():
        return daemon.metrics().sum("runaway_events_lost_total")

    unknown = 0
    for done in range(0, row.count, batch):
        cases, before = [], lost()
        for name, maker in makers.items():
            cases += [(name, parts[0], int(parts[1]), int(parts[2]))
                      for parts in read_until(maker, "batch")[0]]
        assert len(cases) == len(names) * min(batch, row.count - done), len(cases)
        daemon.wait_ticks(1)
        lossy = lost() > before
        wrong = settle(lambda c=cases, is_so=lossy: shape_faults(daemon, c, is_so))
        row.bad("; ".join(wrong[:8]), len(wrong))
        unknown += lossy and len(shape_faults(daemon, cases, False)) - len(wrong)
        row.tried += len(cases)
        for maker in makers.values():
            go_on(maker)
    for name, maker in makers.items():
        maker.stdin.close()
        assert maker.wait(20) == 0, name
    row.note(f"{len(names)} shapes, {row.count} times each; {lost():.0f} records lost, "
             f"{unknown} origins unknown for that")


if __name__ == "__main__":
    main()
