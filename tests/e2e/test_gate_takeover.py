#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""
The real processes, taken over: whoever runs code in the daemon, the authoriser or the actuator
may call anything, and ends nobody by it. Each call is made by that process itself, with its
own capabilities, filters and, where the kernel has it, under the guard.
"""

import os
import signal
import subprocess

from gateproc import Gate, alive, counting_orphan, enforced, orphan, scoped
from gatescene import Scene
from harness import CLEAN_ENV, main, test, wait_for

KILL, TKILL, TGKILL, SIGQUEUE, TGSIGQUEUE = 62, 200, 234, 129, 297
PIDFD_SEND_SIGNAL, PIDFD_OPEN = 424, 434
PTRACE, OPENAT, FCNTL, IOCTL, PRLIMIT, VM_WRITEV = 101, 257, 72, 16, 302, 311
CLONE, EXECVE, BPF, PERF_EVENT_OPEN, IO_URING_SETUP = 56, 59, 321, 298, 425
F_SETOWN, F_SETSIG, FIOSETOWN, BPF_PROG_GET_FD_BY_ID = 8, 10, 0x8901, 13
SEIZE, AT_FDCWD, O_WRONLY = 0x4206, -100, 1
NOBODY = 65534
EVERYBODY, A_PIDFD = "kill everybody", "pidfd_open"
REFUSED = {"1", "13", "38", "ended"}  # EPERM, EACCES, ENOSYS
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGUSR1)


def calls(pid, cgroup):
    """[(name, call)] that would hurt the process, if the kernel did them."""
    found = []
    for sig in SIGNALS:
        found += [(f"kill {sig.name}", f"{KILL}:{pid},{sig}"),
                  (f"tkill {sig.name}", f"{TKILL}:{pid},{sig}"),
                  (f"tgkill {sig.name}", f"{TGKILL}:{pid},{pid},{sig}"),
                  (f"sigqueue {sig.name}", f"{SIGQUEUE}:{pid},{sig},%{sig.value}"),
                  (f"tgsigqueue {sig.name}", f"{TGSIGQUEUE}:{pid},{pid},{sig},%{sig.value}")]
    found += [("ptrace", f"{PTRACE}:{SEIZE},{pid},0,0"),
              ("oom_score_adj", f"{OPENAT}:{AT_FDCWD},@/proc/{pid}/oom_score_adj,{O_WRONLY}"),
              ("mem", f"{OPENAT}:{AT_FDCWD},@/proc/{pid}/mem,{O_WRONLY}")]
    for name in ("cgroup.kill", "cgroup.freeze", "cgroup.procs"):
        path = os.path.join(cgroup.dir, name)
        if os.path.exists(path):
            found.append((name, f"{OPENAT}:{AT_FDCWD},@{path},{O_WRONLY}"))
    return [(name, call.replace("Signals.", "")) for name, call in found + detours(pid)]


def detours(pid):
    """What signals, ends or changes another process by way of something else."""
    found = []
    for sig in SIGNALS:
        found += [(A_PIDFD, f"{PIDFD_OPEN}:{pid},0"),
                  (f"pidfd {sig.name}", f"{PIDFD_SEND_SIGNAL}:$,{sig.value},0,0")]
    return found + [
        (A_PIDFD, f"{PIDFD_OPEN}:{pid},0"), ("pidfd siginfo", f"{PIDFD_SEND_SIGNAL}:$,15,%15,0"),
        ("F_SETOWN", f"{FCNTL}:0,{F_SETOWN},{pid}"), ("F_SETSIG", f"{FCNTL}:0,{F_SETSIG},9"),
        ("FIOSETOWN", f"{IOCTL}:0,{FIOSETOWN},#{pid}"),
        ("prlimit", f"{PRLIMIT}:{pid},0,#0/0,0"),
        ("process_vm_writev", f"{VM_WRITEV}:{pid},#4096/1,1,#4096/1,1,0"),
        ("bpf", f"{BPF}:{BPF_PROG_GET_FD_BY_ID},#1,16"),
        ("perf_event_open", f"{PERF_EVENT_OPEN}:#1/3,{pid},-1,-1,0"),
        ("io_uring_setup", f"{IO_URING_SETUP}:4,#0")]


def only_where_refused(which):
    """If these worked, others would suffer: everybody, or the process itself would be another."""
    found = [("clone", f"{CLONE}:{signal.SIGCHLD.value},0,0,0,0"), ("execve", f"{EXECVE}:@/bin/true,0,0")] \
        if enforced() or which != "daemon" else []
    return found + [(EVERYBODY, f"{KILL}:-1,{signal.SIGKILL.value}")] * enforced()


def made_to(t, pid, *calls_):
    """What the kernel said to each; the last is "ended" when the process did not outlive it."""
    r = subprocess.run([t.helper("takeover"), str(pid), *calls_], env=CLEAN_ENV, text=True,
                       capture_output=True, timeout=120, check=False)
    assert r.returncode == 0, (calls_, r.stderr)
    return r.stdout.split()


def unharmed(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        limited = "Max cpu time              unlimited" not in f.read()
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rsplit(")", 1)[1].split()[0] in "SRD" and not limited


def harmless(name, got):
    # To hold a pidfd is none; without one there is nothing to signal (EBADF).
    # kill(-1) says success where every single process was refused: they all have to live.
    return got in REFUSED or name in (EVERYBODY, A_PIDFD) or name == "pidfd SIGTERM" and got == "9"


def take_over(t, which):
    """A new gate wherever a call has ended one: filters may do that."""
    victim, terms = counting_orphan(t)
    todo, s, ended = calls(victim, t.cgroup) + only_where_refused(which), Scene(t), 0
    tried = len(todo)
    while todo:
        process = s.gate_status()["process"]
        pid = s.d.pid if which == "daemon" else process[which + "_pid"]
        said = made_to(t, pid, *(call for _, call in todo))
        wrong = [(name, got) for (name, _), got in zip(todo, said) if not harmless(name, got)]
        assert not wrong, f"{which}: {wrong}"
        assert alive(victim) and unharmed(victim) and terms() == 0, f"{which}: {todo}: {said}"
        todo = todo[len(said):]
        if said[-1] == "ended":
            ended += 1
            s.d.kill()
            s.start()
    print(f"# {which}: {tried} calls, none did anything to the victim, {ended} ended who called")
    return s


@test
def taken_over_daemon(t):
    s = take_over(t, "daemon")
    # It is none the worse for it.
    assert s.gate_status()["armed"], s.gate_status()
    s.d.wait_ticks(1)


def own_user(t):
    """An orphan of the user that the daemon is, who needs no capability to signal it."""
    victim = orphan(t, f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups sleep 1000")
    wait_for(lambda: os.stat(f"/proc/{victim}").st_uid == NOBODY, 5, "it runs as the daemon does")
    return victim


def signals_to(t, pid):
    return [call for _, call in calls(pid, t.cgroup)[:5 * len(SIGNALS)]]


# Filter, guard and Landlock each stand between the daemon and its own user's processes. One
# behind another they would cover for each other: here each is asked alone.


@test
def taken_over_daemon_among_its_own_user(t):
    """Its filter, which is the first of them everywhere."""
    s = Scene(t)
    victim = own_user(t)
    process = s.gate_status()["process"]
    for pid in (victim, process["authoriser_pid"], process["actuator_pid"]):
        signals = signals_to(t, pid)
        said = made_to(t, s.d.pid, *signals)
        assert said == ["1"] * len(signals), (pid, said)
    assert alive(victim) and s.gate_status()["armed"]


@test
def guard_without_a_filter(t):
    """Who stands for the daemon has no filter, no Landlock domain, and is root: the guard alone."""
    gate = Gate(t).start()
    victim, terms = counting_orphan(t)
    assert "Seccomp:\t0" in open(f"/proc/{gate.daemon.pid}/status", encoding="ascii").read()
    for pid in (victim, gate.status0["authoriser_pid"], gate.status0["actuator_pid"]) \
            if enforced() else ():
        signals = signals_to(t, pid)
        said = made_to(t, gate.daemon.pid, *signals)
        assert said == ["1"] * len(signals), (pid, said)
    assert alive(victim) and terms() == 0 and gate.ask("status")["armed"]
    if not enforced():  # what proves that the calls are real ones
        assert made_to(t, gate.daemon.pid, f"{KILL}:{victim},{signal.SIGTERM.value}") == ["0"]
        wait_for(lambda: terms() == 1, 5, "nothing else stands in the way")


@test
def landlock_without_filter_or_guard(t):
    """
    Neither filter nor guard refuses to open what a process of one's own user maps; a Landlock domain
    lets nobody look at who is outside of it, so that the daemon is in one if it cannot.
    """
    s = Scene(t)
    victim = own_user(t)
    other = t.spawn(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
                     "sh", "-c", "while :; do sleep 1; done"])
    wait_for(lambda: os.stat(f"/proc/{other.pid}").st_uid == NOBODY, 5, "it runs as the daemon does")
    look = f"{OPENAT}:{AT_FDCWD},@/proc/{victim}/maps,0"
    assert made_to(t, other.pid, look) == ["0"], "who is in no domain may"
    assert made_to(t, s.d.pid, look) == (["13"] if scoped() else ["0"])
    print(f"# Landlock {'keeps the daemon in' if scoped() else 'is not in this kernel'}")


@test
def taken_over_authoriser(t):
    take_over(t, "authoriser")


@test
def taken_over_actuator(t):
    take_over(t, "actuator")


@test
def the_same_calls_by_root_work(t):
    """What proves that the calls above are real ones."""
    shell = t.spawn(["sh", "-c", "while :; do sleep 1; done"])
    for sig in (signal.SIGKILL, signal.SIGTERM):
        for nr, args in ((KILL, "{0},{1}"), (TGKILL, "{0},{0},{1}"), (SIGQUEUE, "{0},{1},%{1}")):
            victim = t.spawn(["sleep", "1000"])
            assert made_to(t, shell.pid, f"{nr}:" + args.format(victim.pid, sig.value)) == ["0"]
            wait_for(lambda v=victim: not alive(v.pid), 5, f"{nr} {sig.name} works")
    victim = t.spawn(["sleep", "1000"])
    by_name = dict(detours(victim.pid))
    for name, said in (("F_SETOWN", "0"), ("F_SETSIG", "0"), ("process_vm_writev", "14"),  # EFAULT
                       ("prlimit", "0")):
        assert made_to(t, shell.pid, by_name[name]) == [said], name
    assert not unharmed(victim.pid)
    assert made_to(t, shell.pid, by_name[A_PIDFD], by_name["pidfd SIGKILL"]) == ["0", "0"]
    wait_for(lambda: not alive(victim.pid), 5, "the pidfd works")


if __name__ == "__main__":
    main()
