#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cgroups that come, are renamed and go at once, and processes that move between them."""

import contextlib
import os
import subprocess
import time

import procfs
from cgroups import v2_root
from harness import SLOWNESS, Skip, main, test, wait_for
from namespaces import Enclosed

FAST_MS = 200
QUICK_S = 0.001 * SLOWNESS
# A task that moves takes up to a tick of time with it that nobody has booked yet (250 Hz), and
# so do what the kernel and a tracepoint each book to the old and the new cgroup.
TICK_S = 0.004


def shown(daemon, path):
    """`cgroup show`; None while nobody has heard of it."""
    r = daemon.ctl_run("-o", "json", "cgroup", "show", path)
    return daemon.ctl("cgroup", "show", path) if r.returncode == 0 else None


def removed(daemon, path):
    """When it was, by `cgroup show`; None while it lives or nobody has heard of it."""
    return (shown(daemon, path) or {}).get("removed_at")


def v1_tree():
    """The tree of version 1 that counts CPU; with other controllers or by itself."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            left, right = (half.split() for half in line.split(" - ", 1))
            if right[0] == "cgroup" and "cpuacct" in right[-1].split(","):
                return left[4]
    raise Skip("no v1 hierarchy that counts CPU: there is nothing to rename")


def flash(folder, names):
    """Makes a cgroup, renames it on, removes it; again until that took less than a millisecond."""
    first, last = os.path.join(folder, names[0]), os.path.join(folder, names[-1])
    for _ in range(200):
        began = time.monotonic()
        os.mkdir(first)
        for old, new in zip(names, names[1:]):
            os.rename(os.path.join(folder, old), os.path.join(folder, new))
        os.rmdir(last)
        took = time.monotonic() - began
        if took < QUICK_S:
            return took
    raise AssertionError(f"never quicker than {QUICK_S} s: the last one took {took:.4f} s")


@test
def gone_within_a_millisecond(t):
    """v2 knows no renaming: made and removed before anybody could look."""
    cgroup = t.need_cgroup()
    daemon = t.daemon({"sample_interval_ms": FAST_MS})
    took = flash(cgroup.dir, ["flash"])
    print(f"  # made and removed in {took * 1e6:.0f} us")
    wait_for(lambda: removed(daemon, f"{cgroup.label}/flash"), 5, "it is named, and gone")
    assert daemon.metrics().sum("runaway_events_lost_total") == 0


@test
def made_again_under_its_path(t):
    """The one that lives is shown; when none does, the one that went last."""
    cgroup = t.need_cgroup()
    daemon = t.daemon({"sample_interval_ms": FAST_MS})
    path, folder = f"{cgroup.label}/again", os.path.join(cgroup.dir, "again")

    def is_shown(number, alive):
        seen = shown(daemon, path)
        return seen and seen["id"] == str(number) and (seen["removed_at"] is None) == alive

    for _ in range(4):
        os.mkdir(folder)
        number = os.stat(folder).st_ino
        wait_for(lambda n=number: is_shown(n, alive=True), 5, "the living one is shown")
        os.rmdir(folder)
        wait_for(lambda n=number: is_shown(n, alive=False), 5, "the last one is shown")


@test
def renamed_away_and_gone(t):
    """On the v1 hierarchy of a host whose v2 tree is not mounted, or that has none."""
    tree, v2 = v1_tree(), v2_root()
    daemon = Enclosed(t, ["--mount", "--propagation", "private"], f"umount {v2}" if v2 else "",
                      {"sample_interval_ms": FAST_MS}).start()
    assert daemon.http("/readyz").status == 200, daemon.http("/readyz").body
    status = daemon.ctl("status")
    assert status["features"]["cgroup_mode"] == "v1" and status["gaps"] == [], status
    top = os.path.join(tree, t.token)
    os.mkdir(top)
    t.defer(os.rmdir, top)
    took = flash(top, ["job-4711", "job-4711-done", "trash"])
    print(f"  # made, renamed twice and removed in {took * 1e6:.0f} us")
    wait_for(lambda: removed(daemon, f"/{t.token}/trash"), 5, "it went under its last name")
    assert not shown(daemon, f"/{t.token}/job-4711"), "the name it was renamed from"


def moves(daemon, proc, cgroups, cpu_s):
    """Moves a burner through them; compares what each of them got with the kernel's own figure."""
    for cgroup in cgroups:
        with open(os.path.join(cgroup.dir, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(proc.pid))
        used = procfs.stat(proc.pid).cpu_s
        wait_for(lambda was=used: procfs.stat(proc.pid).cpu_s >= was + 0.3, 60, "it burns there")
    proc.kill()
    proc.wait()
    daemon.wait_ticks(2)
    total = 0.0
    for cgroup in cgroups:
        seen, true = shown(daemon, cgroup.label)["own_cpu_seconds"], cpu_s(cgroup)
        total += seen
        print(f"  # {os.path.basename(cgroup.dir)}: kernel {true:.4f} s, seen {seen:.4f} s, "
              f"{(seen - true) * 1000:+.2f} ms")
        # At both ends of the stay, and the figure is rounded to a millisecond.
        assert abs(seen - true) <= 2 * TICK_S + 0.002, cgroup.label
    return total


@test
def moved_in_the_middle_of_its_run(t):
    """Its CPU is split at each move, and none of it is lost or counted twice."""
    cgroup = t.need_cgroup()
    daemon = t.daemon({"sample_interval_ms": 1500})  # no scan between most moves
    parts = [cgroup.child(f"stay-{i}") for i in range(3)]
    proc = t.spawn([t.helper("spin")], cgroup=parts[0], stdin=subprocess.DEVNULL)
    for part in parts:
        wait_for(lambda p=part: shown(daemon, p.label), 10, "the cgroup is known")
    total = moves(daemon, proc, parts, lambda c: c.cpu_usec() / 1e6)
    true = sum(c.cpu_usec() for c in parts) / 1e6
    assert abs(total - true) <= TICK_S + 0.002, f"seen {total:.4f} s of {true:.4f} s"


def write(cgroup, name, text):
    with open(os.path.join(cgroup.dir, name), "w", encoding="ascii") as f:
        f.write(str(text))


@test
def a_thread_that_moves_alone(t):
    """In threaded cgroups each thread is charged where it is, also when it leaves."""
    cgroup = t.need_cgroup()
    daemon = t.daemon({"sample_interval_ms": 1500})  # no scan between most moves
    domain = cgroup.child("domain")
    parts = [domain.child(f"threads-{i}") for i in range(2)]
    for part in parts:
        write(part, "cgroup.type", "threaded")
        wait_for(lambda p=part: shown(daemon, p.label), 10, "the cgroup is known")
    proc = t.spawn([t.helper("thread_spins")], cgroup=domain, stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE)
    tid = int(proc.stdout.readline())
    daemon.wait_ticks(1)
    for part in [*parts, *parts, domain]:
        write(part, "cgroup.threads", tid)
        was = part.cpu_usec()
        wait_for(lambda p=part, n=was: p.cpu_usec() >= n + 300000, 60, "it burns there")
    proc.stdin.close()
    assert proc.wait(10 * SLOWNESS) == 0
    daemon.wait_ticks(2)
    assert shown(daemon, domain.label)["path"] == domain.label
    for part in parts:
        seen, true = shown(daemon, part.label)["own_cpu_seconds"], part.cpu_usec() / 1e6
        print(f"  # {os.path.basename(part.dir)}: kernel {true:.4f} s, seen {seen:.4f} s")
        # Two stays, each with two ends.
        assert abs(seen - true) <= 4 * TICK_S + 0.002, part.label


@test
def the_dead_keep_the_name_of_their_cgroup(t):
    """The job's cgroup is removed long before the runaway that it left behind is looked at."""
    cgroup = t.need_cgroup()
    daemon = t.daemon({"sample_interval_ms": FAST_MS})
    job, elsewhere = cgroup.child("job-4711"), cgroup.child("elsewhere")
    script = ('sh -c \'echo 0 > "$1/cgroup.procs"; echo $$; exec sleep 600\' sh "$1" & '
              "read go; kill -9 $$")
    proc = t.spawn(["sh", "-c", script, "sh", elsewhere.dir], cgroup=job, bufsize=0,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = int(proc.stdout.readline())
    proc.stdin.write(b"\n")
    proc.wait()
    wait_for(lambda: not job.pids(), 5, "the job is over")
    with contextlib.suppress(FileNotFoundError):
        wait_for(job.remove, 5, "its cgroup goes")
    wait_for(lambda: (shown(daemon, job.label) or {"removed_at": "gone"})["removed_at"], 5,
             "its end is known")
    daemon.wait_ticks(5)
    orphan = wait_for(lambda: daemon.orphan(pid), 5, "an orphan")
    assert orphan["cgroup"]["path"] == elsewhere.label, orphan["cgroup"]
    assert orphan["lineage"][0]["cgroup"] == job.label, orphan["lineage"][0]


if __name__ == "__main__":
    main()
