#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
marionette.py FOLDER: a smoke test that drives Firefox as geckodriver does. Starts it
with --marionette in the process group that it is in itself, opens FOLDER/spin.html by
Marionette's protocol, says so in FOLDER/ready, and waits for Firefox.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time

PREFS = """
user_pref("marionette.port", 0);
user_pref("dom.max_script_run_time", 0);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("extensions.update.enabled", false);
"""


class Marionette:
    """Messages are LENGTH:JSON; a command is [0, ID, NAME, PARAMETERS], its answer [1, ID, …]."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.stream = self.socket.makefile("rb")
        self.last = 0
        self.read()  # who it is

    def read(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise RuntimeError("Firefox hung up")
            length += byte
        return json.loads(self.stream.read(int(length[:-1])))

    def call(self, name, parameters):
        self.last += 1
        body = json.dumps([0, self.last, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(body), body))
        _, _, error, value = self.read()
        if error:
            raise RuntimeError(f"{name}: {error}")
        return value


def port_of(profile, browser):
    path = os.path.join(profile, "MarionetteActivePort")
    while browser.poll() is None:
        try:
            with open(path, encoding="ascii") as f:
                text = f.read().strip()
            if text:
                return int(text)
        except FileNotFoundError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"Firefox ended: {browser.returncode}")


def main(folder):
    profile = tempfile.mkdtemp(prefix="rust_mozprofile")
    with open(os.path.join(profile, "user.js"), "w", encoding="ascii") as f:
        f.write(PREFS)
    browser = subprocess.Popen(["firefox-esr", "--marionette", "--headless", "-no-remote",
                                "-profile", profile])
    session = Marionette(port_of(profile, browser))
    session.call("WebDriver:NewSession", {})
    session.call("WebDriver:Navigate", {"url": f"file://{folder}/spin.html"})
    with open(f"{folder}/ready.new", "w", encoding="ascii") as f:
        f.write(f"{os.getpid()}\n")
    os.rename(f"{folder}/ready.new", f"{folder}/ready")
    return 1 if browser.wait() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
