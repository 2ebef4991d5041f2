# SPDX-License-Identifier: GPL-2.0-or-later
"""What several storms share: the load, what a daemon holds, and what it says of the orphans."""

import os
import subprocess

import procfs
from bpfmap import HashMap
from harness import wait_for

WORKERS = 4
HEAL_S = 3  # an interval, and room for a busy machine


def settle(fault, limit_s=HEAL_S):
    """What is still wrong after an interval: a list, empty when all is well."""
    try:
        wait_for(lambda: not fault(), limit_s, "all is well")
        return []
    except AssertionError:
        return fault()


def mixstorm(t, count, stay, seed):
    """(process, forks, threads, {orphan that stays: its origin})"""
    p = t.spawn([t.helper("mixstorm"), str(count), str(WORKERS), str(stay), str(seed)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    made, stays = None, {}
    for line in p.stdout:
        words = line.split()
        if words[0] == b"ready":
            return p, made[0], made[1], stays
        if words[0] == b"made":
            made = int(words[1]), int(words[2])
        else:
            stays[int(words[1])] = int(words[0])
    raise AssertionError("the storm ended early")


def end(p):
    p.stdin.close()
    assert p.wait(60) == 0


class Footprint:
    """What a daemon holds: memory, descriptors, entries of its maps."""

    def __init__(self, daemon):
        self.rss = procfs.rss_bytes(daemon.pid)
        self.fds = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        self.entries = {name: HashMap(daemon.pid, "rw_" + name).count()
                        for name in ("procs", "threads", "cgroups")}

    def __str__(self):
        return f"{self.rss >> 10} KiB, {self.fds} fds, entries {self.entries}"


def back_to_its_start(t, daemon, row, before):
    """Nobody's entry is left: those whose release the kernel told nobody are swept after two looks,
    a minute and a half at most; the memory is what it was after the first storm, and 4 MiB."""
    live, tasks = len(procfs.all_stats()), len(procfs.all_tasks())
    slack = 64

    def grown():
        now = Footprint(daemon)
        return [what for what, is_so in (
            ("rss", now.rss > before.rss + (4 << 20) and not t.sanitized),
            ("fds", now.fds > before.fds),
            ("procs", now.entries["procs"] > max(live, before.entries["procs"]) + slack),
            ("threads", now.entries["threads"] > max(tasks, before.entries["threads"]) + slack),
            ("cgroups", now.entries["cgroups"] > before.entries["cgroups"] + slack)) if is_so]

    left = settle(grown, 120)
    after = Footprint(daemon)
    print(f"  # before: {before}; after: {after}")
    row.bad(f"grown: {left}", len(left))
    row.note(f"resident {before.rss >> 10} → {after.rss >> 10} KiB, fds {before.fds} → {after.fds}, "
             f"entries {sum(before.entries.values())} → {sum(after.entries.values())}, "
             f"{daemon.metrics().get('runaway_map_swept_total'):.0f} swept")


def orphan_faults(daemon, comm, stays, origins):
    have = {o["pid"]: o for o in daemon.api("orphans") if o["comm"] == comm}
    return ([f"missing {c}" for c in stays if c not in have]
            + [f"false {c}" for c in have if c not in stays]
            + [f"origin of {c}" for c, origin in stays.items()
               if origins and c in have and have[c]["origin"]["pid"] != origin])
