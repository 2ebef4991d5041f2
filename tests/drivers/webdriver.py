#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
webdriver.py [--own-group] FOLDER: a smoke test that speaks W3C WebDriver, as Selenium does.
Starts chromedriver (which starts Chromium), opens FOLDER/spin.html, says so in
FOLDER/ready, and waits for chromedriver. With --own-group chromedriver leads a process
group, as one started from a shell with job control does.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time

QUIET = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
    "--disable-default-apps", "--disable-domain-reliability", "--no-pings",
]  # fmt: skip
CAPABILITIES = {"capabilities": {"alwaysMatch": {
    "browserName": "chrome",
    "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": QUIET},
}}}  # fmt: skip


def call(port, method, path, body=None):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        conn.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = conn.getresponse()
        value = json.loads(answer.read())["value"]
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {value}")
        return value
    finally:
        conn.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_ready(port, driver):
    while driver.poll() is None:
        try:
            if call(port, "GET", "/status")["ready"]:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"chromedriver ended: {driver.returncode}")


def main(words):
    own_group = words[0] == "--own-group"
    folder = words[-1]
    port = free_port()
    driver = subprocess.Popen(["chromedriver", f"--port={port}"],
                              process_group=0 if own_group else None)
    wait_until_ready(port, driver)
    session = call(port, "POST", "/session", CAPABILITIES)["sessionId"]
    call(port, "POST", f"/session/{session}/url", {"url": f"file://{folder}/spin.html"})
    with open(f"{folder}/ready.new", "w", encoding="ascii") as f:
        f.write(f"{driver.pid}\n")
    os.rename(f"{folder}/ready.new", f"{folder}/ready")
    return 1 if driver.wait() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
