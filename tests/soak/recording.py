# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a recording: what the kernel side said, record by record (include/runaway/wire.h)."""

import struct

CHILDREN = 4
HDR = struct.Struct("=HHIQQ")  # type, cpu, len, seq, time_ns
_children = struct.Struct("=QIIIIII")  # parent id, tid, live, count, flags
_child = struct.Struct("=QIIII")  # id, pgid, sid


def records(path):
    """(type, the record's bytes after its header)"""
    with open(path, "rb") as f:
        data = f.read()
    at = 8  # behind the magic
    while at + HDR.size <= len(data):
        kind, _, length, _, _ = HDR.unpack_from(data, at)
        yield kind, memoryview(data)[at + HDR.size: at + length]
        at += length


def children(body):
    """(the parent's pid, its threads still alive, [pids of the children])"""
    _, parent, _, _, live, count, _ = _children.unpack_from(body)
    return parent, live, [_child.unpack_from(body, _children.size + i * _child.size)[1]
                  for i in range(count)]
