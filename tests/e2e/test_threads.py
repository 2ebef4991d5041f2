#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""Threads, leaders and subreapers: who is an orphan, and who only looks like one."""

import glob
import os
import subprocess

import procfs
from harness import SLOWNESS, main, test, wait_for

# Emulated, a round in which all spin takes half a second, and two variants run in each guest: soak
# L1 has the many of each of them.
ROUNDS, BATCH, THREADS = (400, 50, 8) if SLOWNESS == 1 else (10, 10, 8)


def pipes(t, argv, **kw):
    return t.spawn(argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kw)


@test
def every_orphan_of_an_exit_group(t):
    daemon = t.shared_daemon()
    maker = pipes(t, [t.helper("thread_orphans"), str(ROUNDS), str(BATCH), str(THREADS)])
    found = late = 0
    for _ in range(ROUNDS // BATCH):
        expected = {}
        for _ in range(BATCH):
            parent, *children = (int(x) for x in maker.stdout.readline().split())
            expected.update((c, parent) for c in children)
        assert maker.stdout.readline() == b"batch\n"
        assert len(expected) == BATCH * THREADS

        def missing():
            have = {o["pid"]: o for o in daemon.api("orphans")}
            return {c for c, parent in expected.items()
                    if c not in have or have[c]["origin"]["pid"] != parent
                    or not have[c]["origin"]["known"]
                    or have[c]["origin"]["comm"] != "thread_orphans"}

        late += len(missing())
        wait_for(lambda: not missing(), 3, "every child is an orphan of known origin")
        found += len(expected)
        maker.stdin.write(b"\n")
    assert found == ROUNDS * THREADS
    print(f"  # {found} orphans of {ROUNDS} rounds found, {late} of them not at the first look")
    assert maker.wait(10) == 0
    wait_for(lambda: not [o for o in daemon.api("orphans") if o["comm"] == "thread_orphans"], 5,
             "all of them gone again")
    threads = len(glob.glob("/proc/[0-9]*/task/[0-9]*"))
    wait_for(lambda: daemon.metrics().get("runaway_map_entries", map="threads") <= threads + 50, 5,
             "no entry of a thread that ended")


@test
def main_thread_that_exits_first(t):
    daemon = t.shared_daemon()
    p = pipes(t, [t.helper("leader_exits_first")])
    child = int(p.stdout.readline())
    wait_for(lambda: procfs.Stat(p.pid).state == "Z", 5, "the leader is a zombie")
    daemon.wait_ticks(2)
    shown = daemon.ctl("proc", "show", str(p.pid))
    assert shown["state"] == "alive" and shown["orphan"] is False, shown
    shown = daemon.ctl("proc", "show", str(child))
    assert shown["orphan"] is False and shown["ppid"] == p.pid, shown
    assert daemon.orphan(child) is None
    p.stdin.close()
    assert p.wait(5) == 0
    wait_for(lambda: daemon.ctl_run("proc", "show", str(p.pid)).returncode == 5, 5, "it is gone")


@test
def thread_that_forks_and_exits(t):
    daemon = t.shared_daemon()
    p = pipes(t, [t.helper("thread_fork_exits")])
    child = int(p.stdout.readline())
    daemon.wait_ticks(2)
    shown = daemon.ctl("proc", "show", str(child))
    assert shown["orphan"] is False and shown["ppid"] == p.pid, shown
    assert daemon.orphan(child) is None
    p.stdin.close()
    assert p.wait(5) == 0


@test
def exec_by_another_thread(t):
    daemon = t.shared_daemon()
    p = pipes(t, [t.helper("thread_exec")])
    word, child = p.stdout.readline().split()
    assert word == b"before"
    identity = wait_for(lambda: daemon.show(p.pid), 5, "it is known")["start_ns"]
    p.stdin.write(b"\n")
    assert p.stdout.readline().split() == [b"after", child]
    shown = wait_for(lambda: [s for s in [daemon.ctl("proc", "show", str(p.pid))]
                              if s["args"][1:] == ["after", child.decode()]], 5, "new arguments")[0]
    daemon.wait_ticks(2)
    shown = daemon.ctl("proc", "show", str(p.pid))
    assert shown["start_ns"] == identity, "exec changed the identity"
    assert shown["state"] == "alive" and shown["orphan"] is False, shown
    assert daemon.orphan(int(child)) is None
    assert daemon.ctl("proc", "show", child.decode())["ppid"] == p.pid
    p.stdin.close()
    assert p.wait(5) == 0


@test
def subreaper_that_dies(t):
    daemon = t.shared_daemon()
    hold_read, hold_write = os.pipe()
    t.defer(os.close, hold_write)
    p = pipes(t, [t.helper("subreaper"), str(hold_read)], pass_fds=(hold_read,))
    os.close(hold_read)
    origin, grandchild = (int(x) for x in p.stdout.readline().split())
    first = wait_for(lambda: daemon.orphan(grandchild), 2, "the first hop")
    assert first["hops"] == 1 and first["origin"]["pid"] == origin, first
    assert first["reaper"]["pid"] == p.pid and first["reaper"]["kind"] == "subreaper", first
    p.stdin.write(b"\n")
    assert p.wait(5) == 0
    second = wait_for(lambda: [o for o in [daemon.orphan(grandchild)] if o["hops"] == 2], 2,
                      "the second hop")[0]
    assert second["reaper"]["pid"] == procfs.Stat(grandchild).ppid != p.pid, second
    assert second["origin"]["pid"] == origin and second["origin"]["known"], second
    # A hop is no second orphaning.
    assert second["orphaned_at"] == first["orphaned_at"], (first, second)


@test
def orphan_in_a_pid_namespace(t):
    """Its reaper is init of its namespace: pid 1 there, another pid here."""
    t.need("unshare")
    daemon = t.shared_daemon()
    p = pipes(t, ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                  'sh -c "sleep 600 & sleep 0.2; kill -9 \\$\\$"; read line'])

    def sleeper():
        return [s.pid for s in procfs.descendants(p.pid) if procfs.args(s.pid) == ["sleep", "600"]]

    pid = wait_for(sleeper, 5, "the process runs")[0]
    orphan = wait_for(lambda: daemon.orphan(pid), 3, "it is an orphan")
    inner_init = procfs.Stat(pid).ppid
    assert orphan["reaper"]["pid"] == inner_init != 1, orphan["reaper"]
    assert orphan["reaper"]["kind"] == "namespace_init", orphan["reaper"]
    assert orphan["origin"]["known"] and orphan["origin"]["exit"]["signal"] == 9, orphan["origin"]
    assert daemon.metrics().get("runaway_orphans_reparented_total", reaper="namespace_init") >= 1
    # When that init ends, all of its namespace is killed: nobody is left, nobody is an orphan.
    p.stdin.write(b"\n")
    assert p.wait(5) == 0
    wait_for(lambda: daemon.orphan(pid) is None, 5, "it is gone")
    daemon.wait_ticks(1)
    assert daemon.show(inner_init) is None


if __name__ == "__main__":
    main()
