# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine: what it is, how quiet it is, and what of it is changed and put back."""

import contextlib
import gzip
import os
import platform
import re
import subprocess
import time

STEAL_MAX = 0.02
FOREIGN_CORES_MAX = 0.1
STATS_SYSCTL = "/proc/sys/kernel/bpf_stats_enabled"
PID_MAX_SYSCTL = "/proc/sys/kernel/pid_max"

LOAD_CPU = 0
AGENT_CPU = 1 if (os.cpu_count() or 1) > 1 else 0


def read(path, default=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return default


def kernel_config():
    for path in ("/proc/config.gz", f"/boot/config-{platform.release()}"):
        try:
            opener = gzip.open if path.endswith(".gz") else open
            with opener(path, "rt", encoding="utf-8") as f:
                return f.read()
        except OSError:
            continue
    return ""


def preempt_mode():
    """The mode in force: the scheduler's own word, else the build's and the command line's."""
    live = re.search(r"\((\w+)\)", read("/sys/kernel/debug/sched/preempt"))
    if live:
        return live.group(1)
    given = re.search(r"\bpreempt=(\w+)", read("/proc/cmdline"))
    if given and "PREEMPT_DYNAMIC" in platform.version():
        return given.group(1)
    config = kernel_config()
    for mode in ("NONE", "VOLUNTARY", "LAZY", "RT"):
        if f"CONFIG_PREEMPT_{mode}=y" in config:
            return mode.lower()
    return "full" if "CONFIG_PREEMPT=y" in config else "unknown"


def mitigations():
    given = re.search(r"\bmitigations=(\S+)", read("/proc/cmdline"))
    folder = "/sys/devices/system/cpu/vulnerabilities"
    states = [read(os.path.join(folder, name)) for name in os.listdir(folder)]
    active = sum(s.startswith("Mitigation") for s in states)
    return f"{given.group(1) if given else 'default'} ({active} active)"


def cpu_model():
    m = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    return m.group(1).strip() if m else platform.machine()


def describe():
    """[(what, value)] for the machine's table."""
    hz = re.search(r"^CONFIG_HZ=(\d+)", kernel_config(), re.M)
    pretty = re.search(r'PRETTY_NAME="(.*)"', read("/etc/os-release"))
    memory_kib = int(re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo")).group(1))
    virtual = " (virtual machine)" if "hypervisor" in read("/proc/cpuinfo") else ""
    return [
        ("kernel", platform.release()),
        ("HZ", hz.group(1) if hz else "unknown"),
        ("preemption", f"{preempt_mode()} (`uname -v`: {platform.version()})"),
        ("mitigations", mitigations()),
        ("CPUs", f"{os.cpu_count()}, {cpu_model()}{virtual}"),
        ("memory", f"{memory_kib / 1048576:.0f} GiB"),
        ("system", pretty.group(1) if pretty else "unknown"),
    ]


def cpu_times():
    """(stolen, all, idle) in ticks since boot, over all CPUs."""
    t = [int(x) for x in read("/proc/stat").split("\n", 1)[0].split()[1:9]]
    return t[7], sum(t), t[3] + t[4]


def steal_share(before, after):
    total = after[1] - before[1]
    return (after[0] - before[0]) / total if total else 0.0


def tasks():
    """Threads on this host, kernel's own ones too."""
    return int(read("/proc/loadavg").split()[3].split("/")[1])


def foreign_cores(seconds):
    """Cores that others keep busy, while we do nothing."""
    before = cpu_times()
    time.sleep(seconds)
    after = cpu_times()
    busy = 1 - (after[2] - before[2]) / (after[1] - before[1])
    return busy * os.cpu_count()


@contextlib.contextmanager
def _sysctl(path, value):
    """Has the value inside, and what it was before afterwards."""
    old = read(path).strip()
    _write(path, str(value))
    try:
        yield
    finally:
        _write(path, old)


def bpf_stats():
    """Run times of BPF programs are measured inside; costs about 20 ns a run."""
    return _sysctl(STATS_SYSCTL, 1)


def room_for(count):
    """Room for so many more processes; never less than there was."""
    return _sysctl(PID_MAX_SYSCTL, max(int(read(PID_MAX_SYSCTL)), 2 * count))


def _write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def git_commit(root):
    def git(*args):
        r = subprocess.run(["git", "-C", root, *args], capture_output=True, text=True, check=False)
        return r.stdout.strip() if r.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--", "bpf", "user", "include")
    return commit + (" with local changes" if changed else "")
