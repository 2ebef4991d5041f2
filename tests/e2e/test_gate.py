#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The path of one signal as users see it, and where it ends when something is amiss."""
# timeout_s: 600

import hashlib
import json
import os
import signal
import time

import procfs
from gateproc import enforced
from gatescene import LANE, OPERATOR, OWNER, VIEWER, Scene, alive, gated_lane
from harness import SLOWNESS, main, never, test, wait_for
from scenes import OrphanMaker

CAP_KILL = 1 << 5


def capabilities(pid):
    return int(procfs.status(pid)["CapEff"], 16)


def check_plan(t, s, pid, digest, plan):
    assert hashlib.sha256(json.dumps(plan, sort_keys=True, separators=(",", ":"),
                                     ensure_ascii=False).encode()).hexdigest() == digest
    assert plan["signal"] == "SIGTERM" and plan["lane_id"] == LANE, plan
    assert plan["requester"] == "root" and plan["requester_uid"] == 0, plan
    assert "targets_gone" in plan["post_check"]["checks"], plan
    (target,) = plan["targets"]
    assert target["pid"] == pid and target["comm"] == "orphan_maker", target
    assert target["exe"] == os.path.realpath(t.helper("orphan_maker")), target
    assert target["exe_ino"] == str(os.stat(t.helper("orphan_maker")).st_ino), target
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert target["args_sha256"] == hashlib.sha256(f.read()).hexdigest(), target
    assert target["uid"] == 0 and target["cgroup_path"].endswith("/load"), target
    assert target["start_ns"] == s.ctl(None, "proc", "show", str(pid))["start_ns"]
    assert "root of the orphaned tree" in target["reason"], target


def check_story(s, pid, doc):
    states = [(e["old"], e["new"]) for e in doc["events"] if e["type"] == "status"]
    assert states == [("open", "triaged"), ("triaged", "dry_run_ready"),
                      ("dry_run_ready", "approved"), ("approved", "acting"),
                      ("acting", "post_check"), ("post_check", "resolved")], states
    actors = [e["actor"] for e in doc["events"] if e["type"] == "status"]
    assert actors[2].startswith(OWNER + " (uid "), actors
    assert actors[3] == "root (uid 0)" and actors[5] == "runawayd", actors
    (action,), (check,) = doc["actions"], doc["post_checks"]
    assert action["outcome"] == "signalled" and action["asked_by"] == "root (uid 0)", action
    assert check["ok"] and not check["survivors"], check
    assert check["before"]["processes"] == 1 and check["before"]["cpu_cores"] > 0.05, check
    assert check["after"]["processes"] == 0 and check["after"]["cpu_cores"] == 0, check
    (seen,) = [e["data"] for e in doc["events"] if e["type"] == "signal"]
    assert seen["name"] == "SIGTERM" and seen["target"]["pid"] == pid, seen
    assert seen["sender"]["pid"] == s.gate_status()["process"]["actuator_pid"], seen


@test
def the_whole_path(t):
    s = Scene(t, require_kernel_guard=enforced())
    wait_for(lambda: s.d.metrics().get("runaway_gate_kernel_enforced") ==
             s.gate_status()["kernel_enforced"], 10, "metrics say whether the kernel enforces it")
    pid, incident = s.orphan()
    # Asked before there is a plan, every condition is listed all the same.
    doc = s.ctl(None, "incident", "apply", incident, "--explain")
    missing = {c["name"]: c["reason"] for c in doc["conditions"] if not c["pass"]}
    assert not doc["allowed"] and missing["dry_run"] == "plan_missing", doc
    assert missing["approval"] == "approval_missing" and len(doc["conditions"]) > 6, doc
    digest, plan = s.plan(incident)
    check_plan(t, s, pid, digest, plan)
    assert s.status(incident) == "dry_run_ready" and alive(pid)

    # Nobody has approved: what is missing is named, asked and refused.
    doc, missing = s.explain(incident, digest)
    assert not doc["allowed"] and missing["approval"] == "approval_missing", doc
    assert s.ctl(None, "incident", "apply", incident, "--explain") == doc, "the newest plan"
    assert set(missing) <= {"approval", "window", "evidence"}, missing
    assert s.apply_refused(incident, digest) == "approval_missing"
    assert s.status(incident) == "dry_run_ready"

    assert s.approve(incident, digest)["status"] == "approved"
    assert s.explain(incident, digest)[0]["allowed"]
    wait_for(lambda: s.d.metrics().get("runaway_remediations_authorized") == 1, 10, "authorised")
    assert alive(pid)
    applied = s.apply(incident, digest)
    assert applied["outcome"] == "signalled", applied
    wait_for(lambda: not alive(pid), 5 * SLOWNESS, "the target is gone")
    doc = s.wait_status(incident, "resolved")
    assert doc["incident"]["resolution_path"] == "remediated", doc["incident"]
    check_story(s, pid, doc)
    with open(os.path.join(s.d.state_dir, "incidents", incident, "readback.json"), "rb") as f:
        assert json.load(f)["post_checks"] == doc["post_checks"]
    assert s.d.ctl("store", "verify")["ok"]

    kinds = [r["type"] for r in s.audit()]
    assert kinds.count("intent") == kinds.count("result") == 1 and "refused" in kinds, kinds
    assert capabilities(s.d.pid) == 0
    process = s.gate_status()["process"]
    assert capabilities(process["actuator_pid"]) == CAP_KILL
    assert not capabilities(process["authoriser_pid"]) & CAP_KILL
    # What the kernel allowed is what the audit says was sent, or the gate were closed.
    assert s.gate_status()["armed"]
    wait_for(lambda: s.d.metrics().get("runaway_gate_signals_total", signal="SIGTERM") == 1, 10,
             "it is counted")
    m = s.d.metrics()
    assert m.get("runaway_gate_refusals_total", reason="approval_missing") == 1
    assert m.get("runaway_remediation_attempts_total", lane=LANE) == 1
    assert m.get("runaway_remediation_successes_total", lane=LANE) == 1
    assert m.get("runaway_remediation_samples") == 1
    assert not m.series("runaway_remediation_success_ratio"), "below ten samples it is absent"


def refusals_are_on_record(s, incident, digest):
    """Each with its reason, in the incident, in the gate's audit, and counted."""
    noted = [(e["actor"].split()[0], e["data"]["call"], e["data"]["refused"])
             for e in s.events(incident, "refused")]
    expected = [(VIEWER, "incident.dry_run", "not_permitted"),
                (VIEWER, "incident.no_action", "not_permitted"),
                (VIEWER, "incident.apply", "not_permitted"),
                (OPERATOR, "incident.approve", "not_permitted"),
                (OWNER, "incident.approve", "approval_unsigned"),
                (OWNER, "incident.approve", "approval_unknown_key"),
                (OWNER, "incident.approve", "approval_self")]
    assert set(expected) <= set(noted), noted
    told = [r for r in s.audit() if r["type"] == "refused" and r["said_by"] == "daemon"]
    assert sorted((r["actor"].split()[0], r["call"], r["reason"]) for r in told) == \
        sorted(noted), (told, noted)
    assert {r["incident_id"] for r in told} == {incident}, told
    assert told[-1]["plan_sha256"] == digest and told[-1]["untold"] == "0", told[-1]
    m = s.d.metrics()
    for reason in {reason for _, _, reason in noted}:
        assert m.get("runaway_gate_refusals_total", reason=reason) == \
            sum(1 for _, _, r in noted if r == reason), (reason, noted)


@test
def who_may_do_what(t):
    s = Scene(t)
    pid, incident = s.orphan()
    for verb in (["dry-run", incident], ["no-action", incident, "--reason", "x"],
                 ["apply", incident, "--plan", "0" * 64]):
        s.refused(VIEWER, "incident", *verb, status=3)
    # No owner: said before anything about a plan, which there is none of.
    assert "role owner" in s.approve(incident, "0" * 64, who=None, status=3)["error"]["message"]
    digest, _ = s.plan(incident, who=OPERATOR)
    # The role comes from the kernel: root and an operator are no owners, with the key or without.
    os.chmod(s.key, 0o600)
    for who in (OPERATOR, VIEWER):
        s.refused(who, "incident", "approve", incident, "--plan", digest, "--owner", OWNER,
                  "--window", "now/10m", "--evidence", "x", status=3)
    assert "role owner" in s.approve(incident, digest, who=None, status=3)["error"]["message"]
    # An owner without the signature that is required; with a key that nobody configured.
    assert s.approve_refused(incident, digest, key="") == "approval_unsigned"
    s.ctl(OWNER, "gate", "keygen", "--out", s.path("other.key"))
    assert s.approve_refused(incident, digest, key=s.path("other.key")) == "approval_unknown_key"
    # Who asked for the plan may not approve it.
    own, _ = s.plan(incident, who=OWNER)
    assert s.approve_refused(incident, own) == "approval_self"
    assert s.status(incident) == "dry_run_ready"
    refusals_are_on_record(s, incident, own)

    # A lane without remediation yields no plan.
    s.d.write_config({**s.config, "lanes": [
        {**gated_lane(t), "action_policy": "capacity_triage_no_process_remediation"}]})
    s.d.ctl("config", "reload")
    s.d.wait_ticks(2)
    assert s.refused(None, "incident", "dry-run", incident) == "rule_policy"
    # The plan made before does not outlive the rule.
    assert s.explain(incident, own)[1]["rule"] in ("rule_not_matching", "rule_policy")
    assert alive(pid)

    # Observing only resolves; twice is once; closing needs what this version cannot write.
    assert s.ctl(OPERATOR, "incident", "no-action", incident, "--reason", "seen")["status"] == \
        "resolved"
    length = len(s.readback(incident)["events"])
    assert s.ctl(None, "incident", "resolve", incident)["resolution_path"] == "no_action"
    assert len(s.readback(incident)["events"]) == length
    assert "assets" in s.ctl(None, "incident", "close", incident, status=2)["error"]["message"]
    s.ctl(None, "incident", "resolve", "inc_20200101_0000_00000000", status=5)


@test
def windows_plans_and_switches(t):
    s = Scene(t)
    pid, incident = s.orphan()
    first, _ = s.plan(incident)
    now = time.time()

    def at(s_from_now):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + s_from_now))

    assert s.approve_refused(incident, first, window=f"{at(-600)}/{at(-60)}") == "window_over"
    assert s.approve_refused(incident, first, window="now/100h") == "window_too_long"
    s.approve(incident, first, window=f"{at(1800)}/{at(2400)}")
    assert s.apply_refused(incident, first) == "window_not_open"
    assert s.status(incident) == "approved", "asked, refused, and as before"

    # Another plan takes the place of the first, and of its approval.
    second, _ = s.plan(incident)
    assert s.apply_refused(incident, first) == "plan_other"
    assert s.apply_refused(incident, second) == "approval_missing"
    s.approve(incident, second)

    # The switch: an operator may pull it, in three ways; an owner alone releases it.
    s.refused(VIEWER, "gate", "disarm", status=3)
    s.ctl(OPERATOR, "gate", "disarm", "--reason", "drill")
    assert s.apply_refused(incident, second) == "disarmed"
    s.refused(OPERATOR, "gate", "release", status=3)
    assert s.refused(OWNER, "gate", "release") == "release_invalid", "unsigned"
    s.ctl(OWNER, "gate", "release", "--key", s.key)
    wait_for(lambda: s.gate_status()["armed"], 10, "armed again")
    os.kill(s.d.pid, signal.SIGUSR2)
    wait_for(lambda: s.gate_status()["disarmed"], 10, "SIGUSR2 disarms")
    assert s.apply_refused(incident, second) == "disarmed"
    assert s.run(None, "doctor").returncode == 1
    s.ctl(OWNER, "gate", "release", "--key", s.key)
    switch = os.path.join(s.gate_dir, "disarm")
    with open(switch, "wb"):
        pass
    # Nobody told the daemon; who asks is told all the same, at once.
    assert s.gate_status()["disarmed"] and not s.gate_status()["armed"]
    assert b"by file, record " in s.run(None, "gate", "status", "-o", "table").stdout
    assert s.apply_refused(incident, second) == "disarmed"
    assert s.refused(OWNER, "gate", "release", "--key", s.key) == "disarm_file"
    os.unlink(switch)
    assert alive(pid)
    assert s.apply_refused(incident, second) == "disarmed", "root who removes it is no owner"
    s.refused(OPERATOR, "gate", "release", status=3)
    s.ctl(OWNER, "gate", "release", "--key", s.key)
    # It outlived all of that because nothing was ever sent.
    assert not s.events(incident, "signal") and alive(pid)
    assert s.apply(incident, second)["outcome"] == "signalled"
    wait_for(lambda: not alive(pid), 5 * SLOWNESS, "it is gone")
    s.wait_status(incident, "resolved")
    assert s.apply_refused(incident, second) == "approval_used"


STUBBORN = "trap : TERM; while :; do :; done"


@test
def a_survivor_is_a_persons_matter(t):
    s = Scene(t, lanes=[gated_lane(t, comm_any=["sh"])])
    maker = t.spawn(["sh", "-c", f'sh -c "{STUBBORN}" & echo $! > {t.path("pid")}; kill -9 $$'])
    maker.wait()
    with open(t.path("pid"), encoding="ascii") as f:
        pid = int(f.read())
    incident = s.incident(pid)
    assert "incident dry-run" in s.next_step(incident)
    digest, _ = s.plan(incident)
    assert "`incident approve`" in s.next_step(incident)
    s.approve(incident, digest)
    assert "`incident apply`" in s.next_step(incident)
    assert s.apply(incident, digest)["outcome"] == "signalled"
    doc = wait_for(lambda: s.readback(incident)["post_checks"] and s.readback(incident), 15,
                   "a post-check")
    assert not doc["post_checks"][-1]["ok"] and doc["incident"]["status"] == "post_check", doc
    assert doc["post_checks"][-1]["survivors"][0]["pid"] == pid
    assert doc["incident"]["remediation"] == "failed", doc["incident"]
    assert b"the post-check failed" in s.d.log()
    assert "A person has to look" in s.next_step(incident)
    # Asked again it says the same; nothing more is sent.
    assert not s.ctl(None, "incident", "post-check", incident, status=1)["ok"]
    assert s.apply_refused(incident, digest) in ("approval_missing", "already_signalled")
    never(lambda: len(s.events(incident, "signal")) != 1, 2, "a second signal")
    assert alive(pid)
    # A person ends it in another way: that is seen, told, and not called our success.
    t.signal(pid, signal.SIGKILL)
    doc = s.wait_status(incident, "resolved")
    assert doc["incident"]["resolution_path"] == "manual", doc["incident"]
    killed = [e["data"] for e in doc["events"] if e["type"] == "signal"][-1]
    assert killed["name"] == "SIGKILL" and killed["sender"]["pid"] == os.getpid(), killed
    assert s.d.metrics().get("runaway_remediation_successes_total", lane=LANE) == 0


def stop_actuator(t, s):
    """From now on the gate gets no answer of it."""
    pid = s.gate_status()["process"]["actuator_pid"]
    os.kill(pid, signal.SIGSTOP)
    t.defer(os.kill, pid, signal.SIGKILL)


@test
def gate_killed_while_acting(t):
    s = Scene(t)
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    s.approve(incident, digest)
    authoriser = s.gate_status()["process"]["authoriser_pid"]
    stop_actuator(t, s)
    asking = t.spawn([t.runawayctl, "--socket", os.path.join(s.d.runtime_dir, "control.sock"),
                      "incident", "apply", incident, "--plan", digest])
    s.wait_status(incident, "acting")
    audit = os.path.join(s.gate_dir, "audit.jsonl")
    wait_for(lambda: b'"intent"' in open(audit, "rb").read(), 10, "the INTENT")
    os.kill(authoriser, signal.SIGKILL)
    assert asking.wait(20 * SLOWNESS) == 1
    doc = s.wait_status(incident, "post_check")
    action = doc["actions"][-1]
    assert action["outcome"] == "unknown" and "INTENT" in action["why"], action
    status = s.gate_status()
    assert not status["alive"] and not status["armed"] and "ended" in status["why"], status
    m = s.d.metrics()
    assert m.get("runaway_sensor_up", component="gate") == 0
    assert m.get("runaway_gate_kernel_enforced") == 0
    # Nothing more can be asked of it, and the sensor works on.
    assert s.refused(None, "incident", "dry-run", incident) == "gate_disabled"
    doc = wait_for(lambda: s.readback(incident)["post_checks"] and s.readback(incident), 15,
                   "a post-check")
    assert doc["post_checks"][-1]["ok"] is not alive(pid), doc["post_checks"]
    s.d.stop()
    s.start()
    never(lambda: len(s.events(incident, "signal")) > 1, 2, "sent again after the restart")


def asked_to_act(t):
    """(scene, target, incident): an approved plan that somebody asks for; not waited for."""
    s = Scene(t)
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    s.approve(incident, digest)

    def ask():
        t.spawn([t.runawayctl, "--socket", os.path.join(s.d.runtime_dir, "control.sock"),
                 "incident", "apply", incident, "--plan", digest])
        s.wait_status(incident, "acting")

    return s, pid, incident, ask


def wait_audit(s, word):
    audit = os.path.join(s.gate_dir, "audit.jsonl")
    wait_for(lambda: word in open(audit, "rb").read(), 10, f"{word} in the audit")


def kill_unseen(s, authoriser):
    """The daemon stands still: it is killed before it could see the gate's end, and tell of that."""
    os.kill(s.d.pid, signal.SIGSTOP)
    os.kill(authoriser, signal.SIGKILL)


def told_after(s, incident):
    """What the daemon says of its last action, once it runs again."""
    s.d.kill()
    s.start()
    doc = wait_for(lambda: s.readback(incident)["actions"] and s.readback(incident), 20,
                   "the action is told")
    assert "the daemon ended" in doc["actions"][-1]["why"], doc["actions"]
    assert s.d.ctl("store", "verify")["ok"]
    return doc["actions"][-1]["outcome"]


@test
def daemon_killed_while_acting(t):
    s, _, incident, ask = asked_to_act(t)
    authoriser = s.gate_status()["process"]["authoriser_pid"]
    stop_actuator(t, s)
    ask()
    wait_audit(s, b'"intent"')
    kill_unseen(s, authoriser)
    assert told_after(s, incident) == "unknown"
    assert s.status(incident) == "post_check"


@test
def daemon_killed_before_the_gate_heard_of_it(t):
    s, pid, incident, ask = asked_to_act(t)
    authoriser = s.gate_status()["process"]["authoriser_pid"]
    os.kill(authoriser, signal.SIGSTOP)
    ask()
    kill_unseen(s, authoriser)
    assert told_after(s, incident) == "refused"
    assert alive(pid) and not s.events(incident, "signal"), "and so it is"


@test
def daemon_killed_before_it_heard_the_answer(t):
    s, pid, incident, ask = asked_to_act(t)
    actuator = s.gate_status()["process"]["actuator_pid"]
    stop_actuator(t, s)
    ask()
    wait_audit(s, b'"intent"')
    os.kill(s.d.pid, signal.SIGSTOP)
    os.kill(actuator, signal.SIGCONT)
    wait_audit(s, b'"result"')
    assert told_after(s, incident) == "signalled"
    wait_for(lambda: not alive(pid), 5, "and so it is")
    s.wait_status(incident, "resolved")


@test
def health_checks_before_and_after(t):
    server = t.spawn(["python3", "-m", "http.server", "0", "--bind", "127.0.0.1"],
                     cwd=t.tmp, stdout=-1, env={"PYTHONUNBUFFERED": "1"})
    port = server.stdout.readline().split(b" port ")[1].split()[0].decode()
    s = Scene(t, lanes=[gated_lane(t, comm_any=["orphan_maker"])], health_checks=[
        {"name": "page", "address": f"127.0.0.1:{port}", "http_path": "/"},
        {"name": "port", "address": f"127.0.0.1:{port}"},
        {"name": "nobody", "address": "127.0.0.1:9"}], grace_s=3)
    _, incident = s.orphan()
    digest, plan = s.plan(incident)
    assert "service_health" in plan["post_check"]["checks"]
    s.approve(incident, digest)
    s.apply(incident, digest)
    server.terminate()
    doc = wait_for(lambda: s.readback(incident)["post_checks"] and s.readback(incident), 20,
                   "a post-check")
    check = doc["post_checks"][-1]
    assert {h["name"]: h["ok"] for h in check["before"]["health"]} == \
        {"page": True, "port": True, "nobody": False}, check
    # What was healthy and is not fails it; what never was does not.
    assert not check["ok"] and "was healthy before" in check["why"], check


@test
def drill(t):
    s = Scene(t)
    doc = s.ctl(None, "drill", "apply")
    assert [x["step"] for x in doc["steps"] if x["step"] != "condition"] == [
        "fixture", "triage", "dry-run", "approval", "SIGTERM", "post-check", "status"], doc
    incident = s.readback(doc["incident_id"])["incident"]
    assert incident["drill"] and incident["resolution_path"] == "remediated", incident
    assert incident["status"] == "resolved"
    m = s.d.metrics()
    assert m.get("runaway_remediation_samples") == 0, "drills are no remediations"
    assert not [d for d in os.listdir(os.path.dirname(t.top.dir)) if d.startswith("runaway-drill")]

    # A drill names nothing that it did not start itself.
    victim = OrphanMaker(t, 500).make()[1]
    wait_for(lambda: s.d.orphan(victim), 10, "the daemon knows it")
    answer = s.raw("drill.open", pid=victim, key=s.public)
    assert "did not start it" in answer["error"]["message"], answer
    # Nor does a drill's approval open any other plan.
    incident = s.incident(victim)
    digest, _ = s.plan(incident)
    answer = s.raw("drill.approve", id=incident, plan=digest, approval="{}")
    assert answer["error"]["code"] == "denied", answer
    assert alive(victim)


@test
def off_by_default(t):
    d = t.daemon({})
    status = d.ctl("gate", "status")
    assert not status["enabled"] and not status["alive"] and status["tier"] == "T5", status
    assert "does not enable" in status["why"], status
    assert b"gate: disabled" in d.http("/readyz").body
    m = d.metrics()
    assert m.get("runaway_gate_enabled") == m.get("runaway_gate_kernel_enforced") == 0
    assert d.ctl("status")["gate"]["enabled"] is False
    ours = [d.pid, *(s.pid for s in procfs.descendants(d.pid))]
    assert not any(capabilities(pid) & CAP_KILL for pid in ours), ours
    assert d.ctl("incident", "apply", "inc_none", status=5)["error"]["code"] == "not_found"
    # What is asked of a gate that is not there is counted all the same.
    assert "gate_disabled" in d.ctl("gate", "audit", status=4)["error"]["message"]
    assert d.metrics().get("runaway_gate_refusals_total", reason="gate_disabled") == 1


if __name__ == "__main__":
    main()
