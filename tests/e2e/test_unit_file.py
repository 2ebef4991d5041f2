#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""
What deploy/systemd leaves the daemon and the gate is enough for them: started with the unit's
capabilities, its system call filter (as systemd itself expands it) and its limits, an approved
signal is sent. systemd is not the one who starts it here: that is tests/vm/cases/systemd_unit.py.
"""

import glob
import os
import re
import subprocess

from gatescene import Scene, alive
from harness import ROOT, SLOWNESS, main, test, wait_for

UNIT = os.path.join(ROOT, "deploy/systemd/runawayd.service")
DROP_INS = sorted(glob.glob(UNIT + ".d/*.conf"))
HEADERS = "/usr/include/*/asm/unistd_64.h"
CAPS = "/usr/include/linux/capability.h"
# Becomes the daemon: bounding set, limits, no new privileges, and the filter last.
START = """#!/usr/bin/env python3
import ctypes, os, resource, struct, sys
CALLS, CAPS, NOFILE, PROGRAM = {calls!r}, {caps!r}, {nofile!r}, {program!r}
libc = ctypes.CDLL(None, use_errno=True)
# systemd mounts it before any unit; without systemd it is not always there.
if not os.path.ismount("/sys/fs/bpf"):
    assert libc.unshare(0x20000) == 0  # CLONE_NEWNS
    assert libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None) == 0  # MS_REC, MS_PRIVATE
    assert libc.mount(b"bpf", b"/sys/fs/bpf", b"bpf", 0, None) == 0
for cap in range(64):
    if cap not in CAPS:
        libc.prctl(24, cap, 0, 0, 0)  # PR_CAPBSET_DROP
resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))
# load the number; equal: allow; in the end EPERM
code = struct.pack("HBBI", 0x20, 0, 0, 0)
for nr in CALLS:
    code += struct.pack("HBBI", 0x15, 0, 1, nr) + struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
code += struct.pack("HBBI", 0x06, 0, 0, 0x00050001)
buffer = ctypes.create_string_buffer(code, len(code))
program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP
os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
"""


def settings(name, *files):
    """All words of a setting, in order."""
    words = []
    for path in files:
        with open(path, encoding="utf-8") as f:
            words += [w for line in f if line.startswith(name + "=")
                      for w in line.split("=", 1)[1].split()]
    return words


def expand(words):
    """Names of system calls; a group that this systemd does not know is as good as not there."""
    names = set()
    for word in words:
        if not word.startswith("@"):
            names.add(word)
            continue
        r = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True,
                           text=True, check=True)
        inner = [line.split()[0] for line in r.stdout.splitlines()[1:] if line.strip()]
        names |= expand([w for w in inner if w != "#"])
    return names


def numbers(pattern, prefix):
    (path,) = glob.glob(pattern)
    with open(path, encoding="utf-8") as f:
        return {m.group(1): int(m.group(2)) for m in
                re.finditer(rf"^#define {prefix}(\w+)\s+(\d+)$", f.read(), re.M)}


def starter(t, *files):
    known, caps = numbers(HEADERS, "__NR_"), numbers(CAPS, "CAP_")
    names = expand(settings("SystemCallFilter", *files))
    if t.sanitized:
        names.add("ptrace")  # the search for leaks, at the end, stops its own process by it
    calls = sorted(known[n] for n in names if n in known)
    assert len(calls) > 200, len(calls)
    return t.write("start", START.format(
        calls=calls, caps=[caps[c.removeprefix("CAP_")]
                           for c in settings("CapabilityBoundingSet", *files)],
        nofile=int(settings("LimitNOFILE", *files)[-1]), program=t.runawayd), 0o755)


def one_signal(t):
    s = Scene(t)
    with open(f"/proc/{s.d.pid}/status", encoding="ascii") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert s.gate_status()["armed"], s.gate_status()
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    s.approve(incident, digest)
    assert s.apply(incident, digest)["outcome"] == "signalled"
    wait_for(lambda: not alive(pid), 5 * SLOWNESS, "the target is gone")
    s.wait_status(incident, "resolved")
    return status


@test
def one_signal_within_what_the_unit_leaves(t):
    t.need("systemd-analyze")
    t.runawayd = starter(t, UNIT, *DROP_INS)
    status = one_signal(t)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status


@test
def one_signal_with_the_units_capabilities(t):
    """The same without the filter, wherever setpriv is: in guests as well."""
    caps = settings("CapabilityBoundingSet", UNIT, *DROP_INS)
    bounding = ",".join(["-all"] + ["+" + c.removeprefix("CAP_").lower() for c in caps])
    t.runawayd = t.write("start", f"#!/bin/sh\nulimit -l unlimited\nexec setpriv --no-new-privs "
                         f"--bounding-set={bounding} {t.runawayd} \"$@\"\n", 0o755)
    one_signal(t)


@test
def the_unit_alone_is_enough_for_the_sensor(t):
    t.runawayd = starter(t, UNIT)
    d = t.daemon({})
    d.wait_ticks(2)
    # Its filter lets it mount nothing.
    check = {c["name"]: c for c in d.ctl_doctor()["checks"]}["walk_file"]
    assert check["ok"] and "by bpf()" not in check["detail"], check
    assert not re.search(rb" (warning|error) ", d.log()), d.log()
    d.stop()
    # What the first one has left belongs to the user that it became.
    d.start()
    d.wait_ticks(2)
    assert not re.search(rb" (warning|error) ", d.log()), d.log()


@test
def without_the_drop_in_there_is_no_gate(t):
    """Nor would it be one: without seccomp and CAP_KILL nothing is confined, and nothing is sent."""
    t.runawayd = starter(t, UNIT)
    s = Scene(t, wanted=False)
    status = s.d.ctl("gate", "status")
    assert not status["alive"] and not status["armed"], status


if __name__ == "__main__":
    main()
