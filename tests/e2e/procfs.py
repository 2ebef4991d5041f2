# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc says, as a second opinion on what the daemon says."""

import os

TICK = os.sysconf("SC_CLK_TCK")


class Stat:
    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", "rb") as f:
            data = f.read().decode("utf-8", "replace")
        head, rest = data.rsplit(")", 1)
        fields = rest.split()
        self.pid = int(pid)
        self.comm = head.split("(", 1)[1]
        self.state = fields[0]
        self.ppid, self.pgid, self.sid = (int(x) for x in fields[1:4])
        self.cpu_s = (int(fields[11]) + int(fields[12])) / TICK
        self.start = int(fields[19])


def stat(pid):
    """None when the process is gone."""
    try:
        return Stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid):
    s = stat(pid)
    return s is not None and s.state not in "ZX"


def all_stats():
    found = (stat(name) for name in os.listdir("/proc") if name.isdigit())
    return [s for s in found if s]


def all_tasks():
    """Numbers of all threads."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found += [int(tid) for tid in os.listdir(f"/proc/{name}/task")]
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def descendants(pid):
    """Living descendants of pid, itself excluded."""
    stats = [s for s in all_stats() if s.state not in "ZX"]
    ids, grew = {pid}, True
    while grew:
        new = {s.pid for s in stats if s.ppid in ids} - ids
        ids |= new
        grew = bool(new)
    return [s for s in stats if s.pid in ids and s.pid != pid]


def args(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return [a.decode("utf-8", "replace") for a in f.read().split(b"\0") if a]
    except (FileNotFoundError, ProcessLookupError):
        return []


def exe(pid):
    """Empty when the process is gone, or is a kernel thread."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def status(pid, task=None):
    path = f"/proc/{pid}/status" if task is None else f"/proc/{pid}/task/{task}/status"
    with open(path, encoding="utf-8", errors="replace") as f:
        return {k: v.strip() for k, v in (line.split(":", 1) for line in f if ":" in line)}


def host_forks():
    with open("/proc/stat", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("processes "))


def rss_bytes(pid):
    return int(status(pid)["VmRSS"].split()[0]) * 1024
