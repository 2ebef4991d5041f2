#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
"""
What the gate's processes give up, asked of this kernel: every system call behind their filters,
and Landlock's signal scope, which has to be in force where the kernel has it.
"""

import os
import sys

PROGRAM = os.path.join(os.environ["RUNAWAY_BUILD"], "tests/unit/gate/test_confine")

sys.stdout.flush()
os.execve(PROGRAM, [PROGRAM], {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"})
