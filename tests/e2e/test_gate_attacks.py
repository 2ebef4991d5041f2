#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout_s: 600
# beside: yes
"""
Attacks on the gate that need more than one wrong member: counted, and each with its own proof
that nothing arrived. Counts are small here; tests/soak/test_gate_many.py has the full ones.
"""

import os
import random
import signal
import time

from gateattacks import (
    ENDINGS, dead, disarm_in_the_middle, endings, namespaces_root, passed_on, protected,
    submitted_at_once, traced, uninterruptible)
from gateproc import Gate, alive, canonical, counting_orphan
from gatescene import OWNER, VIEWER, Scene
from harness import few, main, test, wait_for


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
    pid, _ = counting_orphan(t)
    plan, approval = gate.documents(pid)
    started = time.monotonic()
    assert gate.apply(plan, approval)["allowed"]
    takes_s = time.monotonic() - started
    # Both ends of the race have to be seen, whatever part of that is before the signal.
    for tried in range(1, 10 * n):
        pid, terms = counting_orphan(t)
        said = disarm_in_the_middle(gate, pid, rng.uniform(0, takes_s))
        seen[said] = seen.get(said, 0) + 1
        takes_s *= 0.8 if said == "signalled" else 1.25
        # Disarmed before the signal or after it: told as it was.
        assert said in ("signalled", "refused", "disarmed"), said
        wait_for(lambda: terms() == (said == "signalled"), 5, f"{said}, and so it is")
        assert gate.ask("status")["disarmed"] and not gate.ask("status")["armed"]
        second, approval = gate.documents(pid)
        assert gate.apply(second, approval)["reason"] == "disarmed"
        assert terms() == (said == "signalled")
        assert gate.release()["ok"]
        os.kill(pid, signal.SIGKILL)
        if tried >= n and "signalled" in seen and len(seen) > 1:
            break
    print(f"# disarmed during {tried} applies: {seen}")
    assert "signalled" in seen and len(seen) > 1, seen


# ---- two clients at once ----


@test
def two_clients_at_once(t):
    n = few(20)
    wrong = submitted_at_once(t, n)
    assert not wrong, wrong
    print(f"# {n} plans, each asked for by two clients at once: one signal each")


# ---- what the post-check says of how they end ----


@test
def endings_of_every_kind(t):
    wrong = endings(t, len(ENDINGS))
    assert not wrong, wrong
    print(f"# {', '.join(ENDINGS)}: each as it is")


# ---- targets that are never, or not simply, ended ----


@test
def never_a_target(t):
    print(f"# {protected(t, few(50))} attempts, all refused")


@test
def targets_that_do_not_simply_end(t):
    gate, n = Gate(t).start(), few(5)
    for attack in (dead, traced, uninterruptible, namespaces_root):
        attack(t, gate, n)
    print(f"# dead, traced, in vfork, root of a user namespace: {n} of each")


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


# ---- the control socket: who asks is who connected ----


@test
def connections_that_were_passed_on(t):
    print(f"# {passed_on(t, few(16))} connections, none gained by being passed on")


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
