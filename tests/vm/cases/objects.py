#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# timeout_s: 120
"""
Every BPF object loads on this kernel, program by program, whichever clang made it; what a
kernel lacks is said by name. How much the verifier had to do goes into docs/kernels.md.
"""

import filecmp
import glob
import os
import subprocess
import sys

import facts

# Programs with a fallback, and the guests whose kernel is known to lack what they need.
LACKING = {"rw_hot": ("5.10", "6.1", "6.1-preempt")}
# What is loaded on a host: the sensor's objects are linked into one, the gate's is by itself.
OBJECTS = ("gate.bpf.o", "runaway.bpf.o.linked")


def load(build, path):
    """(lines of results, what the refused ones said)"""
    r = subprocess.run([f"{build}/tests/vm/load_object", path, *LACKING], text=True, errors="replace",
                       capture_output=True, check=False)
    return [line.split(None, 3) for line in r.stdout.splitlines()], r.stderr


def objects(build):
    """(whose, path) of the build's own and of each compiler's; exactly those that there should be."""
    wanted = [("", f"{build}/bpf/{name}") for name in OBJECTS]
    wanted += [(f"{clang} ", f"{build}/{clang}/bpf/{name}")
               for clang in os.environ["RUNAWAY_CLANGS"].split() for name in OBJECTS]
    found = glob.glob(f"{build}/bpf/*.bpf.o*") + glob.glob(f"{build}/clang-*/bpf/*.bpf.o*")
    differ = {path for _, path in wanted} ^ set(found)
    print(f"{'not ok' if differ else 'ok'} {len(wanted)} objects"
          + (f" - {' '.join(sorted(differ))}: missing, or too much" if differ else ""))
    return [(whose, path) for whose, path in wanted if path not in differ], bool(differ)


def main():
    build, guest = os.environ["RUNAWAY_BUILD"], os.environ["RUNAWAY_GUEST"]
    todo, failed = objects(build)
    count = 1
    insns = {}
    for which, path in todo:
        own = f"{build}/bpf/{os.path.basename(path)}"
        if which and filecmp.cmp(path, own, shallow=False):
            count += 1
            print(f"ok {which}{os.path.basename(path)} is the build's own to the byte")
            continue
        lines, said = load(build, path)
        for word, name, number, section in lines:
            count += 1
            if word == "loaded":
                print(f"ok {which}{name} ({section}, {number} instructions)")
                if path == own:
                    insns[name] = int(number)
            elif guest in LACKING.get(name, ()):
                print(f"ok {which}{name} is not for this kernel ({os.strerror(int(number))})")
            else:
                failed += 1
                print(f"not ok {which}{name} - {section}: {os.strerror(int(number))}")
        if failed:
            for log in said.split("\n---- "):
                print(log if len(log) < 12000 else log[:2000] + "\n[...]\n" + log[-10000:])
    facts.add(insns=insns)
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
