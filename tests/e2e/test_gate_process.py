#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The real runaway-gate on real orphans: what it does, and what it cannot be brought to do."""

import json
import os
import signal

from gateproc import Gate, alive, canonical, orphan
from harness import main, test, wait_for


def capabilities(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        status = dict(line.rstrip("\n").split(":", 1) for line in f)
    return status


@test
def one_sigterm_for_one_approval(t):
    gate = Gate(t).start()
    pid = orphan(t)
    plan, approval = gate.documents(pid)
    checked = gate.check(plan, approval)
    assert checked["allowed"], checked
    assert alive(pid), "a check sends nothing"
    done = gate.apply(plan, approval)
    assert done["allowed"] and done["targets"][0]["outcome"] == "signalled", done
    wait_for(lambda: not alive(pid), 5, "the target ends")
    again = gate.apply(plan, approval)
    assert not again["allowed"] and again["reason"] == "approval_used", again
    records = gate.audit()
    assert [r["type"] for r in records] == ["self_test", "start", "intent", "result", "refused"]
    assert records[3]["outcome"] == "signalled" and records[3]["intent"] == records[2]["seq"]
    assert gate.stop() == 0


if __name__ == "__main__":
    main()
