#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""While the daemon is replaced the kernel keeps watching, and the next one knows what this one knew."""

import json
import os
import signal
import socket
import subprocess
import time

import procfs
from continuity import (Smoke, check_books, continuity, held, in_kernel, kill_often, lossless,
                        pinned_daemon, same_as_fresh)
from harness import CLEAN_ENV, SLOWNESS, main, never, test, wait_for
from scenes import GENERIC_LANE, OrphanMaker, short_lanes

KILLS = 12
STOPPED_S = 5
SUSPENDED_S = 30


def end(daemon, signum):
    """Ends the daemon; when that was."""
    at = time.monotonic()
    if signum == signal.SIGKILL:
        daemon.kill()
    else:
        assert daemon.stop() == 0
    return at


class Story:
    """Orphans of before, of meanwhile, and the incident of before."""

    def __init__(self, t, daemon, job):
        self.t, self.daemon = t, daemon
        self.burner = OrphanMaker(t, 800).make()[1]
        self.victim = OrphanMaker(t, 800).make()[1]
        self.before = Smoke(t, job).kill()
        self.before.check(daemon)
        self.late = Smoke(t, job + 1)  # its origin is alive when the daemon ends
        self.finding = wait_for(lambda: daemon.findings(self.burner, GENERIC_LANE), 20,
                                "a finding")[0]
        wait_for(lambda: daemon.incidents(self.victim), 20, "an incident of its own")
        daemon.wait_ticks(1)  # whom the kernel side watches, the tick after it tells
        self.opened = daemon.incidents(self.burner)[0]["opened_at"]
        self.forks = daemon.metrics().get("runaway_events_received_total", event="fork")
        self.job = job

    def interrupt(self, signum):
        ended = end(self.daemon, signum)
        self.t.signal(self.victim, signal.SIGTERM)  # nobody is there to read it
        self.late.kill()
        self.unseen = Smoke(self.t, self.job + 2).kill()  # all of its life without a daemon
        time.sleep(max(0, STOPPED_S - (time.monotonic() - ended)))
        self.daemon.start()

    def check(self):
        daemon, burner = self.daemon, self.burner
        kept = continuity(daemon)
        assert kept["pins"] == "adopted" and kept["whole"] and kept["recalled"], kept
        assert kept["down_s"] >= STOPPED_S - 0.5, kept
        for smoke in (self.before, self.late, self.unseen):
            smoke.check(daemon)
        m = daemon.metrics()
        more = m.get("runaway_events_received_total", event="fork") - self.forks
        assert more > 0, "it counts on"
        assert m.get("runaway_process_forks_total") <= more, "but not what was counted before"
        daemon.wait_ticks(5)
        incident_id = self.finding["incident_id"]
        after = daemon.findings(burner, GENERIC_LANE)
        assert [f["incident_id"] for f in after] == [incident_id], (self.finding, after)
        incidents = daemon.incidents(burner)
        assert [(i["incident_id"], i["status"], i["opened_at"]) for i in incidents] == \
            [(incident_id, "open", self.opened)], incidents
        losses = daemon.api("status")["counters"]
        assert losses["events_lost"] == losses["sequence_gaps"] == 0, losses
        incident = wait_for(lambda: [i for i in daemon.incidents(self.victim)
                                     if i["status"] == "resolved"], 10, "the victim's end")[0]
        doc = daemon.ctl("incident", "readback", incident["incident_id"])
        (sent,) = [e["data"] for e in doc["events"] if e["type"] == "signal"]
        assert sent["name"] == "SIGTERM" and sent["target"]["pid"] == self.victim, sent
        assert sent["sender"]["pid"] == os.getpid(), sent
        self.t.signal(burner, signal.SIGTERM)
        wait_for(lambda: daemon.incidents(burner)[0]["resolution_path"] == "self_cleared", 10,
                 "the incident clears")
        check_books(daemon)
        assert daemon.ctl("store", "verify")["ok"]
        assert b"adopted the pins" in daemon.log()


def restart_story(t, lanes, signum, job):
    stories = []

    def attempt(n):
        name = f"{signum.name.lower()}{n}"
        daemon = pinned_daemon(t, {"lanes": lanes}, name=name, pins=name)
        stories.append(Story(t, daemon, job + 10 * n))
        stories[-1].interrupt(signum)
        return daemon

    lossless(attempt).wait_ticks(1)
    stories[-1].check()
    stories[-1].daemon.stop()


@test
def stopped_killed_and_suspended(t):
    """One daemon stands still for half a minute; meanwhile another is stopped and killed."""
    still = pinned_daemon(t, name="still", pins="still")
    frozen_at = time.monotonic()
    still.proc.send_signal(signal.SIGSTOP)
    left = Smoke(t, 100).kill()
    gone = OrphanMaker(t).make()[1]

    lanes = short_lanes(t, age_s=0.2, for_s=0.5, clear_for_s=1, cpu_cores_min=0.2)
    restart_story(t, lanes, signal.SIGTERM, 200)
    restart_story(t, lanes, signal.SIGKILL, 300)

    t.signal(gone, signal.SIGTERM)
    time.sleep(max(0, SUSPENDED_S - (time.monotonic() - frozen_at)))
    still.proc.send_signal(signal.SIGCONT)
    wait_for(still.is_ready, 10, "it goes on")
    dropped = still.api("status")["counters"]["records_dropped"]
    if dropped:  # others of this host filled the ring: counted, and healed by the scan
        print(f"  # {dropped} records dropped while it stood still", flush=True)
    else:
        left.check(still)
    wait_for(lambda: still.orphan(left.pid), 5, "who was left behind")
    assert still.orphan(gone) is None
    assert still.metrics().get("runaway_scan_overruns_total") >= 1
    check_books(still)
    same_as_fresh(t, still)


@test
def killed_at_random_moments(t):
    """Some kills hit its start, some a drain, some the journal; every orphan's story is whole."""
    daemon = kill_often(t, KILLS)
    # More than the ring holds, and nobody there: what is lost is counted, the scan heals it.
    daemon.kill()
    storm = t.spawn([t.helper("forkstorm"), "20000", "0", "5", "2"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL)
    assert storm.wait(60 * SLOWNESS) == 0
    daemon.start()
    check_books(daemon)
    lost = daemon.api("status")["counters"]
    assert lost["records_dropped"] > 1000, lost
    assert lost["events_lost"] + lost["samples_lost"] == lost["records_dropped"], lost

    def gaps_told():
        """
        A gap shows when something follows it, on each CPU. The numbers are not atomic: of two
        programs that nest on a CPU both may have one. The counters are the books.
        """
        for cpu in os.sched_getaffinity(0):
            t.spawn(["taskset", "-c", str(cpu), "true"]).wait()
        c = daemon.api("status")["counters"]
        return 0.98 * c["records_dropped"] <= c["sequence_gaps"] <= c["records_dropped"]

    wait_for(gaps_told, 15, "what was dropped is missing in the sequences")
    same_as_fresh(t, daemon)


def run(t, *args):
    return subprocess.run([t.runawayd, *args], env=CLEAN_ENV, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=20 * SLOWNESS, check=False)


@test
def an_upgrade_replaces_the_pins(t):
    """A build whose maps are laid out otherwise, and other limits: aloud, and lineage stays."""
    t.need("bpftool")
    ours, other = t.runawayd, os.path.join(t.build, "upgraded", "bin", "runawayd")
    daemon = pinned_daemon(t)
    left = Smoke(t, 400).kill()
    left.check(daemon)

    def value_size():
        out = subprocess.run(["bpftool", "-j", "map", "show", "pinned",
                              os.path.join(daemon.pins, "cgroups")], capture_output=True, check=True)
        return json.loads(out.stdout)["bytes_value"]

    def replaced(why):
        old = {x for x in held(daemon) if x[0] != "link"}
        assert daemon.stop() == 0
        daemon.start()
        kept = continuity(daemon)
        assert kept["pins"] == "replaced" and why in kept["why_replaced"], kept
        assert kept["recalled"] and not kept["whole"], kept
        assert b"replaced the pins" in daemon.log() and why.encode() in daemon.log()
        told = next(c for c in daemon.ctl("doctor", status=None)["checks"]
                    if c["name"] == "continuity")
        assert told["ok"] and why in told["detail"], told
        said = daemon.ctl_run("status").stdout.decode()
        assert "pins replaced" in said and why in said, said
        left.check(daemon)
        wait_for(lambda: not old & in_kernel(), 5, "nothing of the old build is left")

    size = value_size()
    t.runawayd = other
    replaced("another build")
    assert value_size() == size + 8, "another layout"
    assert daemon.stop() == 0
    daemon.start()
    assert continuity(daemon)["pins"] == "adopted", "its own pins it takes over"
    t.runawayd = ours
    replaced("another build")
    assert value_size() == size
    daemon.write_config({"sample_interval_ms": 200, "limits": {"processes": 4096}})
    replaced("other limits")
    # What a killed daemon left half done is no pin to go on with.
    os.unlink(os.path.join(daemon.pins, "stamp"))
    replaced("incomplete")
    check_books(daemon)
    same_as_fresh(t, daemon)


@test
def two_daemons_on_one_pin_directory(t):
    first = pinned_daemon(t)
    second = pinned_daemon(t, name="second", start=False)
    second.spawn()
    assert second.proc.wait(10 * SLOWNESS) == 1, "the second refuses"
    assert first.pins.encode() in second.log() and b"another daemon" in second.log(), second.log()
    r = run(t, "--unload", "--pin-dir", first.pins)
    assert r.returncode == 1 and b"another daemon" in r.stderr, r
    orphan = OrphanMaker(t).make()[1]
    wait_for(lambda: first.orphan(orphan), 5, "the first goes on")
    assert sorted(os.listdir(first.pins)), "its pins are there"
    # Another folder is another daemon's.
    pinned_daemon(t, name="third", pins="third")
    check_books(first)


@test
def unload_leaves_nothing(t):
    t.need("bpftool")
    daemon = pinned_daemon(t)
    mine = held(daemon)
    assert {k for k, _ in mine} == {"map", "prog", "link"}, mine
    assert daemon.stop() == 0
    pinned = mine & in_kernel()
    assert {k for k, _ in pinned} == {"map", "prog", "link"}, "they outlive the daemon"
    stranger = os.path.join(daemon.pins, "not_ours")
    subprocess.run(["bpftool", "map", "create", stranger, "type", "array", "key", "4", "value", "4",
                    "entries", "1", "name", "stranger"], check=True)
    args = ("--unload", "--pin-dir", daemon.pins, "--runtime-dir", daemon.runtime_dir)
    r = run(t, *args)
    assert r.returncode == 0 and b"removed" in r.stdout, r
    assert os.listdir(daemon.pins) == ["not_ours"], os.listdir(daemon.pins)
    wait_for(lambda: not mine & in_kernel(), 5, "nothing of it is in the kernel")
    assert not os.listdir(daemon.runtime_dir), os.listdir(daemon.runtime_dir)
    os.unlink(stranger)
    assert run(t, *args).returncode == 0
    assert not os.path.exists(daemon.pins)
    assert b"nothing was pinned" in run(t, *args).stdout


@test
def without_pins_the_journal_serves(t):
    """`make run`: what was known is known again; what happened meanwhile nobody saw."""
    daemon = t.daemon({"sample_interval_ms": 200})
    left = Smoke(t, 500).kill()
    left.check(daemon)
    late = Smoke(t, 501)
    # The kernel writes, and the daemon reads it within an interval.
    wait_for(lambda: daemon.show(late.pid), 5, "it is known")
    daemon.kill()
    late.kill()
    daemon.start()
    kept = continuity(daemon)
    assert kept["pins"] == "none" and kept["recalled"] and not kept["whole"], kept
    left.check(daemon)
    o = wait_for(lambda: daemon.orphan(late.pid), 5, "an orphan made meanwhile")
    assert o["origin"]["known"] and o["origin"]["pid"] == late.proc.pid, o["origin"]
    assert o["origin"]["args"][-1] == "501", o["origin"]
    assert o["origin"]["exit"]["signal"] is None, "how it ended nobody saw"
    same_as_fresh(t, daemon)


class Manager:
    """What systemd does for Type=notify: a socket, READY, a watchdog, restarts."""

    def __init__(self, t, daemon):
        self.daemon = daemon
        path = t.path("notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o777)
        self.sock.settimeout(0.1)
        t.defer(self.sock.close)
        daemon.env = {"NOTIFY_SOCKET": path}
        self.heard = []

    def listen(self):
        try:
            while True:
                self.heard += self.sock.recv(4096).decode().split("\n")
        except TimeoutError:
            return self.heard

    def start(self):
        self.listen()
        self.heard.clear()
        self.daemon.spawn()
        wait_for(lambda: "READY=1" in self.listen(), 15, "READY=1")

    def kicked(self):
        """The watchdog was kicked since the last look."""
        self.listen()
        found = "WATCHDOG=1" in self.heard
        self.heard.clear()
        return found


@test
def under_a_service_manager(t):
    daemon = pinned_daemon(t, start=False)
    manager = Manager(t, daemon)
    manager.start()
    left = Smoke(t, 600).kill()
    left.check(daemon)
    for _ in range(2):  # systemctl restart
        wait_for(manager.kicked, 5, "the watchdog is kicked")
        assert daemon.stop() == 0
        assert "STOPPING=1" in manager.listen(), manager.heard
        manager.start()
        assert continuity(daemon)["pins"] == "adopted"
    # It hangs: no kick, so the manager aborts it and starts another.
    daemon.proc.send_signal(signal.SIGSTOP)
    manager.kicked()
    never(manager.kicked, 1, "a daemon that stands still kicks the watchdog")
    daemon.expected = -signal.SIGABRT
    daemon.proc.send_signal(signal.SIGABRT)
    daemon.proc.send_signal(signal.SIGCONT)
    assert daemon.proc.wait(10 * SLOWNESS) == -signal.SIGABRT
    manager.start()
    assert continuity(daemon)["pins"] == "adopted"
    left.check(daemon)
    check_books(daemon)


@test
def a_journal_that_cannot_be_written(t):
    """It is said, and nothing else suffers."""
    daemon = pinned_daemon(t, start=False)
    os.makedirs(daemon.runtime_dir)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", daemon.runtime_dir], check=True)
    t.defer(lambda: subprocess.run(["umount", "-l", daemon.runtime_dir], check=False))
    daemon.start()
    wait_for(lambda: continuity(daemon)["journal"]["failing"], 10, "the journal is said to fail")
    assert "No space" in continuity(daemon)["journal"]["why_failing"]
    check = next(c for c in daemon.ctl("doctor", status=1)["checks"] if c["name"] == "continuity")
    assert not check["ok"] and "runtime directory" in check["mend"], check
    assert daemon.metrics().get("runaway_journal_write_errors_total") >= 1
    assert b"cannot write the journal" in daemon.log()
    orphan = OrphanMaker(t).make()[1]
    wait_for(lambda: daemon.orphan(orphan), 5, "it goes on")
    check_books(daemon)
    daemon.kill()
    daemon.start()
    wait_for(lambda: daemon.orphan(orphan), 5, "it comes back")
    assert continuity(daemon)["pins"] == "adopted"
    assert procfs.alive(orphan)


if __name__ == "__main__":
    main()
