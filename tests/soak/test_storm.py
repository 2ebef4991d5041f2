#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Short-lived processes by the million: nobody missed, nothing miscounted, nothing kept."""

import subprocess
import time

from soak import experiment, main  # first: it knows where the harness is

import procfs
from bpfmap import Prog
from books import Books
from harness import wait_for
from load import Footprint, back_to_its_start, end, mixstorm, orphan_faults, settle


STATS = "/proc/sys/kernel/bpf_stats_enabled"
# Forks that no program is told of: those of a pid 1 that the host hides, and io_uring's threads.
HIDDEN = 20


class ForksTold:
    """Whom the kernel made, by its own count, and how often it went to call rw_fork for that."""

    def __init__(self, t, daemon):
        with open(STATS, encoding="ascii") as f:
            was = f.read()
        t.defer(self._set, was)
        self._set("1")
        self.prog = Prog(daemon.pid, "rw_fork")

    @staticmethod
    def _set(text):
        with open(STATS, "w", encoding="ascii") as f:
            f.write(text)

    def look(self):
        """Both at one moment: nobody forks in between."""
        def once():
            made = procfs.host_forks()
            told = self.prog.asked_to_run()
            return (made, told) if procfs.host_forks() == made else None

        return wait_for(once, 20, "a moment in which nobody forks")


@experiment("L4", "short processes of mixed kinds: plain, double forks, sessions, threads, vfork, "
            "exec; forks against /proc/stat", check=30000, full=1000000)
def mixed_storm(t, row):
    daemon = t.daemon({"sample_interval_ms": 200})
    runs = ForksTold(t, daemon)
    end(mixstorm(t, max(5000, row.count // 20), 0, row.rng.randrange(1 << 30))[0])
    daemon.wait_ticks(2)
    before, books, kernel = Footprint(daemon), Books(daemon), procfs.host_forks()
    made_before, told_before = runs.look()
    started = time.monotonic()
    p, forks, threads, stays = mixstorm(t, row.count, max(100, row.count // 2000),
                                        row.rng.randrange(1 << 30))
    seconds = time.monotonic() - started
    row.tried = forks
    lost = daemon.metrics().sum("runaway_events_lost_total")
    wrong = settle(lambda: orphan_faults(daemon, "mixstorm", stays, not lost))
    row.bad(f"orphans: {wrong[:8]}", len(wrong))
    kernel_before = procfs.host_forks() - kernel
    sent, dropped, missed, got = books.settled()
    kernel = procfs.host_forks() - kernel
    seen = sent["fork"] + missed
    row.bad(f"{forks} forks, {seen} seen", max(0, forks - seen))
    row.bad(f"{seen} forks seen, the kernel made {kernel}", max(0, seen - kernel))
    others = kernel_before - threads - seen
    row.note(f"{forks / seconds:.0f} forks/s, {len(stays)} orphans stay; kernel's counter "
             f"{kernel_before} = {seen} forks + {threads} threads of ours + {others} threads of others")
    row.note(f"received {got['fork']:.0f} + dropped {dropped['fork']} + missed {missed}"
             + (f", {books.others} records of others while looking" if books.others else ""))
    made, told = (now - then for now, then in zip(runs.look(), (made_before, told_before)))
    row.note(f"processes and threads made {made}, told of or skipped and counted {told}")
    row.bad(f"{made} made, {told} told", abs(made - told) if not 0 <= made - told <= HIDDEN else 0)
    # Threads of others are all that may be left; they are few beside a storm.
    row.bad(f"{others} tasks that nobody made", max(0, others - 2000 - row.count // 20))
    end(p)
    back_to_its_start(t, daemon, row, before)


class Truth:
    """What `marked` wrote: the n-th orphan, by its own word."""

    def __init__(self):
        self.of = {}  # n: (origin, orphan)
        self.numbers = {}  # pid: how often it was given to one of ours

    def add(self, line):
        n, origin, orphan = (int(x) for x in line.split())
        self.of[n] = (origin, orphan)
        for pid in (origin, orphan):
            self.numbers[pid] = self.numbers.get(pid, 0) + 1

    def faults(self, orphans):
        """Whoever bears another one's name, number or origin."""
        wrong = []
        for o in orphans:
            if not o["comm"].startswith("c") or not o["comm"][1:].isdigit():
                continue
            n = int(o["comm"][1:])
            if n not in self.of:
                continue  # made since we read
            origin, orphan = self.of[n]
            if o["pid"] != orphan or o["origin"]["pid"] != origin \
                    or o["origin"]["comm"] != f"o{n}" or not o["origin"]["known"]:
                wrong.append((n, o["pid"], o["origin"]["pid"], o["origin"]["comm"]))
        return wrong


@experiment("R1", "orphans whose pids come back: lineage against the load's own record",
            check=400, full=20000)
def pids_come_back(t, row):
    live = 50
    daemon = t.daemon({"sample_interval_ms": 500})
    forks, truth = procfs.host_forks(), Truth()
    churn = [t.spawn([t.helper("pidburner")], stdin=subprocess.PIPE),
             t.spawn([t.helper("forkstorm"), "10000000", "0", "0", "4"],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)]
    maker = t.spawn([t.helper("marked"), str(row.count), str(live)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wrong, looks, next_look = set(), 0, 0
    for line in maker.stdout:
        if line == b"done\n":
            break
        truth.add(line)
        row.tried += 1
        if time.monotonic() > next_look:
            wrong |= set(truth.faults(daemon.api("orphans")))
            looks, next_look = looks + 1, time.monotonic() + 0.3
        time.sleep(0.005)
    for p in churn:
        p.kill()
        p.wait()

    def last_faults():
        orphans = [o for o in daemon.api("orphans") if o["comm"][0] == "c" and t.ours(o["pid"])]
        named = {o["comm"] for o in orphans}
        return (truth.faults(orphans) + [n for n in list(truth.of)[-live:] if f"c{n}" not in named]
                + [o["pid"] for o in daemon.api("orphans") if o["comm"] == "forkstorm"])

    left = settle(last_faults)
    row.bad(f"mixed up: {sorted(wrong)[:5]}", len(wrong))
    row.bad(f"at the end: {left[:5]}", len(left))
    forks = procfs.host_forks() - forks
    with open("/proc/sys/kernel/pid_max", encoding="ascii") as f:
        pid_max = int(f.read())
    row.note(f"all {pid_max} numbers came round {forks / pid_max:.1f} times; "
             f"{sum(n > 1 for n in truth.numbers.values())} bore more than one of the marked; "
             f"{looks} looks")
    maker.stdin.close()
    assert maker.wait(20) == 0


if __name__ == "__main__":
    main()
