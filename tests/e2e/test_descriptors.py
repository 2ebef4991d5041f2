#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What daemon and gate hold open after many requests and reloads is what they held before."""

import collections
import os
import re
import time

from gatescene import Scene
from harness import few, main, test, wait_for

PATHS = ["/metrics", "/readyz", "/", "/api/v1/status", "/api/v1/orphans", "/api/v1/findings",
         "/api/v1/incidents", "/api/v1/lanes", "/nothing"]


def seen(pids):
    """{name of the process and of what it has open: how often}; sockets and the like without number."""
    found = collections.Counter()
    for name, pid in pids.items():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                link = os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                continue  # closed since: a scan opens and closes many, each second
            found[name, re.sub(r":\[\d+\]|/\d+/|deleted", "", link)] += 1
    return found


def held(pids):
    """What stays open: what a scan or a request has in hand for a moment is not in all of these."""
    found = seen(pids)
    for _ in range(4):
        time.sleep(0.05)
        found &= seen(pids)
    return found


def rest(pids, before):
    """What has come or gone since; nothing while that is the same as before."""
    now = held(pids)
    return {k: (before[k], now[k]) for k in before.keys() | now.keys() if before[k] != now[k]}


@test
def nothing_stays_open(t):
    s = Scene(t)
    gate = s.gate_status()["process"]
    pids = {"daemon": s.d.pid, "authoriser": gate["authoriser_pid"], "actuator": gate["actuator_pid"]}

    def work(requests, reloads):
        for n in range(requests):
            s.d.http(PATHS[n % len(PATHS)])
            if n % 20 == 0:
                assert "result" in s.raw("gate.status"), n
                assert s.raw("proc.show", pid=4194303)["error"]["code"] == "not_found"
        for n in range(reloads):
            s.d.write_config({**s.config, "limits": 5} if n % 3 == 0 else
                             {**s.config, "env": f"round {n}"})
            assert ("error" in s.raw("config.reload")) == (n % 3 == 0), n

    work(len(PATHS), 3)  # what is opened at first use
    s.d.wait_ticks(1)
    before = held(pids)
    assert len(before) > 10, before
    work(few(1000), few(100))
    print(f"# {sum(before.values())} descriptors of {len(before)} kinds")
    wait_for(lambda: not rest(pids, before) or print(rest(pids, before)), 15, "all is closed again")


if __name__ == "__main__":
    main()
