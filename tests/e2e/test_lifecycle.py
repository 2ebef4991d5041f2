#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, configuration, reload, end, pins, exit statuses."""

import json
import os
import pty
import signal
import subprocess
import time

import procfs
from bpfmap import held_by
from harness import CLEAN_ENV, SLOWNESS, main, test, wait_for
from scenes import OrphanMaker

# name: (text, line, key path that the message must name)
BAD_CONFIGS = {
    "unknown-key": ('{\n  // a comment\n  "sample_interval": 5\n}', 3, "sample_interval"),
    "wrong-type": ('{\n  "sample_interval_ms": "1000"\n}', 2, "sample_interval_ms"),
    "out-of-range": ('{\n\n  "sample_interval_ms": 99\n}', 3, "sample_interval_ms"),
    "nested": ('{\n  "web": {\n    "timeout_s": 0\n  }\n}', 3, "web.timeout_s"),
    "lane": ('{\n "lanes": [\n  { "lane_id": "x", "subject": "orphan_tree",\n'
             '    "trigger": { "cpu_cores_min": -1 } } ] }', 4, "trigger.cpu_cores_min"),
    "syntax": ('{\n  "env": "x",,\n}', 2, ""),
    "not-an-object": ("[]", 1, ""),
    "twice": ('{\n  "env": "a",\n  "env": "b"\n}', 3, "env"),
}
GOOD_CONFIG = """// everything a comment can do
{
  "env": "staging", // at the end of a line
  "host_label": "ci-7",
  "sample_interval_ms": 500,
  "lanes": [ { "lane_id": "ci_runner_load_saturation", "enabled": false } ]
}
"""


def run(t, *args, timeout=10):
    return subprocess.run([t.runawayd, *args], env=CLEAN_ENV, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=timeout * SLOWNESS, check=False)


def bpf_pins():
    return sorted(os.listdir("/sys/fs/bpf")) if os.path.isdir("/sys/fs/bpf") else []


@test
def version_and_usage(t):
    r = run(t, "--version")
    assert r.returncode == 0 and r.stdout.startswith(b"runawayd "), r
    assert b"libbpf" in r.stdout, r.stdout
    assert run(t, "--help").returncode == 0
    r = run(t, "--no-such-flag")
    assert r.returncode == 2 and b"--no-such-flag" in r.stderr, r
    r = run(t, "--config", t.path("missing.json"), "--state-dir", t.path("s"),
            "--runtime-dir", t.path("r"))
    assert r.returncode == 2 and b"missing.json" in r.stderr, r
    assert run(t, "--replay", t.path("missing.rec")).returncode != 0


@test
def check_config(t):
    good = t.write("good.json", GOOD_CONFIG)
    r = run(t, "--check-config", good)
    assert r.returncode == 0, r
    for name, (text, line, key) in BAD_CONFIGS.items():
        path = t.write(f"{name}.json", text)
        r = run(t, "--check-config", path)
        assert r.returncode == 2, f"{name}: {r}"
        said = (r.stdout + r.stderr).decode()
        assert f"{path}:{line}:" in said and key in said, f"{name}: {said}"
    assert run(t, "--check-config", t.path("missing.json")).returncode == 2
    assert run(t, "--check-config", t.tmp).returncode == 2


@test
def asked_before_there_is_a_daemon(t):
    def ctl(*args, status=0):
        r = subprocess.run([t.runawayctl, "--socket", t.path("none.sock"), "-o", "json", *args],
                           capture_output=True, check=False)
        assert r.returncode == status, f"{args}: {r}"
        return json.loads(r.stdout)

    assert ctl("config", "check", t.write("good.json", GOOD_CONFIG)) == {"ok": True}
    for name, (text, line, key) in BAD_CONFIGS.items():
        path = t.write(f"{name}.json", text)
        error = ctl("config", "check", path, status=2)["error"]
        assert error["code"] == "usage" and f"{path}:{line}:" in error["message"], error
        assert key in error["message"], error
    assert ctl("config", "check", t.path("missing.json"), status=5)["error"]
    lanes = ctl("lane", "show", "--builtin")
    assert ctl("config", "check", t.write("lanes.json", json.dumps({"lanes": lanes})))["ok"]
    assert ctl("lane", "show", "--builtin", lanes[0]["lane_id"]) == lanes[:1]
    assert ctl("lane", "show", "--builtin", "no_such_lane", status=5)["error"]
    assert "no daemon" in ctl("lane", "show", status=1)["error"]["message"]
    assert t.daemon().ctl("lane", "show", "--builtin") == lanes, "as the daemon shows them"


@test
def reload_keeps_the_last_good(t):
    daemon = t.daemon({"env": "one", "sample_interval_ms": 200})
    assert daemon.ctl("config", "show")["env"] == "one"

    daemon.write_config({"env": "two", "sample_interval_ms": 200})
    daemon.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: daemon.ctl("config", "show")["env"] == "two", 10, "the new configuration")
    assert daemon.metrics().get("runaway_config_last_reload_successful") == 1

    daemon.write_config(None, '{ "env": 3 }')
    daemon.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: daemon.metrics().get("runaway_config_last_reload_successful") == 0, 10,
             "the reload is reported as failed")
    assert daemon.ctl("config", "show")["env"] == "two"
    assert daemon.config_path.encode() + b":1:" in daemon.log(), "no file and line in the log"
    refused = daemon.ctl("config", "reload", status=2)
    assert "env" in refused["error"]["message"], refused
    assert daemon.ctl("status")["config"]["last_reload_ok"] is False

    daemon.write_config({"env": "three", "sample_interval_ms": 300,
                         "lanes": [{"lane_id": "orphan_generic_cpu_runaway", "enabled": False}]})
    daemon.ctl("config", "reload")
    wait_for(lambda: daemon.ctl("config", "show")["env"] == "three", 10, "reload by the client")
    assert daemon.metrics().get("runaway_config_last_reload_successful") == 1
    assert daemon.api("status")["interval_ms"] == 300
    lanes = {x["lane_id"]: x for x in daemon.ctl("lane", "list")}
    assert lanes["orphan_generic_cpu_runaway"]["enabled"] is False

    # To change one number of a built-in lane is to write all of it: who forgets that is told.
    assert b"it takes every orphan" not in daemon.log()
    daemon.write_config({"lanes": [{"lane_id": "orphan_generic_cpu_runaway",
                                    "trigger": {"cpu_cores_min": 64}}]})
    daemon.ctl("config", "reload")
    assert b"lane orphan_generic_cpu_runaway has no `match`: it takes every orphan" in daemon.log()


@test
def ends_cleanly(t):
    before = bpf_pins()
    daemon = t.daemon()
    assert daemon.api("status")["pin_dir"] is None, "nothing is pinned unless asked for"
    assert bpf_pins() == before
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 2 * SLOWNESS, "slow to end"
    assert bpf_pins() == before
    assert not os.path.exists(os.path.join(daemon.runtime_dir, "control.sock"))
    # SIGINT is Ctrl-C of `make run`.
    daemon.start()
    daemon.proc.send_signal(signal.SIGINT)
    assert daemon.proc.wait(5 * SLOWNESS) == 0
    # With a client that holds its connection open, and under load.
    daemon.start()
    t.spawn([t.helper("forkstorm"), "20000", "1", "10"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
    started = time.monotonic()
    assert daemon.stop() == 0 and time.monotonic() - started < 2 * SLOWNESS


@test
def starts_fast(t):
    daemon = t.daemon(start=False)
    started = time.monotonic()
    daemon.start()
    took = time.monotonic() - started
    print(f"  # ready after {took * 1000:.0f} ms")
    assert took < 2 * SLOWNESS, f"{took:.2f} s"
    assert daemon.api("status")["scan"]["scans"] >= 1


@test
def port_zero_and_second_daemon(t):
    first = t.daemon()
    second = t.daemon(start=False, name="second")
    second.state_dir = first.state_dir
    second.spawn()
    assert second.proc.wait(10 * SLOWNESS) == 1, "two daemons on one state directory"
    assert f"{first.state_dir} is in use by another".encode() in second.log(), second.log()
    assert first.is_ready()

    third = t.daemon(start=False, name="third")
    third.port = 0
    third.spawn()
    # Several instances beside each other, and a port that the kernel chose.
    address = wait_for(lambda: (r := third.ctl_run("-o", "json", "status")).returncode == 0
                       and json.loads(r.stdout)["listen_address"], 10, "it listens")
    third.port = int(address.rsplit(":", 1)[1])
    assert third.port != 0
    wait_for(third.is_ready, 10, "ready")

    taken = t.daemon(start=False, name="taken")
    taken.port = first.port
    taken.spawn()
    assert taken.proc.wait(10 * SLOWNESS) == 1 and str(first.port).encode() in taken.log()


@test
def pins_when_asked(t):
    t.need("bpftool")
    bpffs = t.path("bpf")
    os.mkdir(bpffs)
    subprocess.run(["mount", "-t", "bpf", "bpf", bpffs], check=True)
    t.defer(lambda: subprocess.run(["umount", "-l", bpffs], check=False))
    pins = os.path.join(bpffs, "runawayd")
    daemon = t.daemon(args=["--pin-dir", pins])
    me = os.getpid()

    def dump(name):
        out = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", os.path.join(pins, name)],
                             capture_output=True, check=True).stdout
        return json.loads(out)

    procs = {e["formatted"]["key"]["pid"]: e["formatted"] for e in dump("procs")}
    assert me in procs, f"{len(procs)} entries, not this test"
    value = procs[me]["value"]
    assert value["comm"].startswith("python3"), value
    assert value["ppid"] == os.getppid(), value
    assert procs[me]["key"]["start_ns"] > 0 and {"cpu_ns", "cgroup_id"} <= set(value)
    cgroups = {e["formatted"]["key"]: e["formatted"]["value"] for e in dump("cgroups")}
    if t.cgroup:
        mine = os.stat(t.daemon_cgroup.dir).st_ino
        assert cgroups[mine]["cpu_ns"] > 0
        assert cgroups[mine]["parent_id"] == os.stat(t.top.dir).st_ino
    check_kernel_names(daemon)
    assert daemon.stop() == 0
    assert os.path.exists(os.path.join(pins, "procs")), "the pins outlive the daemon"
    daemon.start()  # takes the pins over
    wait_for(daemon.is_ready, 10, "ready with the old pins")
    assert daemon.stop() == 0
    r = run(t, "--unload", "--pin-dir", pins)
    assert r.returncode == 0, r
    assert not os.path.exists(pins) or os.listdir(pins) == [], os.listdir(pins)


def check_kernel_names(daemon):
    """Programs and maps of this daemon in the kernel's list, as bpftool shows them."""
    for what in ("prog", "map"):
        out = subprocess.run(["bpftool", "-j", what, "show"], capture_output=True, check=True)
        held = held_by(daemon.pid, what)
        mine = [x for x in json.loads(out.stdout) if x["id"] in held]
        assert mine, f"no {what} of the daemon"
        for x in mine:
            assert x["name"].startswith("rw_") and len(x["name"]) <= 15, x["name"]


@test
def client_exit_statuses(t):
    daemon = t.daemon()
    assert daemon.ctl("proc", "show", "4194304", status=5)["error"]["code"] == "not_found"
    assert daemon.ctl("incident", "show", "inc_20000101_0000_00000000", status=5)["error"]
    assert daemon.ctl("cgroup", "show", "/no/such/cgroup", status=5)["error"]
    assert daemon.ctl("lane", "show", "no_such_lane", status=5)["error"]
    assert daemon.ctl("no-such-noun", status=2)["error"]["code"] == "usage"
    assert daemon.ctl("proc", "show", "not-a-pid", status=2)["error"]
    assert daemon.ctl("proc", "show", status=2)["error"]
    assert daemon.ctl("config", "check", t.write("bad.json", "{"), status=2)["error"]
    daemon.ctl("config", "check", t.write("good.json", GOOD_CONFIG))
    r = daemon.ctl_run("help")
    assert r.returncode == 0 and b"incident" in r.stdout
    for args in (("doctor",), ("lane", "list"), ("lane", "show"), ("finding", "list"),
                 ("incident", "list"), ("proc", "tree", str(os.getpid())),
                 ("proc", "top", "--once"), ("cgroup", "top", "--once"), ("config", "show")):
        r = daemon.ctl_run("-o", "json", *args)
        assert r.returncode == 0 or args == ("doctor",), f"{args}: {r}"
        json.loads(r.stdout)
    tree = daemon.ctl("proc", "tree", str(os.getpid()))
    assert tree["process"]["pid"] == os.getpid(), tree
    assert any(c["pid"] == daemon.pid for c in tree["children"]), tree["children"]
    shown = daemon.ctl("lane", "show")
    daemon.ctl("config", "check", t.write("lanes.json", json.dumps({"lanes": shown})))
    daemon.stop()
    r = daemon.ctl_run("-o", "json", "status")
    assert r.returncode == 1 and json.loads(r.stdout)["error"]["message"], r


@test
def client_of_a_daemon_that_stands_still(t):
    """A person who waits is told so, and gets the answer when there is one."""
    daemon = t.daemon()
    daemon.proc.send_signal(signal.SIGSTOP)
    master, slave = pty.openpty()
    t.defer(os.close, master)
    p = t.spawn([t.runawayctl, "--socket", os.path.join(daemon.runtime_dir, "control.sock"),
                 "status"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    os.set_blocking(master, False)
    said = b""

    def told():
        nonlocal said
        try:
            said += os.read(master, 4096)
        except BlockingIOError:
            pass
        return b"waiting" in said

    wait_for(told, 10, "the client says that it waits")
    daemon.proc.send_signal(signal.SIGCONT)
    out, _ = p.communicate(timeout=10 * SLOWNESS)
    assert p.returncode == 0 and b"up for" in out, (p.returncode, out)


@test
def lanes_tried_on_the_live_model(t):
    daemon = t.daemon({"sample_interval_ms": 200})
    _, pid, _ = OrphanMaker(t, 300).make()
    wait_for(lambda: (daemon.orphan(pid) or {"tree": {"cpu_cores": 0}})["tree"]["cpu_cores"] > 0.1,
             10, "the orphan burns")
    rule = t.write("rule.json", json.dumps({"lanes": [{
        "lane_id": "try_me", "subject": "orphan_tree",
        "match": {"comm_any": ["orphan_maker"]},
        "trigger": {"cpu_cores_min": 0.1, "age_s_min": 0, "for_s": 3600}}]}))
    hit = [h for h in daemon.ctl("lane", "test", rule) if h["subject"]["root_pid"] == pid]
    assert len(hit) == 1 and hit[0]["matched"] and hit[0]["crossed"], hit
    assert not daemon.findings() or pid not in [f["subject"]["root_pid"] for f in daemon.findings()]
    assert "try_me" not in [x["lane_id"] for x in daemon.ctl("lane", "list")]
    assert procfs.alive(pid)


if __name__ == "__main__":
    main()
