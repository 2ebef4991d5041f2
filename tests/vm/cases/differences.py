#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2 v1
# timeout_s: 60
"""
What differs between kernels, on this one: each accessor of bpf/compat.h says what /proc, the file
system or wait(2) say. docs/kernels.md, "Differences", has the list.
"""

import ctypes
import os
import signal
import subprocess
import sys

import procfs
from cgroups import v2_root
from harness import main, test, wait_for

V1 = os.environ.get("RUNAWAY_LAYOUT") == "v1"
TREE = "/sys/fs/cgroup/cpu,cpuacct" if V1 else v2_root()
VERSION = tuple(int(n) for n in os.uname().release.split(".")[:2])
THREADS = 6
# Of a program, each somewhere else in the tree of BPF symbols: of 40 on 5.10 a dozen lie badly.
COPIES = 40 if VERSION < (6, 1) else 4
CROWD = 1100  # more than RW_YIELD
WALKS = ("5.10", "6.1")  # iter/task without and with a point where it gives the CPU back
CLONE_AUTOREAP, SYS_CLONE3 = 1 << 34, 435
SLACK_BYTES = 1 << 20  # what threads and CPUs have not yet told the process's account
# Six threads that sleep, 48 MiB, a subreaper, in a session and a process group of its own. Of a
# signal it says what the kernel handed to it.
SUBJECT = f"""
import ctypes, os, signal, sys, threading
os.setpgid(0, 0) if os.getpid() != os.getsid(0) else None
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR1, signal.SIGUSR2}})
ballast = bytearray(48 << 20)
for at in range(0, len(ballast), 4096): ballast[at] = 1
for _ in range({THREADS - 1}): threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
while True:
    got = signal.sigwaitinfo({{signal.SIGUSR1, signal.SIGUSR2}})
    print(got.si_signo, got.si_code, flush=True)
"""
ENDS = "import os\nfor n in range(20):\n  if not os.fork(): os._exit(n)\n  os.wait()\n"


def test_on_v2(fn):
    """What has nothing to do with cgroups is asked once."""
    return fn if V1 else test(fn)


class Accessors:
    def __init__(self, t):
        argv = [os.path.join(t.build, "tests", "vm", "accessors")] + (["v1"] if V1 else [])
        self.proc = t.spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.proc.stdout.readline() == "ready\n", "the accessors did not load"

    def ask(self, words):
        self.proc.stdin.write(words + "\n")
        self.proc.stdin.flush()
        line = self.proc.stdout.readline().rstrip("\n")
        said = dict(pair.split("=", 1) for pair in line.split(" ") if "=" in pair)
        return {k: int(v) if v.lstrip("-").isdigit() else v for k, v in said.items()}


def subject(t):
    p = t.spawn([sys.executable, "-S", "-c", SUBJECT], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    wait_for(lambda: procfs.stat(p.pid).state == "S", 5, "it sleeps")
    return p


def enter_below(t, pid):
    """Two levels below the root of the tree that counts; ids of all of them, deepest first."""
    folders = [TREE, f"{TREE}/differs", f"{TREE}/differs/inner"]
    for folder in folders[1:]:
        os.mkdir(folder)
        t.defer(os.rmdir, folder)
    t.defer(t.signal, pid, signal.SIGKILL)
    with open(f"{folders[-1]}/cgroup.procs", "w", encoding="ascii") as f:
        f.write(str(pid))
    return [os.stat(folder).st_ino for folder in reversed(folders)]


@test_on_v2
def a_process_is_what_proc_says(t):
    accessors, p = Accessors(t), subject(t)
    pid, rss = p.pid, procfs.rss_bytes(p.pid)
    said = accessors.ask(f"task {pid}")
    print(f"  # {said}")
    stat, status = procfs.stat(pid), procfs.status(pid)
    # mm->rss_stat: per-CPU counters since 6.2, atomics before.
    assert abs(said["rss"] - rss) <= SLACK_BYTES and rss > 48 << 20, (said["rss"], rss)
    # Threads: signal->live, and the list that all kernels have.
    threads = len(os.listdir(f"/proc/{pid}/task"))
    assert said["live"] == said["listed"] == threads == int(status["Threads"]) == THREADS, said
    assert (said["pgid"], said["sid"], said["ppid"]) == (stat.pgid, stat.sid, stat.ppid), said
    assert said["start"] * procfs.TICK // 10**9 == stat.start, (said["start"], stat.start)
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as f:
        assert said["cpu"] == int(f.read().split()[0]), "the scheduler's own figure"
    exe = os.stat(f"/proc/{pid}/exe")
    assert said["exe"] == os.readlink(f"/proc/{pid}/exe"), said["exe"]
    assert said["ino"] == exe.st_ino, (said["ino"], exe.st_ino)
    assert (said["dev"] >> 20, said["dev"] & 0xFFFFF) == (os.major(exe.st_dev),
                                                          os.minor(exe.st_dev)), said["dev"]
    assert said["subreaper"] and not said["init"] and not said["zombie"], said
    assert said["same"], "rw_plain() is the pointer itself"
    assert accessors.ask("task 1")["init"], "pid 1 reaps for its namespace"
    signals_arrive(accessors, p)


def signals_arrive(accessors, p):
    """What is read of a siginfo is what the receiver is told."""
    accessors.ask(f"watch {p.pid}")
    for sender in (["kill", "-USR1", str(p.pid)], ["kill", "-q", "1", "-USR2", str(p.pid)]):
        subprocess.run(["env", *sender], check=True)
        number, code = (int(x) for x in p.stdout.readline().split())
        seen = accessors.ask("seen")
        print(f"  # signal {number}, code {code}")
        assert (seen["signal"], seen["code"]) == (number, code), (seen, number, code)


@test
def its_cgroup_and_those_above(t):
    accessors, p = Accessors(t), subject(t)
    expected = enter_below(t, p.pid)
    said = accessors.ask(f"task {p.pid}")
    assert [int(x) for x in str(said["cgroups"]).split(",")] == expected, (said, expected)
    if V1:
        assert said["subsys"] >= 0, "cpuacct is built in"
    p.kill()
    p.wait()


@test_on_v2
def the_end_of_processes(t):
    """The dead as wait(2) has them; and each end of a process is seen once, by its last thread."""
    accessors = Accessors(t)
    for code, signum in ((7, None), (0, signal.SIGKILL), (0, signal.SIGSEGV)):
        child = os.fork()
        if child == 0:
            if signum:
                signal.signal(signum, signal.SIG_DFL) if signum != signal.SIGKILL else None
                os.kill(os.getpid(), signum)
            os._exit(code)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        said = accessors.ask(f"task {child}")
        _, status = os.waitpid(child, 0)
        assert said["zombie"] and said["live"] == 0, said
        # Whether a core was dumped is in it as well.
        assert said["status"] & ~0x80 == status & ~0x80, (said["status"], status)
    gate = t.spawn(["sh", "-c", 'read go; exec "$@"', "sh", sys.executable, "-S", "-c", ENDS],
                   stdin=subprocess.PIPE)
    accessors.ask(f"watch {gate.pid}")
    gate.communicate(b"\n", timeout=60)
    assert accessors.ask("seen")["exits"] == 20, accessors.ask("seen")
    nobody_reaps(accessors)


def nobody_reaps(accessors):
    """CLONE_AUTOREAP of 7.x: no zombie, no SIGCHLD, and an end like any other's."""
    args = (ctypes.c_uint64 * 11)(CLONE_AUTOREAP)
    before = accessors.ask(f"watch {os.getpid()}")["exits"]
    pid = ctypes.CDLL(None, use_errno=True).syscall(SYS_CLONE3, args, ctypes.sizeof(args))
    if pid == 0:
        os._exit(3)
    assert (pid > 0) == (VERSION >= (7, 0)), (pid, os.strerror(ctypes.get_errno()))
    if pid > 0:
        wait_for(lambda: accessors.ask(f"task {pid}") == {}, 5, "it is gone, unreaped")
        assert accessors.ask("seen")["exits"] == before + 1, (before, accessors.ask("seen"))
        print("  # CLONE_AUTOREAP: its end was seen")


@test_on_v2
def a_read_through_null_is_0(t):
    """
    Not an oops, wherever the program lies: 5.10 looks up the fault of a program that calls
    functions in a table that does not exist, or not, as its tree of symbols has grown.
    """
    copies = [Accessors(t) for _ in range(COPIES)]
    said = [accessors.ask("nothing") for accessors in copies]
    kernel_threads = len([s for s in procfs.all_stats() if s.ppid == 2])
    print(f"  # {said[0]['faults']} reads by each of {COPIES}")
    for one in said:
        assert one["faults"] >= kernel_threads // 2 > 5 and one["read"] == 0, one


def a_walk_of_many(t):
    """On 5.10 the walk gives the CPU back only because it writes; nobody is left out by that."""
    daemon = t.daemon(args=["--without", "hot"])
    crowd = t.spawn([t.helper("crowd"), str(CROWD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert crowd.stdout.readline() == b"ready\n"
    label, pids = t.cgroup.label, len(t.cgroup.pids())
    wait_for(lambda: daemon.ctl("cgroup", "show", label)["process_count"] == pids, 5, "all of them")
    daemon.wait_ticks(1)
    tasks, now = daemon.api("status")["scan"]["tasks"], len(procfs.all_tasks())
    print(f"  # {tasks} tasks walked, {now} in /proc")
    assert abs(tasks - now) <= 10 and tasks > CROWD, (tasks, now)
    crowd.stdin.close()
    assert crowd.wait(60) == 0


if os.environ.get("RUNAWAY_GUEST") in WALKS:
    test_on_v2(a_walk_of_many)

if __name__ == "__main__":
    main()
