# SPDX-License-Identifier: GPL-2.0-or-later
"""Experiments whose load runs in a virtual machine (tests/vm/matrix.py)."""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KERNEL = re.compile(r"^# Linux (\S+) (\S+),", re.M)


def boot(t, guest, *words, **env):
    """(status, all that it said) of `tests/vm/run GUEST BUILD WORDS` with more of an environment."""
    done = subprocess.run([ROOT / "tests/vm/run", guest, t.build, *words],
                          env={**os.environ, **env}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def kernel(said):
    """As a row names it."""
    found = KERNEL.search(said)
    return " ".join(found.groups()) if found else "no kernel came up"


def name(experiment, guest):
    """For a function: the harness picks tests by their names."""
    return experiment + "_" + re.sub(r"\W", "_", guest)
