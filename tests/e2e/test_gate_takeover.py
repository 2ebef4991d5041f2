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

from gateproc import alive, counting_orphan, enforced, orphan
from gatescene import Scene
from harness import CLEAN_ENV, main, test, wait_for

KILL, TKILL, TGKILL, SIGQUEUE, TGSIGQUEUE = 62, 200, 234, 129, 297
PTRACE, OPENAT = 101, 257
SEIZE, AT_FDCWD, O_WRONLY = 0x4206, -100, 1
NOBODY = 65534
EVERYBODY = "kill everybody"
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
    if enforced():  # where it is refused, everybody else is safe from it
        found += [(EVERYBODY, f"{KILL}:-1,{signal.SIGKILL.value}")]
    return [(name, call.replace("Signals.", "")) for name, call in found]


def made_to(t, pid, *calls_):
    """What the kernel said to each; the last is "ended" when the process did not outlive it."""
    r = subprocess.run([t.helper("takeover"), str(pid), *calls_], env=CLEAN_ENV, text=True,
                       capture_output=True, timeout=120, check=False)
    assert r.returncode == 0, (calls_, r.stderr)
    return r.stdout.split()


def unharmed(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rsplit(")", 1)[1].split()[0] in "SRD"


def take_over(t, which):
    """A new gate wherever a call has ended one: filters may do that."""
    victim, terms = counting_orphan(t)
    todo, s, ended = calls(victim, t.cgroup), Scene(t), 0
    tried = len(todo)
    while todo:
        process = s.gate_status()["process"]
        pid = s.d.pid if which == "daemon" else process[which + "_pid"]
        said = made_to(t, pid, *(call for _, call in todo))
        # kill(-1) says success where every single process was refused: they all have to live.
        wrong = [(name, got) for (name, _), got in zip(todo, said)
                 if got not in REFUSED and name != EVERYBODY]
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


def scoped():
    """Does this kernel have Landlock's signal scope?"""
    return tuple(int(n) for n in os.uname().release.split(".")[:2]) >= (6, 12)


@test
def taken_over_daemon_among_its_own_user(t):
    """No capability is needed for those: the guard or Landlock has to refuse them."""
    s = Scene(t)
    victim = orphan(t, f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups sleep 1000")
    wait_for(lambda: os.stat(f"/proc/{victim}").st_uid == NOBODY, 5, "it runs as the daemon does")
    process = s.gate_status()["process"]
    targets = [victim, process["authoriser_pid"], process["actuator_pid"]]
    for pid in targets if enforced() or scoped() else ():
        signals = calls(pid, t.cgroup)[:5 * len(SIGNALS)]
        said = made_to(t, s.d.pid, *(call for _, call in signals))
        assert len(said) == len(signals) and set(said) <= REFUSED, (pid, said)
    assert alive(victim) and s.gate_status()["armed"]


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


if __name__ == "__main__":
    main()
