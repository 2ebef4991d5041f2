#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""Clocks that differ and time that stands still: no wrong age, no false finding."""

import signal
import time

from soak import experiment, main  # first: it knows where the harness is

from harness import never, wait_for
from scenes import OrphanMaker

OFFSETS_S = (1000000, -600)
LANE = {
    "lane_id": "soak_clock", "alertname": "HostSoakClock", "severity": "P3",
    "classification": "host_resource_runaway_process",
    "action_policy": "capacity_triage_no_process_remediation", "subject": "orphan_tree",
    "match": {"comm_any": ["orphan_maker"]},
    "trigger": {"cpu_cores_min": 0.8, "age_s_min": 0, "for_s": 1},
    "clear": {"cpu_cores_max": 0.5, "for_s": 1},
}
OLD_LANE = {**LANE, "lane_id": "soak_age", "alertname": "HostSoakAge",
            "trigger": {"cpu_cores_min": 0.01, "age_s_min": 3600, "for_s": 1},
            "clear": {"cpu_cores_max": 0.005, "for_s": 1}}


def lanes(t):
    """They look at this test's processes only."""
    own = {"cgroup_any": [t.top.label + "/*"]} if t.top else {}
    return [{**lane, "match": {**lane["match"], **own}} for lane in (LANE, OLD_LANE)]


@experiment("S7a", "started in a time namespace, days off or before the boot: ages and identities",
            check=2, full=20)
def time_namespace(t, row):
    t.need("unshare")
    host = t.daemon(name="host")
    maker = OrphanMaker(t, 100)
    for n in range(row.count):
        offset = OFFSETS_S[n % 2]
        daemon = t.daemon({"lanes": lanes(t), "sample_interval_ms": 250},
                          name=f"inside{n}", start=False)
        inside = ["unshare", "--time", "--boottime", str(offset), *daemon.command()]
        daemon.command = lambda argv=inside: argv
        daemon.start()
        _, pid, _ = maker.make()
        seen = wait_for(lambda d=daemon, p=pid: d.orphan(p), 3, "an orphan at once")
        daemon.wait_ticks(6)
        seen, truth = daemon.orphan(pid), wait_for(lambda p=pid: host.orphan(p), 3, "seen outside")
        row.tried += 1
        row.bad(f"age {seen['orphan_age_s']} s", not 0 <= seen["orphan_age_s"] < 60)
        row.bad(f"start {seen['start_ns']}, {truth['start_ns']} outside",
                seen["start_ns"] != truth["start_ns"])
        row.bad(f"orphaned at {seen['orphaned_at']}, {truth['orphaned_at']} outside",
                seen["orphaned_at"][:18] != truth["orphaned_at"][:18])
        row.bad("a finding", bool(daemon.findings()))
        row.bad("uptime", not 0 <= daemon.api("status")["uptime_s"] < 60)
        t.signal(pid, signal.SIGTERM)
        assert daemon.stop() == 0


@experiment("S7b", "daemon stopped for seconds, as by a suspend: rates and findings after it",
            check=2, full=50)
def stands_still(t, row):
    daemon = t.daemon({"lanes": lanes(t), "sample_interval_ms": 250})
    _, pid, _ = OrphanMaker(t, 300).make()
    wait_for(lambda: (daemon.orphan(pid) or {}).get("tree", {}).get("cpu_cores", 0) > 0.05, 10,
             "it burns")
    for _ in range(row.count):
        daemon.proc.send_signal(signal.SIGSTOP)
        time.sleep(row.rng.uniform(1.5, 3))
        daemon.proc.send_signal(signal.SIGCONT)
        row.tried += 1

        def wrong():
            o = daemon.orphan(pid)
            return (o is None and "gone") or (o["orphan_age_s"] < 0 and o) \
                or (o["tree"]["cpu_cores"] > 0.75 and o["tree"]) or daemon.findings()

        try:
            never(wrong, 2, "after it stood still")
        except AssertionError as e:
            row.bad(str(e))


if __name__ == "__main__":
    main()
