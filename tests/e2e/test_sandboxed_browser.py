#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Chromium with its sandbox, as people run it who are not root: namespaces within namespaces."""

import os

import procfs
from harness import main, test, wait_for
from scenes import BROWSER_LANE, Browser, short_lanes

NOBODY = 65534


def inner_pids(pid):
    """Its numbers, the host's first; [] when it has ended."""
    try:
        return [int(n) for n in procfs.status(pid)["NSpid"].split()]
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return []


def without_a_user_namespace():
    """Why this host cannot run the sandbox; None when it can."""
    for name, off in (("/proc/sys/kernel/unprivileged_userns_clone", 0),
                      ("/proc/sys/user/max_user_namespaces", 0),
                      ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1)):
        if os.path.exists(name):
            with open(name, encoding="ascii") as f:
                if int(f.read()) == off:
                    return f"{name} is {off}"
    return None


def below(node):
    yield node
    for child in node["children"]:
        yield from below(child)


def whole_tree(daemon, browser):
    """
    Everybody who lives below the browser's root by /proc is there and alive, by the host's numbers,
    and nobody else. Who has ended stays in the daemon's tree until the kernel lets go of it.
    """
    doc = daemon.ctl("proc", "tree", str(browser.pid))
    seen = {child["pid"] for node in doc["children"] for child in below(node)
            if child["state"] == "alive"}
    return seen == {s.pid for s in procfs.descendants(browser.pid)} and seen


def burns_most(daemon, pids):
    """The busiest of them, if it is a renderer in a namespace of its own."""
    cores = {pid: p["cpu_cores"] for pid in pids if (p := daemon.show(pid))}
    busiest = max(cores, key=cores.get)
    is_renderer = any("--type=renderer" in arg for arg in procfs.args(busiest))
    return is_renderer and inner_pids(busiest)[-1:] == [1] and busiest


@test
def each_renderer_is_an_init_of_its_own(t):
    why = without_a_user_namespace()
    assert not why, f"no namespace for the sandbox: {why}"
    daemon = t.daemon({"lanes": short_lanes(t, cpu_cores_min=0.1)})
    browser = Browser(t, uid=NOBODY)
    renderer = browser.renderer()
    assert not any("--no-sandbox" in arg for arg in procfs.args(browser.pid))
    inner = inner_pids(renderer.pid)
    assert len(inner) >= 3 and inner[-1] == 1, f"no sandbox: {inner}"
    assert os.stat(f"/proc/{renderer.pid}").st_uid == NOBODY

    tree = wait_for(lambda: whole_tree(daemon, browser), 10, "the tree is whole")
    print(f"  # {len(tree)} processes below the root, renderer {renderer.pid} is {inner}")
    assert renderer.pid in tree and len(tree) >= 5

    browser.kill_smoke()
    orphan = wait_for(lambda: (o := daemon.orphan(browser.pid)) and o["origin"]["known"] and o, 5,
                      "the browser is an orphan")
    assert orphan["uid"] == NOBODY and orphan["origin"]["comm"] == "smoke.sh", orphan
    # Inits of namespaces hang where they were: one tree, burned in by its leaf.
    assert not [o for o in daemon.api("orphans") if o["pid"] in tree], "a part of it fell off"
    finding = wait_for(lambda: daemon.findings(browser.pid, BROWSER_LANE), 30, "a finding")[0]
    assert finding["processes"] >= len(tree), finding
    burner = wait_for(lambda: burns_most(daemon, {browser.pid, *tree}), 10,
                      "the renderer is the one that burns")
    seen, true = daemon.show(burner)["cpu_seconds"], procfs.stat(burner).cpu_s
    assert abs(seen - true) <= 0.1 * true + 2, (seen, true)
    browser.end()
    wait_for(lambda: [i["resolution_path"] for i in daemon.incidents(browser.pid)]
             == ["self_cleared"], 20, "the incident is over with the browser")


if __name__ == "__main__":
    main()
