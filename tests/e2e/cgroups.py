# SPDX-License-Identifier: GPL-2.0-or-later
"""A cgroup of the v2 tree for each test: what a test started is what is in there, nothing else."""

import errno
import os
import signal
import time


def v2_root():
    """Where the v2 tree is mounted (also beside v1 controllers), or None."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            left, right = line.split(" - ", 1)
            if right.split()[0] == "cgroup2":
                path = left.split()[4]
                return path if os.access(path, os.W_OK) else None
    return None


class Cgroup:
    def __init__(self, parent, name):
        self.dir = os.path.join(parent, name)
        os.mkdir(self.dir)

    @property
    def label(self):
        """The path as the daemon names it: from the root of the v2 tree."""
        return self.dir[len(v2_root()):]

    def child(self, name):
        return Cgroup(self.dir, name)

    def enter(self):
        """For a forked child before its exec."""
        with open(os.path.join(self.dir, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write("0")

    def folders(self):
        """This one and all below, deepest first. Names may be any bytes."""
        for path, _, _ in os.walk(os.fsencode(self.dir), topdown=False):
            yield path

    def pids(self):
        found = []
        for path in self.folders():
            try:
                with open(os.path.join(path, b"cgroup.procs"), encoding="ascii") as f:
                    found += [int(line) for line in f]
            except FileNotFoundError:
                pass
            except OSError as err:  # a threaded one: its domain lists the processes
                if err.errno != errno.EOPNOTSUPP:
                    raise
        return found

    def cpu_usec(self):
        with open(os.path.join(self.dir, "cpu.stat"), encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("usage_usec"))

    def _kill(self):
        try:
            # Not to be created: cgroupfs refuses that with another error than "not there".
            fd = os.open(os.path.join(self.dir, "cgroup.kill"), os.O_WRONLY)
            os.write(fd, b"1")
            os.close(fd)
            return
        except FileNotFoundError:  # before Linux 5.14
            pass
        for pid in self.pids():
            kill_if(pid, signal.SIGKILL, lambda p: p in self.pids())

    def remove(self, deadline_s=10):
        """Ends what is in there and removes it. False if something stayed."""
        end = time.monotonic() + deadline_s
        while self.pids():
            self._kill()  # once in any case: to look at thousands may take all of the time
            _reap()
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        for path in self.folders():
            while True:
                try:
                    os.rmdir(path)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > end:
                        return False
                    time.sleep(0.02)
        return True


def kill_if(pid, signum, still_ours):
    """Signals pid only if it still is the process that was meant: opened first, looked at after."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not still_ours(pid):
            return False
        signal.pidfd_send_signal(fd, signum)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


def _reap():
    """Children that nobody waits for any more must not hold the cgroup as zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
