#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that attack whoever shows them: comm, arguments and cgroup paths are any bytes."""

import json
import os
import pty
import re
import signal
import subprocess

import procfs
from harness import CLEAN_ENV, SLOWNESS, main, test, wait_for
from metrics import Metrics
from scenes import orphan_lane

LANE = orphan_lane("e2e_hostile", 0.02, 0.001, 1, calm_for_s=60, match={"exe_any": ["*/hostile"]})
# What a line of text for a terminal may hold: no C0 but the line end, no DEL, no C1.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")
# Colours of our own, allowed on a terminal only.
SGR = re.compile("\x1b\\[[0-9;]*m")
HOSTILE_CGROUP = b"e\x1b[31m\"q\\uo\xff\xc3(te\" %n " + b"x" * 150


def table_is_safe(text, what):
    decoded = text.decode("utf-8")  # invalid UTF-8 would be an error here
    bad = UNSAFE.search(decoded)
    assert not bad, f"{what}: {bad.group()!r} in {decoded[max(0, bad.start() - 60):][:120]!r}"


def on_a_terminal(daemon, *args):
    """What the client writes to a real terminal."""
    master, slave = pty.openpty()
    try:
        p = subprocess.Popen([daemon.t.runawayctl, "--socket",
                              os.path.join(daemon.runtime_dir, "control.sock"), *args],
                             env={**CLEAN_ENV, "TERM": "xterm-256color"}, stdin=slave,
                             stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        out = b""
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # EIO: the other side has closed
                break
            if not data:
                break
            out += data
        p.wait(10 * SLOWNESS)
        return out
    finally:
        os.close(master)


def check_tables(daemon, pids):
    some = [("proc", "orphans"), ("finding", "list"), ("incident", "list"), ("status",),
            ("proc", "top", "--once"), ("cgroup", "top", "--once")]
    some += [("proc", verb, str(pid)) for pid in pids for verb in ("show", "tree")]
    incident = daemon.incidents(lane="e2e_hostile")[0]["incident_id"]
    some += [("incident", verb, incident) for verb in ("show", "packet")]
    for args in some:
        r = daemon.ctl_run(*args)
        assert r.returncode == 0, f"{args}: {r.returncode} {r.stderr!r}"
        table_is_safe(r.stdout, " ".join(args))
        daemon.ctl(*args)
    for args in (("proc", "orphans"), ("finding", "list"), ("incident", "list")):
        shown = on_a_terminal(daemon, *args).replace(b"\r\n", b"\n")
        table_is_safe(SGR.sub("", shown.decode("utf-8")).encode(), "terminal: " + " ".join(args))


def check_promtool(data):
    r = subprocess.run(["promtool", "check", "metrics"], input=data, capture_output=True,
                       check=False)
    assert r.returncode == 0, (r.stdout + r.stderr)[:500]


@test
def hostile_names(t):
    t.need("promtool")
    daemon = t.daemon({"lanes": [LANE]})
    cgroup = t.need_cgroup()
    os.mkdir(os.path.join(os.fsencode(cgroup.dir), HOSTILE_CGROUP))
    p = t.spawn([t.helper("hostile")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    pids = dict(reversed(line.split()) for line in p.communicate(timeout=20 * SLOWNESS)[0].decode()
                .splitlines())
    pids = {name: int(pid) for name, pid in pids.items()}
    assert len(pids) == 11 and all(procfs.alive(pid) for pid in pids.values()), pids
    with open(os.path.join(os.fsencode(cgroup.dir), HOSTILE_CGROUP, b"cgroup.procs"), "w",
              encoding="ascii") as f:
        f.write(str(pids["quote"]))

    wait_for(lambda: {f["subject"]["root_pid"] for f in daemon.findings(lane="e2e_hostile")} >=
             set(pids.values()), 20, "each of them is a finding")
    orphans = {o["pid"]: o for o in daemon.ctl("proc", "orphans")}
    big = orphans[pids["big"]]
    assert sum(len(a) for a in big["args"]) <= 8192 and big["args_truncated"], "2 MiB of arguments"
    assert orphans[pids["newline"]]["comm"].startswith("a"), orphans[pids["newline"]]["comm"]
    assert orphans[pids["backslash"]]["args"][-1] == "\\\\server\\\" \\x1b \\u0000 \\"
    m = daemon.metrics()  # the strict reader
    assert len(m.series("runaway_finding_cpu_cores")) >= 1
    check_promtool(m.text)
    om = daemon.http("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert om.body.endswith(b"# EOF\n") and not UNSAFE.search(om.body.decode("utf-8"))
    check_tables(daemon, pids.values())
    for path in ("orphans", "findings", "incidents", "status"):
        json.loads(daemon.http("/api/v1/" + path).body.decode("utf-8"))
    page = daemon.http("/")
    assert page.status == 200 and not UNSAFE.search(page.body.decode("utf-8")), "the page"
    table_is_safe(daemon.log(), "log")

    for pid in pids.values():
        t.signal(pid, signal.SIGTERM)
    wait_for(lambda: not daemon.findings(lane="e2e_hostile"), 10, "all of them gone")
    for folder in os.listdir(os.path.join(daemon.state_dir, "incidents")):
        with open(os.path.join(daemon.state_dir, "incidents", folder, "readback.json"), "rb") as f:
            json.loads(f.read().decode("utf-8"))
    assert daemon.ctl("store", "verify")["ok"]
    Metrics(daemon.http("/metrics").body)


BURN = "#!/bin/sh\nwhile :; do :; done\n"
LEAVE = "#!/bin/sh\n{dir}/burn.sh {args} &\necho $! > {dir}/burn.pid\nkill -9 $$\n"
SECRETS = ("s3cr3t-one", "s3cr3t-two", "s3cr3t-three", "s3cr3t-four")


@test
def secrets_in_arguments_are_shown_to_nobody(t):
    lane = {**LANE, "lane_id": "e2e_secrets", "match": {"comm_any": ["burn.sh"]}}
    daemon = t.daemon({"lanes": [lane]})
    t.write("burn.sh", BURN, 0o755)
    args = (f"--token={SECRETS[0]} --password {SECRETS[1]} https://me:{SECRETS[2]}@example.org/ "
            f"API_KEY={SECRETS[3]} --keep=this")
    leave = t.write("leave.sh", LEAVE.format(dir=t.tmp, args=args), 0o755)
    assert t.spawn([leave], stdin=subprocess.DEVNULL).wait(10 * SLOWNESS) == -signal.SIGKILL
    with open(t.path("burn.pid"), encoding="ascii") as f:
        pid = int(f.read())
    finding = wait_for(lambda: daemon.findings(pid), 10, "a finding")[0]
    assert "--keep=this" in daemon.orphan(pid)["args"], daemon.orphan(pid)["args"]
    incident = finding["incident_id"]
    said = [daemon.http("/api/v1/" + x).body for x in ("orphans", "findings", "incidents")]
    said += [daemon.http(x).body for x in ("/metrics", "/", f"/api/v1/incidents/{incident}")]
    said += [daemon.ctl_run(*x).stdout for x in (
        ("proc", "show", str(pid)), ("proc", "tree", str(pid)), ("proc", "orphans"),
        ("incident", "packet", incident), ("-o", "json", "incident", "readback", incident))]
    said.append(daemon.log())
    assert daemon.stop() == 0
    for folder, _, files in os.walk(daemon.state_dir):
        for name in files:
            with open(os.path.join(folder, name), "rb") as f:
                said.append(f.read())
    for text in said:
        for secret in SECRETS:
            assert secret.encode() not in text, f"{secret} in {text[:300]!r}"


if __name__ == "__main__":
    main()
