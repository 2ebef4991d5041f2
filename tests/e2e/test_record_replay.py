#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""What the kernel said is recorded, and says the same again: without privilege, byte for byte."""

import json
import os
import shutil
import signal
import struct
import subprocess

from harness import CLEAN_ENV, main, test, wait_for
from scenes import OrphanMaker, orphan_lane

NOBODY = 65534
LANE = orphan_lane("e2e_recorded", 0.1, 0.05, 1, calm_for_s=1, age_s=1,
                   match={"comm_any": ["orphan_maker"], "origin_any": ["orphan_maker"]})


def replay(t, program, recording, config):
    """As nobody, with no capability and in an empty folder."""
    empty = t.path("nothing-here")
    os.makedirs(empty, exist_ok=True)
    r = subprocess.run([program, "--replay", recording, "--config", config], cwd=empty,
                       env=CLEAN_ENV, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                       user=NOBODY, group=NOBODY, extra_groups=[], check=False)
    assert r.returncode == 0, f"{r.returncode}: {r.stderr[-500:]!r}"
    assert os.listdir(empty) == [], "a replay writes nothing"
    return r.stdout


def holds(doc, **wanted):
    """Is there an object at any depth with these values?"""
    if isinstance(doc, dict):
        if all(doc.get(k) == v for k, v in wanted.items()):
            return True
        return any(holds(v, **wanted) for v in doc.values())
    return isinstance(doc, list) and any(holds(v, **wanted) for v in doc)


@test
def replay_says_what_the_live_daemon_said(t):
    folder = t.path("rec")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    recording = os.path.join(folder, "kernel.rec")
    daemon = t.daemon({"lanes": [LANE], "sample_interval_ms": 500}, args=["--record", recording])
    _, pid, _ = OrphanMaker(t, 400).make()
    finding = wait_for(lambda: daemon.findings(pid, "e2e_recorded"), 20, "a finding")[0]
    t.signal(pid, signal.SIGTERM)
    wait_for(lambda: [i for i in daemon.incidents(pid) if i["status"] == "resolved"], 10,
             "the incident is resolved")
    incident = daemon.incidents(pid)[0]
    assert daemon.stop() == 0
    size = os.path.getsize(recording)
    assert size > 1000

    os.chmod(recording, 0o644)
    program = os.path.join(folder, "runawayd")
    shutil.copy(t.runawayd, program)
    first = replay(t, program, recording, daemon.config_path)
    second = replay(t, program, recording, daemon.config_path)
    assert first == second, "two replays differ"
    lines = [json.loads(line) for line in first.decode("utf-8").splitlines()]
    print(f"  # {size} bytes recorded, {len(lines)} lines replayed")
    subject = {"root_pid": pid, "start_ns": finding["subject"]["start_ns"]}
    about = [x for x in lines if holds(x, **subject)]
    assert about, f"nothing about {subject}: {first[:500]!r}"
    assert any(holds(x, lane_id="e2e_recorded") for x in about), about[0]
    assert any(holds(x, resolution_path="self_cleared") for x in lines), "not cleared in replay"
    at = finding["since"]
    assert any(at in line for line in first.decode().splitlines()), f"found at another time: {at}"
    assert incident["opened_at"] in first.decode(), "opened at another time"

    # Another rule set tried on the same hour; and a recording that was cut off or damaged.
    quiet = t.write("quiet.json", json.dumps({"lanes": [{**LANE, "enabled": False}]}))
    assert b"e2e_recorded" not in replay(t, program, recording, quiet)
    for name, data in damaged(recording).items():
        path = t.path(name)
        with open(path, "wb") as f:
            f.write(data)
        r = subprocess.run([program, "--replay", path, "--config", daemon.config_path],
                           env=CLEAN_ENV, capture_output=True, timeout=60, check=False)
        assert r.returncode >= 0, f"{name}: killed by {-r.returncode}"
        assert r.stderr or r.returncode, f"{name}: passed over in silence"


def damaged(recording):
    """Every way of damage that a reader without checksums can tell."""
    with open(recording, "rb") as f:
        data = f.read()
    at, last = 0, 0
    while at < len(data) // 2:
        last, at = at, at + struct.unpack_from("=I", data, at + 4)[0]
    short, long = (data[:last + 4] + struct.pack("=I", n) + data[last + 8:]
                   for n in (3, 0xffffffff))
    return {"cut": data[:-5], "head-only": data[:20], "empty": b"", "foreign": b"GIF89a" * 100,
            "short-record": short, "long-record": long}


if __name__ == "__main__":
    main()
