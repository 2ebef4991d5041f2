# SPDX-License-Identifier: GPL-2.0-or-later
"""A cgroup's CPU as the daemon counts it, beside what the kernel's cpu.stat says."""

import subprocess

from harness import SLOWNESS, wait_for

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


def ask_again(daemon, measure):
    """
    measure(n) gives by how much too little (below 0) or too much CPU was seen, 0 when that is
    within what is allowed. Less may be seen only where releases were told to nobody, and then
    not three times.
    """
    for n in range(TRIES):
        before = releases_untold(daemon)
        gap = measure(n)
        if not gap:
            return
        hidden = releases_untold(daemon) - before
        print(f"  # {hidden:.0f} releases were told to nobody")
        assert hidden > 0 > gap, f"{gap:+.5f}"
    raise AssertionError(f"less CPU seen than there was, {TRIES} times: {gap:+.5f}")


def agree(daemon, burn, tolerance_s, settle_ticks=2):
    """
    burn(n) burns CPU in a cgroup of its own and returns that. What the daemon says of it has to
    be what cpu.stat says, within tolerance_s(cpu.stat); see ask_again().
    """
    def measure(n):
        cgroup = burn(n)
        true = cgroup.cpu_usec() / 1e6
        daemon.wait_ticks(settle_ticks)
        try:
            wait_for(lambda: abs(seen_seconds(daemon, cgroup) - true) <= tolerance_s(true),
                     LATE_S, "it agrees")
            agreed = True
        except AssertionError:
            agreed = False
        gap = seen_seconds(daemon, cgroup) - true
        print(f"  # cpu.stat {true:.3f} s, seen {gap:+.4f} s")
        return 0 if agreed else gap

    ask_again(daemon, measure)


def burn_in(t, cgroup, forks, spin_s, spin_permille):
    """Short processes, and one that burns across many scans, in this cgroup, which is returned."""
    for argv in ([t.helper("forkstorm"), str(forks), "100", "300"],
                 ["timeout", str(spin_s), t.helper("spin"), str(spin_permille)]):
        t.spawn(argv, cgroup=cgroup, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL).wait(60 * SLOWNESS)
    return cgroup
