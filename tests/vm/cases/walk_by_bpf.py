#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# layout: v2
# guests: 5.10 6.12
# timeout_s: 60
"""
Nowhere to make a file of the walk: it is made by bpf(), which kernels before 5.19 refuse to a daemon
without privileges. Either way doctor says so, and on the older ones the daemon is not ready.
"""

import os

from harness import main, test, wait_for
from scenes import OrphanMaker

REFUSED = tuple(int(n) for n in os.uname().release.split(".")[:2]) < (5, 19)
# No BPF file system of its own without CAP_SYS_ADMIN, and none to be found.
WITHOUT = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/bpf && exec "$@"', "sh",
           "setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"]


@test
def said_and_used_where_it_may_be(t):
    daemon = t.daemon(start=False)
    plain = daemon.command()
    daemon.command = lambda: WITHOUT + plain
    daemon.spawn()
    wait_for(lambda: b"watching" in daemon.log(), 15, "it watches")

    def row():
        check = {c["name"]: c for c in daemon.ctl_doctor()["checks"]}["walk_file"]
        return check if check["ok"] != REFUSED else None

    check = wait_for(row, 10, f"walk_file {'fails' if REFUSED else 'passes'}")
    print(f"  # {check}")
    assert "by bpf()" in check["detail"], check
    assert (check["mend"] or "").count("/sys/fs/bpf") == REFUSED, check
    wait_for(lambda: daemon.http("/readyz").status == (503 if REFUSED else 200), 10, "readiness")
    if not REFUSED:
        orphan = OrphanMaker(t).make()[1]
        wait_for(lambda: daemon.orphan(orphan), 5, "it sees all the same")


if __name__ == "__main__":
    main()
