#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The driver inside a guest: lays out cgroups, runs the programs of the plan one after
another, and writes their results, in TAP, to the line that the host reads. The last line
is the result line; a guest that does not write it has failed, whatever came before.
"""

import ctypes
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

import facts

TREE = "/runawayd"
TOP = "/sys/fs/cgroup"
RESULT = re.compile(r"^(ok|not ok|skip) ?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)\s*$")
HEAD = re.compile(r"^(?:#|//) (layout|timeout_s|guests): (.+)$")
DEFAULT_TIMEOUT_S = 60

_libc = ctypes.CDLL(None, use_errno=True)


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def mount(kind, where, options=""):
    os.makedirs(where, exist_ok=True)
    if _libc.mount(kind.encode(), where.encode(), kind.encode(), 0, options.encode()) < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"mount {kind} {options}: {os.strerror(err)}", where)


def mounted():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        places = [line.split()[4] for line in f]
    return [p for p in places if p == TOP or p.startswith(TOP + "/")]


def clear_cgroups():
    for place in reversed(mounted()):
        for folder, _, _ in os.walk(place, topdown=False):
            if folder != place:
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
        if _libc.umount2(place.encode(), 0) < 0:
            raise OSError(ctypes.get_errno(), "umount", place)


def v1_below(top):
    """The controllers of version 1 as Debian 10 and older systems had them."""
    mount("tmpfs", top, "mode=755")
    for names in ("cpu,cpuacct", "pids"):
        mount("cgroup", f"{top}/{names}", names)
    mount("cgroup", f"{top}/systemd", "none,name=systemd")


def lay_out(layout):
    if layout == "own":  # the first process has done it
        return
    clear_cgroups()
    if layout == "v2":
        mount("cgroup2", TOP)
    elif layout == "v1":
        v1_below(TOP)
    elif layout == "hybrid":
        v1_below(TOP)
        mount("cgroup2", f"{TOP}/unified")
    else:
        raise ValueError(layout)


def head_of(path):
    """What a case says of itself in comments near its top."""
    with open(path, encoding="utf-8", errors="replace") as f:
        found = [HEAD.match(line) for line in f.read(4000).splitlines()]
    return {m.group(1): m.group(2).strip() for m in found if m}


def end(process):
    """Its whole session: politely, then not."""
    for sig, wait_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, sig)
            process.wait(wait_s)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def busy_s():
    """Seconds that the processors were busy since the start."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(n) for n in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def run(label, argv, env, timeout_s):
    """Runs one program; its results come out under its label. (passed, failed)"""
    passed = failed = planned = 0
    started, busy = time.monotonic(), busy_s()
    name = re.sub(r"\.\w+$", "", os.path.basename(argv[0])).removeprefix("test_")
    path = f"/tmp/out-{label}-{name}"
    with open(path, "wb") as out:
        process = subprocess.Popen(
            argv, cwd=TREE, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        try:
            complaint = None if process.wait(timeout_s) == 0 else f"status {process.returncode}"
        except subprocess.TimeoutExpired:
            end(process)
            complaint = f"not done after {timeout_s} s"
    with open(path, encoding="utf-8", errors="backslashreplace") as text:
        for line in text.read().splitlines():
            found, plan = RESULT.match(line), PLAN.match(line)
            if plan:
                planned += int(plan.group(1))
            elif found:
                # What is run here was chosen for this guest: nothing may be skipped.
                good = found.group(1) == "ok" and "# SKIP" not in line
                passed, failed = passed + good, failed + (not good)
                what = found.group(2).replace("# SKIP", "- skipped:")
                say(f"{'ok' if good else 'not ok'} {label}/{name}/{what}")
            else:
                say("  " + line if not line.startswith("#") else "  |" + line)
    os.unlink(path)
    if not failed and (complaint or passed < planned or not passed):
        failed += 1
        say(f"not ok {label}/{name} - {complaint or f'{planned} planned, {passed} passed'}")
    say(f"  | {label}/{name} took {time.monotonic() - started:.1f} s, "
        f"{busy_s() - busy:.1f} s of the processors")
    return passed, failed


def cases(plan, layout):
    """Every program below tests/vm/cases that wants this layout and this guest."""
    for path in sorted(glob.glob(f"{TREE}/tests/vm/cases/*")):
        if not os.access(path, os.X_OK):
            continue
        head = head_of(path)
        wanted = head.get("guests", "all").split()
        if layout in head.get("layout", "v2").split() and (
            "all" in wanted or plan["guest"] in wanted
        ):
            yield [path], 2 * int(head.get("timeout_s", DEFAULT_TIMEOUT_S))


def variant(plan):
    """What this kernel offers by the daemon's own word, for the table, against what it must be."""
    said = subprocess.run([f"{TREE}/build/bin/runawayd", "--version"], text=True,
                          capture_output=True, check=False).stdout
    found = [re.search(rf"^{name}: (\S+)", said, re.M) for name in ("reparenting", "task walk")]
    hook, walk = (m.group(1) if m else "?" for m in found)
    facts.add(reparent=hook, scan=walk)
    good = f"{hook} {walk}" == plan["variants"][""]
    say(f"ok variant ({hook}, {walk})" if good
        else f"not ok variant - {hook} {walk}, not {plan['variants']['']}: {said!r}")
    return int(good), int(not good)


def run_step(plan, name):
    step = plan["steps"][name]
    env = {
        "RUNAWAY_BUILD": f"{TREE}/build", "LC_ALL": "C.UTF-8",
        "PYTHONPATH": f"{TREE}/tests/e2e:{TREE}/tests/vm", "RUNAWAY_GUEST": plan["guest"], "RUNAWAY_LAYOUT": step["layout"],
        "RUNAWAY_TEST_VARIANT": plan["variants"][name],
        "RUNAWAY_TEST_SLOWNESS": str(plan["slowness"]), **step.get("env", {}),
        **plan["env"],
    }  # fmt: skip
    lay_out(step["layout"])
    timeout_s = step.get("timeout_s", plan["timeout_s"])
    todo = [([f"{TREE}/tests/{argv[0]}", *argv[1:]], timeout_s) for argv in step["run"]]
    if step.get("cases"):
        todo += list(cases(plan, step["layout"]))
    passed = failed = 0
    for argv, timeout_s in todo:
        if not re.search(plan["only"], argv[0]):
            continue
        p, f = run(name, argv, env, plan["limit_s"] or timeout_s)
        passed, failed = passed + p, failed + f
    return passed, failed


def main():
    with open("/plan.json", encoding="utf-8") as f:
        plan = json.load(f)
    say(f"# Linux {os.uname().release} {os.uname().machine}, up {time.monotonic():.1f} s")
    if plan["shell"]:
        lay_out(plan["steps"][plan["order"][0]]["layout"])
        os.execv("/bin/bash", ["bash", "-i"])
    passed, failed = variant(plan)
    for name in plan["order"]:
        try:
            p, f = run_step(plan, name)
        except OSError as error:
            p, f = 0, 1
            say(f"not ok {name} - {error}")
        passed, failed = passed + p, failed + f
    say("@@FACTS " + json.dumps(facts.read()))
    say(f"@@END passed={passed} failed={failed} after {time.monotonic():.1f} s")


if __name__ == "__main__":
    main()
