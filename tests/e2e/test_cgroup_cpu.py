#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU of a cgroup against the kernel's own figure, with processes that nobody sees alive."""

import contextlib
import glob
import signal
import subprocess

import procfs
from charges import ask_again, seen_seconds
from harness import SLOWNESS, few, main, test, wait_for

FORKS = few(20000)
EXECS = few(1500)
TOLERANCE = 0.005
LINKS = 10  # of a daemon: when so many are there, fork, exec and free are


def compare(t, daemon, argv, what):
    """Runs argv in a cgroup of its own; returns (seen, true, gap as a ratio)."""
    cgroup = t.need_cgroup().child(what)
    wait_for(lambda: daemon.ctl_run("cgroup", "show", cgroup.label).returncode == 0, 5,
             "the cgroup is known")
    # A task that moves takes up to a tick of time with it that nobody has booked yet, and the
    # kernel and a tracepoint may book it to different cgroups: so it moves before we measure.
    p = t.spawn(["sh", "-c", 'read go; exec "$@"', "sh", *argv], cgroup=cgroup,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for(lambda: procfs.Stat(p.pid).comm == "sh" and procfs.Stat(p.pid).state == "S", 5,
             "it waits for the word")
    daemon.wait_ticks(2)
    before_seen, before_true = seen_seconds(daemon, cgroup), cgroup.cpu_usec() / 1e6
    p.communicate(b"\n", timeout=120 * SLOWNESS)
    assert p.returncode == 0, argv
    daemon.wait_ticks(2)
    true = cgroup.cpu_usec() / 1e6 - before_true
    seen = seen_seconds(daemon, cgroup) - before_seen
    gap = (seen - true) / true
    print(f"  # {what}: cpu.stat {true:.3f} s, seen {seen:.3f} s, {gap * 100:+.3f} %")
    return seen, true, gap


@test
def storm_of_short_processes(t):
    daemon = t.daemon()
    _, true, gap = compare(t, daemon, [t.helper("forkstorm"), str(FORKS), "100", "500"], "storm")
    assert true > 2.0, "the storm burned next to nothing"
    assert abs(gap) <= TOLERANCE, f"{gap * 100:+.3f} %"
    m = daemon.metrics()
    assert m.get("runaway_short_lived_cpu_seconds_total") > 0.5 * true
    assert m.sum("runaway_events_lost_total") == 0, "events were lost"


@test
def storm_that_execs(t):
    """Kernels that tell no program of some releases do so in batches: another try, then."""
    daemon = t.daemon()
    loop = f"i=0; while [ $i -lt {EXECS} ]; do /bin/true; i=$((i+1)); done"

    def measure(n):
        gap = compare(t, daemon, ["sh", "-c", loop], f"execs{n}")[2]
        return gap if abs(gap) > TOLERANCE else 0

    ask_again(daemon, measure)


@test
def a_number_that_is_given_away_again(t):
    """Scans have counted what a process used; the next one has its number before it is released."""
    daemon = t.daemon({"sample_interval_ms": 100})
    helper = t.helper("pid_again")
    _, true, gap = compare(t, daemon, [helper, "6", "350"], "again")
    worked = int(t.spawn([helper, "20", "1"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE).communicate(timeout=60 * SLOWNESS)[0])
    assert worked >= 10, f"{worked} of 20 numbers could be had again"
    assert true > 0.3, "it burned next to nothing"
    assert abs(gap) <= TOLERANCE, f"{gap * 100:+.3f} %"


@test
def old_leaders_released_before_their_exec_is_told(t):
    """A brand-new thread executes: the old leader's CPU was counted, and is not counted again."""
    daemon = t.daemon({"sample_interval_ms": 100})
    cgroup = t.need_cgroup().child("late")
    wait_for(lambda: daemon.ctl_run("cgroup", "show", cgroup.label).returncode == 0, 5,
             "the cgroup is known")
    for _ in range(4):
        p = t.spawn([t.helper("exec_late"), "512"], cgroup=cgroup, bufsize=0,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"ready\n"
        daemon.wait_ticks(3)
        p.stdin.write(b"\n")
        assert p.wait(20 * SLOWNESS) == 0
    daemon.wait_ticks(3)
    true, seen = cgroup.cpu_usec() / 1e6, seen_seconds(daemon, cgroup)
    print(f"  # cpu.stat {true:.3f} s, seen {seen:.3f} s, {(seen - true) / true * 100:+.3f} %")
    assert true > 0.2, "it used next to nothing"
    # Each of the four moved into the cgroup with up to a tick on it.
    assert abs(seen - true) <= TOLERANCE * true + 4 * 0.004


def links(pid):
    """How many of its programs are attached."""
    found = 0
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as f:
            found += "link_type:" in f.read()
    return found


def stopped_before_its_first_walk(t):
    """Stopped when its programs are attached and nothing was looked at yet."""
    for i in range(10):
        daemon = t.daemon({"sample_interval_ms": 200}, name=f"start{i}", start=False).spawn()
        while daemon.running() and links(daemon.proc.pid) < LINKS and b"watching" not in daemon.log():
            pass
        daemon.proc.send_signal(signal.SIGSTOP)
        wait_for(lambda d=daemon: procfs.Stat(d.proc.pid).state == "T", 5, "it stands still")
        if b"watching" not in daemon.log():
            return daemon
        daemon.proc.send_signal(signal.SIGCONT)
        wait_for(daemon.is_ready, 15, "it goes on")
        daemon.stop()
    raise AssertionError("never caught between its attaching and its first walk")


@test
def those_that_execute_while_it_starts(t):
    """What was used before the sensor was there is nobody's, whoever tells of its owner first."""
    cgroup = t.need_cgroup().child("again")
    p = t.spawn([t.helper("exec_again"), "30", "50"], cgroup=cgroup, bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    before = cgroup.cpu_usec() / 1e6
    daemon = stopped_before_its_first_walk(t)
    stopped = cgroup.cpu_usec()
    wait_for(lambda: cgroup.cpu_usec() > stopped + 200000, 30, "each of them executes meanwhile")
    daemon.proc.send_signal(signal.SIGCONT)
    wait_for(daemon.is_ready, 15, "it goes on")
    p.stdin.close()
    assert p.wait(20 * SLOWNESS) == 0
    daemon.wait_ticks(3)
    true, seen = cgroup.cpu_usec() / 1e6 - before, seen_seconds(daemon, cgroup)
    print(f"  # {before:.3f} s before, {true:.3f} s since, seen {seen:.3f} s")
    assert before > 1
    assert seen <= true


@test
def bounded_series_never_go_back(t):
    """More cgroups than series come, burn and go, and no series loses what it had."""
    t.need_cgroup()
    daemon = t.daemon({"limits": {"metric_series": 3}, "sample_interval_ms": 200})
    last = {}

    def scrape():
        now = {lab["cgroup"]: v
               for lab, v in daemon.metrics().series("runaway_cgroup_cpu_seconds_total")}
        # The root and _other stand beside the three.
        assert {"_other", "/"} <= set(now) and len(now) <= 5, now
        for name, value in now.items():
            assert value >= last.get(name, 0), f"{name} went from {last[name]} to {value}"
        last.update(now)
        return now

    start = scrape()["/"]
    burned = 0.0
    for i in range(8):
        cgroup = t.cgroup.child(f"short{i}")
        p = t.spawn([t.helper("forkstorm"), "200", "500", "1000"], cgroup=cgroup,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while p.poll() is None:
            scrape()
        daemon.wait_ticks(1)
        burned += cgroup.cpu_usec() / 1e6
        assert cgroup.remove()
        scrape()
    daemon.wait_ticks(2)
    gained = scrape()["/"] - start
    print(f"  # burned {burned:.3f} s in cgroups that are gone, the root gained {gained:.3f} s")
    assert gained >= 0.98 * burned


if __name__ == "__main__":
    main()
