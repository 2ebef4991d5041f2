#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The scan of a guest's kernel log: what it must find, and what it must not."""

import splats

BAD = {
    "oops": "[   12.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "warn": "[   12.1] WARNING: CPU: 1 PID: 9 at kernel/bpf/verifier.c:99 do_check+0x1/0x2",
    "panic": "[   12.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
    "gpf": "[   12.1] general protection fault, probably for non-canonical address: 0000 [#1]",
    "rcu": "[   41.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "rcu old": "[   41.0] rcu: INFO: rcu_sched self-detected stall on CPU",
    "soft lockup": "[   60.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [runawayd:99]",
    "hung": "[  240.0] INFO: task runawayd:99 blocked for more than 120 seconds.",
    "lockdep": "[    9.0] WARNING: possible circular locking dependency detected",
    "kasan": "[    9.0] BUG: KASAN: slab-out-of-bounds in x",
    "list": "[    9.0] list_del corruption. prev->next should be ffff8",
    "refcount": "[    9.0] refcount_t: underflow; use-after-free.",
    "atomic": "[    9.0] BUG: scheduling while atomic: runawayd/99/0x00000002",
    "oom": "[    9.0] Out of memory: Killed process 99 (runawayd)",
    "arm": "[    9.0] Unable to handle kernel paging request at virtual address 0",
    "trace": "[    9.0] Call Trace:",
}
GOOD = (
    "[    0.0] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org)",
    "[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
    "[    0.1] BPF: 1234 bugs were debugged here",
    "[    3.0] rcu: Hierarchical RCU implementation.",
    "[    4.0] NMI watchdog: Perf NMI watchdog permanently disabled",
    "[    5.0] debug: runawayd warning: nothing",
)


def main():
    failed = 0
    tests = {f"finds {name}": len(splats.find("one\n" + line + "\ntwo")) == 1
             for name, line in BAD.items()}
    tests["leaves honest lines alone"] = splats.find("\n".join(GOOD)) == []
    tests["an empty log has none"] = splats.find("") == []
    both = "\n".join([BAD["warn"], *["  x"] * 40, BAD["panic"]])
    tests["counts two that are apart as two"] = len(splats.find(both)) == 2
    one = "\n".join([BAD["warn"], BAD["trace"], "  x"])
    tests["counts a warning and its trace as one"] = len(splats.find(one)) == 1
    tests["shows what follows"] = "after" in splats.find(BAD["oops"] + "\nafter")[0]
    print(f"1..{len(tests)}")
    for name, ok in tests.items():
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {name}{'' if ok else ' - it does not'}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
