#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""
No path to SIGKILL exists: looked for in the sources, in what the programs import, and in
the machine code of the only function that sends a signal.
"""

import glob
import os
import re
import subprocess

from harness import ROOT, main, test

# Everything in libc that sends a signal, or starts something that could.
SENDERS = {"kill", "killpg", "tkill", "tgkill", "raise", "sigqueue", "pidfd_send_signal",
           "pthread_kill", "pthread_sigqueue", "pthread_cancel", "abort", "gsignal"}
STARTERS = {"system", "popen", "execl", "execlp", "execle", "execv", "execve", "execvp",
            "execvpe", "fexecve", "posix_spawn", "posix_spawnp"}
# What names a way to signal, and the files that may: who sends, who tries what must not
# work, and the self-test's prober, which has no capability and aims at its own child.
WAYS = re.compile(
    r"\b(?:kill|killpg|tkill|tgkill|raise|sigqueue|pthread_kill|pidfd_send_signal|ptrace)\s*\("
    r"|\bSYS_\w*(?:kill|sigqueue|pidfd_send_signal|ptrace)\w*|__NR_\w*(?:kill|sigqueue|send_signal)"
    r"|\bbpf_send_signal\w*|\bF_SETOWN\b|\bF_SETSIG\b|\bFIOSETOWN\b|cgroup\.kill|cgroup\.freeze"
    r"|\bSIGKILL\b|\bSIGSTOP\b")
MAY_NAME_THEM = {
    "user/base/no_signals.c": None,  # what is refused to the daemon
    "user/gate/actuator.c": 2,  # its one call, and that call's line in the filter
    "user/gate/actuator_probe.c": None,
    "user/gate/guard_pair.c": None,
    "user/gate/guard_priv.h": None,
    "user/gate/guard_selftest.c": None,
}
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def code_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return COMMENT.sub(lambda m: "\n" * m.group().count("\n"), f.read())


def sources():
    for pattern in ("user/*/*.[ch]", "bpf/*.[ch]", "include/*/*.h"):
        for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
            yield os.path.relpath(path, ROOT)


@test
def documented_words_are_the_gates(_t):
    """The table of docs/gate-protocol.md is the one of user/gate/reason.h."""
    with open(os.path.join(ROOT, "user/gate/reason.h"), encoding="utf-8") as f:
        header = re.findall(r'X\((\w+), \w+, "(\w+)",\s+"([^"]+)"\)', f.read())
    with open(os.path.join(ROOT, "docs/gate-protocol.md"), encoding="utf-8") as f:
        words = f.read().split("## Words of refusal")[1]
    table = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", words, re.M)
    assert len(header) > 60
    assert table == [(condition.lower(), word, text) for condition, word, text in header], (
        set(table) ^ {(c.lower(), w, x) for c, w, x in header})


def imports(program):
    out = subprocess.run(["nm", "-D", "--undefined-only", program], capture_output=True, text=True,
                         check=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.strip()}


@test
def sources_name_no_other_way(_t):
    looked_at = 0
    for path in sources():
        looked_at += 1
        found = WAYS.findall(code_of(path))
        allowed = MAY_NAME_THEM.get(path, 0)
        if path.startswith("bpf/"):  # these compare numbers with what they refuse or record
            found, allowed = [x for x in found if x.startswith("bpf_send_signal")], 0
        assert allowed is None or len(found) == allowed, f"{path}: {found}"
    print(f"# {looked_at} files")
    assert looked_at > 150


@test
def programs_import_no_other_way(t):
    for name in ("runawayd", "runawayctl", "runaway-gate"):
        got = imports(os.path.join(t.build, "bin", name))
        assert len(got) > 20
        allowed = set() if not t.sanitized else SENDERS
        assert not got & SENDERS - allowed, (name, got & SENDERS)
    gate = imports(os.path.join(t.build, "bin", "runaway-gate"))
    assert not gate & STARTERS, gate & STARTERS


def disassemble(obj):
    return subprocess.run(["objdump", "-dr", "--no-show-raw-insn", obj], capture_output=True,
                          text=True, check=True).stdout


@test
def one_call_in_the_machine_code(t):
    """pidfd_send_signal is number 424: where it is loaded for syscall(), 15 is loaded too."""
    if os.uname().machine != "x86_64" or t.sanitized:
        return
    calls = {}
    for obj in glob.glob(os.path.join(t.build, "user", "*", "*.o")):
        text = disassemble(obj)
        loads = re.findall(r"mov[a-z]*\s+\$0x1a8,%[er]di", text)
        if loads:
            calls[os.path.relpath(obj, os.path.join(t.build, "user"))] = len(loads)
    # The actuator's probes take their numbers from a table.
    assert calls == {"gate/actuator.o": 1, "gate/guard_pair.o": 1}, calls
    text = disassemble(os.path.join(t.build, "user", "gate", "actuator.o"))
    at = text.index("$0x1a8,")
    block = text[max(0, at - 600):at + 400]
    before_call = block[:block.index("syscall", block.index("$0x1a8,"))]
    assert re.search(r"mov\s+\$0xf,%edx", before_call), before_call
    assert "$0x9,%edx" not in text


@test
def what_holds_the_capability_can_be_read(_t):
    """One sitting: the actuator, its probes and what it gives up."""
    lines = 0
    for name in ("actuator.c", "actuator_probe.c", "actuator.h", "actuator_priv.h", "confine.c",
                 "confine.h"):
        with open(os.path.join(ROOT, "user/gate", name), encoding="utf-8") as f:
            lines += sum(1 for _ in f)
    print(f"# {lines} lines")
    assert lines < 500, "docs/gate.md says so"


if __name__ == "__main__":
    main()
