#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""
The recordings of tests/fixtures/recordings, one for each row of docs/browsers.md, judged by
the built-in lanes with short times: no browser is needed, and the answer never varies.
"""

import json
import lzma
import os
import re
import subprocess

import recordings
from driver_cases import CASES, markdown
from driver_replay import expected, replay, replay_lanes, told
from harness import CLEAN_ENV, ROOT, main, test

FIXTURES = os.path.join(ROOT, "tests", "fixtures", "recordings")
TIMES = {"age_s": 6, "for_s": 3, "clear_for_s": 2}
SIZE_MAX = 20 << 10  # of a compressed recording
# First components of paths that every Debian has. /tmp is looked at more closely.
FOLDERS = {b"usr", b"bin", b"dev", b"proc", b"sys", b"etc"}


def unpack(case):
    with open(os.path.join(FIXTURES, case.name + ".rec.xz"), "rb") as f:
        return lzma.decompress(f.read())


@test
def each_recording_is_judged_as_the_table_says(t):
    config = t.write("lanes.json", json.dumps({"lanes": replay_lanes(t, **TIMES)}))
    for case in CASES:
        path = t.path(case.name + ".rec")
        with open(path, "wb") as f:
            f.write(unpack(case))
        out = replay(t, path, config)
        assert out == replay(t, path, config), f"{case.name}: two replays differ"
        assert told(out) == expected(case), f"{case.name}: {told(out)}"


@test
def the_built_in_times_are_not_reached(t):
    """None of them burned for three minutes: with nothing changed they say nothing."""
    config = t.write("defaults.json", "{}")
    for case in CASES:
        path = t.path(case.name + ".rec")
        with open(path, "wb") as f:
            f.write(unpack(case))
        assert replay(t, path, config) == b"", case.name


@test
def the_client_makes_one_document_of_a_replay(t):
    config = t.write("lanes.json", json.dumps({"lanes": replay_lanes(t, **TIMES)}))
    path = t.path("one.rec")
    with open(path, "wb") as f:
        f.write(unpack(next(c for c in CASES if c.root)))

    def client(*more):
        return subprocess.run([t.runawayctl, *more, "lane", "test", config, "--replay", path],
                              cwd=t.tmp, env=CLEAN_ENV, capture_output=True, timeout=60, check=False)

    lines = [json.loads(line) for line in replay(t, path, config).splitlines()]
    assert lines and json.loads(client("-j").stdout) == lines
    assert client().stdout == replay(t, path, config)
    with open(path, "wb") as f:
        f.write(b"GIF89a")
    r = client("-j")
    assert r.returncode == 2 and not r.stderr, r
    assert "not a recording" in json.loads(r.stdout)["error"]["message"], r


def paths_in(data):
    """Absolute paths: two components at least."""
    return {p for p in re.findall(rb"(?<![\w./-])/([\w.-]+/[\w.-]+)", data)}


@test
def recordings_tell_of_no_host(_t):
    """What is committed is small, whole, and of the job alone."""
    names = {name for name in os.listdir(FIXTURES) if not name.startswith(".")}
    assert names == {case.name + ".rec.xz" for case in CASES}, names
    for case in CASES:
        size = os.path.getsize(os.path.join(FIXTURES, case.name + ".rec.xz"))
        assert size < SIZE_MAX, f"{case.name}: {size}"
        data = unpack(case)
        for path in paths_in(data):
            first, rest = path.split(b"/", 1)
            allowed = {b"tmp": recordings.FOLDER, recordings.FOLDER: b"load"}
            assert first in FOLDERS or allowed.get(first) == rest, f"{case.name}: /{path.decode()}"
        meta = recordings.read_bytes(data)[0]
        assert meta.type == recordings.META and recordings.HOST_NAME in meta.data
        assert b"runaway-e2e" not in data and b"/root" not in data, case.name


@test
def the_document_has_this_table(_t):
    with open(os.path.join(ROOT, "docs", "browsers.md"), encoding="utf-8") as f:
        assert markdown() in f.read(), "docs/browsers.md: tests/e2e/driver_cases.py prints it anew"


if __name__ == "__main__":
    main()
