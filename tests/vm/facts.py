# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest found out for docs/kernels.md: a document that its cases add to."""

import json
import os

PATH = "/tmp/facts.json"


def read():
    try:
        with open(PATH, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def add(**more):
    with open(PATH + ".new", "w", encoding="utf-8") as f:
        json.dump({**read(), **more}, f)
    os.rename(PATH + ".new", PATH)
