# SPDX-License-Identifier: GPL-2.0-or-later
"""
runaway-gate without runawayd: a test speaks for the daemon, also for one that was taken over.

Documents are made and signed here by other code than the gate's: json.dumps() with sorted
keys, and libsodium by way of ctypes.
"""

import contextlib
import ctypes
import ctypes.util
import hashlib
import itertools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time

from harness import CLEAN_ENV, SLOWNESS, wait_for

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
assert SODIUM.sodium_init() >= 0
_libc = ctypes.CDLL(None, use_errno=True)
POLICY = "triage_packet_then_dry_run_then_gated_sigterm"
LANE = "orphan_browser_smoke_runaway_process"
HOST = "ci-host-1"
MINUTE_NS = 60 * 10**9


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def rfc3339(ns):
    ms = ns // 10**6
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Key:
    """An owner's key pair."""

    def __init__(self):
        public, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        SODIUM.crypto_sign_keypair(public, self.secret)
        self.public = public.raw.hex()
        self.id = hashlib.sha256(public.raw).hexdigest()[:16]

    def sign(self, document, kind="approval"):
        """The document with key_id and signature."""
        document = {**document, "key_id": self.id, "signature": ""}
        text = f"runaway-{kind}-v1\n{canonical(document)}".encode()
        signature = ctypes.create_string_buffer(64)
        SODIUM.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)),
                                    self.secret)
        return {**document, "signature": signature.raw.hex()}


def enforced():
    """Is this a guest whose kernel has to enforce the guard?"""
    return os.environ.get("RUNAWAY_TEST_GATE_TIER") == "T1"


def scoped():
    """Has this kernel Landlock's signal scope, by its number and its list of LSMs?"""
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) < (6, 12):
        return False
    try:
        with open("/sys/kernel/security/lsm", encoding="ascii") as f:
            return "landlock" in f.read().strip().split(",")
    except OSError:
        # Nobody mounted the list (a guest has it): the answer of the kernel to a question without effect.
        return _libc.syscall(444, None, 0, 1) >= 6  # landlock_create_ruleset, LANDLOCK_CREATE_RULESET_VERSION


def check_tier(status):
    expected = os.environ.get("RUNAWAY_TEST_GATE_TIER")
    assert expected in (None, status["tier"]), (status["tier"], status.get("tier_why", status.get("why")))


class Started:
    """A process whose parent tells how it ended; what is used of Popen."""

    def __init__(self, pid, ending):
        self.pid, self.returncode = pid, None
        self.ending = ending  # its exit status comes out of it
        self.stdin = self.stdout = self.stderr = None
        self.pidfd = os.pidfd_open(pid)

    def kill(self):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def poll(self):
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout_s=60):
        if self.returncode is None:
            if not select.select([self.ending], [], [], timeout_s)[0]:
                raise subprocess.TimeoutExpired("runaway-gate", timeout_s)
            self.returncode = struct.unpack("i", self.ending.recv(4))[0]
            self.ending.close()
            os.close(self.pidfd)
        return self.returncode


class StandIn:
    """
    A process in the daemon's place: it starts the gate as its child, hands this process the
    connection, and waits for the gate's end. Where the kernel enforces the guard it can do
    little else from then on, and this process is free.
    """

    def __init__(self, t, program, folder, env):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                stand_in(theirs, program, folder, env, t.path("gate.log"))
            finally:
                os._exit(1)
        theirs.close()
        t.defer(self.end)
        data, fds, _, _ = socket.recv_fds(ours, 4, 1)
        self.sock = socket.socket(fileno=fds[0])
        self.gate = Started(struct.unpack("i", data)[0], ours)
        t.children.append(self.gate)

    def end(self):
        """It ends with the gate; no later than the test."""
        self.gate.kill()
        os.waitpid(self.pid, 0)


def stand_in(to_test, program, folder, env, log):
    """The life of the stand-in."""
    os.setsid()
    ours, theirs = socket.socketpair()  # of this process: the gate asks whose its connection is
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    log_fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    null_fd = os.open(os.devnull, os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        # None may be in another's place when it is moved.
        fds = [os.dup2(fd, 40 + i) for i, fd in enumerate(
            (null_fd, log_fd, log_fd, theirs.fileno(), folder_fd))]
        for place, fd in enumerate(fds):
            os.dup2(fd, place, inheritable=True)
        os.closerange(len(fds), 256)
        os.execve(program, [program], env)
    theirs.close()
    socket.send_fds(to_test, [struct.pack("i", pid)], [ours.fileno()])
    ours.close()
    _, status = os.waitpid(pid, 0)
    to_test.send(struct.pack("i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


class Gate:
    """One runaway-gate, its folder, and a stand-in for the daemon that says what a test wants."""

    def __init__(self, t, **config):
        self.t = t
        self.key = Key()
        self.folder = t.path("gate")
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        self.config = {
            "host_label": HOST, "require_signature": True, "two_person": True,
            "require_kernel_guard": False, "require_clock_sync": False,
            "keys": [{"owner": "anna", "public": self.key.public}], "protected": ["precious*"],
            "budget_per_hour": 100, "settle_s": 0, "approval_max_age_s": 3600,
            "plan_max_age_s": 3600, "window_max_s": 7200, "clock_tolerance_ms": 2000,
            "cgroup_ssid": -1, "cgroup_controller": "", "guard_cgroup": "", **config}
        self.number = 0
        self.sock = self.proc = self.daemon = self.status0 = None

    def spawn(self, binary="runaway-gate", env=None):
        """Its parent is not this process: the kernel guard confines who stands for the daemon."""
        self.daemon = StandIn(self.t, os.path.join(self.t.build, "bin", binary), self.folder,
                              {**CLEAN_ENV, **(env or {})})
        self.proc, self.sock = self.daemon.gate, self.daemon.sock
        self.sock.settimeout(30 * SLOWNESS)
        return self

    def start(self, **kw):
        self.spawn(**kw)
        self.status0 = self.ask("hello", **self.config)
        assert self.status0["ok"], (self.status0, self.log())
        check_tier(self.status0)
        return self

    def log(self):
        with open(self.t.path("gate.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def send_bytes(self, data):
        self.sock.sendall(data)

    def receive(self):
        """The next answer; None at the end of the connection."""
        def exactly(n):
            data = b""
            while len(data) < n:
                more = self.sock.recv(n - len(data))
                if not more:
                    return None
                data += more
            return data

        head = exactly(4)
        if head is None:
            return None
        body = exactly(struct.unpack(">I", head)[0])
        return None if body is None else json.loads(body)

    def post(self, type_, **members):
        self.number += 1
        text = json.dumps({"type": type_, "id": str(self.number), **members}).encode()
        self.send_bytes(struct.pack(">I", len(text)) + text)
        return str(self.number)

    def ask(self, type_, **members):
        id_ = self.post(type_, **members)
        answer = self.receive()
        assert answer and answer["id"] == id_ and answer["type"] == type_, (answer, self.log())
        return answer

    def stop(self):
        """Closes the connection; the exit status."""
        self.sock.close()
        return self.proc.wait(15 * SLOWNESS)

    def kill(self):
        self.proc.kill()
        self.proc.wait()
        self.sock.close()

    def audit(self):
        """Records on disk, whole ones only."""
        found = []
        with open(os.path.join(self.folder, "audit.jsonl"), encoding="utf-8") as f:
            for line in f:
                try:
                    found.append(json.loads(line))
                except ValueError:
                    pass
        return found

    # ---- documents in which nothing is wrong ----

    def target(self, real_pid, **changes):
        seen = self.ask("look", pid=real_pid)
        assert seen["ok"] and seen["pass"], seen
        keys = ("pid", "start_ns", "exec_id", "exe_ino", "exe_dev", "uid", "cgroup_id",
                "cgroup_path", "args_sha256", "comm", "parent_pid", "parent_start_ns")
        return {**{k: seen[k] for k in keys}, "exe": os.readlink(f"/proc/{real_pid}/exe"),
                "reason": "root of the orphan tree", **changes}

    def plan(self, *targets, **changes):
        now, boot = time.time_ns(), boot_ns()
        return {
            "action_policy": POLICY, "boot_id": self.status0["boot_id"],
            "created_at": rfc3339(now), "created_boot_ns": str(boot), "drill": False,
            "expected_effect": "the tree ends", "expires_at": rfc3339(now + 30 * MINUTE_NS),
            "expires_boot_ns": str(boot + 30 * MINUTE_NS), "host_label": HOST,
            "incident_id": "inc_20261122_0217_0123abcd", "lane_id": LANE,
            "nonce": os.urandom(8).hex(), "post_check": {"checks": ["targets_gone"], "grace_s": 10},
            "requester": "olga", "requester_uid": 1001, "rule": "cpu_cores 0.857 over 0.5 for 60 s",
            "rule_sha256": "", "schema": "runaway_plan_v1", "signal": "SIGTERM",
            "targets": list(targets), **changes}

    def approval(self, plan_text, key=None, **changes):
        plan = json.loads(plan_text)
        now, boot = time.time_ns(), boot_ns()
        document = {
            "approved_at": rfc3339(now), "approved_boot_ns": str(boot), "approver_uid": 1002,
            "boot_id": plan["boot_id"], "clock_offset_ns": str(now - boot),
            "deadline_boot_ns": str(boot + 20 * MINUTE_NS), "drill_key": "",
            "evidence_ref": "https://ci.example/job/4711", "host_label": HOST,
            "incident_id": plan["incident_id"], "key_id": "", "nonce": os.urandom(8).hex(),
            "owner": "anna", "plan_sha256": sha256(plan_text), "requester": plan["requester"],
            "schema": "runaway_approval_v1", "signature": "", "two_person": True,
            "window_end": rfc3339(now + 20 * MINUTE_NS), "window_start": rfc3339(now - MINUTE_NS),
            **changes}
        return (key or self.key).sign(document)

    def documents(self, pid, **changes):
        """Plan and approval for one process, as texts."""
        plan = canonical(self.plan(self.target(pid), **changes))
        return plan, canonical(self.approval(plan))

    def apply(self, plan, approval, rule_matches=True):
        return self.ask("apply", plan=plan, approval=approval, rule_matches=rule_matches)

    def release(self, key=None, **changes):
        """Ends a disarming, as its owner."""
        status = self.ask("status")
        return self.ask("release", release=canonical((key or self.key).sign({
            "boot_id": status["boot_id"], "created_at": rfc3339(time.time_ns()),
            "created_boot_ns": str(boot_ns()), "disarm_seq": status["disarm_seq"],
            "host_label": HOST, "key_id": "", "owner": "anna", "schema": "runaway_release_v1",
            "signature": "", "uid": 1002, "why": "", **changes}, "release")))

    def check(self, plan, approval, rule_matches=True):
        return self.ask("check", plan=plan, approval=approval, rule_matches=rule_matches)


def orphan(t, script="exec sleep 1000", cgroup=None):
    """Pid of a process whose parent is gone, in the test's cgroup; it writes what it got to a file."""
    out = t.spawn(["sh", "-c", f"({script}) & echo $!"], cgroup=cgroup, stdout=subprocess.PIPE)
    pid = int(out.stdout.readline())
    out.wait()

    def settled():
        if "exec" not in script:
            return True
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            comm, rest = f.read().rsplit(")", 1)
        # A new program has its name before it has its arguments.
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return "(sh" not in comm and f.read() and int(rest.split()[1]) != out.pid

    wait_for(settled, 10, "the orphan is one, and has called exec")
    return pid


_counting = itertools.count()


def counting_orphan(t):
    """An orphan that counts SIGTERMs in a file of its own and does not end by one."""
    path = t.path(f"terms-{next(_counting)}")
    script = f"trap 'echo x >> {path}' TERM; : > {path}; while :; do sleep 0.02; done"
    pid = orphan(t, script)
    # A SIGTERM before the trap is set would end the shell.
    wait_for(lambda: os.path.exists(path), 10, "the trap is set")

    def terms():
        with open(path, encoding="ascii") as f:
            return len(f.read().split())

    return pid, terms


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
