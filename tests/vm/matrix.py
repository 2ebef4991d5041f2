# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which guests are booted and what runs in each. This list is the support statement: a
kernel that is not here is not supported.
"""

NO_LSM = "lsm=landlock,lockdown,yama,integrity,apparmor"
ENFORCED = {"RUNAWAY_TEST_GATE_TIER": "T1"}
FULL = {"full": True, "timeout_s": 1800}
LONG = {"full": True, "timeout_s": 3600}
FALLBACK = {"RUNAWAY_TEST_DAEMON_ARGS": "--without fentry"}
# What a daemon must find on a kernel: it is asserted of each one that the guests start.
HOOK = "fentry"
WALK = {"5.10": "iter_task", "6.1": "iter_task", "6.12": "iter_task+hot", "7": "iter_task+hot"}

# name: kernel (scripts/fetch-kernel), arch, more for its command line, steps
GUESTS = {
    # The hybrid layout is that of the machine, too, where the native tests run.
    "5.10": {"kernel": "5.10", "steps": ["v2", "fallback", "hybrid", "v1"]},
    "6.1": {"kernel": "6.1", "steps": ["v2", "fallback", "v1"]},
    "6.1-preempt": {"kernel": "6.1", "append": "preempt=full", "steps": ["preempt", "guard"]},
    "6.12": {"kernel": "6.12", "steps": ["v2", "fallback", "v1"]},
    "7": {"kernel": "7", "steps": ["v2", "fallback", "v1"]},
    # Without the BPF LSM, as Debian boots: the gate's guard must say how little it is then.
    "5.10-no-lsm": {"kernel": "5.10", "append": NO_LSM, "steps": ["guard"]},
    "6.1-no-lsm": {"kernel": "6.1", "append": NO_LSM, "steps": ["guard"]},
    "6.12-no-lsm": {"kernel": "6.12", "append": NO_LSM, "steps": ["guard"]},
    "7-no-lsm": {"kernel": "7", "append": NO_LSM, "steps": ["guard", "tier"]},
    "6.12-arm64": {"kernel": "6.12", "arch": "arm64", "steps": ["arm64"]},
    # The unit that `make install` leaves, started by systemd as the first process.
    "6.1-unit": {"kernel": "6.1", "systemd": True, "steps": ["installed"]},
    # Everything there is about the gate, with the kernel's own guard in force: too long for
    # each run of the others, so with FULL=1 alone.
    "5.10-gate": {"kernel": "5.10", "steps": ["gate"], **FULL},
    "6.1-gate": {"kernel": "6.1", "steps": ["gate"], **FULL},
    "6.12-gate": {"kernel": "6.12", "steps": ["gate"], **FULL},
    "7-gate": {"kernel": "7", "steps": ["gate"], **FULL},
    "5.10-tier": {"kernel": "5.10", "append": NO_LSM, "steps": ["tier"], **FULL},
    "6.1-tier": {"kernel": "6.1", "append": NO_LSM, "steps": ["tier"], **FULL},
    "6.12-tier": {"kernel": "6.12", "append": NO_LSM, "steps": ["tier"], **FULL},
    # All that systemd does with the unit: restarts, the watchdog, reloads, the gate's drop-in.
    "6.1-systemd": {"kernel": "6.1", "systemd": True, "steps": ["unit"], **FULL},
    # What needs no browser and no network, and takes as long as the rest together.
    "5.10-more": {"kernel": "5.10", "steps": ["more"], **LONG},
    "6.1-more": {"kernel": "6.1", "steps": ["more", "hybrid"], **LONG},
    "6.12-more": {"kernel": "6.12", "steps": ["more", "hybrid"], **LONG},
    "7-more": {"kernel": "7", "steps": ["more", "hybrid"], **LONG},
}

BOOT_S = 60  # until the first process writes its first line
TIMEOUT_S = 600  # of a guest, from power on to power off, if it names no other


def variants(guest):
    """Reparenting and walk that each step of a guest has to use; "" is what its kernel offers."""
    walk = WALK[GUESTS[guest]["kernel"]]
    return {"": f"{HOOK} {walk}",
            **{name: f"{step.get('hook', HOOK)} {walk}" for name, step in STEPS.items()}}


def timeout_s(guest):
    return GUESTS[guest].get("timeout_s", TIMEOUT_S)


# name: cgroup layout, environment, programs below tests/ with the names of single tests, and
# what they need of the host that is too large for each guest
STEPS = {
    "v2": {"layout": "v2", "env": ENFORCED, "cases": True, "run": [
        ["e2e/test_threads.py"],
        ["e2e/test_privileges.py", "nothing_left_after_ready"],
        ["e2e/test_record_replay.py"],
        ["e2e/test_gate_process.py", "one_sigterm_for_one_approval", "protected_targets"],
        ["e2e/test_gate.py", "the_whole_path"],
    ]},
    "fallback": {"layout": "v2", "env": FALLBACK, "hook": "exit_children", "run": [
        ["e2e/test_threads.py", "every_orphan_of_an_exit_group", "subreaper_that_dies"],
    ]},
    "hybrid": {"layout": "hybrid", "cases": True, "run": []},
    "v1": {"layout": "v1", "cases": True, "run": [
        ["e2e/test_cgroup_life.py", "renamed_away_and_gone"]]},
    "guard": {"layout": "v2", "run": [["vm/cases/gate_guard.py"]]},
    "tier": {"layout": "v2", "run": [["vm/cases/gate_tier.py"]]},
    "arm64": {"layout": "v2", "run": [
        ["vm/cases/objects.py"], ["vm/cases/layouts.py"], ["e2e/test_threads.py"],
        ["e2e/test_record_replay.py"],
        # What the kernel side reads; lists that grow and the like are the same program.
        ["e2e/test_markers.py", "wherever_it_stands", "nobody_inherits_it_by_accident"]]},
    "installed": {"layout": "own", "env": ENFORCED, "run": [
        ["vm/cases/systemd_unit.py", "started_as_it_was_installed"]]},
    "unit": {"layout": "own", "env": ENFORCED, "timeout_s": 600, "run": [
        ["vm/cases/systemd_unit.py", "started_as_it_was_installed"],
        ["vm/cases/systemd_unit.py", "services_are_none_and_orphans_are"],
        ["vm/cases/systemd_unit.py", "replaced_in_every_way"],
        ["vm/cases/systemd_unit.py", "stopped_and_unloaded"],
        ["vm/cases/systemd_unit.py", "with_the_gates_drop_in"]]},
    "preempt": {"layout": "v2", "run": [["vm/cases/misses.py"]]},
    "gate": {"layout": "v2", "env": ENFORCED, "timeout_s": 800, "run": [
        ["e2e/test_gate_process.py"], ["e2e/test_gate.py"], ["e2e/test_gate_attacks.py"],
        ["e2e/test_gate_takeover.py"],
        ["e2e/test_unit_file.py", "one_signal_with_the_units_capabilities"],
        ["vm/cases/gate_clock.py"]]},
    "more": {"layout": "v2", "timeout_s": 600, "programs": ["promtool"], "run": [
        ["vm/cases/clock_and_pids.py"],
        ["e2e/test_accounting.py"], ["e2e/test_markers.py"], ["e2e/test_hostile.py"],
        ["e2e/test_cgroup_life.py", "gone_within_a_millisecond", "moved_in_the_middle_of_its_run",
         "the_dead_keep_the_name_of_their_cgroup"],
        ["e2e/test_cgroup_cpu.py"], ["e2e/test_many.py"], ["e2e/test_ci_load.py"],
        # All but how long it takes.
        ["e2e/test_lifecycle.py", "version_and_usage", "check_config", "reload_keeps_the_last_good",
         "ends_cleanly", "port_zero_and_second_daemon", "pins_when_asked", "client_exit_statuses",
         "client_of_a_daemon_that_stands_still", "lanes_tried_on_the_live_model"],
        ["e2e/test_store.py"], ["e2e/test_textfile.py"],
        ["e2e/test_namespaces.py"],
        ["e2e/test_continuity.py", "stopped_killed_and_suspended", "an_upgrade_replaces_the_pins",
         "two_daemons_on_one_pin_directory", "unload_leaves_nothing",
         "without_pins_the_journal_serves", "under_a_service_manager"]]},
}

# What tests/soak has run in guests, with its own counts (tests/vm/run --step); no guest's own.
STEPS.update({
    "lineage": {"layout": "v2", "run": [["soak/test_lineage.py", "orphan_storm"]]},
    "race": {"layout": "v2", "run": [["soak/test_lineage.py", "exit_group_race"]]},
    "shapes": {"layout": "v2", "run": [["soak/test_lineage.py", "shapes"]]},
    "misses": {"layout": "v2", "run": [["vm/cases/misses.py"]]},
})


def chosen(kernels, full=False):
    """
    Guests of these kernels (words; a guest's own name or its other architecture does as well);
    all when there is none. Those for a full run only when it is one, or by their own name.
    """
    wanted = set(kernels.split())
    known = {word for n, g in GUESTS.items() for word in words_for(n, g)}
    if wanted - known:
        raise SystemExit("KERNELS: no such kernel in tests/vm/matrix.py: "
                         + " ".join(sorted(wanted - known)))
    return [n for n, g in GUESTS.items()
            if n in wanted
            or (full or not g.get("full")) and (not wanted or wanted & words_for(n, g))]


def work(name):
    """For what to start first: emulating another architecture takes longest."""
    return "arch" in GUESTS[name], len(GUESTS[name]["steps"])


def words_for(name, guest):
    return {name, guest.get("arch", guest["kernel"])}
