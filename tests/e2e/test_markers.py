#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""CI markers are found wherever they stand in an environment, and are nobody else's."""

import json
import subprocess
import sys

from harness import main, test, wait_for

MARKER = "GITHUB_RUN_ID"
SLEEP = ["/bin/sleep", "60"]
# The kernel side looks at words of 8 bytes, blocks of 256 and chunks of 4096.
FILLERS = [*range(1, 18), *range(118, 132), *range(242, 260), *range(4070, 4098), 8170, 12288, 20000]


# Starts one process with each environment, all on one CPU, and tells their pids.
SPAWN = """
import json, os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
pids = []
for argv, env in json.load(sys.stdin):
    pid = os.posix_spawn(argv[0], argv, env)
    if argv[0].endswith("true"):
        os.waitpid(pid, 0)
    pids.append(pid)
print(json.dumps(pids), flush=True)
os.waitpid(pids[-1], 0)
"""


def start_once(t, what):
    p = t.spawn([sys.executable, "-c", SPAWN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(json.dumps(what).encode())
    p.stdin.close()
    return json.loads(p.stdout.readline())


def skipped(daemon):
    return daemon.metrics().get("runaway_program_misses_total", program="rw_exec") or 0


def start(t, daemon, what):
    """
    Their pids, once each exec was seen: from 7.0 on the kernel skips a program's run now and then
    and counts it, and what an environment held that nobody saw is not to be had later.
    """
    for _ in range(5):
        before = skipped(daemon)
        pids = start_once(t, what)
        shown(daemon, pids[-1])
        daemon.wait_ticks(1)
        if skipped(daemon) == before:
            break
        print("  # a run of rw_exec was skipped: once more")
    return pids


def shown(daemon, pid):
    def executed():
        seen = daemon.show(pid)
        return seen if seen and seen["comm"] == "sleep" else None

    return wait_for(executed, 10, f"{pid} executes sleep")


@test
def wherever_it_stands(t):
    daemon = t.shared_daemon()
    pids = start(t, daemon, [(SLEEP, {"A": "x" * n, MARKER: f"run{n}", "Z": "end"}) for n in FILLERS])
    wrong = {}
    for n, pid in zip(FILLERS, pids):
        ci = shown(daemon, pid)["ci"]
        if not ci or ci["markers"].get(MARKER) != f"run{n}":
            wrong[n] = ci
    assert not wrong, f"filler: what was seen instead: {wrong}"


@test
def nobody_inherits_it_by_accident(t):
    """The buffer that an environment is read into is used again by the next exec."""
    daemon = t.shared_daemon()
    what = []
    for n in range(1, 120, 3):
        what += [(["/bin/true"], {"A": "x" * 100, MARKER: "leak"}), (SLEEP, {"B": "y" * n})]
    pids = start(t, daemon, what)[1::2]
    # Other markers may be those of the job that runs this: inherited, as they should be.
    wrong = {pid: ci for pid in pids
             if (ci := shown(daemon, pid)["ci"]) and MARKER in ci["markers"]}
    assert not wrong, f"markers of another process: {wrong}"


@test
def the_same_environment_again(t):
    """What the exec before it on this CPU had is not looked through again; one byte more is."""
    daemon = t.shared_daemon()
    env = {"A": "x" * 300, MARKER: "again", "Z": "end"}
    what = [(SLEEP, env), (SLEEP, env), (SLEEP, env | {MARKER: "other"}), (SLEEP, env),
            (SLEEP, {"A": "x" * 300}), (SLEEP, env | {"Y": ""})]
    want = ["again", "again", "other", "again", None, "again"]
    got = [((shown(daemon, pid)["ci"] or {}).get("markers") or {}).get(MARKER)
           for pid in start(t, daemon, what)]
    assert got == want, got


@test
def list_that_grows(t):
    """A name that is on the list since a reload is found in an environment that was known."""
    daemon = t.daemon(config={"ci_markers": []})
    env = {"MY_PIPELINE": "4711", "Z": "end"}

    def seen():
        pids = start(t, daemon, [(["/bin/true"], env), (SLEEP, env)])
        ci = shown(daemon, pids[1])["ci"]
        return ci and ci["markers"].get("MY_PIPELINE")

    assert not seen()
    daemon.write_config({"ci_markers": ["MY_PIPELINE"]})
    daemon.ctl("config", "reload")
    assert seen() == "4711"


if __name__ == "__main__":
    main()
