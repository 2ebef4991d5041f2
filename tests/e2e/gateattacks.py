# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on the gate that are counted: a few in `make check`, many in `make soak`."""

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import procfs
from cgroups import kill_if
from gateproc import LANE, Gate, canonical, counting_orphan, orphan
from gatescene import VIEWER, Scene, alive, gated_lane, ids
from harness import SLOWNESS, wait_for

PTRACE_CONT, PTRACE_SEIZE, PTRACE_DETACH = 7, 0x4206, 17
_libc = ctypes.CDLL(None, use_errno=True)


def disarm_in_the_middle(gate, pid, wait_s):
    """An apply, and SIGUSR2 to the gate that long after it: the answer, and what is left of it."""
    plan, approval = gate.documents(pid)
    id_ = gate.post("apply", plan=plan, approval=approval, rule_matches=True)
    time.sleep(wait_s)
    os.kill(gate.proc.pid, signal.SIGUSR2)
    done = gate.receive()
    assert done["id"] == id_
    return done["targets"][0]["outcome"] if done["allowed"] else done["reason"]


def of_no_use(gate, n, real_pid, expected, **changes):
    plan = canonical(gate.plan(gate.target(real_pid, **changes)))
    for _ in range(n):
        done = gate.apply(plan, canonical(gate.approval(plan)))
        assert done["allowed"] is False and done["reason"] == expected, (expected, done)


def kernel_thread():
    """One that /proc shows, by the flag that makes it one."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            if int(f.read().rsplit(")", 1)[1].split()[6]) & 0x00200000:  # PF_KTHREAD
                return int(pid)
    raise AssertionError("no kernel thread can be seen: run this in the host's pid namespace")


def protected(t, n):
    """How many attempts at protected targets were refused."""
    gate = Gate(t).start()
    pid = orphan(t)
    kthread = gate.ask("look", pid=kernel_thread())
    assert kthread["pass"], kthread
    cases = (
        ("protected_kthread", pid, {"pid": kthread["pid"], "start_ns": kthread["start_ns"]}),
        ("protected_init", os.getpid(), {"pid": 1, "exe": "/sbin/init"}),
        ("protected_daemon", gate.daemon.pid, {}),
        ("protected_gate", gate.status0["authoriser_pid"], {}),
        ("protected_gate", gate.status0["actuator_pid"], {}),
        ("protected_ancestor", os.getpid(), {}),
        ("protected_shim", pid, {"exe": "/usr/bin/containerd-shim-runc-v2"}),
        ("protected_list", pid, {"exe": "/usr/bin/precious"}))
    for expected, real_pid, changes in cases:
        of_no_use(gate, n, real_pid, expected, **changes)
    assert alive(pid)
    return n * len(cases)


# ---- targets that do not simply end (G11) ----


def signalled(gate, pid):
    # A lane of its own: a lane's budget is 100 an hour.
    plan, approval = gate.documents(pid, lane_id=f"{LANE}_{pid}")
    done = gate.apply(plan, approval)
    assert done["targets"][0]["outcome"] == "signalled", done
    return plan


def dead(t, gate, n):
    """Its parent has not asked how it ended: its pid is still taken."""
    child = t.spawn(["sleep", "1000"])
    target = gate.target(child.pid)
    child.kill()
    wait_for(lambda: not alive(child.pid), 5, "it is a zombie")
    for _ in range(n):
        plan = canonical(gate.plan(target))
        assert gate.apply(plan, canonical(gate.approval(plan)))["reason"] == "target_gone"


def traced(t, gate, n):
    """Its tracer gets the signal first, and may keep it from it: told as sent, and sent once."""
    for _ in range(n):
        pid, terms = counting_orphan(t)
        assert _libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0, os.strerror(ctypes.get_errno())
        plan = signalled(gate, pid)
        while True:
            _, status = os.waitpid(pid, 0x40000000)  # __WALL
            if os.WSTOPSIG(status) == signal.SIGTERM:
                break
            assert _libc.ptrace(PTRACE_CONT, pid, None, os.WSTOPSIG(status)) == 0
        assert _libc.ptrace(PTRACE_DETACH, pid, None, None) == 0
        again = gate.apply(plan, canonical(gate.approval(plan)))
        assert again["reason"] == "already_signalled", again
        assert terms() == 0 and alive(pid), "the tracer kept it"
        os.kill(pid, signal.SIGKILL)


# Asleep in the kernel as a parent in vfork(2) is, until the child has ended.
IN_VFORK = """
import ctypes, os, signal, sys, time
terms, go = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: open(terms, "a").write("x"))
if ctypes.CDLL(None).syscall(56, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:  # clone: CLONE_VFORK
    while not os.path.exists(go):
        time.sleep(0.01)
    os._exit(0)
while True:
    time.sleep(1)
"""


def uninterruptible(t, gate, n):
    """It is told as sent, which it was; nothing stronger follows, and it takes it when it can."""
    for i in range(n):
        terms, go = t.path(f"d-terms-{i}"), t.path(f"d-go-{i}")
        pid = orphan(t, f"exec python3 -c '{IN_VFORK}' {terms} {go}")
        wait_for(lambda pid=pid: procfs.stat(pid).state == "D", 10, "it is in vfork")
        plan = signalled(gate, pid)
        again = gate.apply(plan, canonical(gate.approval(plan)))
        assert again["reason"] == "already_signalled", again
        assert procfs.stat(pid).state == "D" and not os.path.exists(terms), "it cannot be woken"
        with open(go, "wb"):
            pass
        wait_for(lambda path=terms: os.path.exists(path) and os.path.getsize(path) == 1, 5, "it takes it")
        os.kill(pid, signal.SIGKILL)


def namespaces_root(t, gate, n):
    """Root in a user namespace of its own is who it is outside of it, and is said to be in one."""
    pid = orphan(t, "exec setpriv --reuid 64001 --regid 64001 --clear-groups "
                    "unshare --user --map-root-user sleep 1000")
    wait_for(lambda: b"sleep" in open(f"/proc/{pid}/cmdline", "rb").read(6), 10, "it is in there")
    seen, target = gate.ask("look", pid=pid), gate.target(pid)
    assert seen["user_ns"] is True and target["uid"] == 64001, seen
    assert gate.ask("look", pid=orphan(t))["user_ns"] is False
    of_no_use(gate, n, pid, "target_other_uid", uid=0)
    signalled(gate, pid)
    wait_for(lambda: not alive(pid), 5, "it ends")


# ---- the control socket: who asks is who connected ----


def connected_as(name, path):
    """A connection that somebody else made, who has ended since."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            who = ids(name)
            os.setgroups([])
            os.setresgid(*[who["group"]] * 3)
            os.setresuid(*[who["user"]] * 3)
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                socket.send_fds(there, [b"x"], [c.fileno()])
            status = 0
        finally:
            os._exit(status)
    there.close()
    _, fds, _, _ = socket.recv_fds(here, 1, 1)
    os.waitpid(pid, 0)
    here.close()
    return socket.socket(fileno=fds[0])


def call(connection, method, **params):
    line = json.dumps({"id": 1, "method": method, "params": params}) + "\n"
    connection.settimeout(30)
    connection.sendall(line.encode())
    with connection.makefile() as f:
        return json.loads(f.readline())


def passed_on(t, n):
    """Connections of a viewer, used by root with an owner's words."""
    s = Scene(t, lanes=[gated_lane(t)])
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    path = os.path.join(s.d.runtime_dir, "control.sock")
    for i in range(n):
        with connected_as(VIEWER, path) as c:
            method, params = [
                ("incident.approve", {"id": incident, "plan": digest, "approval": "{}"}),
                ("incident.apply", {"id": incident, "plan": digest}),
                ("gate.disarm", {}), ("gate.release", {"release": "{}"})][i % 4]
            answer = call(c, method, **params)
            assert answer["error"]["code"] == "denied", (method, answer)
    # Nor is one without a role let in by whoever holds its connection.
    with connected_as("bin", path) as c:
        try:
            answer = call(c, "status")
        except (ConnectionError, ValueError):
            answer = {"error": {"code": "denied"}}
        assert answer["error"]["code"] == "denied", answer
    assert s.gate_status()["armed"] and alive(pid)
    assert not s.readback(incident)["approvals"]
    return n + 1


# ---- two clients at once (G4) ----

COUNTS = "trap 'echo x >> {file}' TERM; : > {file}; while :; do {burn}; done"


def ask_both(s, incident, digest, apart_s):
    """Both answers to the same call of two clients, the second sent that long after the first."""
    line = json.dumps({"id": 1, "method": "incident.apply",
                       "params": {"id": incident, "plan": digest}}).encode() + b"\n"
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for c in clients:
            c.settimeout(30 * SLOWNESS)
            c.connect(os.path.join(s.d.runtime_dir, "control.sock"))
        for c in clients:
            c.sendall(line)
            time.sleep(apart_s)
        return [json.loads(stack.enter_context(c.makefile()).readline()) for c in clients]


def batch_at_once(t, s, rng, n):
    files = [t.path(f"terms-{i}") for i in range(n)]
    pids = [start_ending(t, COUNTS.format(file=f, burn=BURN)) for f in files]
    plans = [approved(s, pid) for pid in pids]

    def terms(file):
        with open(file, encoding="ascii") as f:
            return len(f.read().split())

    wrong = []
    for plan in plans:
        said = ask_both(s, *plan, rng.choice((0, rng.uniform(0, 0.003 * SLOWNESS))))
        sent = [a for a in said if a.get("result", {}).get("outcome") == "signalled"]
        if len(sent) != 1 or len([a for a in said if a.get("error")]) != 1:
            wrong.append(said)
    for pid, file in zip(pids, files):
        wait_for(lambda file=file: terms(file), 5, "a SIGTERM")
        wrong += [terms(file)] * (not alive(pid))
    time.sleep(0.2 * SLOWNESS)
    return wrong + [n for n in map(terms, files) if n != 1]


def submitted_at_once(t, n, at_once=20):
    """What was wrong of n plans, each of which two clients ask to apply at the same time."""
    return over_scenes(t, n, at_once, lambda s, many, rng=random.Random(4711): batch_at_once(t, s, rng, many))


# ---- what is looked at after the signal (G12) ----

# About a hundredth of a core.
BURN = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; sleep 0.05"
# What the events of the signal may say of `ignored`, one for each of them.
ENDS, NOT_NOTED, HELD_BACK = ([False],), ([], [True]), ([True],)
# A shell blocks all signals while it forks. This one never takes its SIGTERM.
BLOCKS = ("import signal as s, time; s.pthread_sigmask(s.SIG_BLOCK, {s.SIGTERM}); "
          "s.signal(s.SIGTERM, s.SIG_IGN)\nwhile True: sum(range(20000)); time.sleep(0.05)")
# kind: (what it does on SIGTERM, is the post-check to pass, what is noted of the signal)
ENDINGS = {
    "ends": (f"while :; do {BURN}; done", True, ENDS),
    "ignores it": (f"trap '' TERM; while :; do {BURN}; done", False, NOT_NOTED),
    "ignores and blocks it": (f"exec python3 -c '{BLOCKS}'", False, HELD_BACK),
    "takes it and stays": (f"trap : TERM; while :; do {BURN}; done", False, ENDS),
    "ends late": (f"trap 'sleep 0.3; exit 0' TERM; while :; do {BURN}; done", True, ENDS),
    "leaves a child": (f"(trap '' TERM; while :; do {BURN}; done) & "
                       f"trap 'exit 0' TERM; while :; do {BURN}; done", False, ENDS),
    "has ended just before": (f"while :; do {BURN}; done", None, None),
}


def start_ending(t, script):
    out = t.spawn(["sh", "-c", f"({script}) & echo $!"], stdout=subprocess.PIPE)
    pid = int(out.stdout.readline())
    out.wait()
    return pid


def approved(s, pid):
    incident = s.incident(pid, 30)
    digest, _ = s.plan(incident)
    s.approve(incident, digest)
    return incident, digest


def look_after(s, pid, incident, expected, noted):
    """What is wrong with the story of one target; empty when it is right."""
    doc = wait_for(lambda: s.readback(incident)["post_checks"] and s.readback(incident), 30,
                   f"a post-check of {incident}")
    check, signals = doc["post_checks"][-1], s.events(incident, "signal")
    sent = [e["data"] for e in signals if e["data"]["target"]["pid"] == pid]
    if any(e["name"] != "SIGTERM" for e in sent) or [e["ignored"] for e in sent] not in noted or \
            [a["outcome"] for a in doc["actions"]] != ["signalled"]:
        return f"sent {sent}, told {doc['actions']}"
    if check["ok"] is not expected or bool(check["survivors"]) is expected:
        return f"post-check {check}"
    if not expected and doc["incident"]["status"] != "post_check":
        return f"a survivor, and it is {doc['incident']['status']}"
    return ""


def batch_of_endings(t, s, n):
    """[(kind, what was wrong)] of n targets, all kinds in turn."""
    kinds = [list(ENDINGS)[i % len(ENDINGS)] for i in range(n)]
    targets = [(kind, start_ending(t, ENDINGS[kind][0])) for kind in kinds]
    plans = [approved(s, pid) for _, pid in targets]
    wrong = []
    for (kind, pid), (incident, digest) in zip(targets, plans):
        if ENDINGS[kind][1] is None:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: not alive(pid), 5, "it is gone")
            if s.run(None, "incident", "apply", incident, "--plan", digest).returncode == 0:
                wrong.append((kind, "applied to nobody"))
        else:
            s.apply(incident, digest)
    for (kind, pid), (incident, _) in zip(targets, plans):
        if ENDINGS[kind][1] is not None:
            why = look_after(s, pid, incident, *ENDINGS[kind][1:])
        else:
            why = [a for a in s.readback(incident)["actions"] if a["outcome"] == "signalled"]
        if why:
            wrong.append((kind, why))
    return wrong


def over_scenes(t, n, at_once, batch):
    """Batches until there were n targets; a daemon for as many as its hourly budget allows."""
    wrong, done = [], 0
    lane = {**gated_lane(t), "trigger": {"cpu_cores_min": 0.002, "for_s": 0},
            "clear": {"cpu_cores_max": 0.001, "for_s": 600}}
    while done < n:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(t.path("keys", "owner.key"))
        s = Scene(t, lanes=[lane], grace_s=max(1, int(SLOWNESS)))
        for _ in range(100 // at_once):
            if done < n:
                wrong += batch(s, min(at_once, n - done))
                done += min(at_once, n - done)
            for pid in t.cgroup.pids():
                kill_if(pid, signal.SIGKILL, t.ours)
        s.d.stop()
        t.daemons.remove(s.d)
        # The next one is in the same place: what was signalled in the last hour is in the audit.
        for folder in (s.d.state_dir, s.gate_dir):
            shutil.rmtree(folder)
    return wrong


def endings(t, n, at_once=20):
    """[(kind, what was wrong)] of n targets."""
    return over_scenes(t, n, at_once, lambda s, many: batch_of_endings(t, s, many))
