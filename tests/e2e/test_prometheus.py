#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# beside: yes
"""The shipped alert rules in a real Prometheus: the page that the on-call person gets."""

import os
import re
import subprocess

from harness import ROOT, free_port, http_request, main, test, wait_for
from scenes import BROWSER_LANE, Browser, short_lanes

ALERT = "HostOrphanBrowserSmokeHighCpu"

CONFIG = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: ["{dir}/alerts.yml"]
scrape_configs:
  - job_name: runawayd
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


def shortened(text):
    """The shipped rules, the same but for how long a condition must hold."""
    short = re.sub(r"(?m)^(\s*for:).*$", r"\1 2s", text)
    short = re.sub(r"(?m)^(\s*keep_firing_for:).*$", r"\1 1s", short)
    short = re.sub(r"(?m)^(\s*interval:).*$", r"\1 1s", short)
    assert f"alert: {ALERT}" in short
    return short


class Prometheus:
    def __init__(self, t, daemon):
        t.need("prometheus", "promtool")
        folder = t.path("prometheus")
        os.mkdir(folder)
        self.port = free_port()
        with open(os.path.join(ROOT, "deploy", "prometheus", "alerts.yml"), encoding="utf-8") as f:
            t.write("prometheus/alerts.yml", shortened(f.read()))
        config = t.write("prometheus/prometheus.yml", CONFIG.format(dir=folder, port=daemon.port))
        with open(os.path.join(folder, "log"), "wb") as log:
            self.proc = t.spawn(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.ready, 30, "Prometheus is ready")

    def ready(self):
        try:
            return http_request(self.port, "/-/ready").status == 200
        except OSError:
            return False

    def api(self, path):
        reply = http_request(self.port, "/api/v1/" + path).json()
        assert reply["status"] == "success", reply
        return reply["data"]

    def alerts(self, state=None):
        return [a for a in self.api("alerts")["alerts"]
                if a["labels"]["alertname"] == ALERT and state in (None, a["state"])]

    def scrapes(self):
        up = self.api("query?query=up%7Bjob%3D%22runawayd%22%7D")["result"]
        return bool(up) and up[0]["value"][1] == "1"


@test
def alert_fires_and_resolves(t):
    # Whoever else runs takes CPU from the browser; how much is enough is test_orphan_browser's.
    daemon = t.daemon({"lanes": short_lanes(t, cpu_cores_min=0.1)})
    prometheus = Prometheus(t, daemon)
    wait_for(prometheus.scrapes, 20, "Prometheus scrapes the daemon")
    assert not prometheus.alerts(), prometheus.alerts()
    browser = Browser(t)
    browser.kill_smoke()
    wait_for(lambda: daemon.findings(browser.pid, BROWSER_LANE), 20, "a finding")
    alert = wait_for(lambda: prometheus.alerts("firing"), 40, f"{ALERT} fires")[0]
    assert alert["labels"]["lane"] == BROWSER_LANE, alert
    assert alert["annotations"].get("summary"), alert
    # The other rules are quiet: the monitor is there, fresh and complete.
    firing = {a["labels"]["alertname"] for a in prometheus.api("alerts")["alerts"]
              if a["state"] == "firing"}
    assert firing == {ALERT}, firing
    browser.end()
    wait_for(lambda: not prometheus.alerts(), 40, f"{ALERT} is resolved")


if __name__ == "__main__":
    main()
