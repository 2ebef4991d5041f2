#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: own
"""
The unit that we ship, started by a systemd that is the first process of its machine, with all
that it asks of it in force: what `make install` leaves, and what its user does with systemctl.
"""

import json
import os
import re
import shutil
import signal
import subprocess

import procfs
from continuity import continuity
from gatescene import Scene
from harness import main, test, wait_for
from scenes import GENERIC_LANE
from service import (CGROUPS, PINS, UID, UNIT, Left, Unit, burners, main_pid, members, show, systemctl,
                     write_unit)

COMPLAINT = re.compile(rb"^.*Z (?:error|warning(?! finding)) .*$", re.M)
OUR_PROGRAM = "rw_"
NOBODY = 65534


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def user_manager():
    systemctl("start", f"user@{UID}.service")


def our_programs():
    said = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, check=True)
    return [p["name"] for p in json.loads(said.stdout) if p.get("name", "").startswith(OUR_PROGRAM)]


@test
def started_as_it_was_installed(t):
    """No configuration; systemd waits for the word that it is ready, and then everything answers."""
    user_manager()
    unit = Unit(t)
    systemctl("start", UNIT)
    unit.check_active()
    for words in (["status"], ["doctor"]):  # as a user types it
        r = subprocess.run([t.runawayctl, *words], capture_output=True, text=True, check=False)
        print("  # " + r.stdout.replace("\n", "\n  # "))
        assert r.returncode == 0, r
    assert unit.metrics().get("runaway_gate_enabled") == 0
    assert unit.api("status")["continuity"]["pins"] == "made"
    unit.wait_ticks(2)
    assert not COMPLAINT.search(unit.log()), COMPLAINT.findall(unit.log())
    # Nobody whom systemd started is an orphan: neither services nor those of a user's manager.
    unexpected = [(o["pid"], o["comm"]) for o in unit.api("orphans") if not o["by_design"]]
    assert not unexpected, unexpected
    all_of_the_unit_is_in_force(unit)


def all_of_the_unit_is_in_force(unit):
    pid = unit.pid
    status = status_of(pid)
    assert {status[f"Cap{x}"] for x in ("Eff", "Prm", "Inh", "Bnd", "Amb")} == {"0" * 16}, status
    assert set(status["Uid"].split()) == {str(NOBODY)}, status["Uid"]
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status
    with open(f"/proc/{pid}/mountinfo", encoding="ascii") as f:
        mounts = {x[4]: x[5].split(",")[0] for x in map(str.split, f)}
    assert mounts["/"] == mounts["/sys"] == mounts["/sys/fs/cgroup"] == mounts["/proc/sys"] == "ro"
    assert mounts["/sys/fs/bpf"] == "ro" and mounts[PINS] == "rw", mounts
    cgroup = f"{CGROUPS}/{UNIT}"
    for name, value in (("memory.max", 256 << 20), ("pids.max", 16)):
        with open(f"{cgroup}/{name}", encoding="ascii") as f:
            assert f.read().strip() == str(value), name
    with open(f"{cgroup}/memory.peak", encoding="ascii") as f:
        print(f"  # memory.peak {int(f.read()) >> 20} MiB")
    # IPAddressDeny=any: systemd's filter is at its sockets, and loopback passes it.
    said = subprocess.run(["bpftool", "cgroup", "show", cgroup], capture_output=True, check=True)
    assert b"ingress" in said.stdout and b"egress" in said.stdout, said.stdout
    assert unit.http("/metrics").status == 200


@test
def services_are_none_and_orphans_are(t):
    """Below systemd, and below a user's: who was left behind is found, who was started is not."""
    user_manager()
    unit = Unit(t)
    systemctl("stop", UNIT)
    subprocess.run([t.runawayd, "--unload"], check=True, capture_output=True)
    honest = burners(t, "early")  # nobody saw how they came
    unit.start()
    honest.update(burners(t, "late"))
    unit.write_config({"lanes": unit.quick_lanes()})
    t.defer(os.unlink, unit.config_path)
    systemctl("reload", UNIT)
    for folder in (unit.state_dir, unit.runtime_dir):
        assert os.stat(folder).st_uid == NOBODY, os.stat(folder)
    wait_for(lambda: b"configuration" in unit.log(), 10, "it reloads")

    left = [Left(t, "session").in_scope(), Left(t, "runner").in_service(),
            Left(t, "desktop").in_service(user=True)]
    for one in left:
        one.kill()
        wait_for(lambda o=one: unit.orphan(o.pid), 1, "seen within a second")
        doc = one.check(unit)
        print(f"  # {one.name}: {doc['reaper']}")
    manager = main_pid(f"user@{UID}.service")
    assert procfs.stat(left[2].pid).ppid == manager, procfs.stat(left[2].pid)
    for one in left:
        (finding,) = wait_for(lambda o=one: unit.findings(o.pid, GENERIC_LANE), 30, "a finding")
        assert [i["incident_id"] for i in unit.incidents(one.pid)] == [finding["incident_id"]]
    # They burn as long, and as much.
    orphans = {o["pid"]: o for o in unit.api("orphans")}
    told = {name: orphans[pid]["daemonised"] for name, pid in honest.items() if pid in orphans}
    print(f"  # honest ones among the orphans: {told}")
    assert set(told) <= {"early-forking.service", "late-forking.service"}, told
    assert told["late-forking.service"] == "yes" and told["early-forking.service"] != "no", told
    strangers = [i for i in unit.incidents() if i["subject"]["root_pid"] not in [o.pid for o in left]]
    assert not strangers, strangers
    # Folders are the daemon's after a reload as well: what it found is written.
    assert not COMPLAINT.search(unit.log()), COMPLAINT.findall(unit.log())
    assert unit.ctl("store", "verify")["ok"]


@test
def replaced_in_every_way(t):
    """Restarted, killed, hung: the next one adopts the pins, and the incident goes on."""
    unit = Unit(t).start()
    unit.write_config({"lanes": unit.quick_lanes()})
    t.defer(os.unlink, unit.config_path)
    orphan = Left(t, "replaced").in_scope()
    unit.start()
    orphan.kill()
    incident = wait_for(lambda: unit.incidents(orphan.pid), 30, "an incident")[0]

    def goes_on():
        kept = continuity(unit)
        assert kept["pins"] == "adopted" and kept["whole"] and kept["recalled"], kept
        orphan.check(unit)
        unit.wait_ticks(4)
        assert [(i["incident_id"], i["status"], i["opened_at"]) for i in unit.incidents(orphan.pid)] \
            == [(incident["incident_id"], "open", incident["opened_at"])], unit.incidents(orphan.pid)
        return unit.pid

    unit.start()
    old = goes_on()
    os.kill(old, signal.SIGKILL)
    unit.wait_main(old)
    assert show(UNIT, "NRestarts") == "1"
    goes_on()
    # The unit's 30 s are long to wait for.
    write_unit(t, f"{UNIT}.d/short.conf", "[Service]", "WatchdogSec=10s")
    systemctl("daemon-reload")
    unit.start()
    old = goes_on()
    os.kill(old, signal.SIGSTOP)
    unit.wait_main(old)
    assert b"Watchdog timeout" in unit.log()
    assert show(UNIT, "NRestarts") == "1", "since `systemctl restart` it is counted anew"
    goes_on()


@test
def stopped_and_unloaded(t):
    unit = Unit(t).start()
    systemctl("stop", UNIT)
    assert [show(UNIT, p) for p in ("ActiveState", "Result", "ExecMainStatus")] == \
        ["inactive", "success", "0"], systemctl("status", UNIT, check=False)
    assert our_programs(), "they are pinned, over a stop as well"
    assert os.listdir(PINS) and os.path.exists("/run/runawayd/lineage.journal")
    r = subprocess.run([t.runawayd, "--unload"], capture_output=True, text=True, check=False)
    assert r.returncode == 0 and "removed" in r.stdout, r
    wait_for(lambda: not our_programs(), 5, "none is left in the kernel")
    left = [os.path.join(folder, name) for folder in (PINS, "/run/runawayd")
            if os.path.exists(folder) for name in [".", *os.listdir(folder)]]
    assert left == ["/run/runawayd/."], left
    # As after a boot.
    unit.start()
    assert continuity(unit)["pins"] == "made"


@test
def with_the_gates_drop_in(t):
    """As docs/gate.md has it: the drop-in copied, one approved signal, and a stop ends all of it."""
    drop_in = f"/etc/systemd/system/{UNIT}.d"
    shutil.copytree(f"/usr/local/share/runawayd/{UNIT}.d", drop_in)
    t.defer(systemctl, "daemon-reload")
    t.defer(shutil.rmtree, drop_in)
    systemctl("daemon-reload")
    s = Scene(t, daemon=Unit(t))
    status = s.gate_status()
    print(f"  # {status}")
    assert status["alive"] and status["armed"] and status["tier"] == "T1", status
    assert status_of(s.d.pid)["CapBnd"] == "0" * 16
    pid, incident = s.orphan()
    digest, _ = s.plan(incident)
    s.approve(incident, digest)
    assert s.apply(incident, digest)["outcome"] == "signalled"
    wait_for(lambda: procfs.stat(pid) is None, 10, "the target is gone")
    s.wait_status(incident, "resolved")
    assert not COMPLAINT.search(s.d.log()), COMPLAINT.findall(s.d.log())
    processes = members(UNIT)
    print(f"  # {[procfs.stat(p).comm for p in processes]}")
    assert s.d.pid in processes and len(processes) >= 3, processes  # authoriser and actuator
    systemctl("stop", UNIT)
    assert show(UNIT, "Result") == "success", systemctl("status", UNIT, check=False)
    assert not [p for p in processes if procfs.alive(p)], processes


if __name__ == "__main__":
    main()
