# SPDX-License-Identifier: GPL-2.0-or-later
"""A CI runner, a step, a smoke test, its driver and its browser: real ones, to be killed."""

import os
import shutil
import signal
import subprocess

import procfs
from harness import ROOT, wait_for

SCRIPTS = os.path.join(ROOT, "tests", "drivers")
MODULES = os.path.join(ROOT, "build", "drivers", "node_modules")
BROWSER_FOLDERS = ("/usr/lib/chromium/", "/usr/lib/firefox-esr/")
MARKERS = {"CI": "true", "GITEA_ACTIONS": "true", "GITHUB_RUN_ID": "4711"}

RUNNER = """#!/bin/sh
# A runner gives each step a session and a process group of its own.
cd {dir} || exit 1
setsid ./step.sh &
wait
sleep 600
"""

STEP = """#!/bin/sh
# A step of a job: runs the smoke test and goes on, whatever became of it.
echo $$ > step.new && mv step.new step
{command} {dir} > driver.log 2>&1
echo "smoke test: $?" > result
sleep 600
"""

# The page is calm until the file go.js is there, so that many browsers can start side by side.
PAGE = """<!doctype html><title>spin</title><script>
function look() {
  const script = document.createElement("script");
  script.src = "go.js";
  script.onerror = () => setTimeout(look, 100);
  document.head.append(script);
}
look();
</script>
"""
SPIN = "setTimeout(function () { for (;;) {} }, 0);\n"


class Job:
    """One case of the table, in a cgroup of its own."""

    def __init__(self, t, case):
        self.t, self.case = t, case
        self.driver = self.browser = self.step = 0
        self.calm = {}
        self.cgroup = t.cgroup.child(case.name)
        self.dir = t.path(case.name)
        os.mkdir(self.dir)
        for script in ("smoke.js", "webdriver.py", "marionette.py"):
            shutil.copy(os.path.join(SCRIPTS, script), self.dir)
        self._write("act_runner", RUNNER.format(dir=self.dir))
        self._write("step.sh", STEP.format(dir=self.dir, command=case.driver.command))
        self._write("spin.html", PAGE)
        env = {"HOME": self.dir, "TMPDIR": self.dir, "NODE_PATH": MODULES, **MARKERS}
        self.runner = t.spawn([os.path.join(self.dir, "act_runner")], cgroup=self.cgroup, env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def _write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)

    def _pid(self, name):
        try:
            with open(os.path.join(self.dir, name), encoding="ascii") as f:
                return int(f.read())
        except FileNotFoundError:
            return 0

    def _log(self):
        try:
            with open(os.path.join(self.dir, "driver.log"), encoding="utf-8",
                      errors="replace") as f:
                return f.read()[-400:]
        except FileNotFoundError:
            return ""

    def wait_ready(self):
        """Until the page is open; then the page may spin."""
        def ready():
            assert not os.path.exists(os.path.join(self.dir, "result")), \
                f"{self.case.name}: the smoke test ended: {self._log()}"
            return self._pid("ready")

        self.driver = wait_for(ready, 90, f"{self.case.name}: the page is open")
        self.step = self._pid("step")
        children = [s for s in procfs.descendants(self.driver) if s.ppid == self.driver]
        self.browser = next(s.pid for s in children if s.comm == self.case.driver.browser)

    def spin(self):
        self.calm = {s.pid: s.cpu_s for s in procfs.descendants(self.browser)}
        self._write("go.js", SPIN)

    def burns(self):
        """The renderer of the page, which is never the root."""
        return [s.pid for s in procfs.descendants(self.browser)
                if s.cpu_s - self.calm.get(s.pid, 0) > 0.5]

    def kill(self):
        kill = self.case.kill
        if kill == "group":
            pid = self.step
            assert procfs.stat(pid).pgid == pid and self.t.ours(pid), "the step leads its group"
            os.killpg(pid, signal.SIGKILL)
            return
        victim = {"driver": self.driver, "root": self.browser,
                  "client": procfs.stat(self.driver).ppid}[kill]
        self.t.signal(victim, signal.SIGKILL)

    @property
    def root(self):
        """Who is the orphan when the browser survives."""
        return self.browser if self.case.root == self.case.driver.browser else self.driver

    def browsers(self):
        """Living processes of the browser, its crash handlers included."""
        return [pid for pid in self.cgroup.pids() if procfs.alive(pid) and
                procfs.exe(pid).startswith(BROWSER_FOLDERS)]
