#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A CI job that saturates the host: capacity, and nobody to signal."""

import os
import subprocess

import procfs
from harness import main, test, wait_for
from scenes import CAPACITY_LANE, builtin_lanes

RUN_ID = f"47{os.getpid()}"  # nobody else's
RUNNER_ENV = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": RUN_ID,
              "GITHUB_REPOSITORY": "example/project", "RUNNER_NAME": "runner-7",
              "RUNNER_TRACKING_ID": "github_5e1f"}
# One that a runner sets too and that is nobody's business.
SECRET_ENV = {"NPM_TOKEN": "npm_do_not_keep_me"}
PROCESS_KEYS = {"pid", "root_pid", "start_ns", "pgid", "target", "target_pid", "signal"}


def capacity_lane(t):
    lane = next(x for x in builtin_lanes(t) if x["lane_id"] == CAPACITY_LANE)
    lane["trigger"] = {**lane["trigger"], "load5_per_core_min": 0.05, "ci_cpu_share_min": 0.5,
                       "for_s": 3}
    lane["clear"] = {**lane["clear"], "load5_per_core_max": 0.05}
    return lane


def keys_of(doc):
    """Every key at every depth whose value says something."""
    if isinstance(doc, dict):
        for k, v in doc.items():
            if v is not None:
                yield k
            yield from keys_of(v)
    elif isinstance(doc, list):
        for v in doc:
            yield from keys_of(v)


@test
def a_job_that_saturates_the_host(t):
    daemon = t.daemon({"lanes": [capacity_lane(t)]})
    # The load average needs seconds to rise: four burners a core cross the lowered limit. A
    # session each, because the scheduler shares out CPU by session.
    script = t.write("job.sh", "#!/bin/sh\nn=$1\nwhile [ $n -gt 0 ]; do\n  setsid \"$2\" &\n"
                     "  n=$((n-1))\ndone\nwait\n", 0o755)
    job = t.spawn([script, str(4 * os.cpu_count()), t.helper("spin")], stdin=subprocess.DEVNULL,
                  env={**RUNNER_ENV, **SECRET_ENV})
    burner = wait_for(lambda: procfs.descendants(job.pid), 5, "the burners run")[0].pid
    shown = wait_for(lambda: (daemon.show(burner) or {}).get("ci"), 5, "markers")
    assert shown["runner"] == "github", shown
    assert shown["markers"]["GITHUB_RUN_ID"] == RUN_ID, shown
    assert not set(SECRET_ENV) & set(shown["markers"]), shown

    finding = wait_for(lambda: daemon.findings(lane=CAPACITY_LANE), 60, "the lane opens")[0]
    assert finding["subject"]["kind"] == "host" and finding["subject"]["root_pid"] is None
    assert finding["classification"] == "host_resource_capacity"
    incident = daemon.incidents(lane=CAPACITY_LANE)[0]
    packet = daemon.ctl("incident", "packet", incident["incident_id"])
    assert packet["load_per_core"]["load5"] >= 0.05, packet["load_per_core"]
    assert packet["swap"]["used_ratio"] >= 0, packet["swap"]
    assert packet["target"] is None and packet["dry_run_allowed"] is False, packet
    runs = [r for r in packet["ci_runs"] if r["markers"].get("GITHUB_RUN_ID") == RUN_ID]
    assert len(runs) == 1 and runs[0]["processes"] == 4 * os.cpu_count() + 1, runs
    assert runs[0]["cpu_cores"] > 0.5 * packet["busy_cores"], runs
    assert not PROCESS_KEYS & set(keys_of(packet)), PROCESS_KEYS & set(keys_of(packet))
    assert str(burner) not in str(packet) and str(job.pid) not in str(packet), packet
    assert not any(v in str(packet) for v in SECRET_ENV.values())
    m = daemon.metrics()
    assert m.get("runaway_host_load5_per_core") >= 0.05
    assert m.sum("runaway_findings", lane=CAPACITY_LANE) == 1


if __name__ == "__main__":
    main()
