# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a guest needs so that systemd is its first process: Debian's packages of it, unchanged, the
accounts that they declare, runawayd as `make install` lays it out, and the driver as a service.
"""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATH = "/usr/lib/systemd/systemd"
PACKAGES = """
systemd systemd-sysv dbus dbus-daemon dbus-bin dbus-system-bus-common dbus-session-bus-common
dbus-user-session libpam-systemd libpam-modules libpam-runtime
""".split()
UNUSED = re.compile(r"/usr/share/(man|doc|locale|lintian|bash-completion|zsh|bug)/")
# Nothing is to be made anew at a first boot, and nobody logs in on a console.
APPEND = (f"MANAGER={PATH} systemd.unit=guest.target systemd.condition-needs-update=no "
          "systemd.getty_auto=no systemd.show_status=no")
USER = "tester"
TEXTS = {
    "etc/machine-id": "8f9c2d5b7a3e4c1d9e6f0a1b2c3d4e5f\n",
    "etc/os-release": 'ID=debian\nPRETTY_NAME="Debian in a guest"\n',
    "etc/fstab": "",
    # pam-auth-update writes them when packages are installed.
    **{f"etc/pam.d/common-{kind}": f"{kind.split('-')[0]} required pam_permit.so\n"
       for kind in ("account", "auth", "password", "session", "session-noninteractive")},
    "etc/systemd/system/guest.target":
        "[Unit]\nRequires=multi-user.target\nWants=guest.service\nAfter=multi-user.target\nAllowIsolate=yes\n",
    # Emulated and beside others, what takes 2 s elsewhere can take longer than systemd waits.
    "etc/systemd/system.conf.d/emulated.conf": "[Manager]\nDefaultTimeoutStartSec=300\n",
}
DRIVER = """[Unit]
Description=Tests of this guest
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=exec
ExecStart=/usr/bin/python3 /runawayd/tests/vm/guest.py
# What was written to the line has to leave it.
ExecStopPost=sleep 1
StandardInput={stdin}
StandardOutput=tty
StandardError=tty
TTYPath=/dev/{line}
Delegate=yes
TasksMax=infinity
"""


def texts(line, shell):
    """Files of the image; `line`: where the driver's results go."""
    unit = DRIVER.format(line=line, stdin="tty-force" if shell else "null")
    return {**TEXTS, "etc/systemd/system/guest.service": unit}


def packaged():
    """Name in the image -> path, of all that the packages brought."""
    said = subprocess.run(["dpkg-query", "-L", *PACKAGES], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    for path in said.splitlines():
        if UNUSED.search(path) or os.path.isdir(path) and not os.path.islink(path):
            continue
        # /bin, /lib and /sbin lead to /usr.
        folder, name = os.path.split(path)
        if os.path.lexists(path):
            yield os.path.relpath(os.path.join(os.path.realpath(folder), name), "/"), path


def stage(folder, build, known):
    """
    Into `folder`: the accounts of `known` (texts by name), those that the packages declare, a user;
    what `make install` makes of `build`. Yields pairs of a name in the image and a path.
    """
    (folder / "etc").mkdir()
    for name in ("etc/passwd", "etc/group"):
        (folder / name).write_text(known[name], encoding="ascii")
    quiet = {"check": True, "stderr": subprocess.DEVNULL}
    declared = sorted(str(p) for p in pathlib.Path("/usr/lib/sysusers.d").glob("*.conf"))
    subprocess.run(["systemd-sysusers", f"--root={folder}", *declared], **quiet)
    subprocess.run(["systemd-sysusers", f"--root={folder}", "--inline", "u messagebus - -",
                    f"u {USER} 1000 - /home/{USER} /bin/sh"], **quiet)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={folder}",
                    f"B={os.path.relpath(build, ROOT)}"], env=env, check=True, stdout=subprocess.DEVNULL)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path
