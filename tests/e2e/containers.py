# SPDX-License-Identifier: GPL-2.0-or-later
"""
Real OCI containers by crun, in cgroups that look like those of the runtimes that people use.

The root file system is the host's /usr, read-only; there is no network. crun refuses hybrid
hosts, so it is given a mount namespace in which the v2 tree is all there is; the cgroups that
it makes there are the host's. A container lives in a cgroup of its test and ends with it.
"""

import json
import os
import secrets
import subprocess
import uuid

import procfs
from harness import CLEAN_ENV, wait_for

POD = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid_}.slice"
# name: (cgroup below the test's own, runtime that the path tells, is there a pod)
SHAPES = {
    "docker, cgroupfs": ("docker/{id}", "docker", False),
    "docker, systemd": ("system.slice/docker-{id}.scope", "docker", False),
    "containerd, systemd": (POD + "/cri-containerd-{id}.scope", "containerd", True),
    "containerd, cgroupfs": ("kubepods/besteffort/pod{uid}/{id}", None, True),
    "cri-o": (POD + "/crio-{id}.scope", "crio", True),
    "podman": ("machine.slice/libpod-{id}.scope/container", "podman", False),
}
NAMESPACES = ("pid", "mount", "ipc", "uts", "network", "cgroup")
CAPABILITIES = ["CAP_KILL"]
_V2_ALONE = 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec crun "$@"'


def crun_argv(t, *args):
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _V2_ALONE, "sh",
            "--root", t.path("crun"), "--cgroup-manager=cgroupfs", *args]


def bind(source, target, *options):
    return {"destination": target, "type": "bind", "source": source,
            "options": ["rbind", *options]}


def base_mounts():
    return [{"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
            bind("/dev/null", "/dev/null"), bind("/usr", "/usr", "ro")]


def make_rootfs(path):
    """Folders to mount on, and the links of a merged /usr."""
    os.makedirs(path)
    for name in ("proc", "dev", "tmp", "usr", "sys", "etc", "etc/runawayd", "run", "run/runawayd",
                 "var", "var/lib", "var/lib/runawayd", "opt", "helpers"):
        os.mkdir(os.path.join(path, name))
    for name in ("bin", "sbin", "lib", "lib64"):
        os.symlink("usr/" + name, os.path.join(path, name))


class Container:
    """Started when made. `pid` is its init's, as the host counts; `config` changes the spec."""

    def __init__(self, t, shape="docker, cgroupfs", init=("/bin/sleep", "600"), config=None):
        t.need("crun", "unshare")
        t.need_cgroup()
        self.t = t
        self.id = secrets.token_hex(32)
        path, self.runtime, pod = SHAPES[shape]
        uid = str(uuid.uuid4())
        self.pod_uid = uid if pod else None
        self.label = f"{t.cgroup.label}/" + path.format(id=self.id, uid=uid,
                                                        uid_=uid.replace("-", "_"))
        self.bundle = t.path("bundle-" + self.id[:12])
        make_rootfs(os.path.join(self.bundle, "rootfs"))
        spec = self.spec(list(init))
        if config:
            config(spec)
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as f:
            json.dump(spec, f)
        pid_file = os.path.join(self.bundle, "pid")
        self.crun("run", "--detach", "--bundle", self.bundle, "--pid-file", pid_file, self.id)
        with open(pid_file, encoding="ascii") as f:
            self.pid = int(f.read())
        comm = os.path.basename(init[0])[:15]
        wait_for(lambda: procfs.stat(self.pid) and procfs.stat(self.pid).comm == comm, 10,
                 "the container's init runs")

    def spec(self, init):
        return {
            "ociVersion": "1.0.0", "hostname": "container",
            "root": {"path": "rootfs", "readonly": True},
            "process": {
                "args": init, "cwd": "/", "user": {"uid": 0, "gid": 0}, "terminal": False,
                "env": [f"{k}={v}" for k, v in CLEAN_ENV.items()], "noNewPrivileges": True,
                "capabilities": {kind: CAPABILITIES
                                 for kind in ("bounding", "effective", "permitted")},
            },
            "mounts": [*base_mounts(),
                       bind(os.path.join(self.t.build, "tests", "helpers"), "/helpers", "ro")],
            "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES],
                      "cgroupsPath": self.label},
        }

    def crun(self, *args):
        # The container's init inherits the file: a pipe would be waited for as long as it runs.
        with open(os.path.join(self.bundle, "log"), "ab") as log:
            r = subprocess.run(crun_argv(self.t, *args), env=CLEAN_ENV, stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log, timeout=30, check=False,
                               preexec_fn=self.t.cgroup.enter)
        assert r.returncode == 0, f"crun {args[0]}: exit {r.returncode}: {self.log()[-600:]}"

    def log(self):
        with open(os.path.join(self.bundle, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def run(self, *argv):
        """Like exec, to its end: (exit status, what it printed)."""
        r = subprocess.run(crun_argv(self.t, "exec", self.id, *argv), env=CLEAN_ENV, timeout=30,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, check=False,
                           preexec_fn=self.t.cgroup.enter)
        return r.returncode, r.stdout.decode("utf-8", "replace")

    def exec(self, *argv, flags=(), **kw):
        """What `docker exec` does: a process from outside that joins the namespaces."""
        return self.t.spawn(crun_argv(self.t, "exec", *flags, self.id, *argv), bufsize=0,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kw)

    def pids(self):
        """Everybody inside, as the host counts."""
        return [s.pid for s in procfs.all_stats() if s.state not in "XZ" and self.has(s.pid)]

    def has(self, pid):
        """The cgroup's own list, zombies included: /proc/PID/cgroup keeps it."""
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as f:
                return any(line.rstrip("\n").endswith(self.label) for line in f)
        except (FileNotFoundError, ProcessLookupError):
            return False

    def host_pid(self, inner):
        """The host's number of a process that calls itself `inner`."""
        for pid in self.pids():
            if procfs.status(pid).get("NSpid", "").split()[-1:] == [str(inner)]:
                return pid
        raise AssertionError(f"no process {inner} in the container")


class InnerOrphans:
    """orphan_maker inside, started from outside as the step of a job is."""

    def __init__(self, container, permille=300):
        self.container = container
        self.proc = container.exec("/helpers/orphan_maker", str(permille))

    def make(self):
        """(the origin's number inside, the orphan's inside, the orphan's on the host)"""
        self.proc.stdin.write(b"\n")
        origin, orphan, _ = (int(x) for x in self.proc.stdout.readline().split())
        return origin, orphan, self.container.host_pid(orphan)
