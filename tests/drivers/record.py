#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
record.py BUILD [CASE...]: makes tests/fixtures/recordings anew, one browser after the
other, all cases of tests/e2e/driver_cases.py by default.
"""

import lzma
import os
import sys
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import recordings  # noqa: E402  pylint: disable=wrong-import-position
from driver_cases import CASES  # noqa: E402  pylint: disable=wrong-import-position
from harness import Test  # noqa: E402  pylint: disable=wrong-import-position
from test_drivers import play  # noqa: E402  pylint: disable=wrong-import-position

OUT = os.path.join(ROOT, "tests", "fixtures", "recordings")


def record(build, case):
    t = Test(build, case.name)
    path = t.path("kernel.rec")
    try:
        daemon, (job,) = play(t, [case], times={"cpu_cores_min": 0.5}, args=["--record", path],
                              patient=True)
        daemon.wait_ticks(2)
        assert daemon.stop() == 0
        records = recordings.read(path)
        assert not [r for r in records if r.type == recordings.LOSS], "records were lost"
        return recordings.Trim(records, job.runner.pid, job.cgroup.label).run()
    finally:
        t.close()


def main(build, *names):
    failed = 0
    os.makedirs(OUT, exist_ok=True)
    os.nice(-10)  # the built-in CPU limit is in force: other load of the host must not matter
    for case in CASES:
        if names and case.name not in names:
            continue
        try:
            data = record(os.path.abspath(build), case)
        except AssertionError:
            traceback.print_exc()
            failed += 1
            continue
        with open(os.path.join(OUT, case.name + ".rec.xz"), "wb") as f:
            f.write(lzma.compress(data, preset=9))
            print(f"{case.name}: {len(data)} bytes, {f.tell()} compressed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
