#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# make soak only
# timeout_s: 3600
"""Attacks on the gate with their full counts; tests/e2e/test_gate_attacks.py has some of each."""

from soak import experiment, main  # first: it knows where the harness is

import gateattacks  # pylint: disable=wrong-import-order
import gateproc  # pylint: disable=wrong-import-order


@experiment("G4b", "a plan that two clients ask to apply at once", check=None, full=1000)
def two_clients(t, row):
    for what in gateattacks.submitted_at_once(t, row.count):
        row.bad(what)
    row.tried = row.count


@experiment("G11", "protected targets: init, a kernel thread, daemon, authoriser, actuator, an ancestor, a shim, one "
            "on the list", check=None, full=200)
def protected_targets(t, row):
    row.tried = gateattacks.protected(t, row.count)


@experiment("G11b", "targets that do not simply end: dead and not waited for, traced, asleep in the kernel, "
            "root of another user namespace: refused, or told as it was and signalled once",
            check=None, full=200)
def unusual_targets(t, row):
    gate = gateproc.Gate(t).start()
    for attack in (gateattacks.dead, gateattacks.traced, gateattacks.uninterruptible,
                   gateattacks.namespaces_root):
        attack(t, gate, row.count)
        row.tried += row.count


@experiment("G12", "targets that end at SIGTERM, ignore it, block it, stay with a handler, end late, "
            "leave a child, or have ended just before: what the post-check says", check=None, full=1000)
def post_checks(t, row):
    for kind, why in gateattacks.endings(t, row.count):
        row.bad(f"{kind}: {why}")
    row.tried = row.count


@experiment("G13", "connections of a viewer, used by root after the viewer's end, with an owner's words",
            check=None, full=1000)
def connections_passed_on(t, row):
    row.tried = gateattacks.passed_on(t, row.count)


if __name__ == "__main__":
    main()
