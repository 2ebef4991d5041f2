#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The exposition as a file for node_exporter's textfile collector."""

import os
import subprocess

from harness import main, never, test, wait_for
from metrics import Metrics


def folder(t, name):
    path = t.path(name)
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


def read(path):
    with open(path, "rb") as f:
        return Metrics(f.read())


def written_at(path):
    return read(path).get("runaway_scan_last_success_timestamp_seconds")


@test
def written_whole_and_often(t):
    t.need("promtool")
    where = folder(t, "textfile")
    path = os.path.join(where, "host_runaway_process.prom")
    daemon = t.daemon({"textfile": {"interval_s": 1}}, args=["--textfile", path])
    wait_for(lambda: os.path.exists(path), 5, "the file is written")
    first = written_at(path)
    wait_for(lambda: written_at(path) > first, 5, "it is written again")
    # At any moment it is whole: the strict reader finds no torn line, no missing end.
    never(lambda: read(path).get("runaway_monitor_up") != 1, 3, "a torn file", poll_s=0.005)
    assert [f for f in os.listdir(where) if f.endswith(".prom")] == [os.path.basename(path)]
    assert os.stat(path).st_mode & 0o777 == 0o644, "node_exporter reads it as another user"
    m = read(path)
    with open(path, "rb") as f:
        r = subprocess.run(["promtool", "check", "metrics"], stdin=f, capture_output=True,
                           check=False)
    assert r.returncode == 0 and not r.stdout + r.stderr, (r.stdout + r.stderr)[:500]
    assert set(m.families) == set(daemon.metrics().families), \
        set(m.families) ^ set(daemon.metrics().families)
    assert daemon.metrics().get("runaway_textfile_last_write_timestamp_seconds") > 0
    assert daemon.api("status")["textfile"]["path"] == path
    assert daemon.stop() == 0


@test
def folder_and_configuration(t):
    where = folder(t, "collector")
    t.daemon({"textfile": {"path": where, "interval_s": 1}})
    path = os.path.join(where, "host_runaway_process.prom")
    wait_for(lambda: os.path.exists(path) and written_at(path), 5, "the default name in a folder")


@test
def folder_that_went_away(t):
    where = folder(t, "gone")
    path = os.path.join(where, "x.prom")
    daemon = t.daemon({"textfile": {"path": path, "interval_s": 1}})
    wait_for(lambda: os.path.exists(path), 5, "the file is written")
    os.rename(where, where + ".away")
    ticks = daemon.api("status")["ticks"]
    wait_for(lambda: daemon.api("status")["ticks"] > ticks + 2, 10, "the daemon goes on")
    os.rename(where + ".away", where)
    last = written_at(path)
    wait_for(lambda: written_at(path) > last, 5, "it is written again")


if __name__ == "__main__":
    main()
