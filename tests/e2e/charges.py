# SPDX-License-Identifier: GPL-2.0-or-later
"""A cgroup's CPU as the daemon counts it, beside what the kernel's cpu.stat says."""

from harness import wait_for

TRIES = 3
LATE_S = 15  # a kernel under load tells a release that much later


def seen_seconds(daemon, cgroup):
    return daemon.metrics().get("runaway_cgroup_cpu_seconds_total", cgroup=cgroup.label) or 0.0


def releases_untold(daemon):
    """
    Ends whose release the kernel has told no program: not yet, or not at all. On one host with
    6.18 no program runs while a thread of its hidden pid 1 is current, and RCU tells releases
    in whoever's context it comes by.
    """
    m = daemon.metrics()
    counts = ("runaway_events_received_total", "runaway_events_lost_total")
    ended, released = (sum(m.sum(name, event=event) for name in counts)
                       for event in ("exit", "free"))
    return ended - released


def agree(daemon, burn, tolerance_s, settle_ticks=2):
    """
    burn(n) burns CPU in a cgroup of its own and returns that. What the daemon says of it has to
    be what cpu.stat says, within tolerance_s(cpu.stat); less may be seen only where releases
    were told to nobody, and then not three times.
    """
    for n in range(TRIES):
        before = releases_untold(daemon)
        cgroup = burn(n)
        true = cgroup.cpu_usec() / 1e6
        daemon.wait_ticks(settle_ticks)
        try:
            wait_for(lambda c=cgroup, s=true: abs(seen_seconds(daemon, c) - s) <= tolerance_s(s),
                     LATE_S, "it agrees")
        except AssertionError:
            gap, hidden = seen_seconds(daemon, cgroup) - true, releases_untold(daemon) - before
            print(f"  # cpu.stat {true:.3f} s, seen {gap:+.3f} s, {hidden:.0f} releases untold")
            assert hidden > 0 > gap, f"{gap:+.3f} s of {true:.3f} s"
            continue
        print(f"  # cpu.stat {true:.3f} s, seen {seen_seconds(daemon, cgroup) - true:+.4f} s")
        return
    raise AssertionError(f"less CPU seen than there was, {TRIES} times")
