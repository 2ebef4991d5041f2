#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Honest processes that look like orphans, or burn like runaways, and are neither. The
lanes are the built-in ones with times of a second or two and a tenth of the CPU limit,
so whatever could ever become a finding would become one here.
"""

import os
import subprocess

import procfs
from harness import free_port, main, test, wait_for
from scenes import Browser, short_lanes

VERDICTS = 20
FAST_MS = 500

NGINX_CONF = """
daemon on; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log {dir}/access.log; gzip on; gzip_comp_level 9; gzip_types text/plain;
  client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
  uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
  server {{ listen 127.0.0.1:{port}; root {dir}/www; }}
}}
"""

SSHD_CONF = """
Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/host_key
PidFile {dir}/sshd.pid
UsePAM no
StrictModes no
"""

MAKEFILE = "all: a b c d\na b c d:\n\t@i=0; while :; do i=$$((i+1)); done\n.PHONY: all a b c d\n"


def pid_in(path):
    """The pid in a pid file, once it is whole."""
    def read():
        try:
            with open(path, encoding="ascii") as f:
                return int(f.read().strip() or 0)
        except FileNotFoundError:
            return 0
    return wait_for(read, 10, path)


def run(t, argv, **kw):
    """A command that puts something into the background and ends."""
    p = t.spawn(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, **kw)
    assert p.wait(20) == 0, f"{argv[0]}: exit {p.returncode}"


def start_nginx(t):
    t.need("nginx", "curl")
    folder, port = t.path("nginx"), free_port()
    os.makedirs(os.path.join(folder, "www"))
    os.chmod(folder, 0o777)
    with open(os.path.join(folder, "www", "big"), "wb") as f:
        f.write(os.urandom(1 << 16) * 64)
    conf = t.write("nginx/nginx.conf", NGINX_CONF.format(dir=folder, port=port))
    run(t, ["nginx", "-c", conf, "-e", f"{folder}/start.log"])
    load = 'while :; do curl -so /dev/null --compressed "$0" || sleep 1; done'
    t.spawn(["sh", "-c", load, f"http://127.0.0.1:{port}/big"], stdin=subprocess.DEVNULL)
    return pid_in(f"{folder}/nginx.pid")


def start_sshd(t):
    t.need("sshd", "ssh-keygen")
    folder = t.path("sshd")
    os.mkdir(folder)
    os.makedirs("/run/sshd", exist_ok=True)
    run(t, ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/host_key"])
    conf = t.write("sshd/sshd_config", SSHD_CONF.format(dir=folder, port=free_port()))
    run(t, ["/usr/sbin/sshd", "-f", conf, "-E", f"{folder}/log"])
    return pid_in(f"{folder}/sshd.pid")


def start_tmux(t):
    """A server with a busy pane: somebody's terminal, whatever runs in it."""
    t.need("tmux")
    run(t, ["tmux", "-S", t.path("tmux.sock"), "-f", "/dev/null", "new-session", "-d",
            "sh -c 'while :; do :; done'"])
    return wait_for(lambda: [s.pid for s in procfs.all_stats()
                             if s.comm == "tmux: server" and t.ours(s.pid)], 5, "tmux server")[0]


def start_gpg_agent(t):
    t.need("gpg-agent")
    home = t.path("gnupg")
    os.mkdir(home, 0o700)
    run(t, ["gpg-agent", "--homedir", home, "--daemon"])
    return wait_for(lambda: [s.pid for s in procfs.all_stats()
                             if s.comm == "gpg-agent" and t.ours(s.pid)], 5, "gpg-agent")[0]


def start_idle_job(t):
    """`setsid job &` of a shell that ends: left behind on purpose, and idle."""
    run(t, ["sh", "-c", "setsid sh -c 'echo $$ > \"$0\"; sleep 600; :' \"$0\" & sleep 0.1",
            t.path("job.pid")])
    return pid_in(t.path("job.pid"))


def start_make(t):
    """Four recipes that burn, under make, under the step."""
    t.write("Makefile", MAKEFILE)
    step = t.write("build-step.sh", f"#!/bin/sh\nmake -s -j4 -C {t.tmp}\n:\n", 0o755)
    return t.spawn([step], stdin=subprocess.DEVNULL).pid


def recipes(step):
    return [s for s in procfs.descendants(step) if s.comm == "sh"]


@test
def honest_ones_are_never_findings(t):
    daemon = t.daemon({"sample_interval_ms": FAST_MS,
                       "lanes": short_lanes(t, age_s=1, for_s=2, cpu_cores_min=0.05)})
    by_design = {"nginx": start_nginx(t), "sshd": start_sshd(t), "tmux": start_tmux(t),
                 "gpg-agent": start_gpg_agent(t)}
    job = start_idle_job(t)
    make = start_make(t)
    browser = Browser(t)

    for name, pid in by_design.items():
        o = wait_for(lambda p=pid: daemon.orphan(p), 5, f"{name} ({pid}) is an orphan")
        assert o["by_design"] is True, f"{name}: {o['daemonised']} {o['origin']}"
    assert wait_for(lambda: daemon.orphan(job), 5, "the shell job is an orphan")
    assert browser.crashpads()
    for pid in browser.crashpads():
        assert wait_for(lambda p=pid: daemon.orphan(p), 5, "crashpad")["by_design"] is True

    first = daemon.api("status")["ticks"]
    wait_for(lambda: len(recipes(make)) == 4, 10, "make runs four recipes")
    cpu_before = {s.pid: s.cpu_s for s in recipes(make)}
    seen_burning = {}  # pid: comm

    def a_finding():
        for p in daemon.ctl("proc", "top", "--once"):
            if p["cpu_cores"] > 0.05:
                seen_burning[p["pid"]] = p["comm"]
        # Other processes of this machine may be real findings.
        return [f for f in daemon.findings() if t.ours(f["subject"]["root_pid"])]

    def enough():
        bad = a_finding()
        assert not bad, f"an honest process is a finding: {bad}"
        return daemon.api("status")["ticks"] >= first + VERDICTS

    wait_for(enough, 3 * VERDICTS, f"{VERDICTS} verdicts")
    # The silence means something only if they burned.
    for comm in ("nginx", "sh", "chromium"):
        assert comm in seen_burning.values(), f"{comm} did not burn: {seen_burning}"
    burned = {s.pid: s.cpu_s - cpu_before[s.pid] for s in recipes(make)}
    assert len(burned) == 4 and min(burned.values()) > 0.1, f"recipes of make: {burned}"
    assert set(cpu_before) <= set(seen_burning), f"not shown as burning: {cpu_before, seen_burning}"
    ours = set(by_design.values()) | {job, make, browser.pid, *browser.crashpads()}
    assert not [i for i in daemon.incidents() if i["subject"]["root_pid"] in ours]


@test
def children_of_an_init_from_before_the_sensor(t):
    """What the init of a container forked itself was never anybody's orphan."""
    t.need("unshare")
    lanes = short_lanes(t, age_s=1, for_s=2, cpu_cores_min=0.05)
    inits = [t.spawn(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script,
                      t.helper("spin")], stdin=subprocess.DEVNULL)
             for script in ('"$0" 200 & wait', 'setsid "$0" 200 & wait')]
    spins = [wait_for(lambda p=p: [s.pid for s in procfs.descendants(p.pid) if s.comm == "spin"],
                      5, "it burns")[0] for p in inits]
    daemon = t.daemon({"sample_interval_ms": FAST_MS, "lanes": lanes})
    first = daemon.api("status")["ticks"]

    def enough():
        bad = [f for f in daemon.findings() if t.ours(f["subject"]["root_pid"])]
        assert not bad, f"a container's own process is a finding: {bad}"
        return daemon.api("status")["ticks"] >= first + 8

    wait_for(enough, 30, "eight verdicts")
    for pid in spins:
        assert daemon.show(pid)["cpu_cores"] > 0.05, "it did not burn"


if __name__ == "__main__":
    main()
