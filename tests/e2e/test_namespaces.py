#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""Started where a part of the host is hidden: said everywhere, and nothing is made of the rest."""

import procfs
from cgroups import v2_root
from harness import main, test, wait_for
from namespaces import Enclosed
from scenes import GENERIC_LANE, OrphanMaker, orphan_lane, short_lanes

FAST_MS = 200
PRIVATE = ["--mount", "--propagation", "private"]


def told(daemon, check, mend):
    """Doctor, log, readiness and status name the same gap and the same mend."""
    failing, status = daemon.doctor()
    assert status == 1 and check in failing, failing
    assert mend in failing[check]["mend"], failing[check]
    why = failing[check]["detail"]
    log = daemon.log().decode()
    assert f"error {why}" in log and mend in log, log
    ready = daemon.http("/readyz")
    assert ready.status == 503 and ready.body.decode().startswith(why), ready.body
    assert mend in ready.body.decode(), ready.body
    gaps = daemon.ctl("status")["gaps"]
    assert [g["what"] for g in gaps] == [why], gaps
    text = daemon.ctl_run("status").stdout.decode()
    assert f"NOT WHOLE   {why}" in text, text
    return failing


def blind(daemon, check, mend):
    """No scan counts: neither up nor ready, alive so that it can be asked."""
    failing = told(daemon, check, mend)
    assert "scan" in failing, failing
    assert daemon.http("/healthz").status == 200
    assert daemon.ctl("status")["up"] is False
    m = daemon.metrics()
    assert m.get("runaway_monitor_up") == 0
    assert m.get("runaway_sensor_up", component="scan") == 0
    assert m.get("runaway_scan_last_success_timestamp_seconds") in (None, 0)


@test
def pid_namespace_of_its_own(t):
    """A DaemonSet without hostPID. What a whole daemon had found is neither lost nor called over."""
    lanes = short_lanes(t, age_s=0, for_s=0.4, cpu_cores_min=0.05)
    config = {"sample_interval_ms": FAST_MS, "lanes": lanes}
    whole = t.daemon(config, name="d")
    orphan = OrphanMaker(t, 900).make()[1]
    incident = wait_for(lambda: whole.incidents(orphan), 20, "an incident")[0]
    assert whole.stop() == 0

    daemon = Enclosed(t, ["--pid", "--mount-proc"], config=config, name="d").start()
    blind(daemon, "pid_namespace", "hostPID: true")
    assert procfs.status(daemon.pid)["NSpid"].split()[-1] == "1"
    assert daemon.metrics().get("runaway_sensor_up", component="cgroup") == 1
    other = OrphanMaker(t, 900).make()[1]
    daemon.wait_ticks(10)
    kept = daemon.incidents(orphan)
    assert [i["status"] for i in kept] == ["open"], "not seen is not gone"
    assert not daemon.incidents(other), "nothing is judged by a part"
    assert daemon.stop() == 0

    whole = t.daemon(config, name="d")
    wait_for(lambda: whole.incidents(other), 20, "the whole one finds what was made meanwhile")
    assert [i["incident_id"] for i in whole.incidents(orphan)] == [incident["incident_id"]]
    assert whole.incidents(orphan)[0]["status"] == "open"


@test
def host_procfs_alone_is_not_enough(t):
    """The host's /proc is there, the walk still sees the namespace of who opened it."""
    daemon = Enclosed(t, ["--pid"], config={"sample_interval_ms": FAST_MS}).start()
    blind(daemon, "pid_namespace", "hostPID: true")


def finds_all_the_same(t, daemon):
    """Names of cgroups are missing, processes are not; returns the finding's orphan."""
    m = daemon.metrics()
    assert m.get("runaway_monitor_up") == 1
    assert m.get("runaway_sensor_up", component="cgroup") == 0
    assert daemon.http("/healthz").status == 200
    orphan = OrphanMaker(t, 900).make()[1]
    wait_for(lambda: daemon.findings(orphan, GENERIC_LANE), 20, "a finding all the same")
    return daemon.orphan(orphan)


def lanes_of_anybody():
    """Without names of cgroups, lanes of a test are kept to its processes by their name."""
    return [orphan_lane(GENERIC_LANE, 0.05, 0.02, 0.4)]


@test
def no_cgroup_tree(t):
    t.need_cgroup()
    daemon = Enclosed(t, PRIVATE, "mount -t tmpfs none /sys/fs/cgroup",
                      {"sample_interval_ms": FAST_MS, "lanes": lanes_of_anybody()}).start()
    failing = told(daemon, "cgroups", "hostPath")
    assert not {"scan", "pid_namespace"} & set(failing), failing
    assert daemon.ctl("status")["features"]["cgroup_mode"] == "none"
    orphan = finds_all_the_same(t, daemon)
    # /proc tells the path of the one, the event that of a new one; of the rest none is made up.
    assert orphan["cgroup"]["path"] == t.cgroup.label, orphan["cgroup"]
    made = t.cgroup.child("made-later")
    wait_for(lambda: daemon.ctl_run("cgroup", "show", made.label).returncode == 0, 5,
             "a cgroup made since is known")
    known = [c["path"] for c in daemon.ctl("cgroup", "top", "--limit", "1000")]
    assert not {t.cgroup.label, t.top.label, "/"} & set(known), known


@test
def a_part_of_the_cgroup_tree(t):
    """What a container without `privileged` sees: its own cgroup as root, relative paths."""
    t.need_cgroup()
    below = t.cgroup.child("below")
    prepare = f"mount --bind {t.cgroup.dir} /sys/fs/cgroup"
    daemon = Enclosed(t, [*PRIVATE, "--cgroup"], prepare,
                      {"sample_interval_ms": FAST_MS, "lanes": lanes_of_anybody()}).start()
    failing, status = daemon.doctor()
    assert status == 1 and {"cgroups", "cgroup_namespace"} <= set(failing), failing
    assert "cgroupns=host" in failing["cgroups"]["mend"], failing
    assert daemon.http("/readyz").status == 503
    orphan = finds_all_the_same(t, daemon)
    assert orphan["cgroup"]["path"] is None and orphan["cgroup"]["container_id"] is None, orphan
    known = [c["path"] for c in daemon.ctl("cgroup", "top", "--limit", "1000") if c["path"]]
    assert not [p for p in known if p.endswith("/below") and p != below.label], known


@test
def the_whole_v2_tree_makes_up_for_the_namespace(t):
    """Own cgroup namespace, but the host's tree is mounted (hostPath): nothing is missing."""
    t.need_cgroup()
    prepare = f"mount --bind {v2_root()} /sys/fs/cgroup"
    daemon = Enclosed(t, [*PRIVATE, "--cgroup"], prepare,
                      {"sample_interval_ms": FAST_MS, "lanes": lanes_of_anybody()}).start()
    failing, _ = daemon.doctor()
    assert not {"cgroups", "cgroup_namespace", "pid_namespace"} & set(failing), failing
    assert daemon.http("/readyz").status == 200 and daemon.ctl("status")["gaps"] == []
    assert daemon.ctl("status")["features"]["cgroup_mode"] == "v2"
    orphan = OrphanMaker(t, 900).make()[1]
    wait_for(lambda: daemon.findings(orphan, GENERIC_LANE), 20, "a finding")
    assert daemon.orphan(orphan)["cgroup"]["path"] == t.cgroup.label


if __name__ == "__main__":
    main()
