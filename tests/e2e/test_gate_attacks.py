#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout_s: 600
# beside: yes
"""
Attacks on the gate that need more than one wrong member: counted, and each with its own proof
that nothing arrived. Counts are small here; tests/soak/test_gate_many.py has the full ones.
"""

import ctypes
import os
import random
import signal
import time

from gateattacks import disarm_in_the_middle, passed_on, protected
from gateproc import Gate, alive, canonical, counting_orphan
from gatescene import OWNER, VIEWER, Scene
from harness import few, main, test, wait_for

PTRACE_CONT, PTRACE_SEIZE, PTRACE_DETACH = 7, 0x4206, 17
_libc = ctypes.CDLL(None, use_errno=True)


# ---- the plan is another one than was approved ----


@test
def a_plan_changed_by_one_byte(t):
    gate = Gate(t).start()
    pid, terms = counting_orphan(t)
    plan, approval = gate.documents(pid)
    tried = 0
    for at in range(0, len(plan), max(1, len(plan) // few(len(plan)))):
        for other in {chr(ord(plan[at]) ^ 1), "0" if plan[at] != "0" else "1"}:
            done = gate.apply(plan[:at] + other + plan[at + 1:], approval)
            assert done["allowed"] is False, (at, other, done)
            # It is no plan any more, or not the approved one, whatever else it is.
            wrong = [c["name"] for c in done["conditions"] if not c["pass"]]
            assert {"approval", "dry_run"} & set(wrong), (at, other, done)
            tried += 1
    assert terms() == 0 and alive(pid)
    print(f"# {tried} plans with one byte changed, none carried out")
    assert gate.apply(plan, approval)["targets"][0]["outcome"] == "signalled"
    wait_for(lambda: terms() == 1, 5, "the plan itself is")


# ---- disarmed in the middle of it ----


@test
def disarm_during_apply(t):
    rng, n, seen = random.Random(4711), few(20), {}
    gate = Gate(t).start()
    for _ in range(n):
        pid, terms = counting_orphan(t)
        said = disarm_in_the_middle(gate, pid, rng.uniform(0, 0.01))
        seen[said] = seen.get(said, 0) + 1
        # Disarmed before the signal or after it: told as it was.
        assert said in ("signalled", "refused", "disarmed"), said
        wait_for(lambda: terms() == (said == "signalled"), 5, f"{said}, and so it is")
        assert gate.ask("status")["disarmed"] and not gate.ask("status")["armed"]
        second, approval = gate.documents(pid)
        assert gate.apply(second, approval)["reason"] == "disarmed"
        assert terms() == (said == "signalled")
        assert gate.release()["ok"]
        os.kill(pid, signal.SIGKILL)
    print(f"# disarmed during {n} applies: {seen}")


# ---- targets that are never, or not simply, ended ----


@test
def never_a_target(t):
    print(f"# {protected(t, few(50))} attempts, all refused")


@test
def a_dead_target(t):
    """Its parent has not asked how it ended: its pid is still taken."""
    gate = Gate(t).start()
    child = t.spawn(["sleep", "1000"])
    target = gate.target(child.pid)
    child.kill()
    wait_for(lambda: not alive(child.pid), 5, "it is a zombie")
    plan = canonical(gate.plan(target))
    assert gate.apply(plan, canonical(gate.approval(plan)))["reason"] == "target_gone"


@test
def a_stopped_target(t):
    """The signal waits for it: sent once, and nothing is done to hurry it."""
    gate = Gate(t).start()
    pid, terms = counting_orphan(t)
    os.kill(pid, signal.SIGSTOP)
    plan, approval = gate.documents(pid)
    assert gate.apply(plan, approval)["targets"][0]["outcome"] == "signalled"
    time.sleep(0.2)
    assert terms() == 0 and alive(pid), "it has not been continued"
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: terms() == 1, 5, "it takes the one that waited")


@test
def a_traced_target(t):
    """Its tracer gets the signal first, and may keep it from it."""
    gate = Gate(t).start()
    pid, terms = counting_orphan(t)
    assert _libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    plan, approval = gate.documents(pid)
    assert gate.apply(plan, approval)["targets"][0]["outcome"] == "signalled"
    while True:
        _, status = os.waitpid(pid, 0x40000000)  # __WALL
        if os.WSTOPSIG(status) == signal.SIGTERM:
            break
        assert _libc.ptrace(PTRACE_CONT, pid, None, os.WSTOPSIG(status)) == 0
    assert _libc.ptrace(PTRACE_DETACH, pid, None, None) == 0
    time.sleep(0.2)
    assert terms() == 0 and alive(pid), "the tracer kept it"
    assert gate.apply(plan, approval)["reason"] == "approval_used"


# ---- the control socket: who asks is who connected ----


@test
def connections_that_were_passed_on(t):
    print(f"# {passed_on(t, few(40))} connections, none gained by being passed on")


@test
def viewers_by_their_group_approve_nothing(t):
    s = Scene(t)
    s.config["roles"] = {"owner": [{"user": OWNER}], "viewer": [{"group": VIEWER}]}
    s.d.write_config(s.config)
    s.d.ctl("config", "reload")
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    assert s.ctl(VIEWER, "gate", "status")["armed"], "looking is allowed"
    s.approve(incident, digest, who=VIEWER, key="", status=3)
    s.refused(VIEWER, "incident", "apply", incident, "--plan", digest, status=3)
    s.refused(VIEWER, "gate", "disarm", status=3)
    assert not s.readback(incident)["approvals"] and alive(pid)


if __name__ == "__main__":
    main()
