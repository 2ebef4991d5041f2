# SPDX-License-Identifier: GPL-2.0-or-later
"""One run: what it started, its folder, its loads. Whatever happens, nothing of it stays."""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import host
from cgroups import Cgroup, v2_root

HELPERS = {"bench_mk": [], "bench_fx": [], "bench_thrash": [], "forkstorm": [],
           "orphan_maker": [], "bench_true": ["-nostartfiles", "-Wl,-emain"]}
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _child_setup(cpu):
    def setup():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {cpu})
    return setup


class Session:
    def __init__(self, root, build, quick):
        self.root, self.quick = root, quick
        self.big = 2000 if quick else 10000  # tasks of a big host
        self.crowd = 4000 if quick else 50000  # and of one that is full
        self.rng = random.Random()
        self.tmp = tempfile.mkdtemp(prefix="runaway-bench-")
        os.chmod(self.tmp, 0o755)  # the daemon gives up root and must still get in
        self.log_path = os.path.join(self.tmp, "log")
        self.log = open(self.log_path, "ab")  # pylint: disable=consult-using-with
        self.procs = []
        os.sched_setaffinity(0, {host.LOAD_CPU})
        self._build_helpers()
        # A copy: whoever builds meanwhile does not change what is measured.
        self.runawayd = shutil.copy(os.path.join(build, "bin", "runawayd"), self.tmp)

    def pick(self, full, quick):
        """Rounds, seconds and the like."""
        return quick if self.quick else full

    @staticmethod
    def say(text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def log_tail(self):
        return host.read(self.log_path)[-500:]

    def helper(self, name):
        return os.path.join(self.tmp, name)

    def _build_helpers(self):
        """Static: their fork and exec cost is the kernel's, not the dynamic linker's."""
        for name, flags in HELPERS.items():
            source = os.path.join(self.root, "tests", "helpers", name + ".c")
            subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-O2",
                            "-static", *flags, "-o", self.helper(name), source], check=True)

    def spawn(self, argv, cpu, env=None, cgroup=None, **kw):
        setup = _child_setup(cpu)

        def enter():
            setup()
            if cgroup:
                cgroup.enter()

        p = subprocess.Popen(argv, env=env, preexec_fn=enter, **kw)
        self.procs.append(p)
        return p

    def end(self, p):
        """SIGTERM, and SIGKILL if that is not enough."""
        for stream in (p.stdin, p.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if p in self.procs:
            self.procs.remove(p)

    def close(self):
        for p in list(reversed(self.procs)):
            self.end(p)
        self.log.close()
        shutil.rmtree(self.tmp, ignore_errors=True)

    @contextlib.contextmanager
    def tasks(self, total=None, count=None, folder=None, groups=0):
        """Paused processes: `count` of them, or as many as it takes to have `total` threads."""
        if count is None:
            count = max(0, total - host.tasks())
        argv = [self.helper("bench_mk"), str(count)]
        if groups:
            argv += [folder, str(groups)]
        with host.room_for(count):
            p = self.spawn(argv, host.LOAD_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                if p.stdout.readline() != b"ready\n":
                    raise RuntimeError("bench_mk failed")
                yield count
            finally:
                p.stdin.close()  # it ends its children and waits for them
                with contextlib.suppress(subprocess.TimeoutExpired):
                    p.wait(60)
                self.end(p)

    @contextlib.contextmanager
    def cgroup(self):
        """A cgroup of the v2 tree for this run, or None where there is none."""
        root = v2_root()
        if not root:
            yield None
            return
        top = Cgroup(root, os.path.basename(self.tmp) + f"-{self.rng.randrange(10 ** 6)}")
        try:
            yield top
        finally:
            top.remove(30)


class Scraper:
    """Scrapes an agent once a second in the background, from the agents' CPU."""

    def __init__(self, agent, interval_s=1.0):
        self.agent, self.interval_s = agent, interval_s
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        os.sched_setaffinity(0, {host.AGENT_CPU})
        web = self.agent.web()
        while not self.stop.wait(self.interval_s):
            web.get()
        web.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(30)
