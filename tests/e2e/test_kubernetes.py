#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The DaemonSet's manifest: what it says, what the page about it says, and that it works so."""

import json
import os
import re
import signal
import subprocess

import procfs
import yaml
from continuity import pin_dir
from containers import Container, InnerOrphans, bind
from harness import ROOT, main, test, wait_for
from scenes import GENERIC_LANE, OrphanMaker, orphan_lane

MANIFEST = os.path.join(ROOT, "deploy", "kubernetes", "runawayd.yaml")
PAGE = os.path.join(ROOT, "docs", "kubernetes.md")
PINS = "/sys/fs/bpf/runawayd"
# What `privileged` grants and the daemon asks for at its start; none of it is left after.
CAPABILITIES = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE",
                "CAP_DAC_READ_SEARCH", "CAP_CHOWN", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID",
                "CAP_SETPCAP"]
LANE = orphan_lane(GENERIC_LANE, 0.02, 0.01, 0.4)


def manifest():
    with open(MANIFEST, encoding="utf-8") as f:
        return {doc["kind"]: doc for doc in yaml.safe_load_all(f)}


def pod():
    return manifest()["DaemonSet"]["spec"]["template"]["spec"]


def mebibytes(quantity):
    assert quantity.endswith("Mi"), quantity
    return int(quantity[:-2])


@test
def says_what_a_node_needs(_t):
    docs = manifest()
    assert set(docs) == {"Namespace", "ServiceAccount", "ConfigMap", "DaemonSet", "NetworkPolicy"}
    assert {d["metadata"].get("namespace", "runawayd") for d in docs.values()} == {"runawayd"}
    spec, template = docs["DaemonSet"]["spec"], docs["DaemonSet"]["spec"]["template"]
    assert spec["selector"]["matchLabels"] == template["metadata"]["labels"]
    p = template["spec"]
    assert p["hostPID"] is True and p["automountServiceAccountToken"] is False
    assert p["tolerations"] == [{"operator": "Exists"}], "every node"
    (c,) = p["containers"]
    assert c["securityContext"]["privileged"] and c["securityContext"]["readOnlyRootFilesystem"]
    paths = {probe: c[probe]["httpGet"]["path"] for probe in c if probe.endswith("Probe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz",
                     "readinessProbe": "/readyz"}, paths
    (port,) = c["ports"]
    listen = next(a for a in c["args"] if a.startswith("--web.listen-address="))
    assert listen.endswith(f":{port['containerPort']}"), listen
    assert {probe["httpGet"]["port"] for k, probe in c.items() if k.endswith("Probe")} == {"metrics"}
    volumes = {v["name"] for v in p["volumes"]}
    assert {m["name"] for m in c["volumeMounts"]} == volumes
    # Pins, and what goes with them, belong to the node: a pod that is replaced finds them.
    assert f"--pin-dir={PINS}" in c["args"], c["args"]
    mounts = {m["mountPath"]: m for m in c["volumeMounts"]}
    bpffs = mounts[os.path.dirname(PINS)]
    assert bpffs["mountPropagation"] == "HostToContainer" and not bpffs.get("readOnly"), bpffs
    on_node = {v["name"]: v["hostPath"]["path"] for v in p["volumes"] if "hostPath" in v}
    for path in (os.path.dirname(PINS), "/run/runawayd", "/var/lib/runawayd"):
        assert on_node[mounts[path]["name"]] == path, (path, on_node)
    # The budgets: 40 MiB resident at 10,000 tasks, a hundredth of a core.
    assert mebibytes(c["resources"]["limits"]["memory"]) >= 128
    assert mebibytes(c["resources"]["requests"]["memory"]) >= 40
    assert int(c["resources"]["requests"]["cpu"].rstrip("m")) >= 10


@test
def the_page_lists_its_mounts(_t):
    with open(PAGE, encoding="utf-8") as f:
        rows = re.findall(r"^\| `(/[^`]+)` \| (read-only|writable) \|", f.read(), re.M)
    (c,) = pod()["containers"]
    assert sorted(rows) == sorted(
        (m["mountPath"], "read-only" if m.get("readOnly") else "writable")
        for m in c["volumeMounts"]), rows


def oci(t, config, host_pid):
    """The pod as a runtime would make it: the spec that crun is given."""
    p = pod()
    (c,) = p["containers"]
    paths = {v["name"]: v.get("hostPath", {}).get("path") for v in p["volumes"]}
    folders = {name: t.path(name) for name in ("state", "config", "run")}
    for folder in folders.values():
        os.makedirs(folder, exist_ok=True)
    folders["bpffs"] = os.path.dirname(pin_dir(t))
    text = manifest()["ConfigMap"]["data"]["runawayd.json"]
    with open(os.path.join(folders["config"], "runawayd.json"), "w", encoding="utf-8") as f:
        f.write(re.sub(r"\n}\s*$", ",\n" + json.dumps(config)[1:], text))

    def change(spec):
        spec["root"]["readonly"] = c["securityContext"]["readOnlyRootFilesystem"]
        spec["process"]["noNewPrivileges"] = False
        spec["process"]["capabilities"] = {kind: CAPABILITIES for kind in
                                           ("bounding", "effective", "permitted")}
        # `privileged` stays in the host's cgroup namespace, hostPID in its pid namespace.
        gone = {"cgroup", "pid"} if host_pid else {"cgroup"}
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"]
                                       if n["type"] not in gone]
        spec["mounts"].insert(1, bind("/sys", "/sys", "ro"))
        spec["mounts"].append(bind(os.path.join(t.build, "bin"), "/opt", "ro"))
        for mount in c["volumeMounts"]:
            name, mode = mount["name"], "ro" if mount.get("readOnly") else "rw"
            source = folders.get(name) or paths[name]
            spec["mounts"].append(bind(source, mount["mountPath"], mode))
    args = [a.replace("$(NODE_NAME)", "node-7") for a in c["args"]]
    return ["/opt/runawayd", *args], change


def unload(t):
    """What the page says of the end."""
    pins = os.path.join(os.path.dirname(pin_dir(t)), os.path.basename(PINS))
    return subprocess.run([t.runawayd, "--unload", "--pin-dir", pins, "--runtime-dir",
                           t.path("run")], capture_output=True, check=False)


def deploy(t, host_pid):
    """A daemon as the manifest has it; (container, its interval is short)."""
    t.defer(unload, t)
    init, change = oci(t, {"sample_interval_ms": 200, "lanes": [LANE]}, host_pid)
    container = Container(t, "containerd, systemd", init, change)

    def get(path):
        """As the kubelet probes: (HTTP status, body)."""
        _, out = container.run("/usr/bin/curl", "-s", "-w", "\n%{http_code}",
                               f"http://127.0.0.1:10917{path}")
        body, _, status = out.rpartition("\n")
        return int(status), body

    wait_for(lambda: get("/healthz")[0] == 200, 20, f"it is alive: {container.log()[-500:]}")
    return container, get


@test
def watches_its_node(t):
    container, get = deploy(t, host_pid=True)
    wait_for(lambda: get("/readyz")[0] == 200, 10, f"it is ready: {get('/readyz')}")
    status = json.loads(get("/api/v1/status")[1])
    assert status["host_label"] == "node-7" and status["gaps"] == [] and status["up"], status
    assert status["privileges_dropped"], status["cap_effective"]
    code, text = container.run("/opt/runawayctl", "doctor")
    assert code == 0, text
    # A job's container on the same node: found, by its own names.
    job = Container(t, "containerd, cgroupfs")
    pid = InnerOrphans(job).make()[2]
    found = wait_for(lambda: [f for f in json.loads(get("/api/v1/findings")[1])
                              if f["subject"]["root_pid"] == pid], 20, "a finding")[0]
    assert found["subject"]["pod_uid"] == job.pod_uid
    assert found["subject"]["container_id"] == job.id
    limit = mebibytes(pod()["containers"][0]["resources"]["limits"]["memory"])
    assert procfs.rss_bytes(container.pid) < limit << 20


@test
def a_pod_is_replaced(t):
    """Killed; orphans are made while there is none; the next one knows their stories."""
    first, get = deploy(t, host_pid=True)
    wait_for(lambda: get("/readyz")[0] == 200, 10, "the first is ready")
    assert json.loads(get("/api/v1/status")[1])["continuity"]["pins"] == "made"
    maker = OrphanMaker(t)
    before = maker.make()
    wait_for(lambda: before[1] in {o["pid"] for o in json.loads(get("/api/v1/orphans")[1])}, 5,
             "an orphan of before")
    t.signal(first.pid, signal.SIGKILL)
    wait_for(lambda: not procfs.alive(first.pid), 5, "it is gone")
    first.crun("delete", "--force", first.id)
    between = maker.make()
    _, get = deploy(t, host_pid=True)
    wait_for(lambda: get("/readyz")[0] == 200, 10, "the second is ready")
    kept = json.loads(get("/api/v1/status")[1])["continuity"]
    assert kept["pins"] == "adopted" and kept["whole"] and kept["recalled"], kept

    def wrong():
        found = {o["pid"]: o["origin"] for o in json.loads(get("/api/v1/orphans")[1])}
        return {pid: found.get(pid) for origin, pid, _ in (before, between)
                if pid not in found or found[pid]["pid"] != origin or not found[pid]["known"]}

    wait_for(lambda: not wrong(), 5, f"both orphans have their origins: {wrong()}")


@test
def without_host_pid_it_is_never_ready(t):
    container, get = deploy(t, host_pid=False)
    code, body = get("/readyz")
    assert code == 503 and "hostPID: true" in body, body
    code, text = container.run("/opt/runawayctl", "doctor")
    assert code == 1 and "FAIL  pid_namespace" in text and "hostPID: true" in text, text
    assert "hostPID: true" in container.log(), container.log()
    assert "runaway_monitor_up 0" in get("/metrics")[1]


if __name__ == "__main__":
    main()
