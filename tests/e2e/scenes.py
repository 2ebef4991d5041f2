# SPDX-License-Identifier: GPL-2.0-or-later
"""What several tests play: the built-in lanes with short times, the orphaned smoke-test browser."""

import os
import signal
import subprocess

import procfs
from harness import wait_for

BROWSER_LANE = "orphan_browser_smoke_runaway_process"
GENERIC_LANE = "orphan_generic_cpu_runaway"
CAPACITY_LANE = "ci_runner_load_saturation"

_builtin = []


def builtin_lanes(t):
    """The lanes as `lane show --builtin` prints them: in the configuration's own form."""
    if not _builtin:
        d = t.daemon(name="for-lanes")
        _builtin.extend(d.ctl("lane", "show", "--builtin"))
        d.stop()
    return [dict(lane) for lane in _builtin]


def short_lanes(t, age_s=2, for_s=3, clear_for_s=2, **trigger):
    """
    The built-in orphan lanes, the same but for their times (and what `trigger` says). They
    look at this test's processes only: others of this machine may be real findings.
    """
    lanes = []
    for lane in builtin_lanes(t):
        if lane["subject"] != "orphan_tree":
            continue
        lane["trigger"] = {**lane["trigger"], "age_s_min": age_s, "for_s": for_s, **trigger}
        if t.top:
            lane["match"] = {**lane["match"], "cgroup_any": [t.top.label + "/*"]}
        calm = min(lane["clear"]["cpu_cores_max"], lane["trigger"]["cpu_cores_min"])
        lane["clear"] = {"cpu_cores_max": calm, "for_s": clear_for_s}
        lanes.append(lane)
    return lanes


def orphan_lane(lane_id, cores, calm, for_s, calm_for_s=2, age_s=0, match=None):
    """Orphans that use so many `cores` for so long; `calm` cores end the finding."""
    return {"lane_id": lane_id, "subject": "orphan_tree",
            "match": match or {"comm_any": ["orphan_maker"]},
            "trigger": {"cpu_cores_min": cores, "age_s_min": age_s, "for_s": for_s},
            "clear": {"cpu_cores_max": calm, "for_s": calm_for_s}}


SMOKE = """#!/bin/sh
# A smoke test as a project has it: starts the browser and waits for it.
echo $$ > {dir}/smoke.pid.new && mv {dir}/smoke.pid.new {dir}/smoke.pid
chromium --headless --no-sandbox --disable-gpu --remote-debugging-port=0 \\
    --user-data-dir={dir}/profile --disable-background-networking \\
    --disable-component-update --disable-sync --no-first-run --disable-quic \\
    --disable-default-apps --disable-domain-reliability --no-pings \\
    --host-resolver-rules='MAP * ~NOTFOUND' \\
    file://{dir}/spin.html > {dir}/browser.log 2>&1 &
echo $! > {dir}/browser.pid.new && mv {dir}/browser.pid.new {dir}/browser.pid
wait
"""

STEP = """#!/bin/sh
# A step of a job: runs the smoke test and goes on, whatever became of it.
{dir}/smoke.sh --job 4711
echo "smoke test: $?" > {dir}/step.result
sleep 600
"""

SPIN_PAGE = "<!doctype html><title>spin</title><script>for (;;) {}</script>\n"


def _read_pid(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read())
    except FileNotFoundError:
        return 0


class Browser:
    """
    Debian's Chromium with a spinning page, under smoke.sh, under step.sh. As another user than
    root all of it is that user's, and the browser has its sandbox.
    """

    def __init__(self, t, name="browser", env=None, uid=0):
        t.need("chromium")
        self.t = t
        self.dir = t.path(name)
        os.mkdir(self.dir)
        os.chown(self.dir, uid, uid)
        smoke = SMOKE.replace(" --no-sandbox", "") if uid else SMOKE
        become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        for file, text in (("smoke.sh", smoke), ("step.sh", STEP), ("spin.html", SPIN_PAGE)):
            t.write(os.path.join(name, file), text.format(dir=self.dir) if file != "spin.html"
                    else text, 0o755)
        self.step = t.spawn([*become, os.path.join(self.dir, "step.sh")],
                            env={"HOME": self.dir, "TMPDIR": self.dir, **(env or {})}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.smoke_pid = wait_for(lambda: _read_pid(os.path.join(self.dir, "smoke.pid")), 10,
                                  "smoke.sh runs")
        self.pid = wait_for(lambda: _read_pid(os.path.join(self.dir, "browser.pid")), 10,
                            "the browser is started")
        wait_for(self.renderer, 40, "the page spins")

    def tree(self):
        """The root and its descendants, as /proc has them."""
        root = procfs.stat(self.pid)
        return [root, *procfs.descendants(self.pid)] if root else []

    def renderer(self):
        """The process that burns, once it does and all its siblings are there; None."""
        tree = procfs.descendants(self.pid)
        burning = [s for s in tree if s.cpu_s > 0.5 and
                   any("--type=renderer" in a for a in procfs.args(s.pid))]
        return max(burning, key=lambda s: s.cpu_s) if burning and len(tree) >= 5 else None

    def kill_smoke(self):
        self.t.signal(self.smoke_pid, signal.SIGKILL)

    def end(self):
        """The smallest signal, to the root alone: all of it goes."""
        self.t.signal(self.pid, signal.SIGTERM)

    def gone(self):
        return not procfs.alive(self.pid)

    def crashpads(self):
        """Handlers of this browser: orphans by design, one or two of them."""
        return [s.pid for s in procfs.all_stats()
                if s.comm == "chrome_crashpad" and self.t.ours(s.pid)]


class OrphanMaker:
    """Makes orphans on demand: killed origin, no session of their own, a chosen load."""

    def __init__(self, t, permille=0, cgroup=None):
        self.t = t
        self.proc = t.spawn([t.helper("orphan_maker"), str(permille)], cgroup=cgroup, bufsize=0,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def make(self):
        """(origin's pid, orphan's pid, CLOCK_MONOTONIC just before the origin was killed)."""
        self.proc.stdin.write(b"\n")
        origin, orphan, at_ns = (int(x) for x in self.proc.stdout.readline().split())
        return origin, orphan, at_ns / 1e9
