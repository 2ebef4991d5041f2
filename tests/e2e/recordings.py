# SPDX-License-Identifier: GPL-2.0-or-later
"""
Recordings (include/runaway/wire.h) taken apart, and cut down to one job: what is kept
as a fixture tells of the processes of that job and of its reaper, and of no host.
"""

import struct

MAGIC = b"RWREC01\n"
HDR = struct.Struct("=HHIQQ")  # type, cpu, len, seq, time_ns
ID = struct.Struct("=QII")  # start_ns, pid, pad

FORK, EXEC, EXIT, CHILDREN, REPARENT, CGROUP = 1, 2, 3, 4, 5, 6
TASK, CPU, FREE = 16, 17, 18
META, TICK, SCAN_BEGIN, SCAN_END, _HOST, PROCFS, CGROUP_CPU, LOSS = range(64, 72)
OF_PROCESS = {FORK, EXEC, EXIT, CHILDREN, REPARENT, TASK, CPU, FREE, PROCFS}
RESYNC = 1  # flag of a scan
PROCFS_CGROUP = 4

# Where a record holds something, in bytes from its start.
AT_ID, AT_ORIGIN, AT_FORK_PARENT, AT_TASK_PARENT = 24, 40, 56, 40
AT_REAPER, AT_REAPER_COMM = 56, 88
AT_CGROUP_ID, AT_CGROUP_PATH_LEN, AT_CGROUP_PATH = 24, 68, 72
AT_TASK_CI, AT_TASK_CGROUP, AT_TASK_EXE, AT_TASK_PATH_LEN, AT_TASK_COMM, TASK_LEN = \
    56, 72, 104, 136, 144, 160
AT_SCAN_TASKS, AT_SCAN_PROCESSES, AT_SCAN_FLAGS, AT_PROCFS_WHAT = 40, 48, 56, 40
AT_CHILDREN_COUNT, AT_CHILDREN, CHILD_LEN = 48, 56, 24
COMM_LEN = 16

# Of the host that a fixture pretends to be from.
HOST_NAME, RELEASE, BOOT_ID = b"ci-host-1", b"6.12.0", b"11111111-2222-3333-4444-555555555555"
REALTIME_OFFSET_NS = 1795314000 * 10**9
FOLDER = b"smoke-test-job-04711"  # as long as the name of a test's own folder


class Record:
    def __init__(self, data):
        self.data = bytearray(data)
        self.type, self.cpu, self.len, self.seq, self.time_ns = HDR.unpack_from(data)

    def u64(self, at):
        return struct.unpack_from("=Q", self.data, at)[0]

    def u32(self, at):
        return struct.unpack_from("=I", self.data, at)[0]

    def id(self, at=AT_ID):
        start_ns, pid, _ = ID.unpack_from(self.data, at)
        return (pid, start_ns)

    def put(self, at, form, value):
        struct.pack_into(form, self.data, at, value)


def read(path):
    """All records of a recording that is whole."""
    with open(path, "rb") as f:
        return read_bytes(f.read())


def read_bytes(data):
    assert data.startswith(MAGIC), "no recording"
    at, records = len(MAGIC), []
    while at < len(data):
        length = HDR.unpack_from(data, at)[2]
        records.append(Record(data[at:at + length]))
        at += length
    return records


def _family(records, runner):
    """Identities of the process `runner` and of all that it or they forked."""
    first = [r for r in records if r.type == FORK and r.id()[0] == runner]
    family = {first[-1].id()}
    for r in records:
        if r.type == FORK and r.id(AT_ORIGIN) in family:
            family.add(r.id())
    return family


def _neutral_meta(r):
    r.put(24, "=Q", REALTIME_OFFSET_NS)
    for at, size, text in ((40, 40, BOOT_ID), (80, 64, HOST_NAME), (144, 64, RELEASE)):
        r.data[at:at + size] = text.ljust(size, b"\0")


def _neutral_reaper(r):
    """Whoever inherits on this host keeps its place in the kernel's story, and no more."""
    r.data = r.data[:TASK_LEN]
    r.data[AT_TASK_PARENT:AT_TASK_PARENT + ID.size] = bytes(ID.size)
    r.put(4, "=I", TASK_LEN)
    r.put(AT_TASK_PATH_LEN, "=H", 0)
    r.data[AT_TASK_CI:AT_TASK_CI + ID.size] = bytes(ID.size)
    r.put(AT_TASK_CGROUP, "=Q", 0)
    r.data[AT_TASK_EXE:AT_TASK_EXE + 12] = bytes(12)
    r.data[AT_TASK_COMM:AT_TASK_COMM + COMM_LEN] = b"init".ljust(COMM_LEN, b"\0")


def _clear_unused(r):
    """What a record has room for and does not use holds what was in the ring before."""
    used = {CGROUP: lambda: AT_CGROUP_PATH + struct.unpack_from("=H", r.data, AT_CGROUP_PATH_LEN)[0],
            CHILDREN: lambda: AT_CHILDREN + CHILD_LEN * r.u32(AT_CHILDREN_COUNT)}.get(r.type)
    if used:
        r.data[used():] = bytes(len(r.data) - used())


def _leads_to(r, label):
    """A cgroup event that names the label's cgroup, or one above it that is not the root."""
    length = struct.unpack_from("=H", r.data, AT_CGROUP_PATH_LEN)[0]
    path = bytes(r.data[AT_CGROUP_PATH:AT_CGROUP_PATH + length]).rstrip(b"\0")
    return len(path) > 1 and (label + b"/").startswith(path + b"/")


class Trim:
    """The records of one job."""

    def __init__(self, records, runner, label):
        """`label` is the path of the job's cgroup, the first component the test's own."""
        self.records = records
        self.token = label.split("/")[1].encode()
        assert len(self.token) == len(FOLDER)
        self.family = _family(records, runner)
        self.runner = min(self.family, key=lambda i: i[1])
        self.reapers = {r.id(AT_REAPER)[0] for r in records
                        if r.type == REPARENT and r.id() in self.family}
        self.alive = set()
        self.begun = False  # the runner was forked
        self.cgroups = {r.u64(AT_CGROUP_ID) for r in records
                        if r.type == CGROUP and _leads_to(r, label.encode())}

    def _scan(self, r):
        """The first scan gives the reaper; then only those after the job had begun."""
        first = r.u32(AT_SCAN_FLAGS) & RESYNC
        if r.type == SCAN_END:
            for at in (AT_SCAN_TASKS, AT_SCAN_PROCESSES):
                r.put(at, "=Q", len(self.alive))
        return bool(first or self.begun)

    def _process(self, r):
        pid, start_ns = r.id()
        if pid in self.reapers:
            if r.type != TASK:
                return False
            known = (pid, start_ns) in self.alive
            self.alive.add((pid, start_ns))
            _neutral_reaper(r)
            return not known
        if (pid, start_ns) not in self.family:
            return False
        if r.type == FREE:
            self.alive.discard((pid, start_ns))
        elif r.type in (FORK, TASK):
            self.alive.add((pid, start_ns))
        if (pid, start_ns) == self.runner:
            self.begun = True
            at = {FORK: (AT_ORIGIN, AT_FORK_PARENT), TASK: (AT_TASK_PARENT,)}.get(r.type, ())
            for where in at:  # who started the runner is the test program
                r.data[where:where + ID.size] = bytes(ID.size)
        if r.type == REPARENT:
            r.data[AT_REAPER_COMM:AT_REAPER_COMM + COMM_LEN] = b"init".ljust(COMM_LEN, b"\0")
        return not (r.type == PROCFS and r.u32(AT_PROCFS_WHAT) == PROCFS_CGROUP)

    def _wanted(self, r):
        if r.type == META:
            _neutral_meta(r)
            return True
        if r.type == LOSS:
            return self.begun
        if r.type == TICK:
            r.put(24, "=Q", REALTIME_OFFSET_NS + r.time_ns)
            return self.begun
        if r.type in (SCAN_BEGIN, SCAN_END):
            return self._scan(r)
        if r.type in (CGROUP, CGROUP_CPU):
            return r.u64(AT_CGROUP_ID) in self.cgroups
        return r.type in OF_PROCESS and self._process(r)

    def run(self):
        out = bytearray(MAGIC)
        for r in self.records:
            if self._wanted(r):
                _clear_unused(r)
                out += r.data.replace(self.token, FOLDER)
        return bytes(out)
