# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reads a map of a running daemon that has an entry for each CPU straight from the kernel: a second opinion on its
counters that starts no process, so that looking does not change what is counted.
"""

import ctypes
import os
import struct

NR_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
MAP_LOOKUP_ELEM, MAP_GET_NEXT_KEY = 1, 4
MAP_GET_NEXT_ID, PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 12, 13, 14, 15

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(cmd, attr):
    r = _libc.syscall(NR_BPF, cmd, ctypes.byref(attr), len(attr))
    if r < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))
    return r


def _attr(data):
    return ctypes.create_string_buffer(data.ljust(128, b"\0"), 128)


def _info(fd):
    """(type, id, key size, value size, entries, flags, name)"""
    info = ctypes.create_string_buffer(88)
    _bpf(OBJ_GET_INFO_BY_FD, _attr(struct.pack("=IIQ", fd, len(info), ctypes.addressof(info))))
    fields = struct.unpack_from("=6I16s", info.raw)
    return fields[:6] + (fields[6].split(b"\0")[0].decode(),)


def _ids():
    last = 0
    while True:
        attr = _attr(struct.pack("=II", last, 0))
        try:
            _bpf(MAP_GET_NEXT_ID, attr)
        except FileNotFoundError:
            return
        last = struct.unpack_from("=II", attr.raw)[1]
        yield last


def held_by(pid, what="map"):
    """Ids of the maps, or of the programs ("prog"), that a process holds open."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as f:
                found |= {int(x.split()[1]) for x in f if x.startswith(what + "_id:")}
        except FileNotFoundError:
            pass
    return found


class Prog:
    """A program that a process has loaded. Its runs are counted where kernel.bpf_stats_enabled is 1."""

    def __init__(self, pid, name):
        for prog_id in held_by(pid, "prog"):
            self.fd = _bpf(PROG_GET_FD_BY_ID, _attr(struct.pack("=I", prog_id)))
            if self._info()[64:80].split(b"\0")[0].decode() == name:
                return
            os.close(self.fd)
        raise AssertionError(f"process {pid} holds no program {name}")

    def _info(self):
        info = ctypes.create_string_buffer(216)  # struct bpf_prog_info, up to recursion_misses
        _bpf(OBJ_GET_INFO_BY_FD,
             _attr(struct.pack("=IIQ", self.fd, len(info), ctypes.addressof(info))))
        return info.raw

    def asked_to_run(self):
        """Runs, and those that the kernel skipped."""
        return sum(struct.unpack_from("=2Q", self._info(), 200))

    def __del__(self):
        os.close(self.fd)


class Map:
    def __init__(self, pid, name):
        mine = held_by(pid)
        for map_id in _ids():
            if map_id not in mine:
                continue
            fd = _bpf(MAP_GET_FD_BY_ID, _attr(struct.pack("=I", map_id)))
            info = _info(fd)
            if info[6] == name:
                self.fd, self.key_size, self.size, self.entries = fd, *info[2:5]
                return
            os.close(fd)
        raise AssertionError(f"process {pid} holds no map {name}")

    def __del__(self):
        if hasattr(self, "fd"):
            os.close(self.fd)


class HashMap(Map):
    def count(self):
        """Entries; what comes and goes meanwhile may be counted or not."""
        key, following = (ctypes.create_string_buffer(self.key_size) for _ in range(2))
        at, n = 0, 0
        while True:
            attr = _attr(struct.pack("=IIQQ", self.fd, 0, at, ctypes.addressof(following)))
            try:
                _bpf(MAP_GET_NEXT_KEY, attr)
            except FileNotFoundError:
                return n
            n += 1
            key.raw = following.raw
            at = ctypes.addressof(key)


class CpuMap(Map):
    """A map whose key is a CPU."""

    def sums(self):
        """Its 64-bit fields summed over the CPUs."""
        total = [0] * (self.size // 8)
        value = ctypes.create_string_buffer(self.size)
        for cpu in range(self.entries):
            key = ctypes.create_string_buffer(struct.pack("=I", cpu))
            _bpf(MAP_LOOKUP_ELEM, _attr(struct.pack("=IIQQQ", self.fd, 0, ctypes.addressof(key),
                                                    ctypes.addressof(value), 0)))
            words = struct.unpack(f"={len(total)}Q", value.raw)
            total = [a + b for a, b in zip(total, words)]
        return total
