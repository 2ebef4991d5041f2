#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""
Daemon or gate are killed at random moments while incidents walk from open to post_check. Their
people ask again until they get there; what must hold is looked at after each restart.
"""
# timeout_s: 600

import concurrent.futures
import contextlib
import hashlib
import json
import os
import signal
import threading
import time

from soak import FULL, experiment, main  # first: it knows where the harness is

import procfs
from cgroups import kill_if
from gatescene import Scene, gated_lane
from harness import CtlError, wait_for

WALKERS = 3  # at once: each kill finds them in different states
KILLS = 4  # until they have to be where they wanted to go
ROUNDS = 30  # of one daemon: a lane's budget is 100 signals an hour
DAEMONS = 4  # at once: most of the time each waits for somebody
# docs/incidents.md, "States": what may follow what.
LEGAL = {
    "open": {"triaged", "resolved"}, "triaged": {"dry_run_ready", "resolved"},
    "dry_run_ready": {"dry_run_ready", "approved", "resolved"},
    "approved": {"dry_run_ready", "approved", "acting", "resolved"},
    "acting": {"triaged", "approved", "post_check", "resolved"},
    "post_check": {"post_check", "dry_run_ready", "resolved"}, "resolved": {"closed"}}
# A target writes down each SIGTERM; it burns no more than a lane asks for.
PERMILLE = 100
TICKS_S = os.sysconf("SC_CLK_TCK")
LEFT = '"$@" & echo $! > "$0"; kill -9 $$'


class Target:
    """An orphan that tells how often it was signalled."""

    def __init__(self, t, cgroup, number):
        self.file = t.path(f"terms-{number}")
        with open(self.file, "w", encoding="ascii"):
            pass
        goes_on = [] if number % 2 else ["--stay"]
        t.spawn(["sh", "-c", LEFT, self.file + ".pid", t.helper("spin"), str(PERMILLE),
                 f"--terms={self.file}", *goes_on], cgroup=cgroup).wait()
        self.pid = wait_for(self._pid, 10, "the target's pid")
        self.start = procfs.stat(self.pid).start
        self.incident = self.digest = None

    def _pid(self):
        with contextlib.suppress(FileNotFoundError, ValueError), \
                open(self.file + ".pid", encoding="ascii") as f:
            return int(f.read())
        return 0

    def terms(self):
        with open(self.file, encoding="ascii") as f:
            return len(f.read().split())

    def incidents(self, daemon):
        """Its own: pids come back while a thousand of them are walked through."""
        return [i for i in daemon.incidents(self.pid)
                if int(i["subject"]["start_ns"]) * TICKS_S // 10 ** 9 == self.start]


class Walker(threading.Thread):
    """The people of one incident: they ask for the next step until it is done."""

    def __init__(self, scene, target, rng):
        super().__init__(daemon=True)
        self.s, self.target, self.rng = scene, target, rng
        self.stopped = threading.Event()

    def step(self):
        s, x = self.s, self.target
        if not x.incident:
            found = x.incidents(s.d)
            x.incident = found[0]["incident_id"] if found else None
            return False
        status = s.status(x.incident)
        if status in ("acting", "post_check", "resolved"):
            return status != "acting"
        if status == "approved" and x.digest:
            x.digest, asked = None, x.digest  # an approval is good once, however that ended
            s.apply(x.incident, asked)
        elif status == "dry_run_ready" and x.digest:
            s.approve(x.incident, x.digest)
        else:
            x.digest = s.plan(x.incident)[0]
        return False

    def run(self):
        while not self.stopped.wait(self.rng.uniform(0, 0.3)):
            # Refused, or nobody there: asked again.
            with contextlib.suppress(CtlError, AssertionError, OSError, ValueError):
                if self.step():
                    return


def gate_pids(daemon):
    return {s.pid: s.comm for s in procfs.descendants(daemon.pid)}


def kill_one(s, rng):
    """The daemon, or a process of its gate and then the daemon; none is left."""
    gate = gate_pids(s.d)
    who = rng.choice(["daemon", "authoriser", "actuator"])
    chosen = [p for p, comm in gate.items() if ("actuate" in comm) == (who == "actuator")]
    if who != "daemon" and chosen:
        os.kill(chosen[0], signal.SIGKILL)
        time.sleep(rng.choice((0, rng.uniform(0, 0.5))))
    if rng.random() < 0.7:
        s.d.kill()
    else:
        assert s.d.stop(15) == 0
    # What the gate had begun it ends; a daemon that starts meanwhile has none.
    if rng.random() < 0.7:
        wait_for(lambda: not any(procfs.alive(p) for p in gate), 15, "the gate is gone as well")
    return who


def restart(s):
    """Ready with its gate: one that still ended when the daemon started costs another start."""
    for _ in range(3):
        s.d.start(60)
        if s.gate_status()["alive"]:
            return
        assert s.d.stop(15) == 0
    raise AssertionError(f"no gate: {s.d.log()[-1500:]!r}")


def audit_of(row, s):
    """The gate's own record, read by somebody else: each line has its digest and the one before."""
    records, head = [], "0" * 64
    with open(os.path.join(s.gate_dir, "audit.jsonl"), "rb") as f:
        for line in f.read().split(b"\n")[:-1]:  # what has no end is being written
            record = json.loads(line)
            seal = f',"hash":"{record["hash"]}"}}'.encode()
            whole = line.endswith(seal) and record["prev"] == head and \
                hashlib.sha256(line[:-len(seal)] + b"}").hexdigest() == record["hash"]
            row.bad(f"audit: {line[:100]!r}", not whole)
            head = record["hash"]
            records.append(record)
    return records


def check_incident(row, s, x):
    found = x.incidents(s.d)
    row.bad(f"{x.pid}: {[i['incident_id'] for i in found]}", len(found) != 1 or
            x.incident not in (None, found[0]["incident_id"]))
    # In this order, since its people go on meanwhile: who is signalled is in the audit before.
    terms, doc = x.terms(), s.readback(found[0]["incident_id"])
    at = "open"
    # A daemon killed between the two writes of a change tells it at its next start.
    for e in (e for e in doc["events"] if e["type"] in ("status", "recovered") and e["old"]):
        row.bad(f"{e['old']} after {at}", e["old"] != at)
        row.bad(f"{e['new']} after {e['old']}", e["new"] not in LEGAL[e["old"]])
        at = e["new"]
    row.bad(f"{doc['incident']['status']}, by its events {at}", doc["incident"]["status"] != at)
    check_signals(row, x, terms, doc, audit_of(row, s))


def check_signals(row, x, terms, doc, audit):
    """Once or never; and whoever does not know it says so."""
    intents = [r["seq"] for r in audit if r["type"] == "intent" and r["incident_id"] == x.incident]
    results = {r["intent"]: r["outcome"] for r in audit if r["type"] == "result"}
    outcomes = [results.get(i, "unknown") for i in intents]
    seen = len([e for e in doc["events"] if e["type"] == "signal"])
    what = f"{x.pid}: {terms} SIGTERMs, {seen} seen, {outcomes} in the gate's audit"
    row.bad(what, terms > 1 or seen > 1)
    row.bad(what, terms > 0 and not {"signalled", "unknown"} & set(outcomes))
    row.bad(what, len([o for o in outcomes if o != "refused"]) > 1)
    told = [a.get("outcome") for a in doc["actions"]]
    if doc["incident"]["status"] in ("post_check", "resolved") and intents:
        row.bad(f"{what}, told as {told}", outcomes[-1] not in told)


def judged(s, x):
    """Somebody looked whether it helped, or the end of the target was told."""
    doc = s.readback(x.incident)
    return doc["post_checks"] or doc["incident"]["status"] == "resolved"


def check_all(row, s, targets):
    for x in targets:
        if x.incident:
            check_incident(row, s, x)
    row.bad("the store does not verify", not s.d.ctl("store", "verify")["ok"])


def round_of(t, row, s, cgroup, number):
    """Some incidents from open to their post-check, over some kills."""
    targets = [Target(t, cgroup, number * WALKERS + i) for i in range(WALKERS)]
    walkers = [Walker(s, x, row.rng) for x in targets]
    for w in walkers:
        w.start()
    hit = []
    for _ in range(KILLS):
        time.sleep(row.rng.uniform(0, 1.5))
        hit.append(kill_one(s, row.rng))
        restart(s)
        check_all(row, s, targets)
    for w in walkers:
        w.join(60)
        w.stopped.set()
    for x in targets:
        wait_for(lambda x=x: judged(s, x), 20, f"{x.incident} of {x.pid} is judged")
    check_all(row, s, targets)
    for x in targets:  # those that go on, if they do not end this very moment
        kill_if(x.pid, signal.SIGKILL, t.ours)
    return hit


ONE_BY_ONE = threading.Lock()


def walk(t, row, numbers):
    """Rounds of one daemon, whose lane knows a cgroup of its own."""
    with ONE_BY_ONE:  # names are given by how many there are
        cgroup = t.cgroup.child(f"walk-{numbers[0]}")
        s = Scene(t, lanes=[gated_lane(t, comm_any=["spin"], cgroup_any=[cgroup.label])])
    hit = [who for n in numbers for who in round_of(t, row, s, cgroup, n)]
    assert s.d.stop(15) == 0
    return hit


@experiment("G8b", "daemon or gate killed while incidents walk through their states: one incident, legal "
            "states, one signal or none, both chains whole", check=4, full=1000)
def killed_on_the_way(t, row):
    t.need_cgroup()
    rounds = range((row.count + KILLS - 1) // KILLS)
    pool, hit = concurrent.futures.ThreadPoolExecutor(DAEMONS), []
    walks = [pool.submit(walk, t, row, rounds[i:i + ROUNDS]) for i in rounds[::ROUNDS]]
    try:
        for done in concurrent.futures.as_completed(walks):
            hit += done.result()
            row.tried = len(hit)
    finally:
        pool.shutdown(cancel_futures=True)
    row.note(", ".join(f"{hit.count(who)} {who}" for who in sorted(set(hit))))
    assert not FULL or len(set(hit)) == 3


if __name__ == "__main__":
    main()
