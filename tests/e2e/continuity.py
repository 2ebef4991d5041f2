# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of restarts share: a pin directory, who was left behind, what must still be true."""

import json
import os
import random
import signal
import subprocess
import time

import procfs
from bpfmap import CpuMap, held_by
from harness import wait_for
from scenes import OrphanMaker

# Index of the first 64-bit word of each field in struct rw_counters (include/runaway/wire.h).
TYPES = 24
EVENTS = {"fork": 1, "exec": 2, "exit": 3, "children": 4, "reparent": 5, "cgroup": 6, "free": 18}

SMOKE = """#!/bin/sh
# A smoke test that leaves its server behind when it is killed.
sleep 600 &
echo $! > {pid}.new && mv {pid}.new {pid}
sleep 600
"""


def pin_dir(t, name="runawayd"):
    """A folder for pins in a BPF file system of the test's own."""
    bpffs = t.path("bpf")
    if not os.path.isdir(bpffs):
        os.mkdir(bpffs)
        subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
        t.defer(lambda: subprocess.run(["umount", "-l", bpffs], check=False))
    return os.path.join(bpffs, name)


def pinned_daemon(t, config=None, name=None, start=True, pins="runawayd"):
    """A daemon in service mode; its pins go with the test."""
    path = pin_dir(t, pins)
    d = t.daemon({"sample_interval_ms": 200, **(config or {})}, args=["--pin-dir", path], name=name,
                 start=start)
    d.pins = path
    t.defer(lambda: subprocess.run([t.runawayd, "--unload", "--pin-dir", path, "--runtime-dir",
                                    d.runtime_dir], check=False, capture_output=True))
    return d


class Smoke:
    """smoke.sh --job N of a CI job, with a child that it will leave behind."""

    def __init__(self, t, job):
        self.t, self.job = t, str(job)
        self.pid_file = t.path(f"left-{job}")
        script = t.write(f"smoke-{job}.sh", SMOKE.format(pid=self.pid_file), 0o755)
        self.exe = script
        self.proc = t.spawn([script, "--job", self.job], stdin=subprocess.DEVNULL,
                            env={"CI": "true", "GITHUB_RUN_ID": self.job})
        self.pid = wait_for(self._read, 10, "the server of the smoke test")

    def _read(self):
        try:
            with open(self.pid_file, encoding="ascii") as f:
                return int(f.read())
        except FileNotFoundError:
            return 0

    def kill(self):
        self.t.signal(self.proc.pid, signal.SIGKILL)
        self.proc.wait()
        self.killed_at = time.time()
        return self

    def check(self, daemon):
        """All of the story, whoever saw it happen."""
        o = wait_for(lambda: daemon.orphan(self.pid), 5, f"the orphan of job {self.job}")
        origin = o["origin"]
        assert origin["known"] and origin["pid"] == self.proc.pid, origin
        assert origin["comm"] == os.path.basename(self.exe)[:15], origin
        assert origin["args"][-2:] == ["--job", self.job], origin
        assert origin["exe"] and os.path.basename(origin["exe"]) in ("dash", "sh", "bash"), origin
        assert origin["exit"] and origin["exit"]["signal"] == 9, origin
        assert o["ci"]["runner"] == "github", o["ci"]
        assert o["ci"]["markers"]["GITHUB_RUN_ID"] == self.job, o["ci"]
        age = time.time() - self.killed_at
        assert abs(o["orphan_age_s"] - age) < 2, (o["orphan_age_s"], age)
        assert o["lineage"][0]["pid"] == self.proc.pid and not o["lineage"][0]["alive"]
        return o


def continuity(daemon):
    return daemon.api("status")["continuity"]


def held(daemon):
    """{(kind, id)} of all BPF objects that the daemon holds."""
    return {(k, i) for k in ("map", "prog", "link") for i in held_by(daemon.pid, k)}


def in_kernel():
    """{(kind, id)} of all BPF objects there are."""
    found = set()
    for kind in ("map", "prog", "link"):
        out = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, check=True)
        found |= {(kind, x["id"]) for x in json.loads(out.stdout or b"[]")}
    return found


def check_books(daemon):
    """Each record that the kernel side wrote was read by some daemon, or is counted as dropped."""
    counters = CpuMap(daemon.pid, "rw_counters")

    def settled():
        """At rest: nothing was written while the daemon's own figure was read."""
        before = counters.sums()
        m = daemon.metrics()
        if counters.sums()[:2 * TYPES] != before[:2 * TYPES]:
            return None
        wrong = {name: (before[i], before[TYPES + i], got) for name, i in EVENTS.items()
                 if (got := m.get("runaway_events_received_total", event=name))
                 != before[i] - before[TYPES + i]}
        return None if wrong else before

    return wait_for(settled, 30, "records written are records read or dropped")


def differences(s, old, new):
    """What two daemons say otherwise of a process, and otherwise than /proc (a Stat)."""
    keys = ("pid", "start_ns", "comm", "ppid", "pgid", "sid", "uid", "exe", "cgroup")
    differ = {k: (old[k], new[k]) for k in keys if old[k] != new[k]}
    if old["ppid"] != (s.ppid or None):
        differ["ppid"] = (old["ppid"], s.ppid)
    # Who began to look later knows the origin of those that have it for a parent still, and no other.
    origins = [{k: d["origin"][k] for k in ("known", "pid", "start_ns", "comm", "exe")}
               for d in (old, new)]
    if origins[1]["known"] and origins[0] != origins[1]:
        differ["origin"] = origins
    return differ


def same_as_fresh(t, daemon):
    """The model against that of a daemon that has just begun, and against /proc."""
    # Parents that live: a guest may have no others to compare.
    t.spawn(["sh", "-c", "sleep 600 & sleep 600 & wait"], stdin=subprocess.DEVNULL)
    fresh = t.daemon({"sample_interval_ms": 200}, name=f"fresh{len(t.daemons)}")
    fresh.wait_ticks(1)
    daemon.wait_ticks(2)
    compared = origins = 0
    for s in procfs.all_stats():
        if s.state in "ZX" or s.comm == "runawayd":
            continue
        old, new = daemon.show(s.pid), fresh.show(s.pid)
        if procfs.stat(s.pid) is None or not procfs.args(s.pid):
            continue
        after = procfs.stat(s.pid)
        if after is None or (after.start, after.comm, after.ppid, after.pgid) != \
                (s.start, s.comm, s.ppid, s.pgid):
            continue
        assert old and new, f"{s.pid} {s.comm}: {bool(old)} {bool(new)}"
        differ = differences(s, old, new)
        assert not differ, f"{s.pid} {s.comm}: {differ}"
        compared += 1
        origins += new["origin"]["known"]
    assert compared >= 5 and origins >= 2, (compared, origins)

    def no_ghost():
        ours = daemon.api("status")["processes"]
        theirs = fresh.api("status")["processes"]
        ghosts = [o["pid"] for o in daemon.api("orphans") if not procfs.alive(o["pid"])]
        return abs(ours - theirs) <= 3 and not ghosts or None

    wait_for(no_ghost, 10, "as many processes as a fresh scan finds, and no dead orphan")
    fresh.stop()


# Forty processes a second come and go, with a program each.
CHURN = "while :; do sleep 0.02 & sleep 0.05; done"


def lossless(attempt):
    """A busy host may fill the ring while no daemon runs: what is lost then is counted, and the
    story is tried again. attempt(n) gives the daemon that ran to the end."""
    for n in range(3):
        daemon = attempt(n)
        dropped = daemon.api("status")["counters"]["records_dropped"]
        if not dropped:
            return daemon
        print(f"  # others of this host filled the ring: {dropped} records dropped", flush=True)
        check_books(daemon)
        daemon.stop()
    raise AssertionError("the ring was full three times")


def kill_at_random(t, name, kills, rng):
    """SIGKILL at random moments, some while it starts. (the daemon, {orphan: its origin})"""
    origins = {}
    daemon = pinned_daemon(t, name=name, pins=name)
    churn = t.spawn(["/bin/sh", "-c", CHURN], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    maker = OrphanMaker(t)
    for _ in range(kills):
        for _ in range(rng.randrange(3)):
            origin, orphan, _ = maker.make()
            origins[orphan] = origin
        time.sleep(rng.choice((rng.uniform(0, 0.4), rng.uniform(0.3, 1.2))))
        daemon.kill()
        daemon.spawn()
    wait_for(daemon.is_ready, 20, "ready after the last kill")
    churn.kill()
    churn.wait()
    kept = continuity(daemon)
    assert kept["pins"] == "adopted" and kept["whole"], kept
    return daemon, origins


def untold(daemon, origins, lossy=False):
    """Orphans without their whole story; where records were lost they need only be there."""
    found = {o["pid"]: o["origin"] for o in daemon.api("orphans")}
    return {pid: found.get(pid) for pid, origin in origins.items()
            if pid not in found or (not lossy or found[pid]["known"])
            and (not found[pid]["known"] or found[pid]["pid"] != origin
                 or not found[pid]["exit"] or found[pid]["exit"]["signal"] != 9)}


def kill_often(t, kills):
    """The daemon after so many kills, with every story told."""
    seed = int(os.environ.get("E2E_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    print(f"  # E2E_SEED={seed}", flush=True)
    origins = {}

    def attempt(n):
        daemon, made = kill_at_random(t, f"killed{n}", kills, rng)
        origins.clear()
        origins.update(made)
        return daemon

    daemon = lossless(attempt)
    wait_for(lambda: not untold(daemon, origins), 10, f"{len(origins)} orphans with their origins")
    size = continuity(daemon)["journal"]["bytes"]
    print(f"  # {kills} kills, {len(origins)} orphans, journal {size} bytes", flush=True)
    check_books(daemon)
    same_as_fresh(t, daemon)
    return daemon
