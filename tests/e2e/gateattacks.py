# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on the gate that are counted: a few in `make check`, many in `make soak`."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

from cgroups import kill_if
from gateproc import Gate, canonical, orphan
from gatescene import VIEWER, Scene, alive, gated_lane, ids
from harness import SLOWNESS, wait_for


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


def protected(t, n):
    """How many attempts at protected targets were refused."""
    gate = Gate(t).start()
    pid = orphan(t)
    cases = (
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


# ---- what is looked at after the signal (G12) ----

# About a hundredth of a core.
BURN = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; sleep 0.05"
# kind: (what it does on SIGTERM, is the post-check to pass, is the signal one that ends somebody)
ENDINGS = {
    "ends": (f"while :; do {BURN}; done", True, True),
    "ignores it": (f"trap '' TERM; while :; do {BURN}; done", False, False),
    "takes it and stays": (f"trap : TERM; while :; do {BURN}; done", False, True),
    "ends late": (f"trap 'sleep 0.3; exit 0' TERM; while :; do {BURN}; done", True, True),
    "leaves a child": (f"(trap '' TERM; while :; do {BURN}; done) & "
                       f"trap 'exit 0' TERM; while :; do {BURN}; done", False, True),
    "has ended just before": (f"while :; do {BURN}; done", None, False),
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
    sent = [e["data"]["name"] for e in signals if e["data"]["target"]["pid"] == pid]
    if sent != ["SIGTERM"] * noted or [a["outcome"] for a in doc["actions"]] != ["signalled"]:
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


def endings(t, n, at_once=20):
    """[(kind, what was wrong)] of n targets; a daemon for as many as its hourly budget allows."""
    wrong, done = [], 0
    lane = {**gated_lane(t), "trigger": {"cpu_cores_min": 0.002, "for_s": 0},
            "clear": {"cpu_cores_max": 0.001, "for_s": 600}}
    while done < n:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(t.path("keys", "owner.key"))
        s = Scene(t, lanes=[lane], grace_s=max(1, int(SLOWNESS)))
        for _ in range(100 // at_once):
            if done < n:
                wrong += batch_of_endings(t, s, min(at_once, n - done))
                done += min(at_once, n - done)
            for pid in t.cgroup.pids():
                kill_if(pid, signal.SIGKILL, t.ours)
        s.d.stop()
        t.daemons.remove(s.d)
    return wrong
