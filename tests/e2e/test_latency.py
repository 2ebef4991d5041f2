#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""From the death of an origin to its orphan in the API."""

import http.client
import json
import time

from harness import main, test, wait_for
from scenes import OrphanMaker

ORPHANS = 100
BUDGET_S = 0.1


@test
def orphan_to_api(t):
    daemon = t.daemon()
    daemon.wait_ticks(1)
    maker = OrphanMaker(t)
    conn = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=5)

    def visible(pid):
        conn.request("GET", "/api/v1/orphans")
        body = conn.getresponse().read()
        return any(o["pid"] == pid and o["origin"]["known"] for o in json.loads(body))

    delays = []
    for _ in range(ORPHANS):
        _, pid, at = maker.make()
        while not visible(pid):
            assert time.monotonic() - at < 5, f"orphan {pid} is not seen"
        delays.append(time.monotonic() - at)
    conn.close()
    delays.sort()
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100 - 1]
    print(f"  # p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, max {delays[-1] * 1000:.1f} ms")
    assert p99 <= BUDGET_S, f"p99 {p99 * 1000:.1f} ms"
    m = daemon.metrics()
    assert m.get("runaway_event_latency_seconds_count") >= ORPHANS
    maker.proc.stdin.close()
    wait_for(lambda: not [o for o in daemon.api("orphans") if o["comm"] == "orphan_maker"], 5,
             "the orphans have gone")


if __name__ == "__main__":
    main()
