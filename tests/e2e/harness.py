# SPDX-License-Identifier: GPL-2.0-or-later
"""
The frame of the end-to-end tests: a real daemon, real processes, no sleep-and-hope.

A test is a function with @test that takes a Test. What it starts runs in a cgroup
of its own and is gone when the test is over. A file of tests runs alone:
    tests/e2e/test_orphan_browser.py build [NAME...]
It prints "ok NAME" or "not ok NAME - why" for each test, and a summary line.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import procfs
from cgroups import Cgroup, kill_if, v2_root
from metrics import Metrics
from sanitizer import EXIT_STATUS, Reports

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# On an emulated machine: times that a test waits are multiplied, counts are divided by it.
SLOWNESS = float(os.environ.get("RUNAWAY_TEST_SLOWNESS", "1"))
POLL_S = 0.02 * SLOWNESS  # there a question costs so much that asking more often is what it waits for
# Options for every daemon of the tests, as "--without fentry".
DAEMON_ARGS = os.environ.get("RUNAWAY_TEST_DAEMON_ARGS", "").split()
# "HOOK WALK" that every daemon of the tests has to use, where that is known.
VARIANT = os.environ.get("RUNAWAY_TEST_VARIANT")
SANITIZER = re.compile(rb"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
# What a process of a test may know. Above all no CI marker of the job that runs the tests.
CLEAN_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "TERM": "dumb"}

_tests = []


def test(fn):
    _tests.append(fn)
    return fn


class Skip(Exception):
    """This machine lacks what the test needs."""


def wait_for(predicate, timeout_s, what):
    """Polls until the predicate gives something true, and returns that."""
    timeout_s *= SLOWNESS
    end = time.monotonic() + timeout_s
    last = None
    while True:
        last = predicate()
        if last:
            return last
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what} (last: {repr(last)[:300]})")
        time.sleep(POLL_S)


def never(predicate, while_s, what, poll_s=0.25):
    """The predicate must give nothing true for that long."""
    end = time.monotonic() + while_s
    while time.monotonic() < end:
        bad = predicate()
        if bad:
            raise AssertionError(f"{what}: {repr(bad)[:600]}")
        time.sleep(poll_s)


def few(count):
    """So many, or fewer on a slow machine."""
    return max(1, int(count / SLOWNESS))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def http_request(port, path, method="GET", headers=None, timeout_s=5):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s * SLOWNESS)
    try:
        conn.request(method, path, headers=headers or {})
        r = conn.getresponse()
        return Reply(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        conn.close()


class CtlError(AssertionError):
    """runawayctl ended with another status than was expected."""


class Daemon:
    """One runawayd with folders and a port of its own."""

    def __init__(self, t, config=None, args=(), name="daemon", config_text=None):
        self.t, self.name, self.args = t, name, list(args)
        self.dir = os.path.join(t.tmp, name)
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.config_path = os.path.join(self.dir, "runawayd.json")
        self.state_dir = os.path.join(self.dir, "state")
        self.runtime_dir = os.path.join(self.dir, "run")
        self.log_path = os.path.join(self.dir, "log")
        self.port = free_port()
        self.proc = None
        self.env = None  # more of an environment than a test's processes have
        self.expected = 0
        self.write_config(config if config is not None else {}, config_text)

    def write_config(self, config, text=None):
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(json.dumps(config, indent=1) if text is None else text)
        os.chmod(self.config_path, 0o644)

    def command(self):
        return [self.t.runawayd, "--config", self.config_path, "--state-dir", self.state_dir,
                "--runtime-dir", self.runtime_dir,
                "--web.listen-address", f"127.0.0.1:{self.port}", *DAEMON_ARGS, *self.args]

    def spawn(self):
        """Starts it without waiting for anything."""
        with open(self.log_path, "ab") as log:
            self.proc = self.t.spawn(self.command(), cgroup=self.t.daemon_cgroup, env=self.env,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self, timeout_s=15):
        self.spawn()
        wait_for(self.is_ready, timeout_s, f"{self.name} is ready")
        if VARIANT and "--without" not in self.args:
            f = self.api("status")["features"]
            assert f"{f['reparent_hook']} {f['scan']}" == VARIANT, (f, VARIANT)
        return self

    def is_ready(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.proc.returncode} at the start")
        try:
            return self.http("/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    @property
    def pid(self):
        return self.proc.pid

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def kill(self):
        self.expected = -signal.SIGKILL
        self.proc.kill()
        self.proc.wait()

    def terminate(self):
        self.proc.terminate()

    def stop(self, timeout_s=5):
        """SIGTERM; returns the exit status."""
        self.terminate()
        return self.proc.wait(timeout_s * SLOWNESS)

    def log(self):
        if not os.path.exists(self.log_path):
            return b""
        with open(self.log_path, "rb") as f:
            return f.read()

    def check_health(self):
        """No daemon of a test dies of itself, and no sanitizer has anything to say."""
        status = self.proc.poll() if self.proc else None
        if (status or 0) < 0 or status == EXIT_STATUS:
            assert status == self.expected, f"it died: {status}"
        log = self.log()
        for line in log.splitlines() if SANITIZER.search(log) else ():
            assert not SANITIZER.search(line), line

    # ---- what it says ----

    def http(self, path, **kw):
        return http_request(self.port, path, **kw)

    def api(self, path):
        r = self.http("/api/v1/" + path)
        assert r.status == 200, f"{path}: {r.status} {r.body[:200]}"
        return r.json()

    def metrics(self):
        r = self.http("/metrics")
        assert r.status == 200, f"/metrics: {r.status}"
        return Metrics(r.body)

    def ctl_run(self, *args, **kw):
        r = subprocess.run(
            [self.t.runawayctl, "--socket", os.path.join(self.runtime_dir, "control.sock"), *args],
            env=CLEAN_ENV, stdin=subprocess.DEVNULL, capture_output=True, timeout=20 * SLOWNESS,
            check=False, **kw)
        assert r.returncode >= 0 and not SANITIZER.search(r.stderr), r
        return r

    def ctl(self, *args, status=0):
        """runawayctl -o json ARGS: the one document that it prints; status None: any."""
        r = self.ctl_run("-o", "json", *args)
        if status is not None and r.returncode != status:
            raise CtlError(f"runawayctl {' '.join(args)}: exit {r.returncode}, expected {status}: "
                           f"{r.stdout[-500:]!r} {r.stderr[-500:]!r}")
        return json.loads(r.stdout)

    def ctl_doctor(self):
        """The document of `doctor`, whatever it found."""
        r = self.ctl_run("-o", "json", "doctor")
        assert r.returncode in (0, 1), r
        return json.loads(r.stdout)

    def show(self, pid):
        """`proc show`; None while the daemon has not heard of it: a fork that nobody waits for
        comes with the interval."""
        r = self.ctl_run("-o", "json", "proc", "show", str(pid))
        assert r.returncode in (0, 5), r
        return json.loads(r.stdout) if r.returncode == 0 else None

    def orphan(self, pid):
        """The element of `proc orphans` for pid; None."""
        return next((o for o in self.api("orphans") if o["pid"] == pid), None)

    def findings(self, root_pid=None, lane=None):
        return [f for f in self.api("findings")
                if root_pid in (None, f["subject"]["root_pid"]) and lane in (None, f["lane_id"])]

    def incidents(self, root_pid=None, lane=None):
        return [i for i in self.api("incidents")
                if root_pid in (None, i["subject"]["root_pid"]) and lane in (None, i["lane_id"])]

    def wait_ticks(self, n):
        """Until n more verdicts have been given."""
        first = self.api("status")["ticks"]
        interval_s = self.api("status")["interval_ms"] / 1000
        wait_for(lambda: self.api("status")["ticks"] >= first + n, n * interval_s * 3 + 5,
                 f"{n} ticks")

    def explain(self):
        lines = self.log().decode("utf-8", "replace").splitlines()[-60:]
        print(f"  -- log of {self.name}, exit status {self.proc and self.proc.poll()}")
        for line in lines:
            print("  | " + line)
        if self.running():
            r = self.ctl_run("status")
            for line in (r.stdout + r.stderr).decode("utf-8", "replace").splitlines():
                print("  > " + line)


class Test:
    """What one test is given."""

    def __init__(self, build, name):
        self.name = name
        self.build = build
        self.runawayd = os.path.join(build, "bin", "runawayd")
        self.runawayctl = os.path.join(build, "bin", "runawayctl")
        self.tmp = tempfile.mkdtemp(prefix="runaway-e2e-")
        os.chmod(self.tmp, 0o755)  # the daemon gives up root and must still get in
        self.children, self.daemons, self.deferred = [], [], []
        self.reports = Reports(build)
        self.token = os.path.basename(self.tmp)
        root = v2_root()
        self.top = Cgroup(root, self.token) if root else None
        self.cgroup = self.top.child("load") if root else None
        self.daemon_cgroup = self.top.child("daemon") if root else None

    @property
    def sanitized(self):
        """Built with SAN=1: it keeps freed memory to see who touches it."""
        with open(self.runawayd, "rb") as f:
            return b"__asan_init" in f.read()

    def helper(self, name):
        return os.path.join(self.build, "tests", "helpers", name)

    def need(self, *programs):
        """A missing program fails the test: what tests need is installed before they run."""
        missing = [p for p in programs if not shutil.which(p, path=CLEAN_ENV["PATH"])]
        assert not missing, f"not installed: {', '.join(missing)}"

    def need_cgroup(self):
        if not self.cgroup:
            raise Skip("no writable cgroup v2 tree")
        return self.cgroup

    def defer(self, fn, *args):
        self.deferred.append((fn, args))

    def path(self, *names):
        return os.path.join(self.tmp, *names)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def spawn(self, argv, cgroup=None, env=None, **kw):
        """A process of this test, in its cgroup and in a session of its own."""
        where = cgroup or self.cgroup
        full_env = {**CLEAN_ENV, "RUNAWAY_E2E": self.token, "TMPDIR": self.tmp, **(env or {})}
        kw.setdefault("start_new_session", True)
        with open(self.path("stderr"), "ab") as err:
            kw.setdefault("stderr", err)
            p = subprocess.Popen(argv, env=full_env, preexec_fn=where.enter if where else None,
                                 **kw)
        self.children.append(p)
        return p

    def ours(self, pid):
        """Was this process started by this test?"""
        if self.top:
            return pid in self.top.pids()
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                return f"RUNAWAY_E2E={self.token}".encode() in f.read().split(b"\0")
        except OSError:
            return False

    def signal(self, pid, signum):
        """Signals a process of this test, and no other."""
        assert kill_if(pid, signum, self.ours), f"{pid} is not a living process of this test"

    def daemon(self, config=None, args=(), name=None, start=True, config_text=None):
        name = name or f"daemon{len(self.daemons) or ''}"
        d = Daemon(self, config, args, name, config_text)
        self.daemons.append(d)
        return d.start() if start else d

    def shared_daemon(self):
        """
        As it comes, for every test of the file that asks: where a guest is emulated, its start is
        half of a test. A test that failed leaves none behind.
        """
        if not _keeper:
            _keeper.append(Test(self.build, "shared_daemon"))
            _keeper[0].daemon()
        return _keeper[0].daemons[0]

    def check_health(self):
        """Of all daemons, to their end: what was never given back is told then."""
        self._end_daemons()
        for d in self.daemons:
            d.check_health()
        said = self.reports.text()
        assert not said, said

    def _end_daemons(self):
        for d in self.daemons:
            if d.running():
                d.terminate()
        for d in self.daemons:
            if d.proc:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    d.proc.wait(5 * SLOWNESS)

    def _end_children(self):
        self._end_daemons()
        for p in self.children:
            for stream in (p.stdin, p.stdout, p.stderr):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()
            if p.poll() is None:
                p.kill()

    def _end_strays(self):
        if self.top:
            return self.top.remove(10 * SLOWNESS)
        for s in procfs.all_stats():
            kill_if(s.pid, signal.SIGKILL, self.ours)
        return True

    def close(self):
        for fn, args in reversed(self.deferred):
            with contextlib.suppress(Exception):
                fn(*args)
        self._end_children()
        clean = self._end_strays()
        for p in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(5)
        shutil.rmtree(self.tmp, ignore_errors=True)
        if not clean:
            print(f"  !! processes stayed in {self.top.dir}: {self.top.pids()}")


_keeper = []  # the Test that keeps the shared daemon


def _end_shared():
    """Closes it; why it was not in health, if so."""
    if not _keeper:
        return None
    t = _keeper.pop()
    try:
        t.check_health()
        return None
    except AssertionError as e:
        _explain(t)
        return str(e)
    finally:
        t.close()


def _explain(t):
    with contextlib.suppress(FileNotFoundError), open(t.path("stderr"), "rb") as f:
        for line in f.read().decode("utf-8", "replace").splitlines()[-20:]:
            print("  ! " + line)
    for d in t.daemons + [d for keeper in _keeper for d in keeper.daemons]:
        with contextlib.suppress(Exception):
            d.explain()
    sys.stdout.flush()


def _run_one(build, fn):
    started = time.monotonic()
    t = Test(build, fn.__name__)
    try:
        fn(t)
        t.check_health()
        print(f"ok {fn.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        return "passed"
    except Skip as e:
        print(f"ok {fn.__name__} # SKIP {e}", flush=True)
        return "skipped"
    except (Exception, subprocess.TimeoutExpired) as e:  # pylint: disable=broad-except
        why = str(e).replace("\n", " ")[:600] or type(e).__name__
        print(f"not ok {fn.__name__} - {why}")
        print("  " + traceback.format_exc().replace("\n", "\n  "))
        _explain(t)
        _end_shared()
        return "failed"
    finally:
        t.close()


def main():
    """Runs the tests of the file that calls it."""
    words = sys.argv[1:]
    build = os.environ.get("RUNAWAY_BUILD", "build")
    if words and os.path.isdir(words[0]):
        build = words.pop(0)
    build = os.path.abspath(build)
    wanted = [fn for fn in _tests if not words or fn.__name__ in words]
    if not wanted:
        sys.exit(f"usage: {sys.argv[0]} [BUILD-FOLDER] [TEST...]; RUNAWAY_BUILD names it too")
    print(f"1..{len(wanted)}", flush=True)
    count = {"passed": 0, "failed": 0, "skipped": 0}
    if os.geteuid() != 0:
        count["skipped"] = len(wanted)
        for fn in wanted:
            print(f"ok {fn.__name__} # SKIP it loads BPF programs: run it as root")
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that cleaning up runs
        try:
            for fn in wanted:
                count[_run_one(build, fn)] += 1
        finally:
            why = _end_shared()
        if why:
            print(f"not ok shared_daemon - {why}")
            count["failed"] += 1
    print("# " + " ".join(f"{k}={v}" for k, v in count.items()), flush=True)
    sys.exit(1 if count["failed"] else 0)
