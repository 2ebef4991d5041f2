# SPDX-License-Identifier: GPL-2.0-or-later
"""In a guest that systemd has started: runawayd.service, and services of all kinds beside it."""

import os
import subprocess

import procfs
from harness import SLOWNESS, Daemon, wait_for
from scenes import GENERIC_LANE

UNIT = "runawayd.service"
CGROUPS = "/sys/fs/cgroup/system.slice"
PINS = "/sys/fs/bpf/runawayd"
# What the guest's image says of him (tests/vm/manager.py).
UID = 1000
PERMILLE = "25"  # of a core, by each process that burns here: there are many, and few cores

DAEMON = """#!/usr/bin/env python3
# Daemonises as daemons do: forks twice, with a session of its own in between.
import os, sys
if os.fork():
    os.wait()
    os._exit(0)
os.setsid()
pid = os.fork()
if pid:
    with open(sys.argv[1], "w") as f:
        f.write(str(pid))
    os._exit(0)
os.execv(sys.argv[2], sys.argv[2:])
"""

SMOKE = """#!/bin/sh
# Leaves its worker behind when it is killed.
{spin} {permille} &
echo $! > $1.new && mv $1.new $1
wait
"""


def systemctl(*args, check=True, user=False):
    argv = ["systemctl", *(["--user"] if user else []), *args]
    r = subprocess.run(as_user(argv) if user else argv, stdin=subprocess.DEVNULL, text=True,
                       capture_output=True, timeout=90 * SLOWNESS, check=False)
    assert r.returncode == 0 or not check, (argv, r.stderr[-600:])
    return r.stdout.strip()


def as_user(argv):
    runtime = f"/run/user/{UID}"
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env",
            f"XDG_RUNTIME_DIR={runtime}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus", *argv]


def show(unit, prop, user=False):
    return systemctl("show", "-p", prop, "--value", unit, user=user)


def main_pid(unit, user=False):
    return int(show(unit, "MainPID", user))


def members(unit):
    """Processes of a unit, as its cgroup has them."""
    try:
        with open(f"{CGROUPS}/{unit}/cgroup.procs", encoding="ascii") as f:
            return [int(line) for line in f]
    except FileNotFoundError:
        return []


class Unit(Daemon):
    """runawayd as `make install` left it and systemd runs it."""

    def __init__(self, t):
        super().__init__(t, name=UNIT)
        t.runawayd, t.runawayctl = "/usr/local/sbin/runawayd", "/usr/local/bin/runawayctl"
        self.config_path = "/etc/runawayd/runawayd.json"
        self.state_dir, self.runtime_dir, self.port = "/var/lib/runawayd", "/run/runawayd", 10917
        t.daemons.append(self)

    @property
    def pid(self):
        return main_pid(UNIT)

    def start(self, timeout_s=15):
        """`systemctl restart`, which returns when the daemon has said that it is ready."""
        systemctl("restart", UNIT)
        self.check_active()
        return self

    def check_active(self):
        assert show(UNIT, "ActiveState") == "active", self.log()[-2000:]
        assert self.http("/readyz").status == 200, self.http("/readyz").body

    def is_ready(self):
        return show(UNIT, "ActiveState") == "active" and self.http("/readyz").status == 200

    def wait_main(self, old):
        """Another main process than `old` is ready, whoever started it."""
        wait_for(lambda: main_pid(UNIT) not in (0, old) and self.is_ready(), 60,
                 "it is started again")

    def write_config(self, config, text=None):
        os.makedirs(os.path.dirname(self.config_path), exist_ok=True)
        super().write_config(config, text)

    def log(self):
        return subprocess.run(["journalctl", "-q", "-o", "cat", "-u", UNIT], check=True,
                              stdout=subprocess.PIPE).stdout

    def explain(self):
        print("  -- " + systemctl("status", "-n", "0", UNIT, check=False).replace("\n", "\n  -- "))
        for line in self.log().decode("utf-8", "replace").splitlines()[-60:]:
            print("  | " + line)

    def quick_lanes(self):
        """The built-in lane of whatever burns, the same but for its times and its limit."""
        (lane,) = [x for x in self.ctl("lane", "show", "--builtin") if x["lane_id"] == GENERIC_LANE]
        lane["trigger"] = {**lane["trigger"], "cpu_cores_min": 0.005, "age_s_min": 2, "for_s": 3}
        lane["clear"] = {"cpu_cores_max": 0.002, "for_s": 5}
        return [lane]


def write_unit(t, name, *lines):
    """A unit file of the test, for the next `daemon-reload`; it goes with the test."""
    path = f"/run/systemd/system/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    t.defer(os.unlink, path)


def burners(t, when):
    """Honest services that burn, one of each kind; name -> the process that does."""
    spin, double = t.helper("spin"), t.write("daemon.py", DAEMON, 0o755)
    pid_file = f"/run/{when}-forking.pid"
    kinds = {
        "simple": [f"ExecStart={spin} {PERMILLE}"],
        "forking": ["Type=forking", f"PIDFile={pid_file}",
                    f"ExecStart={double} {pid_file} {spin} {PERMILLE}"],
        # Runs on in the state `activating`.
        "oneshot": ["Type=oneshot", f"ExecStart=/bin/sh -c '{spin} {PERMILLE}; true'"],
    }
    names = [f"{when}-{kind}.service" for kind in kinds]
    for name, lines in zip(names, kinds.values()):
        write_unit(t, name, "[Service]", *lines)
    systemctl("daemon-reload")
    t.defer(systemctl, "stop", *names)
    systemctl("start", "--no-block", *names)

    def burning(name):
        return [p for p, s in ((p, procfs.stat(p)) for p in members(name)) if s and s.comm == "spin"]

    return {name: wait_for(lambda n=name: burning(n), 20, f"{name} burns")[0] for name in names}


class Left:
    """smoke.sh as somebody's process, with a worker that burns on when smoke.sh is killed."""

    def __init__(self, t, name):
        self.t, self.name = t, name
        self.pid_file = f"/tmp/{name}.pid"
        t.defer(os.unlink, self.pid_file)
        self.script = t.write(f"smoke-{name}.sh",
                              SMOKE.format(spin=t.helper("spin"), permille=PERMILLE), 0o755)
        self.command = [self.script, self.pid_file]
        self.pid = self.origin = 0

    def wait(self, origin):
        wait_for(lambda: os.path.exists(self.pid_file), 20, f"the worker of {self.name}")
        with open(self.pid_file, encoding="ascii") as f:
            self.pid, self.origin = int(f.read()), origin
        self.t.defer(os.kill, self.pid, 9)
        return self

    def in_scope(self):
        """As a session's processes are: systemd was told of them, and did not start them."""
        p = self.t.spawn(["systemd-run", "--scope", "-q", f"--unit={self.name}.scope", *self.command],
                         stdin=subprocess.DEVNULL)
        return self.wait(p.pid)

    def in_service(self, user=False):
        """systemd leaves the others alone when the main process is gone, as with CI runners."""
        argv = ["systemd-run", *(["--user"] if user else []), "-q", f"--unit={self.name}.service",
                "-p", "KillMode=process", *self.command]
        subprocess.run(as_user(argv) if user else argv, check=True, stdin=subprocess.DEVNULL)
        return self.wait(wait_for(lambda: main_pid(f"{self.name}.service", user), 20, self.name))

    def kill(self):
        os.kill(self.origin, 9)

    def check(self, daemon):
        """The orphan's story is whole. The document about it."""
        o = daemon.orphan(self.pid)
        origin = o["origin"]
        assert origin["known"] and origin["pid"] == self.origin, origin
        assert origin["args"][-2:] == self.command and origin["exit"]["signal"] == 9, origin
        assert not o["by_design"] and o["daemonised"] == "no", o
        return o
