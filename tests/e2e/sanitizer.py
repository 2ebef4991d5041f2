# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sanitizers of a SAN=1 build had to say: the memory that tests/sanitizer.c writes to."""

import os
import struct

EXIT_STATUS = 86  # of whatever they ended


class Reports:
    """Those from now on; of another build there are none."""

    def __init__(self, build):
        self.path = os.path.join(build, "sanitizer-reports")
        self.begin = self._read()[0]

    def _read(self):
        try:
            with open(self.path, "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return 0, b""
        return struct.unpack("=I", data[:4])[0] if len(data) > 4 else 0, data[4:]

    def text(self):
        """Empty when nothing was found."""
        used, text = self._read()
        if used == self.begin:
            return ""
        # Where there was no room left, the count alone tells.
        return text[self.begin:used].rstrip(b"\0").decode("utf-8", "replace") or \
            f"{used - self.begin} bytes more than fit into {self.path}"
