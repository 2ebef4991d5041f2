#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2 hybrid v1
# timeout_s: 60
"""Each cgroup layout: found, shown, its CPU as the kernel has it, an orphan placed in it."""

import os
import subprocess

import facts
from cgroups import Cgroup
from harness import main, test, wait_for
from scenes import OrphanMaker

TREE = {"v2": "/sys/fs/cgroup", "hybrid": "/sys/fs/cgroup/unified",
        "v1": "/sys/fs/cgroup/cpu,cpuacct"}


def kernel_seconds(layout, folder):
    if layout == "v1":
        with open(f"{folder}/cpuacct.usage", encoding="ascii") as f:
            return int(f.read()) / 1e9
    with open(f"{folder}/cpu.stat", encoding="ascii") as f:
        return int(f.read().split()[1]) / 1e6


def says_what_is_missing(said):
    """What a kernel lacks is told with what is done instead; since when it is there, kernels tell."""
    version = tuple(int(n) for n in os.uname().release.split(".")[:2])
    for name, since, words in (("hot_pass", (6, 10), "each scan visits every task"),
                               ("program_misses", (5, 12), "not counted")):
        assert (words in said[name]) == (version < since), (version, said[name])
    assert said["reparent_hook"].startswith("fentry: "), said["reparent_hook"]
    assert said["walk_file"].endswith("without bpf()"), said["walk_file"]


@test
def layout_is_found_and_whole(t):
    layout = os.environ["RUNAWAY_LAYOUT"]
    daemon = t.daemon()
    features = daemon.api("status")["features"]
    print(f"  # {features}")
    assert features["cgroup_mode"] == layout, features
    doctor = daemon.ctl_doctor()
    bad = [c for c in doctor["checks"] if not c["ok"]]
    assert not bad, bad
    says_what_is_missing({c["name"]: c["detail"] for c in doctor["checks"]})
    known = facts.read().get("layouts", [])
    facts.add(layouts=sorted({*known, layout}))
    # With the same daemon: where a guest is emulated, its start is half of a case.
    cpu_and_orphans_of_a_cgroup(t, daemon, layout)


def cpu_and_orphans_of_a_cgroup(t, daemon, layout):
    cgroup = Cgroup(TREE[layout], "layout-" + layout)
    label = "/layout-" + layout
    wait_for(lambda: daemon.ctl_run("cgroup", "show", label).returncode == 0, 5, "it is known")
    storm = t.spawn(["sh", "-c", 'read go; exec "$@"', "sh", t.helper("forkstorm"), "200", "200",
                     "500"], cgroup=cgroup, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    daemon.wait_ticks(2)

    def seen():
        return daemon.metrics().get("runaway_cgroup_cpu_seconds_total", cgroup=label) or 0.0

    before, true_before = seen(), kernel_seconds(layout, cgroup.dir)
    storm.communicate(b"\n", timeout=60)
    assert storm.returncode == 0
    daemon.wait_ticks(2)
    true = kernel_seconds(layout, cgroup.dir) - true_before
    gap = seen() - before - true
    print(f"  # kernel {true:.3f} s, seen {true + gap:.3f} s, {gap / true * 100:+.2f} %")
    assert true > 0.1 and abs(gap) <= 0.01 * true + 0.02, "not the kernel's figure"

    maker = OrphanMaker(t, cgroup=cgroup)
    origin, pid, _ = maker.make()
    orphan = wait_for(lambda: daemon.orphan(pid), 2, "an orphan in the cgroup")
    assert orphan["cgroup"]["path"] == label, orphan["cgroup"]
    assert orphan["origin"]["pid"] == origin and orphan["origin"]["known"], orphan["origin"]
    assert orphan["reaper"]["pid"] == 1, orphan["reaper"]
    maker.proc.stdin.close()
    maker.proc.wait(10)
    wait_for(lambda: not cgroup.pids(), 10, "the cgroup is empty")
    assert cgroup.remove()


if __name__ == "__main__":
    main()
