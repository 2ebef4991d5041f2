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
# The kernel side looks at words of 8 bytes, blocks of 128 and chunks of 4096.
FILLERS = [*range(1, 18), *range(118, 132), *range(4070, 4098), 8170, 12288, 20000]


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


def start(t, what):
    p = t.spawn([sys.executable, "-c", SPAWN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(json.dumps(what).encode())
    p.stdin.close()
    return json.loads(p.stdout.readline())


def shown(daemon, pid):
    def executed():
        seen = daemon.show(pid)
        return seen if seen and seen["comm"] == "sleep" else None

    return wait_for(executed, 10, f"{pid} executes sleep")


@test
def wherever_it_stands(t):
    daemon = t.daemon()
    pids = start(t, [(SLEEP, {"A": "x" * n, MARKER: f"run{n}", "Z": "end"}) for n in FILLERS])
    wrong = {}
    for n, pid in zip(FILLERS, pids):
        ci = shown(daemon, pid)["ci"]
        if not ci or ci["markers"].get(MARKER) != f"run{n}":
            wrong[n] = ci
    assert not wrong, f"filler: what was seen instead: {wrong}"


@test
def nobody_inherits_it_by_accident(t):
    """The buffer that an environment is read into is used again by the next exec."""
    daemon = t.daemon()
    what = []
    for n in range(1, 120, 3):
        what += [(["/bin/true"], {"A": "x" * 100, MARKER: "leak"}), (SLEEP, {"B": "y" * n})]
    pids = start(t, what)[1::2]
    # Other markers may be those of the job that runs this: inherited, as they should be.
    wrong = {pid: ci for pid in pids
             if (ci := shown(daemon, pid)["ci"]) and MARKER in ci["markers"]}
    assert not wrong, f"markers of another process: {wrong}"


if __name__ == "__main__":
    main()
