#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v1
# guests: 5.10
# timeout_s: 200
"""The attack of gate_guard.py where no cgroup of version 2 is mounted."""

import sys

import gate_guard

sys.exit(gate_guard.attack("pid", 1000, "--no-control"))
