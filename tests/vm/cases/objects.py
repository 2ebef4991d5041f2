#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# timeout_s: 120
"""
Every BPF object loads on this kernel, program by program, whichever clang made it; what a
kernel lacks is said by name. How much the verifier had to do goes into docs/kernels.md.
"""

import glob
import os
import subprocess
import sys

import facts

# Programs with a fallback, and the guests whose kernel is known to lack what they need.
LACKING = {"rw_hot": ("5.10", "6.1", "6.1-preempt")}


def load(build, path):
    """(lines of results, what the refused ones said)"""
    r = subprocess.run([f"{build}/tests/vm/load_object", path, *LACKING], text=True, errors="replace",
                       capture_output=True, check=False)
    return [line.split(None, 3) for line in r.stdout.splitlines()], r.stderr


def main():
    build, guest = os.environ["RUNAWAY_BUILD"], os.environ["RUNAWAY_GUEST"]
    own = sorted(glob.glob(f"{build}/bpf/*.bpf.o*"))
    others = sorted(glob.glob(f"{build}/clang-*/bpf/*.bpf.o.linked"))
    failed = count = 0
    insns = {}
    for path in own + others:
        which = "" if path in own else path.split("/")[-3] + " "
        lines, said = load(build, path)
        for word, name, number, section in lines:
            count += 1
            if word == "loaded":
                print(f"ok {which}{name} ({section}, {number} instructions)")
                if path in own:
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
    return 1 if failed or not own or not others else 0


if __name__ == "__main__":
    sys.exit(main())
