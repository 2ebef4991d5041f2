# SPDX-License-Identifier: GPL-2.0-or-later
"""
The frame of the storms. An experiment is a test of the end-to-end harness that counts what it
tried and what came out wrong; its count is small in `make check` and the published one in
`make soak` (RUNAWAY_SOAK=full). Each prints one row, as JSON behind "# row ", whatever happens:
tried, wrong, seed, kernel, time. RUNAWAY_SOAK_SEED repeats a run; RUNAWAY_SOAK_COUNT is another count than the published one;
after RUNAWAY_SOAK_LIMIT_S no cycle begins in those that take their cycles from row.cycles().

    @experiment("L2", "exit_group race", check=1000, full=20000)
    def exit_group_race(t, row):
        row.tried = row.count ...
        row.wrong = len(missing)
"""

import functools
import json
import os
import random
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

import harness  # noqa: E402  pylint: disable=wrong-import-position

FULL = os.environ.get("RUNAWAY_SOAK") in ("full", "long")
LONG = os.environ.get("RUNAWAY_SOAK") == "long"  # a day of it
LIMIT_S = float(os.environ.get("RUNAWAY_SOAK_LIMIT_S") or "inf")
SEED = int(os.environ.get("RUNAWAY_SOAK_SEED") or random.SystemRandom().randrange(1 << 31))
# What a kernel says when something of ours (or of it) went wrong: CI of the kernel looks for the same.
SPLAT = re.compile(r"BUG:|WARNING:|Oops|KASAN|KFENCE|INFO: task .* blocked|rcu.*stall|"
                   r"soft lockup|hard LOCKUP|possible (recursive|circular) locking|"
                   r"Unable to handle|general protection fault|UBSAN")


class Row:
    """One line of the table."""

    def __init__(self, name, what, count):
        self.name, self.what, self.count = name, what, count
        self.tried = self.wrong = 0
        self.notes = []
        self.kernel = f"{os.uname().release} {os.uname().machine}"  # or that of a guest
        self.rng = random.Random(f"{SEED}/{name}")

    def cycles(self):
        """As many as were asked for, or as begin before the time is up."""
        until = time.monotonic() + LIMIT_S
        for n in range(self.count):
            if time.monotonic() > until:
                self.note(f"{n} of {self.count} before the time was up")
                return
            yield n

    def note(self, text):
        """What else is worth a place in the table."""
        self.notes.append(text)

    def bad(self, what, many=1):
        """Counts what came out wrong, and says what."""
        if many:
            self.wrong += many
            print(f"  # wrong: {what}"[:600], flush=True)

    def say(self, started, splats):
        doc = {"id": self.name, "what": self.what, "tried": self.tried, "wrong": self.wrong,
               "seed": SEED, "kernel": self.kernel,
               "seconds": round(time.monotonic() - started, 1), "notes": self.notes,
               "splats": len(splats), "full": FULL}
        print("# row " + json.dumps(doc), flush=True)


class KernelLog:
    """What the kernel said since this was made. `fd` is -1 where its log cannot be read."""

    def __init__(self):
        try:
            self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self.fd, 0, os.SEEK_END)
        except OSError:
            self.fd = -1

    def splats(self):
        found = []
        while self.fd >= 0:
            try:
                line = os.read(self.fd, 8192).decode("utf-8", "replace")
            except BrokenPipeError:  # lines were overwritten before they were read
                continue
            except OSError:
                break
            if SPLAT.search(line):
                found.append(line.strip())
        return found

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)


def experiment(name, what, check, full):
    """`check`: the count in `make check`, None leaves it to `make soak`."""
    count = int(os.environ.get("RUNAWAY_SOAK_COUNT") or full) if FULL else check

    def register(fn):
        @functools.wraps(fn)
        def run(t):
            row, started, log, said = Row(name, what, count), time.monotonic(), KernelLog(), []
            if log.fd < 0:
                row.note("the kernel's log could not be read: nobody looked for its complaints")
            try:
                fn(t, row)
                said = log.splats()
            except Exception as err:
                row.bad("it broke off")
                row.note(f"broke off: {err}"[:200].replace("\n", " "))
                raise
            finally:
                row.say(started, said)
                log.close()
            assert row.tried > 0, "nothing was tried"
            assert row.wrong == 0, f"{row.wrong} of {row.tried} wrong"
            assert not said, f"the kernel complains: {said[:3]}"

        return harness.test(run) if count is not None else fn

    return register


def of_make_check(row, argv, env, pattern):
    """
    Runs a program of `make check` that takes its count from the environment. The match of the
    line in which it says what it tried; without one, or when it fails, the row is wrong.
    """
    r = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    print(r.stdout)
    found = re.search(pattern, r.stdout, re.M)
    if r.returncode or not found:
        row.bad(r.stdout[-300:] + r.stderr[-500:])
    return found


main = harness.main
