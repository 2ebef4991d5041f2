# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: runawayd, and the programs it is compared with."""

import http.client
import json
import os
import re
import socket
import subprocess
import time

import host

CLEAN_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
START_DEADLINE_S = 30
PROCESS_EXPORTER = "prometheus-process-exporter"
NODE_EXPORTER = "prometheus-node-exporter"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def schedstat_ns(pid):
    """CPU of all living threads of a process, by the scheduler's ledger."""
    total = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        text = host.read(f"/proc/{pid}/task/{tid}/schedstat")
        total += int(text.split()[0]) if text else 0
    return total


def memory_kib(pid, key="VmRSS"):
    m = re.search(rf"^{key}:\s+(\d+) kB", host.read(f"/proc/{pid}/status"), re.M)
    return int(m.group(1)) if m else 0


class Web:
    """One kept connection, as a Prometheus server has."""

    def __init__(self, port):
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path="/metrics"):
        """(seconds, body)"""
        started = time.monotonic()
        self.conn.request("GET", path)
        r = self.conn.getresponse()
        body = r.read()
        took = time.monotonic() - started
        if r.status != 200:
            raise RuntimeError(f"{path}: HTTP {r.status}")
        return took, body

    def close(self):
        self.conn.close()


class Agent:
    """A program on the agents' CPU. `with` starts it, waits until it works, and ends it."""

    name = ""
    port = None

    def __init__(self, bench):
        self.bench = bench
        self.procs = []

    def commands(self):
        raise NotImplementedError

    def ready(self):
        return True

    @staticmethod
    def missing(*programs):
        """Those that are not installed."""
        paths = CLEAN_ENV["PATH"].split(":")
        return [p for p in programs if not any(os.access(f"{d}/{p}", os.X_OK) for d in paths)]

    def __enter__(self):
        try:
            for argv in self.commands():
                self.procs.append(self.bench.spawn(argv, host.AGENT_CPU, env=CLEAN_ENV,
                                                   stdin=subprocess.DEVNULL,
                                                   stdout=subprocess.DEVNULL,
                                                   stderr=self.bench.log))
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_ready(self):
        end = time.monotonic() + START_DEADLINE_S
        while not self.ready():
            for p in self.procs:
                if p.poll() is not None:
                    raise RuntimeError(f"{self.name} ended with {p.returncode} at its start; "
                                       + self.bench.log_tail())
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} does not start")
            time.sleep(0.01)

    def __exit__(self, *_):
        for p in self.procs:
            self.bench.end(p)
        self.procs = []

    @property
    def pid(self):
        return self.procs[0].pid

    def cpu_ns(self):
        return sum(schedstat_ns(p.pid) for p in self.procs)


class Nothing(Agent):
    name = "none"

    def commands(self):
        return []


class WebAgent(Agent):
    def web(self):
        return Web(self.port)

    def answers(self, path):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            conn.request("HEAD" if path == "/" else "GET", path)
            r = conn.getresponse()
            r.read()
            return r.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            conn.close()


class Runawayd(WebAgent):
    """With its defaults: one scan a second. Folders and port are its own."""

    name = "runawayd"
    count = 0

    def __init__(self, bench):
        super().__init__(bench)
        Runawayd.count += 1
        self.dir = os.path.join(bench.tmp, f"daemon{Runawayd.count}")

    def commands(self):
        os.mkdir(self.dir, 0o755)
        config = os.path.join(self.dir, "runawayd.json")
        with open(config, "w", encoding="ascii") as f:
            f.write("{}\n")
        self.port = free_port()
        return [[self.bench.runawayd, "--config", config,
                 "--state-dir", os.path.join(self.dir, "state"),
                 "--runtime-dir", os.path.join(self.dir, "run"), "--log-level", "warning",
                 "--web.listen-address", f"127.0.0.1:{self.port}"]]

    def ready(self):
        return self.answers("/readyz")

    def status(self):
        return json.loads(self.web().get("/api/v1/status")[1])

    def control(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(10)
        s.connect(os.path.join(self.dir, "run", "control.sock"))
        return s

    def scan_figures(self):
        """(seconds spent in scans, scans) since the start, from the histogram."""
        text = self.web().get()[1].decode("utf-8", "replace")

        def one(suffix):
            return float(re.search(rf"^runaway_scan_duration_seconds_{suffix} (\S+)", text,
                                   re.M).group(1))

        return one("sum"), one("count")

    def _fdinfo(self):
        folder = f"/proc/{self.pid}/fdinfo"
        for fd in os.listdir(folder):
            yield dict(line.split(":\t", 1) for line in host.read(f"{folder}/{fd}").splitlines()
                       if ":\t" in line)

    def programs(self):
        """{program id: (run time in ns, runs)} of its own BPF programs and no others."""
        found = {}
        for info in self._fdinfo():
            if "prog_id" in info and "run_cnt" in info:
                found[int(info["prog_id"])] = (int(info["run_time_ns"]), int(info["run_cnt"]))
        return found

    def map_bytes(self):
        """Kernel memory of its maps."""
        maps = {i["map_id"]: int(i["memlock"]) for i in self._fdinfo()
                if "map_id" in i and "memlock" in i}
        return sum(maps.values())


class ProcessExporter(WebAgent):
    """Every process by its comm; threads, smaps and children as its defaults have them."""

    name = "process-exporter"

    def commands(self):
        config = os.path.join(self.bench.tmp, "process-exporter.yml")
        with open(config, "w", encoding="ascii") as f:
            f.write('process_names:\n - name: "{{.Comm}}"\n   cmdline: ["."]\n')
        self.port = free_port()
        return [[PROCESS_EXPORTER, "-config.path", config,
                 "-web.listen-address", f"127.0.0.1:{self.port}"]]

    def ready(self):
        return self.answers("/")


class NodeExporter(WebAgent):
    """Nothing but its process collector."""

    name = "node_exporter"

    def commands(self):
        self.port = free_port()
        return [[NODE_EXPORTER, "--collector.disable-defaults", "--collector.processes",
                 "--web.disable-exporter-metrics", "--log.level=error",
                 "--web.listen-address", f"127.0.0.1:{self.port}"]]

    def ready(self):
        return self.answers("/")


class Snoops(Agent):
    """execsnoop and exitsnoop of libbpf-tools, output thrown away."""

    name = "execsnoop + exitsnoop"

    # They need tracefs: it is mounted for them alone where the host has none.
    WRAP = "cd /sys/kernel/tracing && { [ -e events ] || mount -t tracefs tracefs $PWD; }; exec "

    def commands(self):
        return [["unshare", "--mount", "sh", "-c", self.WRAP + p]
                for p in ("execsnoop", "exitsnoop")]

    def ready(self):
        """They do not say when they are attached; the last thing they open is what they poll."""
        return all(self._polls(p.pid) for p in self.procs)

    @staticmethod
    def _polls(pid):
        try:
            return any("eventpoll" in os.readlink(f"/proc/{pid}/fd/{fd}")
                       for fd in os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return False


def comparison(bench, *kinds):
    """Those of them that are installed; the others are named in the notes."""
    need = {ProcessExporter: [PROCESS_EXPORTER], NodeExporter: [NODE_EXPORTER],
            Snoops: ["execsnoop", "exitsnoop"]}
    there, absent = [], []
    for kind in kinds:
        lacking = Agent.missing(*need.get(kind, []))
        if lacking:
            absent.append(f"{kind.name}: not installed ({', '.join(lacking)})")
        else:
            there.append(kind)
    for line in absent:
        bench.say(line)
    return there, absent
