# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon that was started in the wrong place: in namespaces and with mounts of its own."""

import http.client
import signal

import procfs
from cgroups import kill_if
from harness import CtlError, Daemon, wait_for


class Enclosed(Daemon):
    """
    runawayd behind `unshare FLAGS`, after the shell commands of `prepare` (mounts). What it
    is started by stays its parent: the daemon is the only child.
    """

    def __init__(self, t, flags, prepare="", config=None, name="enclosed"):
        super().__init__(t, config, (), name)
        self.flags, self.prepare = flags, prepare
        t.daemons.append(self)

    def command(self):
        script = f'set -e\n{self.prepare}\nexec "$@"'
        return ["unshare", *self.flags, "--fork", "--kill-child", "sh", "-c", script, "sh",
                *super().command()]

    @property
    def pid(self):
        """As the host counts: unshare has one child."""
        return next((s.pid for s in procfs.all_stats() if s.ppid == self.proc.pid), None)

    def start(self, timeout_s=15):
        """Ready it never is: it answers."""
        self.spawn()
        wait_for(self.answers, timeout_s, f"{self.name} answers")
        return self

    def answers(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.proc.returncode} at the start")
        try:
            return self.http("/healthz").status
        except (OSError, http.client.HTTPException):
            return False

    def terminate(self):
        """Its parent would not hear it, and ends with it."""
        if self.pid:
            kill_if(self.pid, signal.SIGTERM, self.t.ours)

    def doctor(self):
        """(failing checks by name, exit status)"""
        try:
            doc, status = self.ctl("doctor"), 0
        except CtlError:
            doc, status = self.ctl("doctor", status=1), 1
        assert doc["ok"] == (status == 0), doc
        return {c["name"]: c for c in doc["checks"] if not c["ok"]}, status
