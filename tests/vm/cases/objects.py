#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# timeout_s: 120
"""
Every BPF object loads on this kernel, program by program; what a kernel may lack
is said by name. How much the verifier had to do goes into docs/kernels.md.
"""

import glob
import os
import subprocess
import sys

import facts

# Programs that have a fallback where they do not load: tests/vm/README.md says which kernels.
OPTIONAL = {"rw_hot": ("5.10", "6.1")}


def objects(build):
    linked = glob.glob(f"{build}/bpf/*.linked")
    return sorted(linked) or sorted(glob.glob(f"{build}/bpf/*.bpf.o"))


def main():
    build, guest = os.environ["RUNAWAY_BUILD"], os.environ["RUNAWAY_GUEST"]
    failed, insns = 0, {}
    r = subprocess.run([f"{build}/tests/vm/load_object", *objects(build)], text=True,
                       errors="replace", capture_output=True, check=False)
    lines = r.stdout.splitlines()
    print(f"1..{len(lines)}")
    for line in lines:
        word, name, number, section = line.split(None, 3)
        lacking = guest in OPTIONAL.get(name, ())
        if word == "loaded":
            insns[name] = int(number)
            print(f"ok {name} ({section}, {number} instructions)")
        elif lacking:
            print(f"ok {name} is not for this kernel ({section}: {os.strerror(int(number))})")
        else:
            failed += 1
            print(f"not ok {name} - {section}: {os.strerror(int(number))}")
    facts.add(insns=insns)
    if failed:
        for log in r.stderr.split("\n---- "):
            print(log if len(log) < 12000 else log[:2000] + "\n[...]\n" + log[-10000:])
    return 1 if failed or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
