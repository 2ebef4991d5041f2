# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds in a kernel's log what must never be there: crashes, warnings, lock-ups, stalls."""

import re

SPLATS = re.compile(
    r"BUG:|WARNING: |Oops[: ]|Kernel panic|kernel BUG at|Call Trace:"
    r"|general protection fault|unable to handle|Unable to handle|double fault|invalid opcode:"
    r"|rcu: INFO: .*stall|INFO: rcu_.*stall|soft lockup|hard LOCKUP"
    r"|INFO: task .* blocked for more than|hung_task:"
    r"|KASAN:|KCSAN:|KFENCE:|UBSAN:|KMSAN:"
    r"|possible (circular|recursive) locking|suspicious RCU usage|scheduling while atomic"
    r"|sleeping function called from|bad unlock balance|inconsistent lock state"
    r"|list_(add|del) corruption|refcount_t: |Bad page|bad page state|Bad rss-counter"
    r"|stack-protector: |Out of memory: |invoked oom-killer|double free or corruption"
    r"|unregister_netdevice: waiting|rqspinlock.*(deadlock|timeout)",
)
# A line that only looks like one.
HONEST = re.compile(
    r"Unprivileged eBPF is enabled|Spectre|RETBleed|MMIO Stale Data|Register File Data Sampling"
    r"|WARNING: No known security|WARNING: .*will be removed",
)


def find(log):
    """Lines of the log that are splats, each with the lines that follow it."""
    lines = log.splitlines()
    found = []
    skip_to = 0
    for i, line in enumerate(lines):
        if i >= skip_to and SPLATS.search(line) and not HONEST.search(line):
            found.append("\n".join(lines[i:i + 25]))
            skip_to = i + 25
    return found
