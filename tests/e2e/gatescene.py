# SPDX-License-Identifier: GPL-2.0-or-later
"""The people and the orphan of the gate's tests: who may do what, and whom it is about."""

import json
import os
import pwd
import socket
import subprocess

import procfs
from gateproc import check_tier
from harness import CLEAN_ENV, SLOWNESS, CtlError, wait_for
from scenes import OrphanMaker

# Accounts that every Debian has; nobody logs in with them.
OWNER, OPERATOR, VIEWER = "games", "mail", "news"
LANE = "fixture_gated"
POLICY = "triage_packet_then_dry_run_then_gated_sigterm"
EVIDENCE = ("--evidence", "TICKET-4711")


def ids(name):
    account = pwd.getpwnam(name)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def gated_lane(t, **match):
    return {"lane_id": LANE, "alertname": "HostOrphanFixture", "severity": "P2",
            "classification": "host_resource_runaway_process", "action_policy": POLICY,
            "match": {"cgroup_any": [t.top.label + "/*"], **match},
            "trigger": {"cpu_cores_min": 0.05, "for_s": 0},
            "clear": {"cpu_cores_max": 0.01, "for_s": 600}}


class Scene:
    """A daemon with a gate, its people, and their keys."""

    def __init__(self, t, lanes=None, args=(), wanted=True, daemon=None, **gate):
        """wanted: the gate has to come up; daemon: one that somebody else runs."""
        t.need_cgroup()
        self.t, self.wanted = t, wanted
        self.keys = t.path(f"keys{len(t.daemons) or ''}")
        os.makedirs(self.keys, exist_ok=True)
        os.chmod(self.keys, 0o777)
        self.d = daemon or t.daemon(start=False, args=args)
        self.gate_dir = self.d.state_dir + ".gate"
        self.key = self.path("owner.key")
        self.public = self.ctl(OWNER, "gate", "keygen", "--out", self.key)["public"]
        self.config = {
            "lanes": lanes or [gated_lane(t)],
            "roles": {"owner": [{"user": OWNER}], "operator": [{"user": OPERATOR}],
                      "viewer": [{"user": VIEWER}]},
            "gate": {"enabled": True, "keys": [{"owner": OWNER, "public": self.public}],
                     "grace_s": 1, "settle_s": 0, "budget_per_hour": 100, **gate}}
        self.d.write_config(self.config)
        self.start()

    def start(self):
        self.d.start(timeout_s=60 * SLOWNESS)
        status = self.d.ctl("gate", "status")
        if self.wanted:
            assert status["alive"], (status, self.d.log()[-2000:])
            check_tier(status)
        return status

    def path(self, name):
        return os.path.join(self.keys, name)

    # ---- people ----

    def run(self, who, *args):
        """runawayctl -o json as somebody."""
        return subprocess.run(
            [self.t.runawayctl, "--socket", os.path.join(self.d.runtime_dir, "control.sock"),
             "-o", "json", *args], env=CLEAN_ENV, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=60 * SLOWNESS, check=False, **(ids(who) if who else {}))

    def ctl(self, who, *args, status=0):
        r = self.run(who, *args)
        if r.returncode != status:
            raise CtlError(f"{who}: runawayctl {' '.join(args)}: exit {r.returncode}, expected "
                           f"{status}: {r.stdout[-600:]!r} {r.stderr[-300:]!r}")
        return json.loads(r.stdout)

    def next_step(self, incident):
        """What `incident show` tells a person to do."""
        shown = self.run(None, "incident", "show", incident, "-o", "table").stdout.decode()
        return shown[shown.index("\nnext  "):]

    def refused(self, who, *args, status=4):
        """The first word of the refusal."""
        error = self.ctl(who, *args, status=status)["error"]
        assert error["code"] == {4: "gate_refused", 3: "denied", 2: "usage"}[status], error
        return error["message"].split(":")[0]

    def raw(self, method, **params):
        """One call past the client: what a client of somebody else's would say."""
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(30 * SLOWNESS)
            c.connect(os.path.join(self.d.runtime_dir, "control.sock"))
            line = json.dumps({"id": 1, "method": method, "params": params}) + "\n"
            c.sendall(line.encode())
            with c.makefile() as f:
                return json.loads(f.readline())

    # ---- the path ----

    def incident(self, pid, timeout_s=20):
        found = wait_for(lambda: [i for i in self.d.incidents(pid) if i["status"] != "resolved"],
                         timeout_s, f"an incident about {pid}")
        return found[0]["incident_id"]

    def orphan(self, permille=500):
        """(pid, incident id) of an orphan that burns."""
        pid = OrphanMaker(self.t, permille).make()[1]
        return pid, self.incident(pid)

    def plan(self, incident, who=None):
        doc = self.ctl(who, "incident", "dry-run", incident)
        return doc["plan_sha256"], doc["plan"]

    def approve(self, incident, digest, who=OWNER, window="now/10m", key=None, **kw):
        args = ["incident", "approve", incident, "--plan", digest, "--owner", OWNER,
                "--window", window, *EVIDENCE]
        if key != "":
            args += ["--key", key or self.key]
        return self.ctl(who, *args, **kw)

    def approve_refused(self, *args, status=4, **kw):
        error = self.approve(*args, status=status, **kw)["error"]
        return error["message"].split(":")[0]

    def apply(self, incident, digest, who=None, **kw):
        return self.ctl(who, "incident", "apply", incident, "--plan", digest, **kw)

    def apply_refused(self, incident, digest, who=None, status=4):
        return self.refused(who, "incident", "apply", incident, "--plan", digest, status=status)

    def explain(self, incident, digest):
        doc = self.ctl(None, "incident", "apply", incident, "--plan", digest, "--explain")
        return doc, {c["name"]: c["reason"] for c in doc["conditions"] if not c["pass"]}

    # ---- what came of it ----

    def readback(self, incident):
        return self.ctl(VIEWER, "incident", "readback", incident)

    def status(self, incident):
        return self.readback(incident)["incident"]["status"]

    def wait_status(self, incident, status, timeout_s=20):
        return wait_for(lambda: self.status(incident) == status and self.readback(incident),
                        timeout_s * SLOWNESS, f"{incident} is {status}")

    def events(self, incident, type_):
        return [e for e in self.readback(incident)["events"] if e["type"] == type_]

    def audit(self):
        return self.ctl(None, "gate", "audit")["records"]

    def gate_status(self):
        return self.ctl(VIEWER, "gate", "status")


def alive(pid):
    """Burns or sleeps: neither gone nor waiting for its reaper."""
    s = procfs.stat(pid)
    return s is not None and s.state != "Z"
