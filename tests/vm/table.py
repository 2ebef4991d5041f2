#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""table.py BUILD: writes what the guests found into docs/kernels.md, between its two marks.

The tables there are also what a run is held against: a program for which the verifier has to
do more than 25 % more than the table says is a failure. A run never writes them by itself.
"""

import json
import pathlib
import re
import sys

import matrix

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/kernels.md"
BEGIN, END = "<!-- matrix: written by make check-vm WRITE=1 -->", "<!-- matrix: end -->"
GROWTH = 1.25
NOT_LOADED = "-"


def read_facts(build):
    """guest -> what it found, of those that were run with all of their tests."""
    found = {}
    for guest in matrix.GUESTS:
        path = build / "test-logs" / f"vm-{guest}.facts"
        if path.exists():
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts.get("failed") == 0:
                found[guest] = facts
    return found


def rows(cells):
    """A table in Markdown, its head first."""
    out = []
    for i, row in enumerate(cells):
        out.append("| " + " | ".join(str(c) for c in row) + " |")
        if i == 0:
            out.append("|" + " --- |" * len(row))
    return "\n".join(out)


def matrix_table(found):
    head = ["guest", "kernel", "arch", "cgroups", "walk", "reparenting", "skipped runs", "passed"]
    cells = [head]
    for guest, f in found.items():
        cells.append([f"`{guest}`", f["release"], f["machine"], ", ".join(f.get("layouts", [])) or "-",
                      f"`{f['scan']}`" if "scan" in f else "-",
                      f"`{f['reparent']}`, `exit_children`" if f.get("reparent") == "fentry"
                      else f"`{f['reparent']}`" if "reparent" in f else "-",
                      f.get("misses", "-"), f["passed"]])
    return rows(cells)


def instruction_table(found):
    with_insns = {g: f["insns"] for g, f in found.items() if f.get("insns")}
    programs = sorted({p for insns in with_insns.values() for p in insns})
    cells = [["program", *(f"`{g}`" for g in with_insns)]]
    for name in programs:
        cells.append([f"`{name}`", *(i.get(name, NOT_LOADED) for i in with_insns.values())])
    return rows(cells)


def committed():
    """guest -> program -> instructions, as the document has them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    if BEGIN not in text:
        return {}
    guests, table = [], {}
    for line in text.split(BEGIN)[1].split(END)[0].splitlines():
        cells = [c.strip().strip("`") for c in line.strip("|").split("|")]
        if cells[0] == "program":
            guests = cells[1:]
            table = {g: {} for g in guests}
        elif guests and re.match(r"rw_\w+$", cells[0]):
            for guest, cell in zip(guests, cells[1:]):
                if cell != NOT_LOADED:
                    table[guest][cells[0]] = int(cell)
    return table


def grown(guest, insns):
    """What became dearer than the table allows, in words."""
    before = committed().get(guest, {})
    return [f"{name}: {n} instructions, {before[name]} in docs/kernels.md"
            for name, n in insns.items() if name in before and n > before[name] * GROWTH]


def write(build):
    found = read_facts(build)
    if not found:
        raise SystemExit("table.py: no guest has left facts; run make check-vm first")
    missing = set(matrix.chosen("")) - set(found)
    if missing:
        print(f"not renewed, {', '.join(sorted(missing))} did not pass or were not run: {DOCUMENT}")
        return 1
    text = DOCUMENT.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    tables = (f"{BEGIN}\n\n{matrix_table(found)}\n\nInstructions that the verifier processed, "
              f"by program:\n\n{instruction_table(found)}\n\n{END}")
    DOCUMENT.write_text(head + tables + rest.split(END)[1], encoding="utf-8")
    print(f"{DOCUMENT}: {len(found)} guests")
    return 0


if __name__ == "__main__":
    sys.exit(write(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()))
